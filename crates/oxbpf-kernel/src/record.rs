//! Writes down what a back end was asked and what it answered.

use core::fmt;
use core::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxbpf_uapi::{Errno, MapType};

use crate::describe::{self, Names};
use crate::outputs;
use crate::transcript::{Line, Transcript, errno_text};
use crate::{
    Backend, Blob, Command, Fact, Handle, Mapping, NlError, NlMessage, Opening, PerfRequest, PollSet, ProgFd,
    Prot, Reply, SocketRole,
};

/// What a recorder writes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordScope {
    /// Commands of bpf(2).
    #[default]
    Bpf,
    /// Commands, and everything else but waiting: perf events, netlink, mappings, facts, openings, reads.
    All,
}

/// A back end that passes every request on and keeps a [`Transcript`]. Clones of its [`log`](Recorder::log) can be kept
/// while the recorder itself is inside a [`Kernel`](crate::Kernel).
pub struct Recorder<B> {
    inner: B,
    scope: RecordScope,
    log: RecorderLog,
}

/// The transcript of a recorder.
#[derive(Clone, Debug, Default)]
pub struct RecorderLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: Names,
    transcript: Transcript,
    has_full_outputs: bool,
}

impl RecorderLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of another thread leaves whole lines.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been recorded so far.
    pub fn transcript(&self) -> Transcript {
        self.lock().transcript.clone()
    }
}

impl<B: Backend> Recorder<B> {
    /// Records the commands that go to `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner, scope: RecordScope::default(), log: RecorderLog::default() }
    }

    /// Records more or less.
    #[must_use]
    pub fn scope(mut self, scope: RecordScope) -> Self {
        self.scope = scope;
        self
    }

    /// Writes outputs whole, however long, and logs too, so that [`Scripted::replay`](crate::Scripted::replay) can give them
    /// again.
    #[must_use]
    pub fn full_outputs(self) -> Self {
        self.log.lock().has_full_outputs = true;
        self
    }

    /// The transcript, which grows while the recorder is used.
    pub fn log(&self) -> RecorderLog {
        self.log.clone()
    }

    /// Finishes a line with the answer and keeps it.
    fn keep(&self, mut line: Line, result: Result<&Reply, Errno>, kind: (&'static str, MapType)) {
        let mut state = self.log.lock();
        line.reply = match result {
            Ok(Reply::Done) => "0".into(),
            Ok(Reply::Value(value)) => value.to_string(),
            Ok(Reply::Handle(handle)) => state.names.add(handle, kind.0, kind.1),
            Err(e) => errno_text(e),
        };
        state.transcript.lines.push(line);
    }

    fn mmap_line(&self, handle: &Handle, range: &Range<u64>, prot: Prot, address: Option<u64>) -> Line {
        let mut numbers = vec![
            ("offset", range.start.into()),
            ("length", (range.end.saturating_sub(range.start)).into()),
            ("write", i128::from(prot == Prot::ReadWrite)),
        ];
        numbers.extend(address.map(|address| ("address", i128::from(address))));
        describe::on_handle(&self.log.lock().names, "mmap", handle, &numbers)
    }

    fn keep_count(&self, line: Line, result: Result<u64, Errno>) {
        if self.scope == RecordScope::All {
            self.keep(line, result.map(Reply::Value).as_ref().map_err(|e| *e), ("object", MapType::UNSPEC));
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for Recorder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.inner).finish()
    }
}

impl<B: Backend> Backend for Recorder<B> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        // Input buffers are described before the call, which may write to them.
        let mut line = describe::command(&self.log.lock().names, cmd);
        let result = self.inner.bpf(cmd);
        line.outputs = outputs::read(cmd, &result, self.log.lock().has_full_outputs);
        self.keep(line, result.as_ref().map_err(|e| *e), describe::kind_of_reply(cmd));
        result
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        let line = describe::perf(&self.log.lock().names, req);
        let result = self.inner.perf_event(req);
        if self.scope == RecordScope::All {
            self.keep(line, result.as_ref().map_err(|e| *e), ("event", MapType::UNSPEC));
        }
        result
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        let line = self.mmap_line(handle, &range, prot, None);
        let result = self.inner.mmap(handle, range, prot);
        self.keep_count(line, result.as_ref().map(|m| m.len() as u64).map_err(|e| *e));
        result
    }

    fn mmap_at(
        &self,
        handle: &Handle,
        address: u64,
        range: Range<u64>,
        prot: Prot,
    ) -> Result<Mapping, Errno> {
        let line = self.mmap_line(handle, &range, prot, Some(address));
        let result = self.inner.mmap_at(handle, address, range, prot);
        self.keep_count(line, result.as_ref().map(|m| m.len() as u64).map_err(|e| *e));
        result
    }

    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        let mut answers = 0;
        let result = self.inner.netlink(msg, &mut |payload| {
            answers += 1;
            each(payload);
        });
        let outcome = result.as_ref().map(|()| answers).map_err(|e| e.errno);
        self.keep_count(describe::netlink(msg.protocol, msg.bytes), outcome);
        result
    }

    fn set_socket_prog(&self, socket: &Handle, role: SocketRole, prog: Option<&ProgFd>) -> Result<(), Errno> {
        let line = describe::socket_prog(&self.log.lock().names, socket, role, prog);
        let result = self.inner.set_socket_prog(socket, role, prog);
        self.keep_count(line, result.map(|()| 0));
        result
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        let result = self.inner.fact(what);
        self.keep_count(describe::fact(what), result.as_ref().map(|b| b.len() as u64).map_err(|e| *e));
        result
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        let result = self.inner.open(what);
        let (line, kind) = describe::opening(what);
        if self.scope == RecordScope::All {
            let reply = result.clone().map(Reply::Handle);
            self.keep(line, reply.as_ref().map_err(|e| *e), (kind, MapType::UNSPEC));
        }
        result
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        let line =
            describe::on_handle(&self.log.lock().names, "read", handle, &[("length", out.len() as i128)]);
        let result = self.inner.read(handle, out);
        self.keep_count(line, result.map(|n| n as u64));
        result
    }

    /// Not recorded: which pieces of a file are read is a matter of its format.
    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.inner.read_at(handle, offset, out)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        self.inner.file_len(handle)
    }

    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        let result = self.inner.define_event(unit, line);
        self.keep_count(describe::event_line(unit, line), result.map(|()| 0));
        result
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
        let result = self.inner.unpin(path);
        self.keep_count(describe::on_path("unlink", path), result.map(|()| 0));
        result
    }
}
