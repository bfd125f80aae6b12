//! The trait that a kernel implements for oxbpf.

use core::fmt;
use core::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxbpf_uapi::Errno;

use crate::{Command, Handle, Mapping, PerfRequest, PollSet, ProgFd, Prot, Reply};

/// A kernel, real or embedded.
///
/// Each method mirrors a system interface and answers with the error number that Linux would give.
pub trait Backend: Send + Sync + fmt::Debug {
    /// A short name for messages: "linux", "embedded".
    fn name(&self) -> &'static str;

    /// bpf(2). Output fields and buffers of the command are filled in place.
    ///
    /// # Errors
    /// What the command documents in bpf(2); `ENOSYS` where the back end has no BPF at all.
    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno>;

    /// perf_event_open(2) and the ioctls that tie BPF to perf events.
    ///
    /// # Errors
    /// As perf_event_open(2).
    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno>;

    /// Maps `range` (bytes, page aligned) of the memory behind a handle.
    ///
    /// # Errors
    /// As mmap(2); `EINVAL` for an object that has no memory to share.
    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno>;

    /// Maps as [`mmap`](Self::mmap) does, at an address of the caller's choice where nothing is mapped yet: what an arena with
    /// a fixed place needs.
    ///
    /// # Errors
    /// As mmap(2) with `MAP_FIXED_NOREPLACE`: `EEXIST` if something is there. `ENOSYS` where guests do not share the
    /// caller's addresses.
    fn mmap_at(
        &self,
        handle: &Handle,
        address: u64,
        range: Range<u64>,
        prot: Prot,
    ) -> Result<Mapping, Errno> {
        let _ = (handle, address, range, prot);
        Err(Errno::ENOSYS)
    }

    /// Sends one netlink message and passes the payload of each reply to `each`, until the answer is complete.
    ///
    /// A list that changed while it was read is read again, so that `each` sees one that was true at some time.
    ///
    /// # Errors
    /// The error number that the kernel put in its acknowledgement, and its reason in words where it gives one. `EAGAIN` for
    /// a list that changed each time it was read.
    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError>;

    /// Gives a program to a socket, or with `None` takes it away, by setsockopt(2).
    ///
    /// # Errors
    /// As setsockopt(2), `ENOENT` if there is none to take away; `ENOSYS` where the back end has no sockets.
    fn set_socket_prog(&self, socket: &Handle, role: SocketRole, prog: Option<&ProgFd>) -> Result<(), Errno> {
        let _ = (socket, role, prog);
        Err(Errno::ENOSYS)
    }

    /// Reads a fact about the running system.
    ///
    /// # Errors
    /// `ENOENT` where the system does not have it.
    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno>;

    /// Opens something that a program attaches to.
    ///
    /// # Errors
    /// As open(2).
    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno>;

    /// Reads from a handle that has a byte stream: an iterator, an event counter. Returns the bytes read, 0 at the end.
    ///
    /// # Errors
    /// As read(2).
    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno>;

    /// Reads bytes of a file that was opened as [`Opening::Binary`], from byte `offset`. Returns the bytes read, 0 at the
    /// end.
    ///
    /// # Errors
    /// As pread(2); `ENOSYS` where the back end opens no files.
    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let _ = (handle, offset, out);
        Err(Errno::ENOSYS)
    }

    /// How many bytes a file has that was opened as [`Opening::Binary`].
    ///
    /// # Errors
    /// As fstat(2); `ENOSYS` where the back end opens no files.
    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        let _ = handle;
        Err(Errno::ENOSYS)
    }

    /// Adds a line to the list of dynamic events of `unit`, "kprobe" or "uprobe": `p:GROUP/EVENT PLACE` defines one,
    /// `-:GROUP/EVENT` removes it. Defined events are tracepoints, and stay until they are removed.
    ///
    /// # Errors
    /// As write(2) to `kprobe_events` or `uprobe_events` of tracefs; `ENOSYS` where the back end has none.
    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        let _ = (unit, line);
        Err(Errno::ENOSYS)
    }

    /// Waits until a handle of the set is readable, and returns how many are. `None` waits without end.
    ///
    /// # Errors
    /// `EINTR` when a signal came first.
    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno>;

    /// Whether requests are kept, for another kernel to carry out later. Nothing is known of that kernel: it is taken to have every
    /// feature, and what has to be found in it is in the requests by name ([`Late`](crate::Late)).
    fn is_deferred(&self) -> bool {
        false
    }

    /// Takes over the descriptor `number`, which a program of type `syscall` opened in this process and left in its context. Only
    /// numbers that such a program left there may be given, and each once.
    ///
    /// # Errors
    /// `EBADF` if it is no descriptor of a map, a program or BTF; `ENOSYS` where programs open none.
    fn adopt(&self, number: i32) -> Result<Handle, Errno> {
        let _ = number;
        Err(Errno::ENOSYS)
    }

    /// Removes the name that `BPF_OBJ_PIN` gave an object.
    ///
    /// # Errors
    /// As unlink(2); `ENOSYS` where the back end has no pins.
    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        let _ = path;
        Err(Errno::ENOSYS)
    }
}

