//! Who runs the programs, and where events come from: Linux with the command as a child, or the embedded kernel with the command traced or
//! a capture's packets.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use oxbpf::{ErrorKind, Frame};
use oxbpf_kernel::Kernel;
use oxbpf_runtime::{PacketStats, Runtime, RuntimeOptions, Source, SourceError};
use oxbpf_sys::process::{Signal, Signals, StoppedChild, resolve};

use oxbpf_uapi::Errno;

use super::{Args, End, reject};
use crate::failure::Hint;

/// `--backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// Linux if bpf(2) is allowed, else embedded.
    Auto,
    /// The kernel of this machine.
    Linux,
    /// The kernel that oxbpf brings along.
    Embedded,
}

/// Interface that a capture's packets come in by, unless `--iface` names one.
const CAPTURE_INTERFACE: &str = "pcap0";

/// Who runs the programs.
pub(super) struct Host {
    kernel: Kernel,
    signals: Signals,
    side: Side,
}

enum Side {
    Linux(Option<Child>),
    Embedded { runtime: Runtime, worker: Option<Worker>, is_capture: bool },
}

/// What to make of a program that is refused where others are not.
const REFUSED: &str = "other BPF programs may be loaded here, so this is about the kind of program: a kernel in lockdown, or another security \
                       module, refuses programs that read kernel memory or change functions; --backend embedded may do";
/// What the embedded kernel has events of.
const SERVED: &str = "the embedded kernel runs raw_tp and tp_btf programs on sys_enter, sys_exit and sched_process_{exec,exit,fork}, tp programs \
                      on these and on syscalls/*, kprobes of system calls (ksyscall), uprobes, perf_event, iter/task, and xdp and tc with --pcap; \
                      --backend linux, as root, has the others";

/// What is left when a run is over.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// Exit status of the command, 128 and the signal's number if one ended it.
    pub(super) status: u8,
    /// Lines for the summary.
    pub(super) notes: Vec<String>,
}

