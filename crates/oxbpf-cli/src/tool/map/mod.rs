//! `map`: maps and what is in them.
//!
//! | Part | Has |
//! | --- | --- |
//! | [`show`] | what maps there are |
//! | [`dump`] | all entries of one |
//! | [`entry`] | an entry as text and JSON; keys and values from words |
//! | [`event_pipe`] | what programs write to a perf event array |
//! | [`change`] | the rest: single entries, new maps, pins |

mod change;
mod dump;
mod entry;
mod event_pipe;
mod show;

use super::{Noun, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "map",
    verbs: &[
        verb("show", "[MAP]", show::run).or("list"),
        verb(
            "create",
            "FILE type TYPE key KEY_SIZE value VALUE_SIZE entries MAX_ENTRIES name NAME [flags FLAGS] [inner_map MAP] [offload_dev NAME]",
            change::create,
        ),
        verb("dump", "MAP", dump::run),
        verb("update", "MAP [key DATA] [value VALUE] [UPDATE_FLAGS]", change::update),
        verb("lookup", "MAP [key DATA]", change::lookup),
        verb("getnext", "MAP [key DATA]", change::getnext),
        verb("delete", "MAP key DATA", change::delete),
        verb("pin", "MAP FILE", change::pin),
        verb("event_pipe", "MAP [cpu N index M]", event_pipe::run),
        verb("peek", "MAP", change::lookup),
        verb("push", "MAP value VALUE", change::update),
        verb("pop", "MAP", change::pop),
        verb("enqueue", "MAP value VALUE", change::update),
        verb("dequeue", "MAP", change::pop),
        verb("freeze", "MAP", change::freeze),
    ],
    terms: &[
        terms::MAP,
        ("DATA", "{ [hex] BYTES }"),
        terms::PROG,
        ("VALUE", "{ DATA | MAP | PROG }"),
        ("UPDATE_FLAGS", "{ any | exist | noexist }"),
        ("TYPE", "what 'feature list_builtins map_types' lists"),
    ],
};

const fn verb(
    name: &'static str,
    usage: &'static str,
    run: fn(&mut super::Tool, &mut super::Args<'_>) -> anyhow::Result<()>,
) -> Verb {
    Verb { name, alias: None, usage, run }
}

impl Verb {
    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }
}
