//! Iterators: a link says over what, reading runs the program once an element and gives what it wrote.

use std::sync::{Arc, Mutex, PoisonError};

use oxbpf_uapi::Errno;

use crate::hooks::Hook;
use crate::invoke::{Context, Event};
use crate::links::Link;
use crate::state::State;

/// An open iterator.
#[derive(Debug)]
pub(crate) struct IterStream {
    link: Arc<Link>,
    output: Mutex<Option<(Vec<u8>, usize)>>,
}

impl IterStream {
    pub(crate) fn new(link: Arc<Link>) -> Result<Self, Errno> {
        match link.hook() {
            Some(Hook::Iter(_)) => Ok(Self { link, output: Mutex::default() }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Copies the next bytes of the program's output; 0 at the end.
    pub(crate) fn read(&self, state: &State, out: &mut [u8]) -> Result<usize, Errno> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.is_none() {
            *output = Some((self.run(state)?, 0));
        }
        let Some((bytes, at)) = output.as_mut() else { return Err(Errno::EIO) };
        let left = bytes.get(*at..).unwrap_or_default();
        let count = left.len().min(out.len());
        for (to, from) in out.iter_mut().zip(left) {
            *to = *from;
        }
        *at += count;
        Ok(count)
    }

    fn run(&self, state: &State) -> Result<Vec<u8>, Errno> {
        let (Some(Hook::Iter(target)), Some(prog)) = (self.link.hook(), self.link.prog()) else {
            return Err(Errno::EINVAL);
        };
        // Elements, and then once more without one, so that a program can write a foot.
        let mut output = Vec::new();
        let elements = state.tasks.iter_elements(&target).ok_or(Errno::EINVAL)?;
        let count = elements.len() as u64;
        for (seq_num, element) in elements.into_iter().map(Some).chain([None]).enumerate() {
            let context =
                Context::Iter { element, seq_num: (seq_num as u64).min(count), output: &mut output };
            let event = Event { context, ..Event::default() };
            state.with_runner(|runner| runner.run(state, &prog, event));
        }
        Ok(output)
    }
}