impl Host {
    /// Chooses the kernel, and says so on standard error.
    pub(super) fn new(args: &Args) -> Result<Self> {
        if args.pcap.is_some() && !args.command.is_empty() {
            bail!("--pcap and a command are two sources of events; give one");
        }
        // Before any thread, which inherits the blocked signals.
        let signals =
            Signals::new(&[Signal::Int, Signal::Term, Signal::Hup]).context("cannot wait for signals")?;
        let (choice, why) = match args.backend {
            Choice::Linux => (Choice::Linux, None),
            Choice::Embedded => (Choice::Embedded, None),
            Choice::Auto if args.pcap.is_some() => (Choice::Embedded, Some("--pcap is for it".to_owned())),
            Choice::Auto => match oxbpf_sys::why_not_bpf() {
                Some(why) => (Choice::Embedded, Some(why)),
                None => (Choice::Linux, Some("bpf() is allowed".to_owned())),
            },
        };
        if let Some(why) = why {
            let name = if choice == Choice::Linux { "Linux" } else { "the embedded kernel" };
            let _ = writeln!(io::stderr(), "oxbpf: running on {name}: {why}");
        }
        match choice {
            Choice::Linux | Choice::Auto => {
                reject(args.pcap.is_some(), "--pcap", "is for the embedded kernel only")?;
                mounts();
                Ok(Self { kernel: oxbpf_sys::kernel(), signals, side: Side::Linux(None) })
            }
            Choice::Embedded => {
                let is_alone = args.iface.is_some() && args.pcap.is_none();
                reject(
                    is_alone,
                    "--iface",
                    "the embedded kernel's packets are those of a capture: --pcap FILE",
                )?;
                reject(
                    args.pid.is_some(),
                    "--pid",
                    "the embedded kernel sees only the command that it runs, and what that starts",
                )?;
                let runtime = Runtime::new(RuntimeOptions::default())?;
                if args.pcap.is_some() {
                    runtime.add_interface(args.iface.as_deref().unwrap_or(CAPTURE_INTERFACE));
                }
                let side = Side::Embedded {
                    runtime: runtime.clone(),
                    worker: None,
                    is_capture: args.pcap.is_some(),
                };
                Ok(Self { kernel: runtime.kernel(), signals, side })
            }
        }
    }

    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The interface that packet programs attach to without `--iface`.
    pub(super) fn default_interface(&self) -> Option<&'static str> {
        match &self.side {
            Side::Embedded { is_capture: true, .. } => Some(CAPTURE_INTERFACE),
            _ => None,
        }
    }

    /// Adds what a user of this kernel can do about an error.
    pub(super) fn advise(&self, error: Error) -> Error {
        let Some(inner) = error.downcast_ref::<oxbpf::Error>() else { return error };
        let hint = match &self.side {
            Side::Linux(_) if inner.kind() == ErrorKind::PermissionDenied && asks_kernel(inner) => {
                match oxbpf_sys::why_not_bpf() {
                    Some(why) => format!("{why}; --backend embedded needs no rights"),
                    None => REFUSED.to_owned(),
                }
            }
            Side::Embedded { .. }
                if inner.errno() == Errno::EINVAL && inner.frames().any(|f| matches!(f, Frame::Map(_))) =>
            {
                "--backend linux, as root, has the maps of this machine's kernel".to_owned()
            }
            Side::Embedded { .. } => {
                let is_unserved = !matches!(
                    inner.kind(),
                    ErrorKind::Verifier | ErrorKind::InvalidObject | ErrorKind::InvalidInput
                );
                let has_program = inner.frames().any(|f| matches!(f, Frame::Program { .. }));
                if !is_unserved || !has_program {
                    return error;
                }
                SERVED.to_owned()
            }
            Side::Linux(_) => return error,
        };
        error.context(Hint(hint))
    }

    /// Makes the command or the capture ready, without letting it go.
    pub(super) fn prepare(&mut self, args: &Args) -> Result<()> {
        match &mut self.side {
            Side::Linux(child) => {
                if let Some((program, rest)) = args.command.split_first() {
                    *child = Some(Child::spawn(program, rest)?);
                }
            }
            Side::Embedded { runtime, worker, .. } => {
                *worker = match &args.pcap {
                    Some(path) => {
                        let name = args.iface.as_deref().unwrap_or(CAPTURE_INTERFACE);
                        let capture = Capture::open(path, name, args.pcap_out.as_deref())?;
                        Some(Worker::capture(runtime.clone(), capture))
                    }
                    None if args.command.is_empty() => bail!(
                        "the embedded kernel sees what a command does: give one after `--`, or packets with --pcap"
                    ),
                    None => Some(Worker::command(runtime.clone(), args.command.clone())?),
                };
            }
        }
        Ok(())
    }

    /// Lets the command or the capture go.
    pub(super) fn start(&mut self) -> Result<()> {
        match &mut self.side {
            Side::Linux(Some(child)) => child.start(),
            Side::Embedded { worker: Some(worker), .. } => {
                worker.start();
                Ok(())
            }
            Side::Linux(None) | Side::Embedded { worker: None, .. } => Ok(()),
        }
    }

    /// Whether there is a command or a capture whose end is the end of the run.
    pub(super) fn has_source(&self) -> bool {
        !matches!(&self.side, Side::Linux(None))
    }

    /// Whether the command or the capture is over. Without either a run never is.
    pub(super) fn is_over(&mut self) -> Result<bool> {
        match &mut self.side {
            Side::Linux(Some(child)) => child.is_over(),
            Side::Linux(None) => Ok(false),
            Side::Embedded { worker, .. } => Ok(worker.as_ref().is_none_or(Worker::is_over)),
        }
    }

    /// The signal by which the user asked for the end.
    pub(super) fn interrupted(&mut self) -> Result<Option<Signal>> {
        self.signals.next().context("cannot read signals")
    }

    /// Asks the command to end, more firmly each second, or the capture. To be called until it is over.
    pub(super) fn stop(&mut self, signal: Signal) -> Result<()> {
        match &mut self.side {
            Side::Linux(Some(child)) => child.stop(signal),
            Side::Embedded { worker: Some(worker), .. } => {
                worker.stop();
                Ok(())
            }
            Side::Linux(None) | Side::Embedded { worker: None, .. } => Ok(()),
        }
    }

    /// Says how the command or the capture, which is over, ended.
    pub(super) fn finish(&mut self, end: End) -> Result<Finished> {
        let mut finished = Finished::default();
        match &mut self.side {
            Side::Linux(child) => {
                let status = child.as_ref().and_then(|c| c.status);
                finished.status = status.map_or(0, code);
            }
            Side::Embedded { runtime, worker, .. } => {
                match worker.take().map(Worker::finish).transpose()? {
                    Some(Outcome::Command(status)) => finished.status = code(status),
                    Some(Outcome::Packets(s)) => finished.notes.push(format!(
                        "{} packets: {} passed, {} dropped, {} redirected, {} aborted",
                        s.packets, s.passed, s.dropped, s.redirected, s.aborted
                    )),
                    Some(Outcome::Stopped) => {
                        finished.notes.push("the capture was not read to its end".into())
                    }
                    None => {}
                }
                for trap in runtime.traps() {
                    finished.notes.push(format!("{trap} ({} times)", trap.count));
                }
            }
        }
        if end == End::TimeUp {
            finished.status = 0;
        }
        Ok(finished)
    }
}

