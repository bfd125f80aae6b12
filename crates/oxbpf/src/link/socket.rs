//! Programs of single sockets, by socket option.

use oxbpf_kernel::{Handle, Kernel, SocketRole};
use oxbpf_uapi::{Errno, ProgType};

use super::attach::Attach;
use super::{Held, Link};
use crate::error::{At, Error, Frame, Result};

/// Gives the program to a socket.
pub(super) fn attach(a: &Attach<'_>, socket: Handle, role: SocketRole) -> Result<Link> {
    let option = match role {
        SocketRole::Filter => {
            a.expect_type("attach_socket", &[ProgType::SOCKET_FILTER])?;
            "SO_ATTACH_BPF"
        }
        SocketRole::Reuseport => {
            a.expect_type("attach_reuseport", &[ProgType::SK_REUSEPORT, ProgType::SOCKET_FILTER])?;
            "SO_ATTACH_REUSEPORT_EBPF"
        }
    };
    let done = a.kernel.set_socket_prog(&socket, role, Some(a.prog)).map_err(|e| match (role, e) {
        (SocketRole::Reuseport, Errno::EINVAL) => {
            Error::kernel(e).with_hint("the socket has to be one of a group: set SO_REUSEPORT, then bind it")
        }
        _ => Error::kernel(e),
    });
    done.at(|| Frame::Syscall(option))?;
    Ok(Link::new(a.kernel, Held::Socket { socket, role }))
}

/// Takes the program of a socket away.
pub(super) fn detach(kernel: &Kernel, socket: &Handle, role: SocketRole) -> Result<()> {
    match kernel.set_socket_prog(socket, role, None) {
        // Somebody took it away before.
        Err(Errno::ENOENT) => Ok(()),
        result => result.at(|| match role {
            SocketRole::Filter => Frame::Syscall("SO_DETACH_BPF"),
            SocketRole::Reuseport => Frame::Syscall("SO_DETACH_REUSEPORT_BPF"),
        }),
    }
}
