//! `oxbpf run`: an object and perhaps a command in, what its programs see out.
//!
//! Open, set globals, load, attach, let the command go, show events until it ends, show maps, detach. The back end decides only who
//! does it: the Linux kernel, or the embedded kernel with the command traced or a capture's packets as its events.

mod attach;
mod entries;
mod events;
mod host;
mod sink;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use oxbpf::loader::LoadBy;
use oxbpf::{Object, ObjectBuilder, OpenObject};
use oxbpf_kernel::{Command, Kernel};
use oxbpf_sys::process::Signal;

use crate::failure::Unread;
use crate::sign::Signing;
use crate::{log, set};
use host::Host;
use sink::Sink;

/// Load an object, attach its programs, and show what they see.
///
/// Programs attach as their SEC() names say. Events of ring and perf buffers are shown by their BTF type, lines of bpf_printk and of iterators as
/// they are. With a command, the run ends when the command does, with its exit status; Ctrl-C ends both.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Object file that a BPF compiler made.
    object: PathBuf,

    /// Command to run while the programs are attached.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,

    /// Kernel that runs the programs: the one of this machine, or the one that oxbpf brings along. `auto` takes this machine's if it lets
    /// you.
    #[arg(long, value_enum, default_value_t = host::Choice::Auto)]
    backend: host::Choice,

    /// Load and attach only this program; may be given several times.
    #[arg(long, value_name = "NAME")]
    prog: Vec<String>,

    /// Set a global variable before load, by its type: numbers, true, enumerators, text, addresses, `array[1]`, `struct.member`.
    #[arg(long, value_name = "VAR=VALUE")]
    set: Vec<String>,

    /// Show the contents of this map at the end; may be given several times.
    #[arg(long, value_name = "NAME")]
    map: Vec<String>,

    /// Show maps this often, too: seconds, or with a unit (ms, s, m).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "map")]
    interval: Option<Duration>,

    /// The struct that a ring or perf buffer's events have, where the object does not say.
    #[arg(long, value_name = "MAP=STRUCT")]
    event: Vec<String>,

    /// Network interface for XDP and tc programs.
    #[arg(long, value_name = "NAME")]
    iface: Option<String>,

    /// Control group directory for cgroup programs.
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,

    /// Only this process, for uprobes and perf events.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Send the packets of this capture (pcap, pcapng) through XDP and tc programs. Embedded kernel only.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// Write packets that pass to this file. Needs --pcap.
    #[arg(long, value_name = "FILE", requires = "pcap")]
    pcap_out: Option<PathBuf>,

    /// Load by a program that the kernel runs, and that finds types and symbols there by itself (Linux 5.17).
    #[arg(long, short = 'L')]
    use_loader: bool,

    /// Sign that program with this private key (RSA, PEM), for the kernel to verify (Linux 6.18).
    #[arg(long, value_name = "FILE", requires_all = ["use_loader", "sign_cert"])]
    sign_key: Option<PathBuf>,

    /// Certificate of the private key (DER or PEM).
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_cert: Option<PathBuf>,

    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// One JSON object a line.
    #[arg(long)]
    json: bool,

    /// Say more: facts, then (-vv) every step.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// `2`, `1.5`, `100ms`, `2s`, `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit `{unit}`: ms, s, m or h")),
    };
    let seconds = number.parse::<f64>().map_err(|_| format!("`{number}` is no number"))? * scale;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is no length of time"))
}

/// How long a wait for events is at most: what has no handle to wait for is looked at in between.
const TICK: Duration = Duration::from_millis(20);

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    log::init(args.verbose);
    let mut host = Host::new(&args)?;
    log::hold();
    run(&args, &mut host).map_err(|error| host.advise(error))
}

fn run(args: &Args, host: &mut Host) -> Result<ExitCode> {
    let file = || args.object.display().to_string();
    let mut open = open(args, host.kernel())?;
    let wanted = events::wanted(&args.event, open.spec()).with_context(file)?;
    for name in &args.map {
        open.map_mut(name).with_context(file)?;
    }
    configure(&mut open, args).with_context(file)?;
    // A command that cannot run is known before anything is loaded.
    host.prepare(args)?;
    let mut object = match (&args.sign_key, &args.sign_cert) {
        (Some(key), Some(certificate)) => Signing::new(host.kernel(), key, certificate)?.load(open)?,
        _ if args.use_loader => open.load_by_program(&LoadBy::default())?,
        _ => open.load()?,
    };
    let result = watch(args, host, &object, &wanted);
    // Output that nobody reads any more is how a run may end.
    if result.as_ref().is_err_and(|e| !e.is::<Unread>()) {
        object.undo_pins();
    }
    result
}

/// Attaches what is loaded, and shows what it sees until the end.
fn watch(args: &Args, host: &mut Host, object: &Object, wanted: &events::Wanted) -> Result<ExitCode> {
    let file = || args.object.display().to_string();
    let stats = host.kernel().bpf(&mut Command::EnableStats { kind: 0 }).ok();
    let sink = Arc::new(Mutex::new(Sink::new(args.json)));
    let mut consumers = events::Consumers::new(object, host.kernel(), wanted, &sink).with_context(file)?;
    let attached = attach::all(object, args, host).with_context(file)?;
    log::release();
    // Iterators are read when everything else is attached and before the command goes.
    let mut session = Session { args, object, sink: &sink, shown: Instant::now() };
    let attached = attached.read_iterators(&sink)?;
    host.start()?;
    let end = match attached.is_done() && !host.has_source() {
        true => End::Finished,
        false => session.follow(host, &mut consumers)?,
    };
    let finished = host.finish(end)?;
    drop(attached);
    if end == End::Unread {
        return Err(Unread.into());
    }
    consumers.drain()?;
    session.show_maps()?;
    let summary = summarize(object, &consumers, &finished, stats.is_some());
    lock(&sink).summary(&summary)?;
    Ok(ExitCode::from(finished.status))
}

