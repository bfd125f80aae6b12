//! Lines of the verifier's log in the object's own terms.
//!
//! What could not be resolved before loading is left in the program as a call of a helper that no kernel has, and is harmless as
//! long as it is not reached. If it is, the verifier only knows an odd number; here it becomes what is missing.

use oxbpf_object::ProgId;

use super::relocate::{POISON_KFUNC, POISON_MAP};
use super::state::Core;
use oxbpf_relo::POISON;

/// The log with the two lines about such a call replaced.
pub(super) fn explain(core: &Core, id: ProgId, log: &str) -> String {
    let Some((call, number)) = poisoned_call(log) else { return log.to_owned() };
    let Some(insn) = call.split(':').next().and_then(|n| n.trim().parse::<u32>().ok()) else {
        return log.to_owned();
    };
    let Some((what, why)) = reason(core, id, insn, number) else { return log.to_owned() };
    let complaint = format!("invalid func unknown#{number}");
    let mut out = String::with_capacity(log.len() + why.len());
    for line in log.lines() {
        if line == call {
            out.push_str(&format!("{insn}: <{what}>\n"));
        } else if line == complaint {
            out.push_str(&why);
            out.push('\n');
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The last call of an unknown helper that the verifier complains of: its line and the helper's number.
fn poisoned_call(log: &str) -> Option<(&str, i32)> {
    let mut before = None;
    let mut found = None;
    for line in log.lines() {
        if let (Some(number), Some(call)) = (line.strip_prefix("invalid func unknown#"), before) {
            found = number.trim().parse().ok().map(|number| (call, number));
        }
        before = Some(line);
    }
    found
}

/// What is missing, for the trace and as a sentence.
fn reason(core: &Core, id: ProgId, insn: u32, number: i32) -> Option<(&'static str, String)> {
    let index = |base: i32| number.checked_sub(base).and_then(|n| usize::try_from(n).ok());
    if number == POISON {
        let (_, row) = core.program(id)?;
        let piece = row.pieces.iter().find(|p| (p.insn_off..p.insn_off + p.len).contains(&insn))?;
        let failed =
            core.failed_core.iter().find(|f| f.code == piece.id && f.insn == insn - piece.insn_off)?;
        // The summary of a log is its last line, so the layouts come before the sentence.
        let why = core.explain_core(failed).map_or_else(String::new, |e| {
            let layouts = format!("{e:#}");
            let layouts = layouts.split_once('\n').map_or(String::new(), |(_, rest)| format!("{rest}\n"));
            format!("{layouts}failed to resolve CO-RE relocation {e}")
        });
        return Some(("invalid CO-RE relocation", why));
    }
    if let Some(spec) = index(POISON_KFUNC).and_then(|i| core.spec.externs.get(i)) {
        return Some((
            "invalid kfunc call",
            format!("kfunc '{}' is referenced but wasn't resolved", spec.name),
        ));
    }
    let spec = index(POISON_MAP).and_then(|i| core.spec.maps.get(i))?;
    Some(("invalid BPF map reference", format!("BPF map '{}' is referenced but wasn't created", spec.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_before_the_complaint_is_found() {
        let log = "3: (85) call unknown#2001000002\ninvalid func unknown#2001000002\nprocessed 4 insns\n";
        assert_eq!(poisoned_call(log), Some(("3: (85) call unknown#2001000002", 2_001_000_002)));
        assert_eq!(poisoned_call("invalid func unknown#7\n"), None);
        assert_eq!(poisoned_call("R1 invalid mem access\n"), None);
    }
}
