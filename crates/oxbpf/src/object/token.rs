//! BPF tokens: rights that a privileged process delegates through a bpf file system, for loaders in a user namespace.
//!
//! A bpf file system that is mounted with `delegate_…` options gives out tokens (Linux 6.9). With one, maps, BTF and programs
//! can be created by who has no right to it elsewhere. Which file system is asked: the one that the caller names, else that
//! of `LIBBPF_BPF_TOKEN_PATH`, else `/sys/fs/bpf`, where having no token is no error. An empty path asks none.

use core::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oxbpf_kernel::{
    Backend, Blob, BtfLoad, Command, Fact, GetFdById, Handle, Kernel, LogBuf, MapCreate, Mapping, NlMessage,
    Opening, PerfRequest, PollSet, ProgLoad, Prot, Reply, TokenFd,
};
use oxbpf_uapi::{Cmd, Errno};

use super::state::Core;
use crate::error::{At, Frame, Result};
use crate::feature::Features;

/// Names the file system to ask, for those who cannot change the program.
const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";
/// Asked if nobody names another.
const DEFAULT: &str = "/sys/fs/bpf";

/// The file system that the environment names.
pub(super) fn path_of_environment() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

impl Core {
    /// Gets a token, if there is one to be had, and makes all further requests with it.
    pub(super) fn prepare_token(&mut self) -> Result<()> {
        let wanted = self.options.token_path.clone();
        if wanted.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Ok(());
        }
        let path = wanted.clone().unwrap_or_else(|| PathBuf::from(DEFAULT));
        match (create(&self.kernel, &path), wanted) {
            (Ok(token), _) => {
                log::debug!("uses a BPF token of {}", path.display());
                self.token = Some(token.clone());
                self.kernel = delegated(&self.kernel, token);
                self.features = Features::of(&self.kernel);
                Ok(())
            }
            (Err(e), None) => {
                log::debug!("no BPF token: {e}");
                Ok(())
            }
            (Err(e), Some(_)) => Err(e),
        }
    }
}

/// Asks the bpf file system that is mounted at `path` for a token.
pub(crate) fn create(kernel: &Kernel, path: &Path) -> Result<TokenFd> {
    let frame = || Frame::Path(path.to_owned());
    let bpffs = kernel.open(Opening::BpfFs(path)).at(|| Frame::Syscall("open")).at(frame)?;
    let reply = kernel.bpf(&mut Command::TokenCreate { bpffs: &bpffs, flags: 0 });
    let token = reply.and_then(Reply::handle).map(TokenFd);
    token.at(|| Frame::Command(Cmd::TOKEN_CREATE)).at(frame).map_err(|e| match e.errno() {
        Errno::ENOENT => {
            e.with_hint("the file system delegates nothing: mount it with delegate_cmds=… and the like")
        }
        Errno::EOPNOTSUPP => e.with_hint("tokens are for user namespaces, and this is the first one"),
        Errno::EINVAL => e.with_hint("it has to be the root of a bpf file system, on Linux 6.9 or newer"),
        _ => e,
    })
}

/// The kernel with the rights of a token.
pub(crate) fn delegated(kernel: &Kernel, token: TokenFd) -> Kernel {
    Kernel::new(Delegated { inner: kernel.clone(), token })
}

/// A kernel whose requests carry a token, where they can and have none of their own. Being a back end of its own, it has
/// feature answers of its own.
#[derive(Debug)]
struct Delegated {
    inner: Kernel,
    token: TokenFd,
}

impl Delegated {
    fn map_create(&self, req: &MapCreate<'_>) -> Result<Reply, Errno> {
        self.inner.bpf(&mut Command::MapCreate(MapCreate { token: Some(&self.token), ..*req }))
    }

    fn btf_load(&self, req: &mut BtfLoad<'_>) -> Result<Reply, Errno> {
        let log = req.log.as_mut().map(again);
        let own = BtfLoad { btf: req.btf, log, btf_flags: req.btf_flags, token: Some(&self.token) };
        let mut cmd = Command::BtfLoad(own);
        let result = self.inner.bpf(&mut cmd);
        if let Command::BtfLoad(BtfLoad { log: Some(LogBuf { true_size, .. }), .. }) = cmd {
            req.log.iter_mut().for_each(|log| log.true_size = true_size);
        }
        result
    }