/// "Exec format error".
const ENOEXEC: i32 = 8;

/// Why a command cannot be run.
fn cannot_run(program: &OsStr, error: &io::Error) -> Error {
    let name = program.to_string_lossy();
    let why = match (error.kind(), resolve(program)) {
        (io::ErrorKind::NotFound, Err(_)) => "no such command".to_owned(),
        (io::ErrorKind::NotFound, Ok(_)) => "the interpreter that it names does not exist".to_owned(),
        (io::ErrorKind::PermissionDenied, _) if Path::new(program).is_dir() => "it is a directory".to_owned(),
        (io::ErrorKind::PermissionDenied, _) => "it may not be executed".to_owned(),
        _ if error.raw_os_error() == Some(ENOEXEC) => {
            "it is no program of this machine, and no script that begins with #!".to_owned()
        }
        _ => error.to_string(),
    };
    anyhow!("cannot run `{name}`: {why}")
}

/// Whether it was the kernel's answer to a request, rather than to opening a file.
fn asks_kernel(error: &oxbpf::Error) -> bool {
    error.frames().any(|f| matches!(f, Frame::Command(_) | Frame::Syscall(_)))
}

/// Where the setting is that restricts ptrace(2).
const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Why a command cannot be traced, and who forbids it.
fn cannot_trace(error: SourceError) -> Error {
    let is_refused = matches!(&error, SourceError::Trace(e) if e.kind() == io::ErrorKind::PermissionDenied);
    let error = anyhow!(error);
    if !is_refused {
        return error;
    }
    let scope = std::fs::read_to_string(PTRACE_SCOPE).unwrap_or_default();
    let hint = match scope.trim() {
        "2" => {
            "the embedded kernel sees what a command does by ptrace(2), which kernel.yama.ptrace_scope=2 leaves to root"
        }
        "3" => {
            "the embedded kernel sees what a command does by ptrace(2), which kernel.yama.ptrace_scope=3 forbids to all"
        }
        _ => {
            "the embedded kernel sees what a command does by ptrace(2); in a container, allow it in the seccomp profile"
        }
    };
    error.context(Hint(hint.to_owned()))
}

