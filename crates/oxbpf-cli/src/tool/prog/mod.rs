//! `prog`: programs of the kernel, looked at, loaded and run.

mod change;
mod details;
mod dump;
mod graph;
mod insn;
mod load;
mod metadata;
mod show;
mod test_run;
mod tracelog;

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
        Verb { name: "pin", alias: None, usage: "PROG FILE", run: change::pin },
        Verb { name: "load", alias: None, usage: load::USAGE, run: load::load },
        Verb { name: "loadall", alias: None, usage: load::USAGE_ALL, run: load::loadall },
        Verb { name: "attach", alias: None, usage: "PROG ATTACH_TYPE [MAP]", run: change::attach },
        Verb { name: "detach", alias: None, usage: "PROG ATTACH_TYPE [MAP]", run: change::detach },
        Verb {
            name: "run",
            alias: None,
            usage: "PROG {data_in FILE | ctx_in FILE}... [data_out FILE [data_size_out L]] [ctx_out FILE [ctx_size_out M]] [repeat N]",
            run: test_run::run,
        },
        Verb { name: "tracelog", alias: None, usage: "[{ stdout | stderr } PROG]", run: tracelog::run },
    ],
    terms: &[
        terms::MAP,
        terms::PROG,
        ("TYPE", "what SEC() says: socket, kprobe, xdp, cgroup/connect4 and so on"),
        ("ATTACH_TYPE", "{ stream_parser | stream_verdict | skb_verdict | msg_verdict | flow_dissector }"),
    ],
};
