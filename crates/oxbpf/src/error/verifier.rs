//! The verifier's log: what it says in one line.
//!
//! The kernel explains a rejection near the end of the log, below a trace of instructions and register states and above
//! a line of statistics. What a reader wants first is that explanation.

/// The text that the verifier wrote while it rejected a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierLog(String);

/// Fragments of an explanation, and what to do about it.
const HINTS: &[(&str, &str)] = &[
    (
        "invalid mem access 'map_value_or_null'",
        "compare the result of bpf_map_lookup_elem with NULL before using it",
    ),
    ("invalid mem access 'mem_or_null'", "compare the result of the helper with NULL before using it"),
    (
        "invalid mem access 'ringbuf_mem_or_null'",
        "compare the result of bpf_ringbuf_reserve with NULL before using it",
    ),
    ("invalid mem access 'scalar'", "read kernel memory with bpf_probe_read_kernel or BPF_CORE_READ"),
    ("invalid mem access 'inv'", "read kernel memory with bpf_probe_read_kernel or BPF_CORE_READ"),
    ("invalid access to packet", "compare the pointer with data_end before reading the packet"),
    ("math between map_value pointer", "compare the index with the array's size before using it"),
    ("invalid access to map value", "compare the index with the size of the map's value before using it"),
    ("unbounded memory access", "compare the index with the array's size before using it"),
    ("would lead to reference leak", "every path has to release what it reserved or acquired"),
    ("Unreleased reference", "every path has to release what it reserved or acquired"),
    ("BPF program is too large", "split the program with tail calls, or bound its loops with bpf_loop"),
    ("back-edge", "loops need Linux 5.3, or #pragma unroll"),
    ("infinite loop detected", "give the loop a bound that the verifier can see"),
    ("combined stack size", "keep large values in a per-CPU array map in place of the stack"),
    ("unknown func", "the kernel does not have this helper"),
    ("cannot call GPL-restricted function", "the object needs a GPL-compatible license section"),
    ("cannot call GPL only function", "the object needs a GPL-compatible license section"),
    ("program of this type cannot use helper", "this program type may not call the helper"),
    ("kernel subsystem misconfigured", "the kernel was built without the program type's hook"),
];

impl VerifierLog {
    /// Wraps the log's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole log.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Lines there are.
    pub fn line_count(&self) -> usize {
        self.0.lines().filter(|l| !l.trim().is_empty()).count()
    }

    /// The line that says why, `None` for an empty log.
    ///
    /// It is the last line that is neither statistics nor part of the trace of instructions and states.
    pub fn summary(&self) -> Option<&str> {
        let lines = || self.0.lines().rev().map(str::trim).filter(|l| !l.is_empty());
        lines().find(|l| !is_statistics(l) && !is_trace(l)).or_else(|| lines().find(|l| !is_statistics(l)))
    }

    /// Advice for the explanations that are met most.
    pub(super) fn hint(&self) -> Option<&'static str> {
        let line = self.summary()?;
        HINTS.iter().find(|(fragment, _)| line.contains(fragment)).map(|(_, hint)| *hint)
    }

    /// `: summary (n log lines, …)`.
    pub(super) fn one_line(&self, whole_log_follows: bool) -> String {
        let Some(summary) = self.summary() else { return String::new() };
        let count = self.line_count();
        if whole_log_follows || count < 2 {
            format!(": {summary}")
        } else {
            format!(": {summary} ({count} log lines, show with {{:#}})")
        }
    }
}

/// Lines that count things at the end of a log.
fn is_statistics(line: &str) -> bool {
    let first = line.split(' ').next().unwrap_or_default();
    match first {
        "processed" => line.contains("insns"),
        "verification" => line.starts_with("verification time"),
        "stack" => line.starts_with("stack depth"),
        "insns" => true,
        "-- " | "--" => line.contains("log"),
        _ => false,
    }
}

/// Lines that show how the verifier got somewhere: instructions, states, source lines, branch heads.
fn is_trace(line: &str) -> bool {
    let numbered =
        line.split(':').next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let branch = line.starts_with("from ") && line.contains(" to ");
    let state = line.starts_with('R') && line.contains('=') && line.contains("R10=");
    let frame = line.starts_with("frame") && line.contains(':') && line.contains('=');
    let source = line.starts_with(';');
    let phase = line.starts_with("func#")
        || line.starts_with("Validating ")
        || line.starts_with("mark_precise:")
        || line.starts_with("last_idx ")
        || line.starts_with("regs=")
        || line.starts_with("parent ")
        || line.starts_with("reg type unsupported for arg")
        || line.starts_with("returning from callee")
        || line.starts_with("caller:")
        || line.starts_with("callee:")
        || line.starts_with("safe")
        || line.starts_with("cur state:")
        || line.starts_with("old state:")
        || line.starts_with("propagating ");
    numbered && !line.contains("invalid") || branch || state || frame || source || phase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(log: &str, expect: &str) {
        assert_eq!(VerifierLog::new(log).summary(), Some(expect));
    }

    #[test]
    fn summary_is_the_explanation_above_the_statistics() {
        check(
            "func#0 @0\n0: R1=ctx() R10=fp0\n; return *p; @ x.c:3\n1: (61) r0 = *(u32 *)(r1 +0)\n\
             R1 invalid mem access 'scalar'\nverification time 12 usec\nstack depth 0\n\
             processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
            "R1 invalid mem access 'scalar'",
        );
    }

    #[test]
    fn summary_of_a_log_that_only_has_a_reason_is_the_reason() {
        check("attach_btf_id 12 is not a function\n", "attach_btf_id 12 is not a function");
    }

    #[test]
    fn summary_skips_states_that_follow_the_branch_head() {
        check(
            "from 3 to 5: R0=0 R10=fp0\n5: R0=0 R10=fp0\n5: (95) exit\nUnreleased reference id=2 alloc_insn=4\n\
             processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 1\n",
            "Unreleased reference id=2 alloc_insn=4",
        );
    }

    #[test]
    fn summary_skips_the_states_of_a_loop() {
        check(
            "2: (79) r2 = *(u64 *)(r1 +0)\ninfinite loop detected at insn 2\ncur state: R1=scalar() R10=fp0\n\
             old state: R1=scalar() R10=fp0\n\
             processed 14 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0\n",
            "infinite loop detected at insn 2",
        );
    }

    #[test]
    fn empty_log_has_no_summary() {
        assert_eq!(VerifierLog::new("\n").summary(), None);
    }

    #[test]
    fn known_explanations_have_advice() {
        let log = VerifierLog::new("R0 invalid mem access 'map_value_or_null'\n");
        assert!(log.hint().unwrap().contains("NULL"));
    }
}
