//! BPF tokens: rights that a bpf file system delegates to a user namespace (Linux 6.9).
//!
//! [`ObjectBuilder`](crate::ObjectBuilder) gets one by itself when it needs to; this is for those who create maps, load programs or open
//! objects by id on their own.

use std::path::Path;

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, TokenFd};
use oxbpf_uapi::Cmd;
use oxbpf_uapi::info::TokenInfo;
use zerocopy::IntoBytes;

use crate::error::{At, Frame, Result};
use crate::object::token::{create, delegated};

/// A token. It is needed while something is created with it, not after.
#[derive(Clone, Debug)]
pub struct Token {
    kernel: Kernel,
    fd: TokenFd,
}

impl Token {
    /// Asks the bpf file system at `path`, its root, for a token.
    ///
    /// # Errors
    /// `NotFound` if it delegates nothing; `Unsupported` in the first user namespace; `PermissionDenied` without CAP_BPF in the user
    /// namespace that mounted it. Linux 6.9.
    #[doc(alias = "bpf_token_create")]
    pub fn create(kernel: &Kernel, path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { kernel: kernel.clone(), fd: create(kernel, path.as_ref())? })
    }

    /// The reference.
    pub fn fd(&self) -> &TokenFd {
        &self.fd
    }

    /// What the token allows. Linux 6.17.
    ///
    /// # Errors
    /// `EINVAL` on older kernels.
    pub fn info(&self) -> Result<TokenInfo> {
        let mut info = TokenInfo::default();
        let request = GetInfo { object: &self.fd, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
        self.kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
        Ok(info)
    }

    /// The kernel with the rights of the token: all that is created, loaded or opened by id through it carries the token.
    pub fn kernel(&self) -> Kernel {
        delegated(&self.kernel, self.fd.clone())
    }
}
