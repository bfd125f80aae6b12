//! `prog`: programs of the kernel, looked at, loaded and run.

mod details;
mod dump;
mod graph;
mod insn;
mod proto;
mod show;

use super::{Noun, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "prog",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "[PROG]", run: show::run },
        Verb {
            name: "dump",
            alias: None,
            usage: "{ xlated | jited } PROG [{ file FILE | [opcodes] [linum] [visual] }]",
            run: dump::run,
        },
    ],
    terms: &[terms::PROG],
};
