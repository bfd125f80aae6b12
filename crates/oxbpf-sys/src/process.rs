//! Signals of this process, and a child that waits with becoming another program until it is told to.
//!
//! A tool that traces a command attaches between [`StoppedChild::spawn`] and [`StoppedChild::resume`], so that it misses
//! nothing of the command, its exec(2) included.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use oxbpf_kernel::Handle;
use oxbpf_uapi::Errno;
use rustix::process::{Pid, Signal as RawSignal, WaitOptions};

use crate::syscall::{self, ChildPlan, SignalMask};

/// A signal that a command-line tool waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Interrupt from the keyboard.
    Int,
    /// Request to end.
    Term,
    /// The terminal is gone.
    Hup,
    /// A child ended or stopped.
    Chld,
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Self::Int => libc::SIGINT,
            Self::Term => libc::SIGTERM,
            Self::Hup => libc::SIGHUP,
            Self::Chld => libc::SIGCHLD,
        }
    }
}

/// Signals as something to read and poll, instead of handlers.
///
/// The signals are blocked in the calling thread and in threads that it starts later, so make this before any other
/// thread. Dropping it lets them through again in the thread that drops it.
pub struct Signals {
    fd: OwnedFd,
    wanted: Vec<Signal>,
    mask: SignalMask,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signals").field(&self.wanted).finish()
    }
}

impl Signals {
    /// Waits for these signals from now on.
    ///
    /// # Errors
    /// As signalfd(2).
    pub fn new(wanted: &[Signal]) -> io::Result<Self> {
        let numbers: Vec<i32> = wanted.iter().map(|s| s.number()).collect();
        let (fd, mask) = syscall::block_signals(&numbers).map_err(os_error)?;
        Ok(Self { fd, wanted: wanted.to_vec(), mask })
    }

    /// The next signal that arrived, without waiting. Several of one kind may have become one.
    ///
    /// # Errors
    /// As read(2).
    #[allow(clippy::should_implement_trait, reason = "an iterator would end at the first pause")]
    pub fn next(&mut self) -> io::Result<Option<Signal>> {
        let mut info = [0_u8; syscall::SIGNAL_INFO_LEN];
        loop {
            match rustix::io::read(&self.fd, &mut info) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            let [a, b, c, d, ..] = info;
            let number = u32::from_ne_bytes([a, b, c, d]);
            let found = self.wanted.iter().find(|s| u32::try_from(s.number()) == Ok(number));
            if let Some(signal) = found {
                return Ok(Some(*signal));
            }
        }
    }

    /// A handle for a [`PollSet`](oxbpf_kernel::PollSet), readable when a signal has arrived.
    ///
    /// # Errors
    /// As dup(2).
    pub fn handle(&self) -> io::Result<Handle> {
        self.fd.try_clone().map(Handle::from_fd)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        syscall::restore_signals(&self.mask);
    }
}

/// How often a child is looked at that has said it is ready and does not sleep yet.
const READY_TRIES: u32 = 10_000;

/// Finds the file that a command names: itself if it has a slash, else in the directories of `PATH`.
///
/// # Errors
/// `NotFound`, or `PermissionDenied` if there is only a file that can't be executed.
pub fn resolve(program: &OsStr) -> io::Result<PathBuf> {
    let executable = |path: &Path| -> io::Result<()> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).map_err(io::Error::from)
    };
    if program.as_bytes().contains(&b'/') {
        return executable(program.as_ref()).map(|()| program.into());
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    if program.is_empty() {
        return Err(failure);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    for dir in std::env::split_paths(&path) {
        let candidate = dir.join(program);
        // A directory that can't be searched does not have the command as far as this user is concerned.
        if !candidate.exists() {
            continue;
        }
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(e) => failure = e,
        }
    }
    Err(failure)
}

/// A child process that has not yet become the command. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct StoppedChild {
    pid: Pid,
    go: Option<File>,
    failure: Option<File>,
    status: Option<ExitStatus>,
    /// Somebody else waits for the process.
    given_away: bool,
}

