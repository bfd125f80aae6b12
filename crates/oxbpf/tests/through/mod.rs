//! Linux with a say in each request: a test looks at it before it is made, and may refuse it, and after.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use oxbpf_kernel::{
    Backend, Blob, Command, Fact, Handle, Mapping, NlError, NlMessage, Opening, PerfRequest, PollSet, ProgFd,
    Prot, Reply, SocketRole,
};
use oxbpf_sys::Linux;
use oxbpf_uapi::Errno;

/// A back end that makes the requests of another program. Facts, files and memory are not asked about.
pub(crate) struct Through {
    pub(crate) linux: Linux,
    /// What programs and maps are called instead of by their names.
    pub(crate) rename: Option<&'static str>,
    /// Refuses a request before it is made.
    pub(crate) before: Box<dyn Fn() -> Option<Errno> + Send + Sync>,
    /// Told of each request that was made.
    pub(crate) after: Box<dyn Fn() + Send + Sync>,
}

impl Default for Through {
    fn default() -> Self {
        Self { linux: Linux::new(), rename: None, before: Box::new(|| None), after: Box::new(|| {}) }
    }
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Through")
    }
}

impl Through {
    fn ask<T, E: From<Errno>>(&self, request: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if let Some(errno) = (self.before)() {
            return Err(errno.into());
        }
        let result = request();
        (self.after)();
        result
    }
}

impl Backend for Through {
    fn name(&self) -> &'static str {
        self.linux.name()
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        match (cmd, self.rename) {
            (Command::ProgLoad(load), Some(name)) => {
                load.prog_name = name;
                self.ask(|| self.linux.bpf(&mut Command::ProgLoad(std::mem::take(load))))
            }
            (Command::MapCreate(create), Some(name)) => {
                create.map_name = name;
                self.ask(|| self.linux.bpf(&mut Command::MapCreate(*create)))
            }
            (cmd, _) => self.ask(|| self.linux.bpf(cmd)),
        }
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        self.ask(|| self.linux.perf_event(req))
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        self.linux.mmap(handle, range, prot)
    }

    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        self.ask(|| self.linux.netlink(msg, each))
    }

    fn set_socket_prog(&self, socket: &Handle, role: SocketRole, prog: Option<&ProgFd>) -> Result<(), Errno> {
        self.ask(|| self.linux.set_socket_prog(socket, role, prog))
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        self.linux.fact(what)
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        self.linux.open(what)
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        self.linux.read(handle, out)
    }

    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.linux.read_at(handle, offset, out)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        self.linux.file_len(handle)
    }

    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        self.ask(|| self.linux.define_event(unit, line))
    }

    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        self.linux.poll(set, timeout)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.ask(|| self.linux.unpin(path))
    }
}
