//! A back end for tests: answers from rules, from a transcript, or as a plain kernel would that accepts everything.
//!
//! ```
//! use oxbpf_kernel::{Kernel, MapCreate, Scripted};
//! use oxbpf_uapi::{Cmd, Errno};
//!
//! let kernel = Kernel::new(Scripted::new().fail_nth(Cmd::MAP_CREATE, 2, Errno::ENOMEM));
//! assert!(kernel.map_create(MapCreate::default()).is_ok());
//! assert_eq!(kernel.map_create(MapCreate::default()).err(), Some(Errno::ENOMEM));
//! ```
//!
//! A request is answered by the first of: rules, in the order in which they were added; the release
//! ([`Scripted::release`]); the transcript ([`Scripted::replay`]); the default. By default maps keep their elements, other objects
//! only exist, and nothing is known about the system. To see what was asked, wrap it in a [`Recorder`](crate::Recorder).

mod objects;
mod release;

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxbpf_uapi::{Cmd, Errno, MapType};

use crate::describe::{self, Names};
use crate::outputs;
use crate::transcript::{Line, Transcript, errno_by_name, reference};
use crate::{
    Backend, Blob, Command, Fact, Handle, Mapping, NlError, NlMessage, Opening, PerfRequest, PollSet, ProgFd,
    Prot, Reply, SocketRole,
};

use objects::Object;
use release::Release;

