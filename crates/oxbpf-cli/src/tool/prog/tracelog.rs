//! `prog tracelog`: lines that programs print, of the whole system or of one program.

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use oxbpf_kernel::{Command, Kernel, Opening, PollSet, ProgFd, Reply, StreamRead};
use oxbpf_sys::process::{Signal, Signals};
use oxbpf_uapi::Errno;

use crate::tool::{Args, Out, Tool};

/// Numbers of a program's streams.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// `prog tracelog [{ stdout | stderr } PROG]`.
pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    if !args.is_empty() {
        let stream = if args.one_of(&["stdout", "stderr"])? == "stdout" { STDOUT } else { STDERR };
        let prog = ProgFd(tool.prog(args)?);
        args.end()?;
        return stream_of(tool, &prog, stream);
    }
    let kernel = tool.kernel();
    if !tool.options.no_mount {
        oxbpf_sys::mounts::ensure_tracefs().context("could not find tracefs")?;
    }
    let log = kernel.open(Opening::TraceLog).context("could not open trace pipe")?;
    let mut signals = Signals::new(&[Signal::Hup, Signal::Int, Signal::Term])?;
    let mut set = PollSet::new();
    set.add(log.clone(), 0);
    set.add(signals.handle()?, 1);
    tool.out.array(|out| {
        let mut pending = Vec::new();
        while signals.next()?.is_none() && !out.is_broken() {
            let mut chunk = [0; 4096];
            match kernel.read(&log, &mut chunk) {
                Ok(count @ 1..) => {
                    pending.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    show_lines(out, &mut pending);
                    out.flush();
                }
                Ok(0) | Err(Errno::EAGAIN) => drop(kernel.poll(&mut set, None)?),
                Err(Errno::EINTR) => {}
                Err(e) => bail!("failed to read content from trace pipe: {e}"),
            }
        }
        Ok(())
    })
}

/// Shows the lines that are whole, and keeps the rest.
fn show_lines(out: &mut Out, pending: &mut Vec<u8>) {
    let end = pending.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let lines: Vec<u8> = pending.drain(..end).collect();
    if !out.is_json() {
        return out.bytes(&lines);
    }
    lines.split_inclusive(|b| *b == b'\n').for_each(|line| out.string(String::from_utf8_lossy(line)));
}

/// Shows what is in a stream of a program, each byte once.
fn stream_of(tool: &mut Tool, prog: &ProgFd, stream_id: u32) -> Result<()> {
    let kernel = tool.kernel();
    let mut text = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = read(&kernel, prog, stream_id, &mut chunk)?;
        let Some(read) = chunk.get(..count).filter(|c| !c.is_empty()) else { break };
        // In JSON, a string of all.
        if tool.out.is_json() {
            text.extend_from_slice(read);
        } else if stream_id == STDOUT {
            tool.out.bytes(read);
        } else {
            std::io::stderr().write_all(read)?;
        }
    }
    tool.out.string(String::from_utf8_lossy(&text));
    Ok(())
}

fn read(kernel: &Kernel, prog: &ProgFd, stream_id: u32, buf: &mut [u8]) -> Result<usize> {
    let mut command = Command::StreamRead(StreamRead { prog, stream_id, buf });
    match kernel.bpf(&mut command) {
        Ok(Reply::Value(count)) => Ok(usize::try_from(count)?),
        Ok(_) => Ok(0),
        Err(e) => Err(e).context("failed to read the program's stream (Linux 6.17)"),
    }
}