/// Bytes that a back end read or mapped; cheap to clone.
#[derive(Clone)]
pub struct Blob(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Blob {
    /// Shares bytes that `owner` keeps, such as a mapped file. They must not change while it lives.
    pub fn from_owner(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        Self(owner)
    }

    /// The owner of the bytes, for types that keep it alive themselves.
    pub fn into_owner(self) -> Arc<dyn AsRef<[u8]> + Send + Sync> {
        self.0
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl core::ops::Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// Something to know about the running system. Text facts are UTF-8 without a final newline where Linux has one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// BTF of the kernel itself, raw.
    VmlinuxBtf,
    /// Split BTF of the named module, raw.
    ModuleBtf(&'a str),
    /// Names of the modules that have BTF, one a line.
    Modules,
    /// `address type name [module]`, one symbol a line.
    Kallsyms,
    /// Functions that can be probed, one a line: the name, and `[module]` for those of modules.
    AvailableFunctions,
    /// The same with the address in hexadecimal before the name. Linux 6.5.
    AvailableFunctionAddrs,
    /// The list of dynamic events of a unit, "kprobe" or "uprobe": lines as [`Backend::define_event`] takes them.
    DynamicEvents(&'a str),
    /// Kernel configuration as text, `CONFIG_X=y` lines.
    KernelConfig,
    /// `uname -r`.
    KernelRelease,
    /// `KERNEL_VERSION(major, minor, patch)` in decimal.
    KernelVersion,
    /// CPU ranges such as `0-3,8`, of CPUs that may ever appear.
    PossibleCpus,
    /// CPU ranges of CPUs that run now.
    OnlineCpus,
    /// Number of a tracepoint for perf_event_open(2), decimal.
    TracepointId {
        /// Group of the event, such as "syscalls".
        category: &'a str,
        /// Name of the event, such as "sys_enter_openat".
        name: &'a str,
    },
    /// `format` file of a tracepoint.
    TracepointFormat {
        /// Group of the event.
        category: &'a str,
        /// Name of the event.
        name: &'a str,
    },
    /// Number of the named performance unit ("kprobe", "uprobe"), decimal.
    PmuType(&'a str),
    /// Bit of `perf_event_attr.config` that asks the unit for a return probe, decimal.
    PmuRetprobeBit(&'a str),
    /// Where in `perf_event_attr` the unit has a field, such as "config:32-63" for "ref_ctr_offset" of "uprobe".
    PmuFormat {
        /// Name of the unit.
        unit: &'a str,
        /// Name of the field.
        field: &'a str,
    },
    /// "1" if user probes on a 5-byte `nop` are served by a system call, `ENOENT` if not. Linux 6.18, x86-64.
    UprobeSyscall,
    /// Index of the named network interface, decimal.
    InterfaceIndex(&'a str),
    /// `/proc/PID/maps`.
    ProcessMaps(u32),
    /// Maximum stack depth that the kernel records, decimal.
    MaxStackDepth,
    /// Bytes of a page, decimal.
    PageSize,
    /// Nothing but that they are there: attributes that all commands of bpf(2) take, such as a log. Linux 7.2.
    CommonAttrs,
}

/// Something to open that has no bpf(2) command of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening<'a> {
    /// A control group directory.
    Cgroup(&'a Path),
    /// A network namespace file.
    Netns(&'a Path),
    /// An infrared receiver or transmitter, such as `/dev/lirc0`.
    Lirc(&'a Path),
    /// A process, as pidfd_open(2).
    Process(u32),
    /// A bpf file system, for a token.
    BpfFs(&'a Path),
    /// A program file, library or archive that a probe names, to be read with [`Backend::read_at`].
    Binary(&'a Path),
    /// The stream of `bpf_printk` lines of the whole system, each read once.
    TraceLog,
}

/// One netlink request: header and payload, ready to send but for sequence number and port.
#[derive(Clone, Copy, Debug)]
pub struct NlMessage<'a> {
    /// Protocol of the socket, `NETLINK_ROUTE` or `NETLINK_GENERIC`.
    pub protocol: u32,
    /// `nlmsghdr` and all that follows, aligned to 4 bytes.
    pub bytes: &'a [u8],
}

/// Why a netlink request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NlError {
    /// The error number, positive.
    pub errno: Errno,
    /// The kernel's reason in words (Linux 4.12), "" if it gave none.
    pub reason: Box<str>,
}

impl fmt::Display for NlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.reason {
            "" => write!(f, "{}", self.errno),
            reason => write!(f, "{}: {reason}", self.errno),
        }
    }
}

impl core::error::Error for NlError {}

impl From<Errno> for NlError {
    fn from(errno: Errno) -> Self {
        Self { errno, reason: Box::default() }
    }
}

/// What a program does for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketRole {
    /// It decides how much of each packet the socket receives: `SO_ATTACH_BPF`. Linux 3.19.
    Filter,
    /// It picks the socket of a group that share a port: `SO_ATTACH_REUSEPORT_EBPF`. Linux 4.5.
    Reuseport,
}
