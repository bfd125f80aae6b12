//! A set of handles to wait for.

use crate::Handle;

/// Handles to wait for, each under a token that the caller chose.
///
/// The back end keeps its own waiting object (an epoll instance on Linux) in the set, so that a set which lives long
/// costs one system call a wait.
#[derive(Debug, Default)]
pub struct PollSet {
    entries: Vec<PollEntry>,
    ready: Vec<u64>,
    reactor: Option<(Handle, usize)>,
}

/// One handle of a [`PollSet`].
#[derive(Clone, Debug)]
pub struct PollEntry {
    /// What to wait for.
    pub handle: Handle,
    /// What [`PollSet::ready`] calls it.
    pub token: u64,
    /// Wanted of it.
    pub interest: Interest,
}

/// What a handle is waited for to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Readable: something has arrived.
    Read,
    /// Writable. Told once if there is room when the wait begins, then each time that room is made: how much is asked
    /// for is known to the waiter alone, so a report of some room must not come again and again.
    Write,
}

impl PollSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handle; `token` comes back from [`PollSet::ready`] when it is readable.
    pub fn add(&mut self, handle: Handle, token: u64) {
        self.entries.push(PollEntry { handle, token, interest: Interest::Read });
    }

    /// Adds a handle; `token` comes back from [`PollSet::ready`] when it is writable.
    pub fn add_writer(&mut self, handle: Handle, token: u64) {
        self.entries.push(PollEntry { handle, token, interest: Interest::Write });
    }

    /// The handles, in the order in which they were added.
    pub fn entries(&self) -> &[PollEntry] {
        &self.entries
    }

    /// Tokens that the last wait found ready.
    pub fn ready(&self) -> &[u64] {
        &self.ready
    }

    /// For back ends: the list of ready tokens, to be refilled by each wait.
    pub fn ready_mut(&mut self) -> &mut Vec<u64> {
        &mut self.ready
    }

    /// For back ends: the waiting object of an earlier wait, and how many of the entries it knows.
    pub fn reactor(&self) -> Option<(&Handle, usize)> {
        self.reactor.as_ref().map(|(h, n)| (h, *n))
    }

    /// For back ends: remembers a waiting object that knows the first `known` entries.
    pub fn set_reactor(&mut self, reactor: Handle, known: usize) {
        self.reactor = Some((reactor, known));
    }
}