/// The sink, whoever panicked with it.
fn lock(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(args: &Args, kernel: &Kernel) -> Result<OpenObject> {
    Ok(ObjectBuilder::new().kernel(kernel.clone()).open_file(&args.object)?)
}

/// Applies `--prog` and `--set`.
fn configure(open: &mut OpenObject, args: &Args) -> Result<()> {
    if !args.prog.is_empty() {
        let names: Vec<String> = open.programs().map(|(_, name)| name.to_owned()).collect();
        for name in &args.prog {
            ensure!(names.contains(name), "no program `{name}` in the object; it has {}", names.join(", "));
        }
        for name in &names {
            open.program_mut(name)?.set_autoload(args.prog.contains(name));
        }
    }
    for assignment in &args.set {
        assign(open, assignment).with_context(|| format!("--set {assignment}"))?;
    }
    Ok(())
}

/// Does what one `--set` says.
fn assign(open: &mut OpenObject, assignment: &str) -> Result<()> {
    let (name, path, value) = set::split(assignment)?;
    let global = open.global(name)?;
    let btf = open.btf().context("the object has no types")?.clone();
    let mut bytes = open.global_bytes(name)?.to_vec();
    set::assign(&btf, global.type_id, path, value, &mut bytes)?;
    Ok(open.set_global(name, &bytes[..])?)
}

/// Why following events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The command or the capture is over, or there was nothing to wait for.
    Finished,
    /// The user had enough.
    Interrupted(Signal),
    /// `--duration` is over.
    TimeUp,
    /// Nobody reads standard output any more.
    Unread,
}

impl End {
    /// The signal that tells a command of it.
    fn signal(self) -> Signal {
        match self {
            Self::Interrupted(signal) => signal,
            Self::Finished | Self::TimeUp | Self::Unread => Signal::Term,
        }
    }
}

struct Session<'r> {
    args: &'r Args,
    object: &'r Object,
    sink: &'r Mutex<Sink>,
    /// When maps were last shown.
    shown: Instant,
}

impl Session<'_> {
    /// Shows events until the end. A command or a capture that goes on then is told to end, and what it does meanwhile is shown too.
    fn follow(&mut self, host: &mut Host, consumers: &mut events::Consumers) -> Result<End> {
        let started = Instant::now();
        let mut end = End::Finished;
        loop {
            // The order matters: what happened before the command ended is still read.
            let is_over = host.is_over()?;
            consumers.poll(if is_over { Duration::ZERO } else { TICK })?;
            match lock(self.sink).flush() {
                Err(error) if error.is::<Unread>() => end = End::Unread,
                result => result?,
            }
            if is_over {
                return Ok(end);
            }
            if let Some(signal) = host.interrupted()? {
                end = End::Interrupted(signal);
            }
            if end == End::Finished && self.args.duration.is_some_and(|d| started.elapsed() >= d) {
                end = End::TimeUp;
            }
            if end != End::Finished {
                if !host.has_source() {
                    return Ok(end);
                }
                host.stop(end.signal())?;
            }
            if self.args.interval.is_some_and(|i| self.shown.elapsed() >= i) {
                self.show_maps()?;
                self.shown = Instant::now();
            }
        }
    }

    fn show_maps(&self) -> Result<()> {
        for name in &self.args.map {
            let map = self.object.map(name)?;
            entries::show(&map, self.object.btf().map(|b| &**b), &mut lock(self.sink))?;
        }
        Ok(())
    }
}

/// What a run comes to.
#[derive(Debug)]
struct Summary {
    events: u64,
    lost: u64,
    programs: Vec<ProgramRuns>,
    /// Lines about packets and stopped programs.
    notes: Vec<String>,
}

#[derive(Debug)]
struct ProgramRuns {
    name: String,
    runs: u64,
    nanoseconds: u64,
}

fn summarize(
    object: &Object,
    consumers: &events::Consumers,
    finished: &host::Finished,
    counted: bool,
) -> Summary {
    let runs = |program: oxbpf::Program<'_>| {
        let info = program.info().ok()?;
        Some(ProgramRuns {
            name: program.name().to_owned(),
            runs: info.run_cnt,
            nanoseconds: info.run_time_ns,
        })
    };
    let programs = if counted { object.programs().filter_map(runs).collect() } else { Vec::new() };
    Summary { events: consumers.events(), lost: consumers.lost(), programs, notes: finished.notes.clone() }
}

/// Fails if an option was given that the back end has no use for.
fn reject(given: bool, option: &str, why: &str) -> Result<()> {
    if given { bail!("{option}: {why}") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert!(duration("2 weeks").is_err());
        assert!(duration("-1").is_err());
        assert!(duration("").is_err());
    }
}
