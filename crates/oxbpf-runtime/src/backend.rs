//! The embedded kernel behind the seam.

use core::ops::Range;
use std::path::Path;
use std::time::Duration;

use oxbpf_kernel::{
    Backend, Blob, Command, Fact, Handle, Mapping, NlError, NlMessage, Opening, PerfRequest, PollSet, Prot,
    Reply,
};
use oxbpf_uapi::Errno;

use crate::perf::PerfKind;
use crate::registry::{Object, object_of, writable_map};
use crate::{Runtime, bpf, facts, perf};

impl Backend for Runtime {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        bpf::command(&self.0, cmd)
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        perf::request(&self.0, req)
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        let len = range.end.checked_sub(range.start).filter(|len| *len > 0).ok_or(Errno::EINVAL)?;
        match object_of(handle)? {
            Object::Map(map) => {
                if prot == Prot::ReadWrite && map.ops.as_ring().is_none() {
                    writable_map(handle)?;
                }
                map.ops.mmap(range.start, len, prot)
            }
            Object::Perf(event) => match &event.what {
                PerfKind::Output(ring) => ring.mmap(range.start, len, prot),
                PerfKind::Hook(_) => Err(Errno::EINVAL),
            },
            _ => Err(Errno::ENODEV),
        }
    }

    fn netlink(&self, _msg: &NlMessage<'_>, _each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        log::warn!("netlink is not served by the embedded kernel: attach XDP and tc programs by link");
        Err(Errno::EOPNOTSUPP.into())
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        if let Fact::InterfaceIndex(name) = what {
            let index = self.0.interfaces.index(name).ok_or(Errno::ENODEV)?;
            return Ok(index.to_string().into_bytes().into());
        }
        facts::fact(&self.0, what)
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        match what {
            Opening::Binary(path) => Ok(Handle::from_object(-1, facts::Binary::open(path)?)),
            Opening::TraceLog => Ok(self.0.registry.handle(Object::TraceLog)),
            // There is none, so no token either.
            Opening::BpfFs(_) => Err(Errno::ENOENT),
            other => {
                log::warn!("{other:?}: not served by the embedded kernel");
                Err(Errno::EOPNOTSUPP)
            }
        }
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        match object_of(handle)? {
            Object::Iter(iter) => iter.read(&self.0, out),
            Object::TraceLog => match self.0.trace_log.read(out) {
                0 => Err(Errno::EAGAIN),
                count => Ok(count),
            },
            _ => Err(Errno::EINVAL),
        }
    }

    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        handle.object::<facts::Binary>().ok_or(Errno::EBADF)?.read_at(offset, out)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        handle.object::<facts::Binary>().ok_or(Errno::EBADF)?.len()
    }

    fn adopt(&self, number: i32) -> Result<Handle, Errno> {
        self.0.registry.take_opened(number)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.0.registry.unpin(path)
    }

    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        self.0.poll(set, timeout)
    }
}
