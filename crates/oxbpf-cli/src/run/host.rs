//! Who runs the programs, and where events come from: Linux with the command as a child, or the embedded kernel with the command traced or
//! a capture's packets.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use oxbpf_kernel::Kernel;
use oxbpf_runtime::{PacketStats, Runtime, RuntimeOptions, Source};
use oxbpf_sys::process::{Signal, Signals, StoppedChild};

use super::{Args, reject};

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
    Linux { child: Option<StoppedChild>, status: Option<ExitStatus> },
    Embedded { runtime: Runtime, worker: Option<Worker>, is_capture: bool },
}

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
            let _ = writeln!(std::io::stderr(), "oxbpf: running on {name}: {why}");
        }
        match choice {
            Choice::Linux | Choice::Auto => {
                reject(args.pcap.is_some(), "--pcap", "is for the embedded kernel only")?;
                mounts();
                Ok(Self {
                    kernel: oxbpf_sys::kernel(),
                    signals,
                    side: Side::Linux { child: None, status: None },
                })
            }
            Choice::Embedded => {
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

    /// Makes the command or the capture ready, without letting it go.
    pub(super) fn prepare(&mut self, args: &Args) -> Result<()> {
        let command = args.command.split_first();
        match &mut self.side {
            Side::Linux { child, .. } => {
                if let Some((program, rest)) = command {
                    let stopped = StoppedChild::spawn(program, rest).map_err(|e| match e.kind() {
                        std::io::ErrorKind::NotFound => anyhow!("no such command"),
                        _ => anyhow!(e),
                    });
                    let cannot = || format!("cannot run `{}`", program.to_string_lossy());
                    *child = Some(stopped.with_context(cannot)?);
                }
            }
            Side::Embedded { runtime, worker, .. } => {
                *worker = match (&args.pcap, command) {
                    (Some(_), Some(_)) => bail!("--pcap and a command are two sources of events; give one"),
                    (Some(path), None) => {
                        let capture = Capture {
                            input: File::open(path)
                                .with_context(|| format!("cannot open `{}`", path.display()))?,
                            interface: args.iface.clone().unwrap_or_else(|| CAPTURE_INTERFACE.to_owned()),
                            output: match &args.pcap_out {
                                Some(path) => {
                                    let file = File::create(path);
                                    Some(file.with_context(|| format!("cannot write `{}`", path.display()))?)
                                }
                                None => None,
                            },
                        };
                        Some(Worker::capture(runtime.clone(), capture))
                    }
                    (None, Some(_)) => Some(Worker::command(runtime.clone(), args.command.clone())?),
                    (None, None) => bail!(
                        "the embedded kernel sees what a command does: give one after `--`, or packets with --pcap"
                    ),
                };
            }
        }
        Ok(())
    }

    /// Lets the command or the capture go.
    pub(super) fn start(&mut self) -> Result<()> {
        match &mut self.side {
            Side::Linux { child: Some(child), .. } => child.resume().context("cannot run the command"),
            Side::Linux { child: None, .. } => Ok(()),
            Side::Embedded { worker, .. } => {
                if let Some(worker) = worker {
                    worker.start();
                }
                Ok(())
            }
        }
    }

    /// Whether the command or the capture is over. Without either a run never is.
    pub(super) fn is_over(&mut self) -> Result<bool> {
        match &mut self.side {
            Side::Linux { child: Some(child), status } => {
                if status.is_none() {
                    *status = child.try_wait().context("cannot wait for the command")?;
                }
                Ok(status.is_some())
            }
            Side::Linux { child: None, .. } => Ok(false),
            Side::Embedded { worker, .. } => Ok(worker.as_ref().is_none_or(Worker::is_over)),
        }
    }

    /// Whether the user asked for the end.
    pub(super) fn is_interrupted(&mut self) -> Result<bool> {
        Ok(self.signals.next().context("cannot read signals")?.is_some())
    }

    /// Ends the command if it still runs, and says how it ended.
    pub(super) fn finish(&mut self, interrupted: bool) -> Result<Finished> {
        match &mut self.side {
            Side::Linux { child, status } => {
                if let (Some(child), None) = (child.as_mut(), &status) {
                    // A command that is told to end may take a moment to, and is waited for.
                    if child.signal(Signal::Term).is_ok() {
                        *status = Some(child.wait().context("cannot wait for the command")?);
                    }
                }
                let status = status.filter(|_| !interrupted).map_or(0, code);
                Ok(Finished { status, notes: Vec::new() })
            }
            Side::Embedded { runtime, worker, .. } => {
                let mut finished = Finished::default();
                match worker.take().map(|w| w.finish(interrupted)).transpose()? {
                    Some(Outcome::Command(status)) if !interrupted => finished.status = code(status),
                    Some(Outcome::Packets(s)) => finished.notes.push(format!(
                        "{} packets: {} passed, {} dropped, {} redirected, {} aborted",
                        s.packets, s.passed, s.dropped, s.redirected, s.aborted
                    )),
                    _ => {}
                }
                for trap in runtime.traps() {
                    finished.notes.push(format!("{trap} ({} times)", trap.count));
                }
                Ok(finished)
            }
        }
    }
}

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

struct Capture {
    input: File,
    interface: String,
    output: Option<File>,
}

enum Outcome {
    Command(ExitStatus),
    Packets(PacketStats),
}

/// The thread that events come from: a traced command can only be traced by the thread that started it.
struct Worker {
    thread: Option<JoinHandle<Result<Outcome>>>,
    go: Sender<()>,
    stopper: Option<oxbpf_runtime::Stopper>,
}

impl Worker {
    /// Starts the command, stopped.
    fn command(runtime: Runtime, command: Vec<OsString>) -> Result<Self> {
        let (go, wait) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let source = match runtime.spawn(&command) {
                Ok(source) => source,
                Err(error) => {
                    let name = command.first().map(|c| c.to_string_lossy().into_owned()).unwrap_or_default();
                    let _ = ready.send(Err(anyhow!(error).context(format!("cannot run `{name}`"))));
                    bail!("not started");
                }
            };
            let _ = ready.send(Ok(source.stopper()));
            let outcome = run(source, &wait);
            runtime.wake();
            outcome
        });
        let stopper = started.recv().context("the tracing thread is gone")??;
        Ok(Self { thread: Some(thread), go, stopper: Some(stopper) })
    }

    fn capture(runtime: Runtime, capture: Capture) -> Self {
        let (go, wait) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            wait.recv().context("the run ended before the packets")?;
            let input = BufReader::new(capture.input);
            let mut output = capture.output.map(BufWriter::new);
            let output = output.as_mut().map(|w| w as &mut dyn Write);
            let stats = runtime.run_pcap(input, &capture.interface, output)?;
            runtime.wake();
            Ok(Outcome::Packets(stats))
        });
        Self { thread: Some(thread), go, stopper: None }
    }

    fn start(&self) {
        // A thread that is gone says why when it is joined.
        let _ = self.go.send(());
    }

    fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn finish(mut self, interrupted: bool) -> Result<Outcome> {
        if let (true, Some(stopper)) = (interrupted, &self.stopper) {
            stopper.stop();
        }
        let thread = self.thread.take().context("finished twice")?;
        thread.join().map_err(|_| anyhow!("the thread that events come from panicked"))?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // On an error elsewhere the command must not run on. Its thread ends when it is told to, or was never started.
        if let Some(stopper) = &self.stopper {
            stopper.stop();
        }
    }
}

fn run(source: Source, wait: &Receiver<()>) -> Result<Outcome> {
    if wait.recv().is_err() {
        // The run failed before its start; dropping the source ends the command.
        bail!("not started");
    }
    Ok(Outcome::Command(source.run()?))
}