impl StoppedChild {
    /// Forks a child that will run `program` with `args`, which do not include the program's name.
    ///
    /// # Errors
    /// What [`resolve`] says of the program, so a command that does not exist is known here; as fork(2).
    pub fn spawn(program: &OsStr, args: &[OsString]) -> io::Result<Self> {
        let path = CString::new(resolve(program)?.into_os_string().into_vec())?;
        let text = |s: &OsStr| CString::new(s.as_bytes());
        let mut argv = vec![text(program)?];
        for arg in args {
            argv.push(text(arg)?);
        }
        let mut env = Vec::new();
        for (name, value) in std::env::vars_os() {
            let mut pair = name.into_vec();
            pair.push(b'=');
            pair.extend_from_slice(value.as_bytes());
            env.push(CString::new(pair)?);
        }
        let flags = rustix::pipe::PipeFlags::CLOEXEC;
        let (go, parent_go) = rustix::pipe::pipe_with(flags)?;
        let (parent_failure, failure) = rustix::pipe::pipe_with(flags)?;
        let plan = ChildPlan {
            path: &path,
            args: &argv,
            env: &env,
            go: go.as_fd(),
            parent_go: parent_go.as_fd(),
            failure: failure.as_fd(),
        };
        let pid = syscall::fork_and_wait(&plan).map_err(os_error)?;
        drop(failure);
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::Other)?;
        let mut child = Self {
            pid,
            go: Some(parent_go.into()),
            failure: Some(parent_failure.into()),
            status: None,
            given_away: false,
        };
        child.wait_until_ready()?;
        Ok(child)
    }

    /// Waits until the child is in the read(2) that it waits in, so that tracing begins at the same place every time.
    fn wait_until_ready(&mut self) -> io::Result<()> {
        if let Some(failure) = &mut self.failure {
            failure.read_exact(&mut [0])?;
        }
        let stat = format!("/proc/{}/stat", self.pid());
        for _ in 0..READY_TRIES {
            let text = std::fs::read_to_string(&stat)?;
            // The name in brackets may hold anything, the state follows it.
            if text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')) {
                break;
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The process id, which stays when the child becomes the command.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Lets the child become the command, and waits until it has.
    ///
    /// # Errors
    /// As execve(2), of the child: the file may be no program after all.
    pub fn resume(&mut self) -> io::Result<()> {
        self.release()?;
        self.exec_result()
    }

    /// Lets the child become the command and does not wait: for tracers, which have to let it run first.
    ///
    /// # Errors
    /// As write(2).
    pub fn release(&mut self) -> io::Result<()> {
        match self.go.take() {
            Some(mut go) => go.write_all(&[1]),
            None => Ok(()),
        }
    }

    /// Waits until a released child is the command or has failed to.
    ///
    /// # Errors
    /// As execve(2), of the child.
    pub fn exec_result(&mut self) -> io::Result<()> {
        let Some(mut failure) = self.failure.take() else { return Ok(()) };
        let mut number = [0; 4];
        match failure.read(&mut number)? {
            4 => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number))),
            _ => Ok(()),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// `ESRCH` when the child is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.status.is_some() || self.given_away {
            return Err(os_error(Errno::ESRCH));
        }
        let signal = match signal {
            Signal::Int => RawSignal::INT,
            Signal::Term => RawSignal::TERM,
            Signal::Hup => RawSignal::HUP,
            Signal::Chld => RawSignal::CHILD,
        };
        Ok(rustix::process::kill_process(self.pid, signal)?)
    }

    /// The exit status if the child has ended.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Waits until the child has ended.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.reap(WaitOptions::empty())?.ok_or_else(|| io::ErrorKind::Other.into())
    }

    fn reap(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.status.is_some() || self.given_away {
            return Ok(self.status);
        }
        loop {
            match rustix::process::waitpid(Some(self.pid), options) {
                Ok(found) => {
                    self.status = found.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
                    return Ok(self.status);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Somebody else takes over waiting for the process.
    pub(crate) fn give_away(&mut self) {
        self.given_away = true;
    }
}

impl Drop for StoppedChild {
    fn drop(&mut self) {
        if self.status.is_some() || self.given_away {
            return;
        }
        let _ = rustix::process::kill_process(self.pid, RawSignal::KILL);
        let _ = self.wait();
    }
}

/// An error number as an I/O error.
pub(crate) fn os_error(e: Errno) -> io::Error {
    io::Error::from_raw_os_error(e.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_does_nothing_until_it_is_resumed() {
        let dir = std::env::temp_dir().join(format!("oxbpf-sys-barrier-{}", std::process::id()));
        let mut child = StoppedChild::spawn("touch".as_ref(), &[dir.clone().into()]).expect("spawn");
        assert_eq!(child.try_wait().expect("wait"), None);
        assert!(!dir.exists());
        child.resume().expect("exec");
        assert!(child.wait().expect("wait").success());
        assert!(dir.exists());
        std::fs::remove_file(dir).expect("remove");
    }

    #[test]
    fn a_command_that_does_not_exist_is_known_before_anything_starts() {
        let error = StoppedChild::spawn("no-such-command-here".as_ref(), &[]).expect_err("no command");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = StoppedChild::spawn("/proc/self/maps".as_ref(), &[]).expect_err("not executable");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let error = StoppedChild::spawn("/usr/bin".as_ref(), &[]).expect_err("a directory");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_file_that_is_no_program_is_an_error_of_resume() {
        let path = std::env::temp_dir().join(format!("oxbpf-sys-noexec-{}", std::process::id()));
        std::fs::write(&path, "neither ELF nor script").expect("write");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("chmod");
        let mut child = StoppedChild::spawn(path.as_os_str(), &[]).expect("spawn");
        let error = child.resume().expect_err("no program");
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC));
        assert_eq!(child.wait().expect("wait").code(), Some(127));
        std::fs::remove_file(path).expect("remove");
    }

    #[test]
    fn dropping_a_child_that_never_ran_reaps_it() {
        let child = StoppedChild::spawn("true".as_ref(), &[]).expect("spawn");
        let pid = child.pid();
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_signal_is_read_and_does_not_end_the_process() {
        let mut signals = Signals::new(&[Signal::Hup, Signal::Term]).expect("signals");
        assert_eq!(signals.next().expect("read"), None);
        syscall::raise(libc::SIGHUP);
        assert_eq!(signals.next().expect("read"), Some(Signal::Hup));
        assert_eq!(signals.next().expect("read"), None);
    }
}
