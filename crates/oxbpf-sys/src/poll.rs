//! Waiting for handles: one epoll instance a [`PollSet`], made at the first wait and kept in it.

use std::mem::MaybeUninit;
use std::time::Duration;

use oxbpf_kernel::{Handle, Interest, PollSet};
use oxbpf_uapi::Errno;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::linux::descriptor;
use crate::syscall::errno;

/// Events taken by one wait; more stay ready for the next, since epoll is level-triggered here.
const BATCH: usize = 64;

pub(crate) fn wait(set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
    register_new(set)?;
    let (reactor, _) = set.reactor().ok_or(Errno::EINVAL)?;
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    let mut events = [const { MaybeUninit::uninit() }; BATCH];
    let (ready, _) = epoll::wait(descriptor(reactor)?, &mut events[..], timeout.as_ref()).map_err(errno)?;
    let tokens = set.ready_mut();
    tokens.clear();
    // The event is packed, so its fields are copied and not borrowed.
    tokens.extend(ready.iter().map(|e| { e.data }.u64()));
    Ok(tokens.len())
}

/// Makes the set's epoll instance if it has none, and tells it about handles added since the last wait.
fn register_new(set: &mut PollSet) -> Result<(), Errno> {
    let (reactor, known) = match set.reactor() {
        Some((reactor, known)) => (reactor.clone(), known),
        None => (Handle::from_fd(epoll::create(CreateFlags::CLOEXEC).map_err(errno)?), 0),
    };
    let fresh = set.entries().get(known..).unwrap_or_default();
    for entry in fresh {
        let (to, source) = (descriptor(&reactor)?, descriptor(&entry.handle)?);
        let events = match entry.interest {
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT | EventFlags::ET,
        };
        epoll::add(to, source, EventData::new_u64(entry.token), events).map_err(errno)?;
    }
    let known = set.entries().len();
    set.set_reactor(reactor, known);
    Ok(())
}
