//! Ids of the objects in a kernel, for those who look at all of them.

use oxbpf_kernel::{Command, GetFdById, Handle, Kernel, ObjectKind, Reply, TokenFd};
use oxbpf_uapi::Cmd;
use oxbpf_uapi::flags::ObjFlags;

use crate::error::{At, Error, Frame, Result};

/// How an object is opened by its id.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_get_fd_by_id_opts")]
pub struct OpenId<'a> {
    /// `RDONLY` or `WRONLY`, for maps only. Default: both rights.
    pub flags: ObjFlags,
    /// Makes the request with the rights of a token. Linux 6.18.
    pub token: Option<&'a TokenFd>,
}

/// The ids of all objects of a kind, ascending. An object may be gone when it is opened.
pub(crate) fn all(kernel: &Kernel, kind: ObjectKind) -> impl Iterator<Item = Result<u32>> + use<> {
    let kernel = kernel.clone();
    let mut last = Some(0);
    core::iter::from_fn(move || {
        let next = kernel.get_next_id(kind, last?);
        last = next.ok().flatten();
        next.transpose().map(|id| id.map_err(|e| Error::kernel(e).at(Frame::Command(next_id(kind)))))
    })
}

/// Opens an object by its id.
pub(crate) fn open(kernel: &Kernel, kind: ObjectKind, id: u32, how: OpenId<'_>) -> Result<Handle> {
    let open_flags = how.flags.bits();
    let mut command = Command::GetFdById(GetFdById { kind, id, open_flags, token: how.token });
    let cmd = command.cmd();
    let answer = kernel.bpf(&mut command).and_then(Reply::handle);
    answer.at(|| Frame::Command(cmd)).at(|| Frame::Target(format!("{} {id}", name(kind))))
}

fn next_id(kind: ObjectKind) -> Cmd {
    Command::GetNextId { kind, start: 0 }.cmd()
}

fn name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Prog => "program",
        ObjectKind::Map => "map",
        ObjectKind::Btf => "BTF",
        ObjectKind::Link => "link",
    }
}
