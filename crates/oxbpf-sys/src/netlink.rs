//! One netlink exchange: a request goes out with a fresh sequence number, answers are taken until they are complete.
//!
//! An exchange is complete at the acknowledgement that is always asked for, or at `NLMSG_DONE` of a dump. The kernel's reason
//! in words, where it gives one (extended acknowledgements, Linux 4.12), is in the error.
//!
//! A dump is several answers between which the list may change; the kernel then says that it was interrupted, or has no
//! room for an answer. Dumps are therefore kept until they are whole, and asked for again when they are not.

use std::os::fd::OwnedFd;

use oxbpf_kernel::{NlError, NlMessage};
use oxbpf_uapi::Errno;
use oxbpf_uapi::netlink::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_MULTI, NLMSG_DONE, NLMSG_ERROR,
    NLMSGERR_ATTR_MSG,
};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::syscall::errno;

/// Bytes of `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
const NLMSG_NOOP: u16 = libc::NLMSG_NOOP as u16;
/// The list changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How often a dump is begun before its list counts as one that never stands still.
const DUMP_ATTEMPTS: u32 = 16;

/// The sequence number of the only request on a socket.
const SEQ: u32 = 1;

/// One message as it stands in a datagram.
#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    kind: u16,
    flags: u16,
    seq: u32,
    payload: &'a [u8],
}

pub(crate) fn exchange(msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
    let request = numbered(msg.bytes)?;
    if u16_at(&request, 6)? & NLM_F_DUMP != NLM_F_DUMP {
        return converse(msg.protocol, &request, false, each);
    }
    for _ in 0..DUMP_ATTEMPTS {
        let mut replies = Vec::new();
        match converse(msg.protocol, &request, true, &mut |payload| replies.push(payload.to_vec())) {
            Ok(()) => {
                replies.iter().for_each(|payload| each(payload));
                return Ok(());
            }
            Err(e) if matches!(e.errno, Errno::EINTR | Errno::ENOBUFS) => {}
            Err(e) => return Err(e),
        }
    }
    Err(NlError { errno: Errno::EAGAIN, reason: "the list changed each time it was read".into() })
}

/// Sends a request and takes the answers. A dump during which the list changed ends with `EINTR`.
fn converse(
    protocol: u32,
    request: &[u8],
    is_dump: bool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), NlError> {
    let socket = open(protocol)?;
    rustix::io::retry_on_intr(|| rustix::net::send(&socket, request, SendFlags::empty())).map_err(errno)?;
    let mut is_interrupted = false;
    let mut buf = vec![0; 32 << 10];
    loop {
        let len = receive(&socket, &mut buf)?;
        let mut rest = buf.get(..len).ok_or(Errno::EPROTO)?;
        while let Some((message, after)) = next_message(rest)? {
            rest = after;
            if message.seq != SEQ {
                continue;
            }
            is_interrupted |= is_dump && message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_NOOP => {}
                NLMSG_ERROR => return acknowledgement(&message),
                NLMSG_DONE => {
                    // A dump that fails half-way ends with the error number here.
                    let code = message.payload.get(..4).map_or(Ok(0), |b| i32_at(b, 0))?;
                    if code < 0 {
                        return Err(Errno(code.saturating_neg()).into());
                    }
                    if is_interrupted {
                        return Err(Errno::EINTR.into());
                    }
                    if is_dump || message.flags & NLM_F_MULTI != 0 {
                        return Ok(());
                    }
                }
                _ => each(message.payload),
            }
        }
    }
}

/// The request with the sequence number set and an acknowledgement asked for; dumps end by themselves.
fn numbered(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut request = bytes.to_vec();
    let len = u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL)?;
    let mut flags = u16_at(bytes, 6)?;
    if flags & NLM_F_DUMP != NLM_F_DUMP {
        flags |= NLM_F_ACK;
    }
    let header = request.get_mut(..HEADER).ok_or(Errno::EINVAL)?;
    for (at, field) in [(0, &len.to_ne_bytes()[..]), (6, &flags.to_ne_bytes()), (8, &SEQ.to_ne_bytes())] {
        header.get_mut(at..at + field.len()).ok_or(Errno::EINVAL)?.copy_from_slice(field);
    }
    Ok(request)
}

fn open(protocol: u32) -> Result<OwnedFd, Errno> {
    // `NETLINK_ROUTE` is 0, which rustix says as no protocol.
    let protocol = std::num::NonZeroU32::new(protocol).map(rustix::net::Protocol::from_raw);
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(errno)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(errno)?;
    rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0)).map_err(errno)?;
    crate::syscall::set_netlink_ext_ack(&socket);
    let _ = sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
    Ok(socket)
}

