//! Programs of the kernel, whoever loaded them: by id, by pin, by descriptor.

use core::fmt;
use std::path::Path;

use oxbpf_kernel::{Command, Kernel, MapFd, ObjectKind, ProgBindMap, ProgFd, ProgTestRun, Reply, StreamRead};
use oxbpf_uapi::consts::{BPF_STREAM_STDERR, BPF_STREAM_STDOUT};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{Cmd, Errno};

use super::info::{self, InfoParts, ProgramInfo};
use crate::error::{At, Frame, Result};
use crate::ids::{self, OpenId};

/// A program in a kernel, with a reference of its own. Dropping it closes the reference.
///
/// ```no_run
/// # fn f() -> oxbpf::Result<()> {
/// use oxbpf::OwnedProgram;
///
/// let kernel = oxbpf::kernel();
/// for id in OwnedProgram::ids(&kernel) {
///     let info = OwnedProgram::open_id(&kernel, id?)?.info()?;
///     println!("{}: {} ran {} times", info.id, info.r#type, info.run_cnt);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OwnedProgram {
    kernel: Kernel,
    fd: ProgFd,
}

/// One of the texts that a program writes with `bpf_stream_printk`, or that the kernel writes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Output.
    Stdout,
    /// Errors: the program's, and the kernel's reports of page faults in arenas and of deadlocks.
    Stderr,
}

/// Bytes of a stream that are read at once.
const STREAM_STEP: usize = 4096;

impl OwnedProgram {
    /// Takes over a reference.
    pub fn new(kernel: &Kernel, fd: ProgFd) -> Self {
        Self { kernel: kernel.clone(), fd }
    }

    /// Opens the program with a kernel id. Linux 4.13; needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// `NotFound` if no program has the id.
    #[doc(alias = "bpf_prog_get_fd_by_id")]
    pub fn open_id(kernel: &Kernel, id: u32) -> Result<Self> {
        Self::open_id_with(kernel, id, OpenId::default())
    }

    /// Opens the program with a kernel id, with the rights of a token.
    ///
    /// # Errors
    /// As [`open_id`](Self::open_id).
    #[doc(alias = "bpf_prog_get_fd_by_id_opts")]
    pub fn open_id_with(kernel: &Kernel, id: u32, how: OpenId<'_>) -> Result<Self> {
        Ok(Self::new(kernel, ProgFd(ids::open(kernel, ObjectKind::Prog, id, how)?)))
    }

    /// Opens the program that is pinned at `path`. If that is no program, the kernel says so when it is used.
    ///
    /// # Errors
    /// `NotFound` if nothing is there.
    #[doc(alias = "bpf_obj_get")]
    pub fn open_pinned(kernel: &Kernel, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let at = || Frame::Path(path.into());
        let handle = kernel.obj_get(path, 0).at(|| Frame::Command(Cmd::OBJ_GET)).at(at)?;
        Ok(Self::new(kernel, ProgFd(handle)))
    }

    /// The ids of all programs of the kernel, ascending. One may be gone when it is opened. Linux 4.13.
    #[doc(alias = "bpf_prog_get_next_id")]
    pub fn ids(kernel: &Kernel) -> impl Iterator<Item = Result<u32>> + use<> {
        ids::all(kernel, ObjectKind::Prog)
    }

    /// The kernel that has it.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The reference.
    pub fn fd(&self) -> &ProgFd {
        &self.fd
    }

    /// What the kernel knows about the program: numbers and names. Linux 4.13.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "bpf_prog_get_info_by_fd")]
    pub fn info(&self) -> Result<ProgInfo> {
        info::fixed(&self.kernel, &self.fd)
    }

    /// What the kernel knows about the program, with the arrays that `parts` names.
    ///
    /// # Errors
    /// The kernel's: `EPERM` for code without CAP_SYS_ADMIN.
    #[doc(alias = "bpf_prog_get_info_by_fd")]
    pub fn info_with(&self, parts: InfoParts) -> Result<ProgramInfo> {
        info::read(&self.kernel, &self.fd, parts)
    }

    /// Runs the program on data and context of the caller's; see [`Program::test_run`](super::Program::test_run).
    ///
    /// # Errors
    /// `ENOTSUPP` for program types that can't be run; `EINVAL` for data that is too short. Linux 4.12.
    #[doc(alias = "bpf_prog_test_run_opts")]
    pub fn test_run<'a>(&'a self, fill: impl FnOnce(&mut ProgTestRun<'a>)) -> Result<ProgTestRun<'a>> {
        let mut request = ProgTestRun::new(&self.fd);
        fill(&mut request);
        self.kernel.prog_test_run(request).at(|| Frame::Command(Cmd::PROG_TEST_RUN))
    }

    /// Makes the program keep `map` alive, though its instructions do not use it: for maps that describe the program. Linux 5.10.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "bpf_prog_bind_map")]
    pub fn bind_map(&self, map: &MapFd) -> Result<()> {
        let request = ProgBindMap { prog: &self.fd, map, flags: 0 };
        self.done(Command::ProgBindMap(request))
    }

    /// Says which struct_ops map the program's kernel functions work for. Linux 7.0.
    ///
    /// # Errors
    /// `Busy` if it has one; `EINVAL` if `map` is no struct_ops map or the program is of type struct_ops.
    #[doc(alias = "bpf_prog_assoc_struct_ops")]
    pub fn assoc_struct_ops(&self, map: &MapFd) -> Result<()> {
        self.done(Command::AssocStructOps { prog: &self.fd, map, flags: 0 })
    }

    fn done(&self, mut command: Command<'_>) -> Result<()> {
        let cmd = command.cmd();
        self.kernel.bpf(&mut command).map(drop).at(|| Frame::Command(cmd))
    }

    /// Takes text out of a stream into `out`, and gives how many bytes that were; 0 when there is none. Linux 6.17.
    ///
    /// # Errors
    /// The kernel's; `EINVAL` where it has no streams.
    #[doc(alias = "bpf_prog_stream_read")]
    pub fn read_stream(&self, stream: Stream, out: &mut [u8]) -> Result<usize> {
        let stream_id = match stream {
            Stream::Stdout => BPF_STREAM_STDOUT,
            Stream::Stderr => BPF_STREAM_STDERR,
        };
        let room = out.len();
        let request = StreamRead { prog: &self.fd, stream_id, buf: out };
        let answer = self.kernel.bpf(&mut Command::StreamRead(request)).and_then(Reply::value);
        let read = answer.and_then(|n| usize::try_from(n).map_err(|_| Errno::EPROTO));
        read.map(|n| n.min(room)).at(|| Frame::Command(Cmd::PROG_STREAM_READ_BY_FD))
    }

    /// Takes all text out of a stream. The kernel keeps 100 000 bytes for a stream at most.
    ///
    /// # Errors
    /// As [`read_stream`](Self::read_stream).
    pub fn read_stream_to_end(&self, stream: Stream) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let start = text.len();
            text.resize(start + STREAM_STEP, 0);
            let read = self.read_stream(stream, text.get_mut(start..).unwrap_or_default())?;
            text.truncate(start + read);
            if read == 0 {
                return Ok(text);
            }
        }
    }

    /// Gives the program a name in a bpf file system. Missing directories are made.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    #[doc(alias = "bpf_obj_pin")]
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::object::pin(&self.kernel, path.as_ref(), &self.fd)
    }
}

impl fmt::Debug for OwnedProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedProgram").field("fd", &self.fd).finish_non_exhaustive()
    }
}
