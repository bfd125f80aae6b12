//! The C that is dumped, through a compiler: it must put everything where it was.

#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use oxbpf_btf::Btf;
use oxbpf_uapi::BtfKind;

fn clang() -> Option<&'static str> {
    ["clang", "clang-19", "clang-18"]
        .into_iter()
        .find(|c| Command::new(c).arg("--version").output().is_ok_and(|o| o.status.success()))
}

/// The size of each struct and union with a name, and the offset of each of its members, as C that a compiler refuses
/// if it does not agree. Left out: tags that come again, which are numbered in C, and offsets of bit-fields, which C
/// cannot ask for.
fn assertions(btf: &Btf) -> (usize, String) {
    let tags = [BtfKind::STRUCT, BtfKind::UNION, BtfKind::ENUM, BtfKind::ENUM64];
    let mut uses: HashMap<_, u32> = HashMap::new();
    for t in btf.types().filter(|t| tags.contains(&t.kind())) {
        *uses.entry(t.name()).or_default() += 1;
    }
    let (mut count, mut out) = (0, String::new());
    for t in btf.types().filter(|t| !t.name().is_empty() && uses.get(t.name()) == Some(&1)) {
        // A `va_list` is the compiler's own for its target, and smaller on BPF.
        let Some(c) = t.composite().filter(|_| t.name() != "warn_args") else { continue };
        let word = if t.kind() == BtfKind::UNION { "union" } else { "struct" };
        let (name, size) = (t.name(), t.size());
        out += &format!("_Static_assert(sizeof({word} {name}) == {size}, \"{name}\");\n");
        for m in c.members().filter(|m| !m.name.is_empty() && m.bit_size == 0) {
            let (member, offset) = (m.name, m.bit_offset / 8);
            let found = format!("__builtin_offsetof({word} {name}, {member})");
            out += &format!("_Static_assert({found} == {offset}, \"{name}.{member}\");\n");
        }
        count += 1;
    }
    (count, out)
}

/// What a compiler says of it.
fn compiled(clang: &str, c: &[u8]) -> String {
    let mut child = Command::new(clang)
        .args(["-target", "bpf", "-w", "-std=gnu11", "-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that gives up early closes its end, and says why.
    let _ = child.stdin.take().unwrap().write_all(c);
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.success(), out.stderr.is_empty());
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn a_compiler_lays_out_the_dumped_types_as_they_were() {
    let path = "/sys/kernel/btf/vmlinux";
    let Ok(bytes) = std::fs::read(path) else { return println!("skipped: no {path}") };
    let Some(clang) = clang() else { return println!("skipped: no clang") };
    let btf = Btf::parse(bytes).unwrap();
    let mut c = btf.dump_c().unwrap();
    let (count, assertions) = assertions(&btf);
    assert!(count > 1000, "{count}");
    c.extend_from_slice(assertions.as_bytes());
    let said = compiled(clang, &c);
    assert!(said.is_empty(), "{}", said.lines().take(20).collect::<Vec<_>>().join("\n"));
    // It would say so.
    c.extend_from_slice(b"_Static_assert(sizeof(struct list_head) == 15, \"list_head\");\n");
    assert!(compiled(clang, &c).contains("list_head"));
}
