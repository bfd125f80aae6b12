//! `Linux`: the back end that is the running kernel.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use oxbpf_kernel::{
    Backend, Blob, Command, Fact, Handle, Kernel, Mapping, NlError, NlMessage, Opening, PerfRequest, PollSet,
    ProgFd, Prot, Reply, SocketRole,
};
use oxbpf_uapi::{Errno, MapType};

use crate::attr::{self, MapShape};
use crate::{facts, netlink, perf, poll, syscall};

/// The running kernel. Cheap to make; it holds only what it has learnt about the machine.
#[derive(Debug, Default)]
pub struct Linux {
    possible_cpus: OnceLock<usize>,
    /// Whether the limit on locked memory could be raised, once it was in the way.
    raised_memlock: OnceLock<bool>,
}

/// A [`Kernel`] that is the running one.
pub fn kernel() -> Kernel {
    Kernel::new(Linux::new())
}

/// What is kept with a map's descriptor.
#[derive(Clone, Copy, Debug)]
struct MapNote {
    map_type: MapType,
    key_size: u32,
    value_size: u32,
}

impl Linux {
    /// The running kernel.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values that a per-CPU map has for each key.
    fn possible_cpus(&self) -> Result<usize, Errno> {
        if let Some(count) = self.possible_cpus.get() {
            return Ok(*count);
        }
        let text = facts::read(Fact::PossibleCpus)?;
        let count = facts::cpu_count(&String::from_utf8_lossy(&text)).ok_or(Errno::EINVAL)?;
        Ok(*self.possible_cpus.get_or_init(|| count))
    }

    /// Whether a refusal may be for lack of lockable memory, and that has just been helped.
    ///
    /// Before Linux 5.11 maps, programs and BTF count as locked memory, whose usual limit is a few maps. Like libbpf, this
    /// raises the limit of the process, but only when a command was refused. Another thread may have raised it since.
    fn may_be_memlock(&self, cmd: &Command<'_>) -> bool {
        let takes_memory = matches!(cmd, Command::MapCreate(_) | Command::ProgLoad(_) | Command::BtfLoad(_));
        takes_memory && *self.raised_memlock.get_or_init(|| crate::raise_memlock().is_ok())
    }

    /// Sizes of a map's keys and values.
    pub(crate) fn map_shape(&self, map: &Handle) -> Result<MapShape, Errno> {
        let note = self.map_note(map)?;
        let cpus = if note.map_type.is_per_cpu() { self.possible_cpus()? } else { 1 };
        Ok(MapShape::new(note.map_type, note.key_size, note.value_size, cpus))
    }

    /// Type and sizes of a map, asked once a descriptor.
    fn map_note(&self, map: &Handle) -> Result<MapNote, Errno> {
        if let Some(note) = map.note::<MapNote>() {
            return Ok(*note);
        }
        let (map_type, key_size, value_size) = attr::map_sizes(self, map)?;
        let note = MapNote { map_type, key_size, value_size };
        map.set_note(note);
        Ok(note)
    }
}

impl Backend for Linux {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        let mut reply = attr::run(self, cmd);
        if matches!(reply, Err(Errno::EPERM)) && self.may_be_memlock(cmd) {
            reply = attr::run(self, cmd);
        }
        if let (Command::MapCreate(req), Ok(Reply::Handle(map))) = (&*cmd, &reply) {
            let (map_type, key_size, value_size) = (req.map_type, req.key_size, req.value_size);
            map.set_note(MapNote { map_type, key_size, value_size });
        }
        log::trace!("bpf({}): {:?}", cmd.cmd(), reply);
        reply
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        perf::run(req)
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        let fd = descriptor(handle)?;
        // Everything of a ring buffer map after the consumer's page is the kernel's to write.
        let is_ring = prot == Prot::Read
            && range.start > 0
            && self.map_note(handle).is_ok_and(|note| note.map_type == MapType::RINGBUF);
        syscall::mmap(fd, 0, range, prot, is_ring)
    }

    fn mmap_at(
        &self,
        handle: &Handle,
        address: u64,
        range: Range<u64>,
        prot: Prot,
    ) -> Result<Mapping, Errno> {
        syscall::mmap(descriptor(handle)?, address, range, prot, false)
    }

    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        netlink::exchange(msg, each)
    }

    fn set_socket_prog(&self, socket: &Handle, role: SocketRole, prog: Option<&ProgFd>) -> Result<(), Errno> {
        let prog = prog.map(|p| descriptor(p)).transpose()?;
        syscall::set_socket_prog(descriptor(socket)?, role, prog)
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        facts::read(what)
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        facts::open(what)
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(descriptor(handle)?, out).map_err(syscall::errno)
    }

    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::pread(descriptor(handle)?, out, offset).map_err(syscall::errno)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        let stat = rustix::fs::fstat(descriptor(handle)?).map_err(syscall::errno)?;
        u64::try_from(stat.st_size).map_err(|_| Errno::EOVERFLOW)
    }

    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        facts::define_event(unit, line)
    }

    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        poll::wait(set, timeout)
    }

    fn adopt(&self, number: i32) -> Result<Handle, Errno> {
        syscall::adopt(number).map(Handle::from)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        rustix::fs::unlink(path).map_err(syscall::errno)
    }
}

/// The descriptor of a handle, `EBADF` for an object of another back end.
pub(crate) fn descriptor(handle: &Handle) -> Result<BorrowedFd<'_>, Errno> {
    handle.fd().ok_or(Errno::EBADF)
}