/// Takes one datagram, in a buffer that grows to fit it.
fn receive(socket: &OwnedFd, buf: &mut Vec<u8>) -> Result<usize, Errno> {
    loop {
        let peek = RecvFlags::PEEK | RecvFlags::TRUNC;
        match rustix::net::recv(socket, &mut buf[..], peek) {
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(errno(e)),
            Ok((_, len)) => {
                if len > buf.len() {
                    buf.resize(len, 0);
                }
                let take = || rustix::net::recv(socket, &mut buf[..], RecvFlags::empty());
                let (taken, _) = rustix::io::retry_on_intr(take).map_err(errno)?;
                return Ok(taken);
            }
        }
    }
}

/// Splits the first message off.
fn next_message(bytes: &[u8]) -> Result<Option<(Message<'_>, &[u8])>, Errno> {
    if bytes.len() < HEADER {
        return Ok(None);
    }
    let len = u32_at(bytes, 0)? as usize;
    let payload = bytes.get(HEADER..len).ok_or(Errno::EPROTO)?;
    let message =
        Message { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, seq: u32_at(bytes, 8)?, payload };
    Ok(Some((message, bytes.get(len.next_multiple_of(4)..).unwrap_or_default())))
}

/// The result that `NLMSG_ERROR` carries: a negative number, the request's header, and attributes.
fn acknowledgement(message: &Message<'_>) -> Result<(), NlError> {
    match i32_at(message.payload, 0)? {
        0 => Ok(()),
        code => {
            let reason = reason(message).unwrap_or_default().into();
            Err(NlError { errno: Errno(code.saturating_neg()), reason })
        }
    }
}

/// The kernel's reason in words.
fn reason(message: &Message<'_>) -> Option<String> {
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let after_code = message.payload.get(4..)?;
    // The request comes back whole unless the answer is capped, then only its header does.
    let echoed =
        if message.flags & NLM_F_CAPPED != 0 { HEADER } else { u32_at(after_code, 0).ok()? as usize };
    let mut attrs = after_code.get(echoed.next_multiple_of(4)..)?;
    while attrs.len() >= 4 {
        let (len, kind) = (u16_at(attrs, 0).ok()? as usize, u16_at(attrs, 2).ok()?);
        let value = attrs.get(4..len)?;
        if kind == NLMSGERR_ATTR_MSG {
            let text = value.split(|b| *b == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attrs = attrs.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Errno> {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes).ok_or(Errno::EINVAL)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Errno> {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes).ok_or(Errno::EINVAL)
}

fn i32_at(bytes: &[u8], at: usize) -> Result<i32, Errno> {
    u32_at(bytes, at).map(|v| v as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_numbers_are_those_of_the_system_headers() {
        assert_eq!(i32::from(NLMSG_ERROR), libc::NLMSG_ERROR);
        assert_eq!(i32::from(NLMSG_DONE), libc::NLMSG_DONE);
    }

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + payload.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_refusal_gives_its_number_and_its_reason() {
        let request = message(16, 0, &[1; 8]);
        let text = b"no such device\0\0";
        let mut attr = (text.len() as u16 + 4).to_ne_bytes().to_vec();
        attr.extend_from_slice(&NLMSGERR_ATTR_MSG.to_ne_bytes());
        attr.extend_from_slice(text);
        for (flags, echoed) in
            [(NLM_F_ACK_TLVS, &request[..]), (NLM_F_ACK_TLVS | NLM_F_CAPPED, &request[..HEADER])]
        {
            let payload = [&(-19_i32).to_ne_bytes()[..], echoed, &attr].concat();
            let bytes = message(NLMSG_ERROR, flags, &payload);
            let (message, rest) = next_message(&bytes).expect("whole").expect("one");
            assert!(rest.is_empty());
            let error = NlError { errno: Errno::ENODEV, reason: "no such device".into() };
            assert_eq!(acknowledgement(&message), Err(error));
        }
        let bytes = message(NLMSG_ERROR, 0, &[0; 20]);
        let (message, _) = next_message(&bytes).expect("whole").expect("one");
        assert_eq!(acknowledgement(&message), Ok(()));
    }

    #[test]
    fn cut_messages_are_refused() {
        let bytes = message(NLMSG_ERROR, 0, &[0; 20]);
        for len in HEADER..bytes.len() {
            assert!(next_message(&bytes[..len]).is_err(), "length {len}");
        }
        assert_eq!(numbered(&bytes[..HEADER - 1]), Err(Errno::EINVAL));
    }
}
