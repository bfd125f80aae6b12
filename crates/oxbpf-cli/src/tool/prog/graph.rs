//! `prog dump … visual`: the ways through each function of a program, for Graphviz.
//!
//! A node is a run of instructions that control enters at the first and leaves at the last. Numbers 0 and 1 are entry and
//! exit.

use std::collections::BTreeSet;
use std::ops::Range;

use oxbpf_asm::flow::{self, Next};
use oxbpf_asm::{Kind, decode_at};
use oxbpf_btf::LineInfo;

use super::dump::Listing;
use super::insn::is_double;
use crate::tool::Out;

/// `call` of a function of the program.
const CALL: u8 = 0x85;
/// Longest name of a file that is not cut.
const MAX_PATH: usize = 32;

/// Writes the graph of a program.
pub(super) fn show(out: &mut Out, listing: &Listing<'_>) {
    writeln!(out, "digraph \"DOT graph for eBPF program\" {{");
    for (number, range) in functions(listing) {
        writeln!(
            out,
            "subgraph \"cluster_{number}\" {{\n\tstyle=\"dashed\";\n\tcolor=\"black\";\n\tlabel=\"func_{number} ()\";"
        );
        function(out, listing, number, range);
        writeln!(out, "}}");
    }
    writeln!(out, "}}");
}

/// The functions by place; their numbers are in the order in which they are first called.
fn functions(listing: &Listing<'_>) -> Vec<(usize, Range<usize>)> {
    let insns = &listing.insns;
    let mut starts = vec![0];
    for (i, insn) in insns.iter().enumerate().filter(|(_, insn)| insn.code == CALL && insn.src() == 1) {
        let to = (i + 1).checked_add_signed(isize::from(insn.off));
        if let Some(to) = to.filter(|to| *to < insns.len() && !starts.contains(to)) {
            starts.push(to);
        }
    }
    let mut sorted: Vec<_> = starts.into_iter().enumerate().collect();
    sorted.sort_by_key(|(_, start)| *start);
    let ends = sorted.iter().skip(1).map(|(_, start)| *start).chain([insns.len()]);
    sorted.iter().zip(ends).map(|((number, start), end)| (*number, *start..end)).collect()
}

/// Where control may go after the instruction at `index`, and whether it is a jump or an end.
fn next(listing: &Listing<'_>, index: usize) -> (Next, bool) {
    let Ok(decoded) = decode_at(&listing.insns, index) else {
        return (Next { fall_through: Some(index + 1), jump: None }, false);
    };
    let ends = matches!(
        decoded.row.kind,
        Kind::Ja | Kind::Gotol | Kind::Gotox | Kind::Jmp { .. } | Kind::MayGoto | Kind::Exit
    );
    (flow::next(&decoded), ends)
}

fn function(out: &mut Out, listing: &Listing<'_>, number: usize, range: Range<usize>) {
    let mut heads = BTreeSet::from([range.start]);
    for index in range.clone() {
        let (next, ends) = next(listing, index);
        let is_jump = ends && (next.jump.is_some() || next.fall_through.is_some());
        heads.extend(next.iter().filter(|to| is_jump && range.contains(to)));
    }
    let heads: Vec<usize> = heads.into_iter().collect();
    let tails = heads.iter().skip(1).copied().chain([range.end]);
    let blocks: Vec<Range<usize>> = heads.iter().copied().zip(tails).map(|(head, end)| head..end).collect();
    let node =
        |block: usize, shape: &str| format!("\tfn_{number}_bb_{block} [shape={shape},style=filled,label=\"");
    write!(out, "{}ENTRY\"];\n\n", node(0, "Mdiamond"));
    for (i, block) in blocks.iter().enumerate() {
        writeln!(out, "{}{{\\", node(i + 2, "record"));
        label(out, listing, block.clone(), range.start);
        write!(out, "}}\"];\n\n");
    }
    write!(out, "{}EXIT\"];\n\n", node(1, "Mdiamond"));
    let edge = |out: &mut Out, from: usize, to: usize, style: &str| {
        writeln!(out, "\tfn_{number}_bb_{from}:s -> fn_{number}_bb_{to}:n [style={style}constraint=true];");
    };
    let solid = "\"solid,bold\", color=black, weight=10, ";
    edge(out, 0, 2, solid);
    for (i, block) in blocks.iter().enumerate() {
        // The last slot of a 64-bit immediate falls through, too.
        let (next, _) = next(listing, block.end - 1);
        let targets: Vec<_> = next.iter().filter_map(|to| heads.binary_search(&to).ok()).collect();
        if targets.is_empty() {
            edge(out, i + 2, 1, solid);
        }
        targets.iter().for_each(|to| edge(out, i + 2, to + 2, solid));
    }
    edge(out, 0, 1, "\"invis\", ");
}

/// The instructions of a node, with numbers that count from the function's first one.
fn label(out: &mut Out, listing: &Listing<'_>, block: Range<usize>, start: usize) {
    let mut last_line: Option<&LineInfo> = None;
    let mut index = block.start;
    while index < block.end {
        let insn = listing.insns.get(index).copied().unwrap_or_default();
        if let Some(proto) = listing.proto(index) {
            writeln!(out, "; {proto}:\\l\\");
        }
        let lines = listing.details.lines.as_ref();
        let line = lines.and_then(|l| l.find(u32::try_from(index).ok()?, 0));
        let is_new = |line: &&LineInfo| last_line.is_none_or(|last| !std::ptr::eq(last, *line));
        if let Some(line) = line.filter(is_new) {
            last_line = Some(line);
            let text = listing.str(line.line_off).unwrap_or_default();
            if !text.is_empty() {
                if listing.style.linum {
                    let path = listing.str(line.file_name_off).unwrap_or_default();
                    let place = format!("line:{} col:{}", line.line(), line.column());
                    writeln!(out, "; [{} {place}]\\l\\", escaped_path(path));
                }
                writeln!(out, "; {}\\l\\", escaped(text.trim_ascii_start()));
            }
        }
        write!(out, "{}: ", index - start);
        for c in listing.insn(index).chars() {
            if matches!(c, '<' | '>' | '|' | '&') {
                write!(out, "\\");
            }
            write!(out, "{c}");
        }
        writeln!(out, "\\l\\");
        if listing.style.opcodes {
            writeln!(out, "\\ \\ \\ \\ {}\\l\\", listing.bytes(index));
        }
        // Between two slots, one more where the last instruction has two.
        if index + 1 < block.end {
            write!(out, "| ");
        }
        index += if is_double(insn) { 2 } else { 1 };
    }
}

/// Text in a label.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '"' | '{' | '}' | '<' | '>' | '|' | ' ') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The end of a path, from a slash on.
fn escaped_path(path: &str) -> String {
    let short = match path.len().checked_sub(MAX_PATH) {
        None | Some(0) => path,
        Some(cut) => {
            let slash = path.bytes().enumerate().skip(cut).find(|(_, b)| *b == b'/').map(|(i, _)| i);
            match slash.or_else(|| path.rfind('/')) {
                // What is cut off must be longer than the dots.
                Some(at) if at >= 3 || slash.is_none() => path.get(at..).unwrap_or(path),
                _ => path,
            }
        }
    };
    let dots = if short.len() < path.len() { "..." } else { "" };
    format!("{dots}{}", escaped(short))
}
