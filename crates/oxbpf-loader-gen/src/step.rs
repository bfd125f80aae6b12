//! How far a loader program came: its data after a run in, the command that failed out.
//!
//! A program says no more than an error number. But it writes to its data as it goes on: addresses and descriptors into a request before the
//! command, descriptors of maps behind it. Data can still be read when they are frozen.

use oxbpf_uapi::Cmd;

/// A command that a loader program makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command.
    pub cmd: Cmd,
    /// Name of the map or program, "" for the object's BTF.
    pub name: String,
    /// What is looked up for it by name in the kernel: what it attaches to, and symbols that are not weak.
    pub names: Vec<String>,
    /// Bytes of the data that are zero until the program comes to the step.
    pub(crate) begun: Option<u32>,
    /// Bytes of the data that are zero until the command succeeded.
    pub(crate) done: Option<u32>,
}

/// The step that a program failed at which left `data`; `None` if it is not known.
pub(crate) fn failed<'s>(steps: &'s [Step], data: &[u8]) -> Option<&'s Step> {
    let is_set = |at: &Option<u32>| {
        let word = at.and_then(|at| data.get(at as usize..)?.first_chunk::<4>());
        word.is_some_and(|word| *word != [0; 4])
    };
    let last = steps.iter().rposition(|s| is_set(&s.begun) || is_set(&s.done));
    let Some((at, last)) = last.and_then(|at| Some((at, steps.get(at)?))) else { return steps.first() };
    let next = steps.get(at + 1);
    if is_set(&last.done) {
        return next;
    }
    // What only fills a map that was just created hardly fails, and a map without types leaves no trace before it is there.
    let fills = matches!(last.cmd, Cmd::MAP_UPDATE_ELEM | Cmd::MAP_FREEZE);
    next.filter(|next| fills && next.begun.is_none()).or(Some(last))
}
