//! What went wrong, where, and what to do about it.
//!
//! An [`Error`] carries a [`kind`](Error::kind) to match on, the kernel's [`errno`](Error::errno), and [`Frame`]s from
//! the outside in: object, program, section, instruction, command. It prints as one line that ends in the error number
//! and the most useful line of the verifier; `{:#}` prints the whole verifier log below it.
//!
//! ```text
//! load program `on_exec` (SEC "tp_btf/sched_process_exec"): BPF_PROG_LOAD: EACCES (Permission denied): R1 invalid mem access 'scalar' (41 log lines, show with {:#})
//! ```

mod frame;
mod verifier;

use core::fmt;
use std::borrow::Cow;

use oxbpf_uapi::Errno;

pub use frame::Frame;
pub use verifier::VerifierLog;

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What kind of thing went wrong, for `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, map, program, function, type or interface does not exist.
    NotFound,
    /// The object file is broken or says something that can't be.
    InvalidObject,
    /// This kernel does not have what is asked for.
    Unsupported {
        /// What is missing, such as "BPF perf links".
        feature: &'static str,
        /// First kernel release that has it, "" if unknown.
        since: &'static str,
    },
    /// The caller may not do this.
    PermissionDenied,
    /// The verifier rejected a program.
    Verifier,
    /// Something else holds the place.
    Busy,
    /// The thing exists already.
    AlreadyExists,
    /// The caller's arguments, or the order of calls, make no sense.
    InvalidInput,
    /// A signal came first.
    Interrupted,
    /// The kernel refused for another reason: see [`Error::errno`].
    Kernel,
}

impl ErrorKind {
    fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::EPERM | Errno::EACCES => Self::PermissionDenied,
            Errno::ENOENT | Errno::ESRCH | Errno::ENODEV => Self::NotFound,
            Errno::EBUSY => Self::Busy,
            Errno::EEXIST => Self::AlreadyExists,
            Errno::EINTR => Self::Interrupted,
            _ => Self::Kernel,
        }
    }
}

/// An error of this crate. One pointer wide.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    errno: Errno,
    /// Innermost first: each `at` pushes one.
    frames: Vec<Frame>,
    /// What to say in place of the error number's text.
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
    source: Option<Box<dyn core::error::Error + Send + Sync>>,
}

impl Error {
    fn build(kind: ErrorKind, errno: Errno, message: Cow<'static, str>) -> Self {
        let (frames, hint) = (Vec::new(), Cow::Borrowed(""));
        Self(Box::new(Inner { kind, errno, frames, message, hint, source: None }))
    }

    /// An error that a kernel answered, its kind derived from the number.
    pub fn kernel(errno: Errno) -> Self {
        Self::build(ErrorKind::of_errno(errno), errno, Cow::Borrowed(""))
    }

    /// An error that a kernel answered over netlink, with its reason in words.
    pub(crate) fn netlink(e: oxbpf_kernel::NlError) -> Self {
        Self::build(ErrorKind::of_errno(e.errno), e.errno, Cow::Owned(e.reason.into()))
    }

    /// The caller asked for something that makes no sense (`EINVAL`).
    pub fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(ErrorKind::InvalidInput, Errno::EINVAL, message.into())
    }

    /// The object says something that can't be (`EINVAL`).
    pub fn invalid_object(message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(ErrorKind::InvalidObject, Errno::EINVAL, message.into())
    }

    /// Something does not exist (`ENOENT`).
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(ErrorKind::NotFound, Errno::ENOENT, message.into())
    }

    /// This kernel lacks `feature`, which Linux has since `since` (`EOPNOTSUPP`).
    pub fn unsupported(feature: &'static str, since: &'static str) -> Self {
        let message = if since.is_empty() {
            format!("the kernel does not support {feature}")
        } else {
            format!("the kernel does not support {feature} (Linux {since})")
        };
        Self::build(ErrorKind::Unsupported { feature, since }, Errno::EOPNOTSUPP, message.into())
    }

    /// Adds the context that is known here. Called from the inside out.
    #[must_use]
    pub fn at(mut self, frame: Frame) -> Self {
        self.0.frames.push(frame);
        self
    }

    /// Changes the kind, where the number alone says too little.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Changes the number.
    #[must_use]
    pub fn with_errno(mut self, errno: Errno) -> Self {
        self.0.errno = errno;
        self
    }

    /// Says what happened in words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Says what the user can do, in place of the hint that follows from the kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Keeps the error below this one, whose text becomes the message where there is none.
    #[must_use]
    pub fn with_source(mut self, source: impl core::error::Error + Send + Sync + 'static) -> Self {
        if self.0.message.is_empty() {
            self.0.message = source.to_string().into();
        }
        self.0.source = Some(Box::new(source));
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kernel's error number, or the number that the C library gives for the same failure.
    pub fn errno(&self) -> Errno {
        self.0.errno
    }

    /// Where it happened, from the outside in.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.0.frames.iter().rev()
    }

    /// The verifier's log, if the verifier is why.
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        self.0.frames.iter().find_map(|f| match f {
            Frame::Verifier(log) => Some(log),
            _ => None,
        })
    }

    /// What the user can do about it, "" if nothing comes to mind.
    pub fn hint(&self) -> Cow<'_, str> {
        if !self.0.hint.is_empty() {
            return Cow::Borrowed(&self.0.hint);
        }
        match self.0.kind {
            ErrorKind::Unsupported { feature, since } if !since.is_empty() => {
                format!("{feature}: needs Linux {since} or newer").into()
            }
            ErrorKind::PermissionDenied => {
                "run as root, or with CAP_BPF plus CAP_PERFMON (tracing) or CAP_NET_ADMIN (networking); a kernel in \
                 lockdown refuses programs that read kernel memory or change functions even to root"
                    .into()
            }
            ErrorKind::Verifier => {
                self.verifier_log().and_then(VerifierLog::hint).map_or(Cow::Borrowed(""), Cow::Borrowed)
            }
            _ => Cow::Borrowed(""),
        }
    }

    /// The last part of the line: number and text.
    fn write_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, errno, message, .. } = &*self.0;
        if let Some(log) = self.verifier_log() {
            return write!(f, "{errno:?}{}", log.one_line(f.alternate()));
        }
        match (kind, message.is_empty()) {
            // The number of these is the C library's convention and tells a reader nothing.
            (
                ErrorKind::InvalidInput
                | ErrorKind::InvalidObject
                | ErrorKind::NotFound
                | ErrorKind::Unsupported { .. },
                false,
            ) => f.write_str(message),
            (_, false) => write!(f, "{message}: {errno:?}"),
            (_, true) => write!(f, "{errno}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in self.frames() {
            frame.write(f)?;
        }
        self.write_cause(f)?;
        match self.verifier_log() {
            Some(log) if f.alternate() => write!(f, "\n{}", log.text().trim_end()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

/// Adds context to the error of a result.
pub(crate) trait At<T> {
    /// Adds one frame, made only on error.
    fn at(self, frame: impl FnOnce() -> Frame) -> Result<T>;
}

impl<T> At<T> for Result<T> {
    fn at(self, frame: impl FnOnce() -> Frame) -> Result<T> {
        self.map_err(|e| e.at(frame()))
    }
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, frame: impl FnOnce() -> Frame) -> Result<T> {
        self.map_err(|e| Error::kernel(e).at(frame()))
    }
}

impl<T> At<T> for Result<T, oxbpf_kernel::NlError> {
    fn at(self, frame: impl FnOnce() -> Frame) -> Result<T> {
        self.map_err(|e| Error::netlink(e).at(frame()))
    }
}

/// The name of `known` that `wanted` was probably meant to be, for "did you mean".
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wanted.len() / 3).max(1);
    let close = |name: &&str| name.len().abs_diff(wanted.len()) <= limit;
    known
        .filter(close)
        .map(|name| (distance(wanted, name), name))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Edit distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (*cell + 1).min(left + 1).min(diagonal + usize::from(x != y));
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_uapi::Cmd;

    fn rejected() -> Error {
        let log = "0: R1=ctx() R10=fp0\n0: (79) r1 = *(u64 *)(r1 +0)\nR1 invalid mem access 'scalar'\n\
                   processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";
        Error::kernel(Errno::EACCES)
            .with_kind(ErrorKind::Verifier)
            .at(Frame::Verifier(VerifierLog::new(log)))
            .at(Frame::Command(Cmd::PROG_LOAD))
            .at(Frame::Program { name: "on_exec".into(), section: "tp_btf/sched_process_exec".into() })
            .at(Frame::Step("load"))
    }

    #[test]
    fn error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn verifier_error_is_one_line_with_the_useful_log_line() {
        assert_eq!(
            rejected().to_string(),
            "load program `on_exec` (SEC \"tp_btf/sched_process_exec\"): BPF_PROG_LOAD: EACCES: R1 invalid mem access \
             'scalar' (4 log lines, show with {:#})"
        );
    }

    #[test]
    fn alternate_form_has_the_whole_log() {
        let text = format!("{:#}", rejected());
        assert!(text.contains("\n0: (79) r1 = *(u64 *)(r1 +0)\n"), "{text}");
        assert!(!text.contains("show with"), "{text}");
    }

    #[test]
    fn kernel_error_without_message_names_number_and_meaning() {
        let e =
            Error::kernel(Errno::EPERM).at(Frame::Command(Cmd::MAP_CREATE)).at(Frame::Map("events".into()));
        assert_eq!(e.to_string(), "map `events`: BPF_MAP_CREATE: EPERM (Operation not permitted)");
        assert_eq!(e.kind(), ErrorKind::PermissionDenied);
        assert!(e.hint().contains("CAP_BPF"));
    }

    #[test]
    fn nearest_finds_a_typing_error_and_nothing_far_away() {
        let known = ["events", "start"];
        assert_eq!(nearest("event", known.into_iter()), Some("events"));
        assert_eq!(nearest("strat", known.into_iter()), None);
        assert_eq!(nearest("xyz", known.into_iter()), None);
    }
}
