//! `prog dump`: what the kernel made of a program, as text, JSON, a graph or a file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use oxbpf::Kernel;
use oxbpf_btf::LineInfo;
use oxbpf_uapi::Insn;
use zerocopy::IntoBytes;

use super::details::{Code, Details};
use super::insn::{self, Symbols};
use super::{graph, show};
use crate::tool::{Args, Out, Tool, generate, proto};

/// What to show besides the text of instructions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// The bytes of each instruction.
    pub(super) opcodes: bool,
    /// File, line and column of each source line.
    pub(super) linum: bool,
    /// A graph for Graphviz.
    visual: bool,
}

/// `prog dump { xlated | jited } PROG …`.
pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let code = match args.one_of(&["xlated", "jited"])? {
        "xlated" => Code::Xlated,
        _ => Code::Jited,
    };
    let kernel = tool.kernel();
    let progs = tool.progs(args)?;
    let (mut file, mut style) = (None, Style::default());
    while !args.is_empty() {
        let word = args.one_of(&["file", "opcodes", "visual", "linum"])?;
        if matches!(word, "file" | "visual") && progs.len() > 1 {
            bail!("several programs matched");
        }
        match word {
            "file" => file = Some(args.path("FILE")?),
            "opcodes" => style.opcodes = true,
            "visual" => style.visual = true,
            _ => style.linum = true,
        }
    }
    if file.is_some() && (style.opcodes || style.visual || style.linum) {
        bail!("'file' is not compatible with 'opcodes', 'visual', or 'linum'");
    }
    let out = &mut tool.out;
    if out.is_json() && style.visual {
        bail!("'visual' is not compatible with JSON output");
    }
    if let [prog] = &progs[..] {
        return dump(out, &kernel, &Details::of(&kernel, prog, code)?, code, file, style);
    }
    out.array(|out| {
        for (i, prog) in progs.iter().enumerate() {
            let details = Details::of(&kernel, prog, code)?;
            if out.is_json() {
                out.open_object();
                show::header_json(out, &kernel, prog, &details.info);
                out.name("insns");
            } else {
                show::header(out, &kernel, prog, &details.info);
            }
            dump(out, &kernel, &details, code, file, style)?;
            out.close_object();
            if !out.is_json() && i + 1 < progs.len() {
                writeln!(out);
            }
        }
        Ok(())
    })
}

fn dump(
    out: &mut Out,
    kernel: &Kernel,
    details: &Details,
    code: Code,
    file: Option<&Path>,
    style: Style,
) -> Result<()> {
    if details.code.is_empty() {
        match code {
            Code::Xlated => bail!("error retrieving insn dump: kernel.kptr_restrict set?"),
            Code::Jited => {
                bail!("error retrieving jit dump: no instructions returned or kernel.kptr_restrict set?")
            }
        }
    }
    if let Some(file) = file {
        generate::write(file, &details.code)?;
        if out.is_json() {
            out.null();
        }
        return Ok(());
    }
    if code == Code::Jited {
        bail!(
            "oxbpf has no disassembler for machine code: save it with 'file FILE', and look at that with \
             'objdump -D -b binary -m MACHINE FILE'"
        );
    }
    let insns = details.insns();
    let symbols = Symbols::of(kernel, &insns, &details.addresses);
    let listing = Listing { details, insns, style, symbols };
    if out.is_json() {
        listing.json(out);
    } else if style.visual {
        graph::show(out, &listing);
    } else {
        listing.text(out);
    }
    Ok(())
}

/// The instructions of a program, with what is known about them.
pub(super) struct Listing<'d> {
    pub(super) details: &'d Details,
    pub(super) insns: Vec<Insn>,
    pub(super) style: Style,
    symbols: Symbols,
}

impl<'d> Listing<'d> {
    /// The text of the instruction at `index`.
    pub(super) fn insn(&self, index: usize) -> String {
        let insn = self.insns.get(index).copied().unwrap_or_default();
        insn::text(insn, self.insns.get(index + 1).copied(), &self.symbols)
    }

    /// What the function that begins at `index` takes and gives.
    pub(super) fn proto(&self, index: usize) -> Option<String> {
        let functions = &self.details.functions;
        let (_, id) = functions.get(functions.binary_search_by_key(&index, |f| f.0).ok()?)?;
        proto::text(self.details.btf.as_deref()?, *id)
    }