type CommandRule = dyn Fn(&mut Command<'_>) -> Option<Result<Reply, Errno>> + Send + Sync;
type FactRule = dyn Fn(Fact<'_>) -> Option<Result<Blob, Errno>> + Send + Sync;
type PerfRule = dyn Fn(&mut PerfRequest<'_>) -> Option<Result<Reply, Errno>> + Send + Sync;
type EventRule = dyn Fn(&str, &str) -> Result<(), Errno> + Send + Sync;
type NetlinkRule = dyn Fn(&NlMessage<'_>, &mut dyn FnMut(&[u8])) -> Option<Result<(), Errno>> + Send + Sync;

/// Numbers of objects start above the standard streams.
const FIRST_NUMBER: i32 = 3;

/// A back end for tests. See the [module](self) for who answers what.
#[derive(Default)]
pub struct Scripted {
    commands: Vec<Box<CommandRule>>,
    facts: Vec<Box<FactRule>>,
    perf: Vec<Box<PerfRule>>,
    netlink: Vec<Box<NetlinkRule>>,
    events: Option<Box<EventRule>>,
    files: HashMap<PathBuf, Blob>,
    release: Option<Release>,
    replay: Option<Replay>,
    made: AtomicI32,
    pins: Mutex<HashMap<PathBuf, Handle>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.commands.len() + self.facts.len() + self.perf.len() + self.netlink.len();
        f.debug_struct("Scripted")
            .field("rules", &rules)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

impl Scripted {
    /// A kernel that accepts everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A kernel that gives the answers of `transcript`, line by line, to the requests that stand there. A request that is not the next
    /// line's gets `EPROTO`, and so does every one after it; [`Replay::finish`] says what was different.
    ///
    /// Calls that the transcript has no line of at all get the default answer. Outputs come back where they are in the transcript as
    /// bytes; record with [`Recorder::full_outputs`](crate::Recorder::full_outputs) to have them all.
    pub fn replay(transcript: Transcript) -> (Self, Replay) {
        let replay = Replay::new(transcript);
        (Self { replay: Some(replay.clone()), ..Self::default() }, replay)
    }

    /// A kernel of that release: it refuses commands, map and program types, attach types, helpers, instructions, kinds of BTF and
    /// names that came later, as it would: with `EINVAL`, or `E2BIG` for fields that it does not know.
    #[must_use]
    pub fn release(mut self, major: u32, minor: u32) -> Self {
        self.release = Some(Release { major, minor });
        self
    }

    /// Answers commands for which `rule` returns something.
    #[must_use]
    pub fn on(
        mut self,
        rule: impl Fn(&mut Command<'_>) -> Option<Result<Reply, Errno>> + Send + Sync + 'static,
    ) -> Self {
        self.commands.push(Box::new(rule));
        self
    }

    /// Answers every command of a number with an error.
    #[must_use]
    pub fn fail(self, cmd: Cmd, error: Errno) -> Self {
        self.on(move |request| (request.cmd() == cmd).then_some(Err(error)))
    }

    /// Answers the `nth` command of a number, counted from 1, with an error.
    #[must_use]
    pub fn fail_nth(self, cmd: Cmd, nth: u32, error: Errno) -> Self {
        let seen = AtomicU32::new(0);
        self.on(move |request| {
            let is_it = request.cmd() == cmd && seen.fetch_add(1, Ordering::Relaxed) + 1 == nth;
            is_it.then_some(Err(error))
        })
    }

    /// Answers questions about the system for which `rule` returns something.
    #[must_use]
    pub fn on_fact(
        mut self,
        rule: impl Fn(Fact<'_>) -> Option<Result<Blob, Errno>> + Send + Sync + 'static,
    ) -> Self {
        self.facts.push(Box::new(rule));
        self
    }

    /// Answers requests about perf events for which `rule` returns something.
    #[must_use]
    pub fn on_perf(
        mut self,
        rule: impl Fn(&mut PerfRequest<'_>) -> Option<Result<Reply, Errno>> + Send + Sync + 'static,
    ) -> Self {
        self.perf.push(Box::new(rule));
        self
    }

    /// Answers netlink messages for which `rule` returns something; it passes the payloads of its answers on.
    #[must_use]
    pub fn on_netlink(
        mut self,
        rule: impl Fn(&NlMessage<'_>, &mut dyn FnMut(&[u8])) -> Option<Result<(), Errno>> + Send + Sync + 'static,
    ) -> Self {
        self.netlink.push(Box::new(rule));
        self
    }

    /// Answers lines for the lists of dynamic events, given the unit and the line. Without a rule there are no such lists.
    #[must_use]
    pub fn on_define_event(
        mut self,
        rule: impl Fn(&str, &str) -> Result<(), Errno> + Send + Sync + 'static,
    ) -> Self {
        self.events = Some(Box::new(rule));
        self
    }

    /// Adds a program file or library.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, contents: impl Into<Blob>) -> Self {
        self.files.insert(path.into(), contents.into());
        self
    }

    /// A new reference, whose number no other one had.
    fn handle(&self, object: Object) -> Handle {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        Handle::from_object(FIRST_NUMBER + made, object)
    }

    fn new_object(&self, object: Object) -> Result<Reply, Errno> {
        Ok(Reply::Handle(self.handle(object)))
    }

    /// The transcript's answer, if it is to give one.
    fn replayed(&self, line: impl FnOnce(&Names) -> Line, kind: (&'static str, MapType)) -> Option<Answer> {
        let replay = self.replay.as_ref()?;
        replay.answer(line, kind, || self.handle(Object::Other))
    }
}

/// An answer with the outputs that come with it.
type Answer = (Result<Reply, Errno>, Vec<(String, String)>);

/// How far a replay has come.
#[derive(Clone, Debug)]
pub struct Replay(Arc<Mutex<ReplayState>>);

#[derive(Debug, Default)]
struct ReplayState {
    lines: VecDeque<Line>,
    /// Calls that the transcript has, so that others get defaults.
    calls: Vec<String>,
    names: Names,
    position: usize,
    difference: Option<String>,
}

impl Replay {
    fn new(transcript: Transcript) -> Self {
        let mut calls: Vec<String> = transcript.lines.iter().map(|l| l.call.clone()).collect();
        calls.sort_unstable();
        calls.dedup();
        let state = ReplayState { lines: transcript.lines.into(), calls, ..Default::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, ReplayState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every line was asked for, and nothing else.
    ///
    /// # Errors
    /// The first request that was different, or the first line that was not asked for.
    pub fn finish(&self) -> Result<(), String> {
        let state = self.lock();
        match (&state.difference, state.lines.front()) {
            (Some(difference), _) => Err(difference.clone()),
            (None, Some(line)) => Err(format!("line {} was not asked for: {line}", state.position + 1)),
            (None, None) => Ok(()),
        }
    }

    fn answer(
        &self,
        request: impl FnOnce(&Names) -> Line,
        kind: (&'static str, MapType),
        new_handle: impl FnOnce() -> Handle,
    ) -> Option<Answer> {
        let mut state = self.lock();
        let asked = request(&state.names);
        if !state.calls.contains(&asked.call) {
            return None;
        }
        if state.difference.is_some() {
            return Some((Err(Errno::EPROTO), Vec::new()));
        }
        let next = state.lines.pop_front().unwrap_or_default();
        state.position += 1;
        if next.request() != asked.request() {
            let expected = if next.call.is_empty() { "the end".to_owned() } else { next.request() };
            let difference =
                format!("line {}: expected {expected}\n     got {}", state.position, asked.request());
            state.difference = Some(difference);
            return Some((Err(Errno::EPROTO), Vec::new()));
        }
        if let Some(error) = errno_by_name(&next.reply) {
            return Some((Err(error), next.outputs));
        }
        let reply = match (next.reply.parse(), reference(&next.reply)) {
            (Ok(0), _) => Reply::Done,
            (Ok(value), _) => Reply::Value(value),
            (Err(_), Some(_)) => {
                let handle = new_handle();
                state.names.add(&handle, kind.0, kind.1);
                Reply::Handle(handle)
            }
            (Err(_), None) => return Some((Err(Errno::EPROTO), Vec::new())),
        };
        Some((Ok(reply), next.outputs))
    }
}

impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        if let Some(answer) = self.commands.iter().find_map(|rule| rule(cmd)) {
            return answer;
        }
        if let Some(release) = self.release {
            release.check(cmd)?;
        }
        let kind = describe::kind_of_reply(cmd);
        match self.replayed(|names| describe::command(names, cmd), kind) {
            Some((result, outputs)) => {
                outputs::write(cmd, &outputs);
                result
            }
            None => self.default_answer(cmd),
        }
    }

    fn perf_event(&self, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        if let Some(answer) = self.perf.iter().find_map(|rule| rule(req)) {
            return answer;
        }
        if let Some(answer) = self.replayed(|names| describe::perf(names, req), ("event", MapType::UNSPEC)) {
            return answer.0;
        }
        match req {
            PerfRequest::Open { .. } => self.new_object(Object::Other),
            PerfRequest::QueryBpf { .. } => Ok(Reply::Value(0)),
            PerfRequest::SetBpf { .. }
            | PerfRequest::Enable(_)
            | PerfRequest::Disable(_)
            | PerfRequest::Pause { .. } => Ok(Reply::Done),
        }
    }

    fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        let _ = prot;
        objects::memory(handle, range)
    }

    fn mmap_at(&self, handle: &Handle, _: u64, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        self.mmap(handle, range, prot)
    }

    fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        self.netlink.iter().find_map(|rule| rule(msg, each)).unwrap_or(Ok(())).map_err(NlError::from)
    }

    fn set_socket_prog(&self, _: &Handle, _: SocketRole, _: Option<&ProgFd>) -> Result<(), Errno> {
        Ok(())
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        self.facts.iter().find_map(|rule| rule(what)).unwrap_or(Err(Errno::ENOENT))
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        if let Opening::Binary(path) = what {
            let file = self.files.get(path).ok_or(Errno::ENOENT)?;
            return Ok(self.handle(Object::File(file.clone())));
        }
        let (line, kind) = describe::opening(what);
        match self.replayed(|_| line, (kind, MapType::UNSPEC)) {
            Some((result, _)) => result?.handle(),
            None => Ok(self.handle(Object::Other)),
        }
    }

    fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        let _ = (handle, out);
        Ok(0)
    }

    fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let Some(Object::File(file)) = handle.object() else { return Err(Errno::EBADF) };
        let rest = usize::try_from(offset).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let len = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        let Some(Object::File(file)) = handle.object() else { return Err(Errno::EBADF) };
        Ok(file.len() as u64)
    }

    fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        self.events.as_ref().map_or(Err(Errno::ENOSYS), |rule| rule(unit, line))
    }

    fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        let _ = timeout;
        set.ready_mut().clear();
        Ok(0)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.pins().remove(path).map(drop).ok_or(Errno::ENOENT)
    }
}

impl Scripted {
    fn pins(&self) -> MutexGuard<'_, HashMap<PathBuf, Handle>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn default_answer(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        match cmd {
            Command::MapCreate(r) => self.new_object(Object::new_map(r)),
            Command::ProgLoad(r) => self.new_object(Object::new_prog(r)),
            Command::BtfLoad(_) => self.new_object(Object::Btf),
            Command::LinkCreate(_) | Command::RawTracepointOpen(_) => self.new_object(Object::Link),
            Command::IterCreate { .. } | Command::TokenCreate { .. } | Command::EnableStats { .. } => {
                self.new_object(Object::Other)
            }
            Command::ObjPin(r) => {
                let mut pins = self.pins();
                if pins.contains_key(r.path) {
                    return Err(Errno::EEXIST);
                }
                pins.insert(r.path.to_owned(), r.object.clone());
                Ok(Reply::Done)
            }
            Command::ObjGet(r) => self.pins().get(r.path).cloned().map(Reply::Handle).ok_or(Errno::ENOENT),
            Command::GetNextId { .. } | Command::GetFdById(_) | Command::TaskFdQuery(_) => Err(Errno::ENOENT),
            Command::GetInfo(r) => objects::info(r).map(Reply::Value),
            Command::StreamRead(_) => Ok(Reply::Value(0)),
            Command::MapLookupBatch(_)
            | Command::MapLookupAndDeleteBatch(_)
            | Command::MapUpdateBatch(_)
            | Command::MapDeleteBatch(_) => Err(Errno::ENOTSUPP),
            Command::MapLookupElem(_)
            | Command::MapLookupAndDeleteElem(_)
            | Command::MapUpdateElem(_)
            | Command::MapDeleteElem(_)
            | Command::MapGetNextKey(_) => objects::element(cmd).map(|()| Reply::Done),
            _ => Ok(Reply::Done),
        }
    }
}

#[cfg(test)]
mod tests;
