//! A set of handles to wait for.

use crate::Handle;

/// Handles to wait for, each under a token that the caller chose.
///
/// The back end keeps its own waiting object (an epoll instance on Linux) in the set, so that a set which lives long
/// costs one system call a wait.
#[derive(Debug, Default)]
pub struct PollSet {
    entries: Vec<(Handle, u64)>,
    ready: Vec<u64>,
    reactor: Option<(Handle, usize)>,
}

impl PollSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handle; `token` comes back from [`PollSet::ready`] when it is readable.
    pub fn add(&mut self, handle: Handle, token: u64) {
        self.entries.push((handle, token));
    }

    /// The handles and their tokens, in the order in which they were added.
    pub fn entries(&self) -> &[(Handle, u64)] {
        &self.entries
    }

    /// Tokens that the last wait found readable.
    pub fn ready(&self) -> &[u64] {
        &self.ready
    }

    /// For back ends: the list of readable tokens, to be refilled by each wait.
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