    /// A string of the program's types.
    pub(super) fn str(&self, offset: u32) -> Option<&'d str> {
        self.details.btf.as_deref()?.str_at(offset).ok()
    }

    /// The bytes of an instruction, as `b7 00 00 00 01 00 00 00`.
    pub(super) fn bytes(&self, index: usize) -> String {
        let count = match self.insns.get(index) {
            Some(insn) if insn::is_double(*insn) => 2,
            _ => 1,
        };
        let slots = self.insns.get(index..).unwrap_or_default().iter().take(count);
        let mut text = String::new();
        for (i, byte) in slots.flat_map(|slot| slot.as_bytes()).enumerate() {
            let separator = if i > 0 { " " } else { "" };
            let _ = write!(text, "{separator}{byte:02x}");
        }
        text
    }

    /// Indices of instructions, each with the source line that begins there.
    fn each(&self) -> impl Iterator<Item = (usize, Option<&'d LineInfo>)> + '_ {
        let (mut next, mut shown_lines) = (0, 0);
        std::iter::from_fn(move || {
            let index = next;
            let insn = self.insns.get(index)?;
            next += if insn::is_double(*insn) { 2 } else { 1 };
            let lines = self.details.lines.as_ref();
            let line = lines.and_then(|l| l.find(u32::try_from(index).ok()?, shown_lines));
            shown_lines += usize::from(line.is_some());
            Some((index, line))
        })
    }

    fn text(&self, out: &mut Out) {
        for (index, line) in self.each() {
            if let Some(proto) = self.proto(index) {
                writeln!(out, "{proto}:");
            }
            if let Some((line, text)) = line.and_then(|l| Some((l, self.str(l.line_off)?))) {
                let text = text.trim_ascii_start();
                if self.style.linum {
                    let file = self.str(line.file_name_off).unwrap_or_default();
                    writeln!(
                        out,
                        "; {text} [file:{file} line_num:{} line_col:{}]",
                        line.line(),
                        line.column()
                    );
                } else {
                    writeln!(out, "; {text}");
                }
            }
            writeln!(out, "{index:4}: {}", self.insn(index));
            if self.style.opcodes {
                writeln!(out, "       {}", self.bytes(index));
            }
        }
    }

    fn json(&self, out: &mut Out) {
        out.array(|out| {
            for (index, line) in self.each() {
                out.object(|out| self.json_one(out, index, line));
            }
        });
    }

    fn json_one(&self, out: &mut Out, index: usize, line: Option<&LineInfo>) {
        if let Some(proto) = self.proto(index) {
            out.string_field("proto", proto);
        }
        if let Some(line) = line {
            self.json_line(out, line);
        }
        out.string_field("disasm", self.insn(index));
        if !self.style.opcodes {
            return;
        }
        let insn = self.insns.get(index).copied().unwrap_or_default();
        out.name("opcodes").object(|out| {
            out.string_field("code", format!("0x{:02x}", insn.code));
            out.string_field("src_reg", format!("{:#x}", insn.src()));
            out.string_field("dst_reg", format!("{:#x}", insn.dst()));
            let hex = |out: &mut Out, bytes: &[u8]| {
                out.array(|out| bytes.iter().for_each(|b| out.string(format!("0x{b:02x}"))));
            };
            hex(out.name("off"), insn.off.as_bytes());
            let mut imm = insn.imm.as_bytes().to_vec();
            if insn::is_double(insn) {
                imm.extend(self.insns.get(index + 1).into_iter().flat_map(|second| second.as_bytes()));
            }
            hex(out.name("imm"), &imm);
        });
    }

    fn json_line(&self, out: &mut Out, line: &LineInfo) {
        if let Some(text) = self.str(line.line_off) {
            out.string_field("src", text.trim_ascii_start());
        }
        if !self.style.linum {
            return;
        }
        if let Some(file) = self.str(line.file_name_off) {
            out.string_field("file", file);
        }
        if line.line() != 0 {
            out.field("line_num", line.line());
        }
        if line.column() != 0 {
            out.field("line_col", line.column());
        }
    }
}