/// A command that the Linux kernel runs.
struct Child {
    program: OsString,
    process: Option<StoppedChild>,
    status: Option<ExitStatus>,
    /// Signals sent so far to end it.
    asked: usize,
    /// When the next one is due.
    next: Option<Instant>,
}

/// How long a command has to end after each signal.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a terminal sends, it sends to the command too: it is passed on only to a command that still runs after this time.
const TERMINAL: Duration = Duration::from_millis(200);

impl Child {
    fn spawn(program: &OsStr, rest: &[OsString]) -> Result<Self> {
        let process = StoppedChild::spawn(program, rest).map_err(|e| cannot_run(program, &e))?;
        Ok(Self { program: program.into(), process: Some(process), status: None, asked: 0, next: None })
    }

    fn start(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.resume().map_err(|e| cannot_run(&self.program, &e))
    }

    fn is_over(&mut self) -> Result<bool> {
        if let (None, Some(process)) = (self.status, &mut self.process) {
            self.status = process.try_wait().context("cannot wait for the command")?;
        }
        Ok(self.status.is_some())
    }

    /// First the signal that came, then `SIGTERM`, then `SIGKILL`.
    fn stop(&mut self, signal: Signal) -> Result<()> {
        let now = Instant::now();
        let next = *self.next.get_or_insert(if signal == Signal::Term { now } else { now + TERMINAL });
        if next > now || self.is_over()? {
            return Ok(());
        }
        match (&self.process, self.asked) {
            // One that ended meanwhile is what was wanted.
            (Some(process), 0) => drop(process.signal(signal)),
            (Some(process), 1) => drop(process.signal(Signal::Term)),
            _ => {
                // Dropping it kills it.
                self.process = None;
                self.status = Some(ExitStatus::from_raw(SIGKILL));
            }
        }
        self.asked += 1;
        self.next = Some(now + PATIENCE);
        Ok(())
    }
}

/// Number of the signal, which is a wait status too.
const SIGKILL: i32 = 9;

/// Mounts what BPF needs where it is missing; what then fails says so itself.
fn mounts() {
    for (what, result) in
        [("tracefs", oxbpf_sys::mounts::ensure_tracefs()), ("bpffs", oxbpf_sys::mounts::ensure_bpffs())]
    {
        if let Err(error) = result {
            log::info!("cannot mount {what}: {error}");
        }
    }
}

/// Exit status as a shell would give it.
fn code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    u8::try_from(number & 0xff).unwrap_or(1)
}

/// Packets to run, and where those that pass go.
struct Capture {
    path: PathBuf,
    input: File,
    interface: String,
    output: Option<(PathBuf, File)>,
}

impl Capture {
    fn open(path: &Path, interface: &str, output: Option<&Path>) -> Result<Self> {
        let input = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
        let is_input = |to: &Path| {
            let (to, from) = (std::fs::metadata(to).map(identity), input.metadata().map(identity));
            matches!((to, from), (Ok(to), Ok(from)) if to == from)
        };
        let output = output.map(|to| {
            if is_input(to) {
                bail!("--pcap-out `{}` is the capture that --pcap reads", to.display());
            }
            let file = File::create(to).with_context(|| format!("cannot write `{}`", to.display()))?;
            Ok((to.to_path_buf(), file))
        });
        let (path, interface) = (path.to_path_buf(), interface.to_owned());
        Ok(Self { path, input, interface, output: output.transpose()? })
    }

    fn run(self, runtime: &Runtime, stop: Arc<AtomicBool>) -> Result<Outcome> {
        let input = Stoppable { inner: BufReader::new(self.input), stop: stop.clone() };
        let (to, mut output) = self.output.map(|(to, file)| (to, BufWriter::new(file))).unzip();
        let writer = output.as_mut().map(|w| w as &mut dyn Write);
        let result = runtime.run_pcap(input, &self.interface, writer);
        let result = match result {
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(Outcome::Stopped),
            Err(oxbpf_runtime::PcapError::Write(error)) => {
                let to = to.unwrap_or_default();
                return Err(error).with_context(|| format!("cannot write `{}`", to.display()));
            }
            result => result,
        };
        let stats = result.with_context(|| format!("`{}`", self.path.display()))?;
        if let Some(output) = &mut output {
            output.flush().context("cannot write packets")?;
        }
        Ok(Outcome::Packets(stats))
    }
}

