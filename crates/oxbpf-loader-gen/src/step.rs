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

#[cfg(test)]
mod tests {
    use super::*;

    fn step(cmd: Cmd, name: &str, begun: Option<u32>, done: Option<u32>) -> Step {
        Step { cmd, name: name.to_owned(), names: Vec::new(), begun, done }
    }

    /// BTF, a typed map and its contents, a map without types, two programs; each with its own words of the data.
    fn steps() -> Vec<Step> {
        vec![
            step(Cmd::BTF_LOAD, "", Some(0), None),
            step(Cmd::MAP_CREATE, "typed", Some(4), Some(8)),
            step(Cmd::MAP_UPDATE_ELEM, "typed", Some(12), None),
            step(Cmd::MAP_CREATE, "plain", None, Some(16)),
            step(Cmd::PROG_LOAD, "a", Some(20), None),
            step(Cmd::PROG_LOAD, "b", Some(24), None),
        ]
    }

    fn check(words: &[usize], expect: Option<(Cmd, &str)>) {
        let mut data = vec![0; 28];
        words.iter().for_each(|word| data[4 * word] = 1);
        let steps = steps();
        let found = failed(&steps, &data).map(|s| (s.cmd, s.name.as_str()));
        assert_eq!(found, expect, "{words:?}");
    }

    #[test]
    fn data_tell_the_command_that_failed() {
        check(&[], Some((Cmd::BTF_LOAD, "")));
        check(&[0], Some((Cmd::BTF_LOAD, "")));
        check(&[0, 1], Some((Cmd::MAP_CREATE, "typed")));
        check(&[0, 1, 2], Some((Cmd::MAP_UPDATE_ELEM, "typed")));
        // Filling hardly fails, creating does.
        check(&[0, 1, 2, 3], Some((Cmd::MAP_CREATE, "plain")));
        check(&[0, 1, 2, 3, 4], Some((Cmd::PROG_LOAD, "a")));
        check(&[0, 1, 2, 3, 4, 5], Some((Cmd::PROG_LOAD, "a")));
        check(&[0, 1, 2, 3, 4, 5, 6], Some((Cmd::PROG_LOAD, "b")));
    }

    #[test]
    fn programs_that_were_made_elsewhere_have_no_steps() {
        assert_eq!(failed(&[], &[1; 64]), None);
        let far = [step(Cmd::BTF_LOAD, "", Some(u32::MAX), None)];
        assert_eq!(failed(&far, &[1; 64]), far.first());
    }
}
