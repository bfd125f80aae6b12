//! `oxbpf btf`: what types the kernel and files have.

mod c;
mod dump;
mod edit;
mod json;
mod layout;
mod read;
mod show;

use super::{Noun, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "btf",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "[id BTF_ID]", run: show::run },
        Verb {
            name: "dump",
            alias: None,
            usage: "BTF_SRC [format FORMAT] [root_id ROOT_ID]...",
            run: dump::run,
        },
        Verb { name: "dedup", alias: None, usage: "OUTPUT FILE [FILE...]", run: edit::dedup },
        Verb { name: "distill", alias: None, usage: "FILE BASE_OUTPUT OUTPUT -B BASE", run: edit::distill },
        Verb {
            name: "relocate",
            alias: None,
            usage: "FILE OUTPUT [base BASE_FILE] -B BASE",
            run: edit::relocate,
        },
        Verb { name: "layout", alias: None, usage: "STRUCT [{ file FILE | id BTF_ID }]", run: layout::run },
    ],
    terms: &[
        (
            "BTF_SRC",
            "{ id BTF_ID | prog PROG | map MAP [{ key | value | kv | all }] | file FILE [file FILE]... }",
        ),
        ("FORMAT", "{ raw | c [unsorted] }"),
        terms::MAP,
        terms::PROG,
    ],
};
