//! Network interfaces by index and name.

use oxbpf_kernel::{Fact, Kernel};
use oxbpf_uapi::Errno;

use super::netlink;
use super::xdp::XdpState;
use crate::error::{At, Error, Frame, Result, nearest};

/// A network interface of the caller's network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number, from 1.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its XDP programs.
    pub xdp: XdpState,
}

/// The network interfaces, in the kernel's order.
///
/// # Errors
/// The kernel's; `EOPNOTSUPP` for one without netlink.
pub fn interfaces(kernel: &Kernel) -> Result<Vec<Interface>> {
    let mut all = Vec::new();
    let mut each = |reply: &[u8]| {
        let Some((index, name)) = netlink::parse_link(reply) else { return };
        let xdp = netlink::parse_xdp(reply, index).unwrap_or_default();
        all.push(Interface { index, name, xdp: xdp.into() });
    };
    netlink::exchange(kernel, &netlink::link_dump(), &mut each).at(|| Frame::Step("list interfaces:"))?;
    Ok(all)
}

/// The number of the interface `name`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) with a name that is nearly the same, if there is one.
#[doc(alias = "if_nametoindex")]
pub fn interface_index(kernel: &Kernel, name: &str) -> Result<u32> {
    let frame = || Frame::Interface(name.to_owned());
    let text = match kernel.fact(Fact::InterfaceIndex(name)) {
        Ok(text) => text,
        Err(e @ (Errno::ENODEV | Errno::ENOENT)) => {
            let error = Error::kernel(e).with_message("there is no such network interface");
            // Without a list there is nothing to propose.
            let known = interfaces(kernel).unwrap_or_default();
            let near = nearest(name, known.iter().map(|i| i.name.as_str()));
            return Err(match near {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")).at(frame()),
                None => error.at(frame()),
            });
        }
        Err(e) => return Err(e).at(frame),
    };
    let index = std::str::from_utf8(&text).ok().and_then(|t| t.trim().parse().ok());
    index.ok_or_else(|| Error::kernel(Errno::EPROTO).with_message("its number is none").at(frame()))
}

/// What an error calls an interface: its name, or its number if it has none.
pub(super) fn frame(kernel: &Kernel, ifindex: u32) -> Frame {
    let mut name = None;
    let mut each = |reply: &[u8]| name = name.take().or(netlink::parse_link(reply));
    // The error that is being reported matters, not one of finding the name.
    let _ = netlink::exchange(kernel, &netlink::xdp_query(ifindex), &mut each);
    let known = name.filter(|(index, _)| *index == ifindex);
    Frame::Interface(known.map_or_else(|| format!("#{ifindex}"), |(_, name)| name))
}

/// Fails for a number that no interface has.
pub(super) fn expect_index(ifindex: u32) -> Result<()> {
    match ifindex {
        0 => Err(Error::invalid_input("there is no network interface 0")),
        _ => Ok(()),
    }
}