/// A reader that fails when it is told to.
struct Stoppable<R> {
    inner: R,
    stop: Arc<AtomicBool>,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        self.inner.read(buf)
    }
}

enum Outcome {
    Command(ExitStatus),
    Packets(PacketStats),
    /// The capture was not read to its end.
    Stopped,
}

/// The thread that events come from: a traced command can only be traced by the thread that started it.
struct Worker {
    thread: Option<JoinHandle<Result<Outcome>>>,
    go: Option<Sender<()>>,
    stop: Stop,
    /// When it was asked to stop.
    asked: Option<Instant>,
}

enum Stop {
    Command(oxbpf_runtime::Stopper),
    Capture(Arc<AtomicBool>),
}

impl Worker {
    /// Starts the command, stopped.
    fn command(runtime: Runtime, command: Vec<OsString>) -> Result<Self> {
        let (go, wait) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let program = command.first().cloned().unwrap_or_default();
            let explain = |error| match error {
                SourceError::Command(error) => cannot_run(&program, &error),
                error => cannot_trace(error),
            };
            let source = match runtime.spawn(&command) {
                Ok(source) => source,
                Err(error) => {
                    let _ = ready.send(Err(explain(error)));
                    bail!("not started");
                }
            };
            let _ = ready.send(Ok(source.stopper()));
            let outcome = run(source, &wait, explain);
            runtime.wake();
            outcome
        });
        let stopper = started.recv().context("the tracing thread is gone")??;
        Ok(Self { thread: Some(thread), go: Some(go), stop: Stop::Command(stopper), asked: None })
    }

    fn capture(runtime: Runtime, capture: Capture) -> Self {
        let (go, wait) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            wait.recv().context("the run ended before the packets")?;
            let outcome = capture.run(&runtime, stopped);
            runtime.wake();
            outcome
        });
        Self { thread: Some(thread), go: Some(go), stop: Stop::Capture(stop), asked: None }
    }

    fn start(&self) {
        if let Some(go) = &self.go {
            // A thread that is gone says why when it is joined.
            let _ = go.send(());
        }
    }

    fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished) || self.is_stuck()
    }

    /// Whether the capture is a pipe or device from which nothing comes, so that the thread cannot see that it should stop.
    fn is_stuck(&self) -> bool {
        matches!(self.stop, Stop::Capture(_)) && self.asked.is_some_and(|asked| asked.elapsed() > PATIENCE)
    }

    fn stop(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
        match &self.stop {
            Stop::Command(stopper) => stopper.stop(),
            Stop::Capture(stop) => stop.store(true, Ordering::Relaxed),
        }
    }

    fn finish(mut self) -> Result<Outcome> {
        let Some(thread) = self.thread.take().filter(|t| t.is_finished() || !self.is_stuck()) else {
            return Ok(Outcome::Stopped);
        };
        thread.join().map_err(|_| anyhow!("the thread that events come from panicked"))?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // On an error elsewhere the command must not run on. If it was never started, its thread ends with the sender.
        self.go = None;
        let Some(thread) = self.thread.take() else { return };
        self.stop();
        if matches!(self.stop, Stop::Command(_)) {
            let _ = thread.join();
        }
    }
}

fn run(source: Source, wait: &Receiver<()>, explain: impl FnOnce(SourceError) -> Error) -> Result<Outcome> {
    if wait.recv().is_err() {
        // The run failed before its start; dropping the source ends the command.
        bail!("not started");
    }
    source.run().map(Outcome::Command).map_err(explain)
}