    fn prog_load(&self, req: &mut ProgLoad<'_>) -> Result<Reply, Errno> {
        let own = ProgLoad {
            prog_type: req.prog_type,
            insns: req.insns,
            license: req.license,
            log: req.log.as_mut().map(again),
            kern_version: req.kern_version,
            prog_flags: req.prog_flags,
            prog_name: req.prog_name,
            prog_ifindex: req.prog_ifindex,
            expected_attach_type: req.expected_attach_type,
            prog_btf: req.prog_btf,
            func_info: req.func_info,
            func_info_rec_size: req.func_info_rec_size,
            line_info: req.line_info,
            line_info_rec_size: req.line_info_rec_size,
            attach_btf_id: req.attach_btf_id,
            attach_target: req.attach_target,
            fd_array: req.fd_array,
            fd_array_is_bound: req.fd_array_is_bound,
            token: Some(&self.token),
            signature: req.signature,
            keyring_id: req.keyring_id,
            core_relos: req.core_relos,
            late: req.late,
        };
        let mut cmd = Command::ProgLoad(own);
        let result = self.inner.bpf(&mut cmd);
        if let Command::ProgLoad(ProgLoad { log: Some(LogBuf { true_size, .. }), .. }) = cmd {
            req.log.iter_mut().for_each(|log| log.true_size = true_size);
        }
        result
    }

    fn get_fd_by_id(&self, req: &GetFdById<'_>) -> Result<Reply, Errno> {
        let own = GetFdById { token: Some(&self.token), ..*req };
        match self.inner.bpf(&mut Command::GetFdById(own)) {
            // Before Linux 6.18 the command takes no token.
            Err(Errno::EINVAL) => self.inner.bpf(&mut Command::GetFdById(*req)),
            result => result,
        }
    }
}

/// The same buffer for another request.
fn again<'s>(log: &'s mut LogBuf<'_>) -> LogBuf<'s> {
    LogBuf { level: log.level, buf: &mut *log.buf, true_size: 0 }
}

impl Backend for Delegated {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        match cmd {
            Command::MapCreate(req) if req.token.is_none() => self.map_create(req),
            Command::BtfLoad(req) if req.token.is_none() => self.btf_load(req),
            Command::ProgLoad(req) if req.token.is_none() => self.prog_load(req),
            Command::GetFdById(req) if req.token.is_none() => self.get_fd_by_id(req),
            _ => self.inner.bpf(cmd),
        }
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        self.inner.backend().perf_event(req)
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        self.inner.mmap(handle, range, prot)
    }

    fn mmap_at(
        &self,
        handle: &Handle,
        address: u64,
        range: Range<u64>,
        prot: Prot,
    ) -> Result<Mapping, Errno> {
        self.inner.mmap_at(handle, address, range, prot)
    }

    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), oxbpf_kernel::NlError> {
        self.inner.netlink(msg, each)
    }

    fn set_socket_prog(
        &self,
        socket: &Handle,
        role: oxbpf_kernel::SocketRole,
        prog: Option<&oxbpf_kernel::ProgFd>,
    ) -> Result<(), Errno> {
        self.inner.set_socket_prog(socket, role, prog)
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        self.inner.fact(what)
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        self.inner.open(what)
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        self.inner.read(handle, out)
    }

    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.inner.backend().read_at(handle, offset, out)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        self.inner.backend().file_len(handle)
    }

    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        self.inner.backend().define_event(unit, line)
    }

    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        self.inner.poll(set, timeout)
    }

    fn is_deferred(&self) -> bool {
        self.inner.is_deferred()
    }

    fn adopt(&self, number: i32) -> Result<Handle, Errno> {
        self.inner.adopt(number)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.inner.unpin(path)
    }
}
