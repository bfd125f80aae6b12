//! `prog run`: a program, run on data from files.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use oxbpf_kernel::{ProgFd, ProgTestRun};

use crate::tool::{Args, Out, Tool, generate};

/// Bytes of room for what a program gives, if nothing else is said.
const DEFAULT_SIZE: usize = 32 << 10;

/// Files and sizes, by the keywords that name them.
#[derive(Clone, Copy, Debug, Default)]
struct Side<'a> {
    input: Option<&'a Path>,
    output: Option<&'a Path>,
    size: usize,
}

/// `prog run PROG …`.
pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let prog = ProgFd(tool.prog(args)?);
    let (mut data, mut ctx, mut repeat) = (Side::default(), Side::default(), 1);
    if args.is_empty() {
        bail!("expected 'data_in' or 'ctx_in', and nothing follows");
    }
    while !args.is_empty() {
        let words = ["data_in", "data_out", "data_size_out", "ctx_in", "ctx_out", "ctx_size_out", "repeat"];
        match args.one_of(&words)? {
            "data_in" => data.input = Some(args.path("FILE")?),
            "data_out" => data.output = Some(args.path("FILE")?),
            "data_size_out" => data.size = size(args, "output data size")?,
            "ctx_in" => ctx.input = Some(args.path("FILE")?),
            "ctx_out" => ctx.output = Some(args.path("FILE")?),
            "ctx_size_out" => ctx.size = size(args, "output context size")?,
            _ => repeat = args.number("repeat number")?,
        }
    }
    if is_stdio(data.input) && is_stdio(ctx.input) {
        bail!("cannot use standard input for both data_in and ctx_in");
    }
    let (data_in, mut data_out) = data.buffers()?;
    let (ctx_in, mut ctx_out) = ctx.buffers()?;
    let mut request = ProgTestRun::new(&prog);
    request.data_in = &data_in;
    request.data_out = data_out.as_deref_mut();
    request.ctx_in = &ctx_in;
    request.ctx_out = ctx_out.as_deref_mut();
    request.repeat = repeat;
    let answer = tool.kernel().prog_test_run(request).context("failed to run program")?;
    let (retval, duration) = (answer.retval, answer.duration);
    let sizes = [answer.data_size_out, answer.ctx_size_out].map(|n| usize::try_from(n).unwrap_or(0));
    let out = &mut tool.out;
    out.open_object();
    // Values are shown even if a file can't be written.
    let mut result = Ok(());
    for (name, side, buffer, size) in
        [("data_out", data, data_out, sizes[0]), ("ctx_out", ctx, ctx_out, sizes[1])]
    {
        let bytes = buffer.as_deref().and_then(|b| b.get(..size)).unwrap_or_default();
        if let (Some(path), false) = (side.output, bytes.is_empty()) {
            result = result.and(show(out, name, path, bytes));
        }
    }
    out.field("retval", retval);
    out.field("duration", duration);
    if !out.is_json() {
        let average = if repeat > 1 { " (average)" } else { "" };
        writeln!(out, "Return value: {retval}, duration{average}: {duration}ns");
    }
    out.close_object();
    result
}

impl Side<'_> {
    /// What goes in, and room for what comes out; none if nothing goes in.
    fn buffers(self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let Some(path) = self.input else { return Ok((Vec::new(), None)) };
        let bytes = if is_stdio(Some(path)) {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
            bytes
        } else {
            generate::read(path)?
        };
        let size = if self.size == 0 { DEFAULT_SIZE } else { self.size };
        let mut room = Vec::new();
        room.try_reserve_exact(size).with_context(|| format!("{size} bytes of output"))?;
        room.resize(size, 0);
        Ok((bytes, Some(room)))
    }
}

fn size(args: &mut Args<'_>, what: &str) -> Result<usize> {
    // The kernel's counts have 32 bits.
    Ok(usize::try_from(args.number::<u32>(what)?)?)
}

fn is_stdio(path: Option<&Path>) -> bool {
    path.is_some_and(|p| p.as_os_str() == "-")
}

/// Writes what a program gave to a file, or shows it.
fn show(out: &mut Out, name: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_stdio(Some(path)) {
        return generate::write(path, bytes);
    }
    if out.is_json() {
        out.name(name).array(|out| bytes.iter().for_each(|b| out.number(b)));
    } else {
        hex(out, bytes);
    }
    Ok(())
}

/// Sixteen bytes a line: offset, pairs, characters.
fn hex(out: &mut Out, bytes: &[u8]) {
    for (i, line) in bytes.chunks(16).enumerate() {
        write!(out, "{:07x}\t", 16 * i);
        for at in 0..16 {
            match line.get(at) {
                Some(byte) => write!(out, "{byte:02x}"),
                None => write!(out, "  "),
            }
            if at % 2 == 1 {
                write!(out, " ");
            }
        }
        write!(out, "| ");
        for (at, byte) in line.iter().enumerate() {
            let shown = if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
            write!(out, "{shown}{}", if at == 7 { " " } else { "" });
        }
        writeln!(out);
    }
}
