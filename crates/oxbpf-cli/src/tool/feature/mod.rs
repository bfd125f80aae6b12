//! `feature`: what the kernel can do, and the names of what this command knows.

mod probe;
mod system;

use anyhow::Result;
use oxbpf_uapi::{AttachType, HelperId, LinkType, MapType, ProgType};

use super::{Args, Noun, Tool, Verb};

pub(super) const NOUN: Noun = Noun {
    name: "feature",
    verbs: &[
        Verb {
            name: "probe",
            alias: None,
            usage: "[COMPONENT] [full] [unprivileged] [macros [prefix PREFIX]]",
            run: probe::run,
        },
        Verb { name: "list_builtins", alias: None, usage: "GROUP", run: list_builtins },
    ],
    terms: &[
        ("COMPONENT", "{ kernel | dev NAME }"),
        ("GROUP", "{ prog_types | map_types | attach_types | link_types | helpers }"),
    ],
};

/// Calls its argument with each name of a group.
type Names = fn(&mut dyn FnMut(&'static str));

/// The groups, and the names in them by number.
const GROUPS: &[(&str, Names)] = &[
    ("prog_types", |show| ProgType::ALL.iter().filter_map(|t| t.short_name()).for_each(show)),
    ("map_types", |show| MapType::ALL.iter().filter_map(|t| t.short_name()).for_each(show)),
    ("attach_types", |show| AttachType::ALL.iter().filter_map(|t| t.short_name()).for_each(show)),
    ("link_types", |show| LinkType::ALL.iter().filter_map(|t| t.short_name()).for_each(show)),
    ("helpers", |show| HelperId::ALL.iter().filter_map(|h| h.c_name()).for_each(show)),
];

fn list_builtins(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let keywords: Vec<_> = GROUPS.iter().map(|group| group.0).collect();
    let keyword = args.one_of(&keywords)?;
    args.end()?;
    let Some((_, names)) = GROUPS.iter().find(|group| group.0 == keyword) else { return Ok(()) };
    let out = &mut tool.out;
    out.open_array();
    names(&mut |name| {
        out.string(name);
        if !out.is_json() {
            writeln!(out, "{name}");
        }
    });
    out.close_array();
    Ok(())
}
