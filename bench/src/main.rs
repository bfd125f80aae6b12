//! Rows of figures: oxbpf and its peers in alternation, in one run. Only ratios of one run count, and nothing fails on time.
//!
//! `cargo xtask bench [--json] [--growth] [FILTER]`, as root on Linux with BTF. The filter is part of the name of a group or a row.
//! Each group ends with curves: inputs are doubled four times, and the exponent of time by size is printed. With `--growth`
//! there are the curves only.
//!
//! A group is one file with a function that gives its rows, and one line in [`GROUPS`].

mod attach;
mod btf_open;
mod btf_ops;
mod core;
mod gen_loader;
mod growth;
mod link;
mod min_process;
mod obj_open;
mod ring_drain;
mod row;
mod size;
mod uprobe_syms;

use anyhow::Result;
use growth::Growth;
use row::{Figure, Row, Target, alternate};

/// Rows that are measured together.
struct Group {
    name: &'static str,
    /// Names of its rows.
    rows: &'static [&'static str],
    run: fn() -> Result<Vec<Row>>,
    growth: &'static [Growth],
}

impl Group {
    const fn new(name: &'static str, rows: &'static [&'static str], run: fn() -> Result<Vec<Row>>) -> Self {
        Self { name, rows, run, growth: &[] }
    }

    const fn growth(self, growth: &'static [Growth]) -> Self {
        Self { growth, ..self }
    }
}

const GROUPS: &[Group] = &[
    Group::new("min_process", &["min_process", "min_process_cpu", "min_process_rss"], min_process::rows),
    Group::new("obj_open", &["obj_open"], obj_open::rows).growth(&[Growth { name: "obj_open", what: "programs", run: obj_open::grow }]),
    Group::new("btf_open", &["btf_open"], btf_open::rows),
    Group::new("btf_ops", btf_ops::ROWS, btf_ops::rows).growth(btf_ops::GROWTH),
    Group::new("core", core::ROWS, core::rows).growth(core::GROWTH),
    Group::new("gen_loader", gen_loader::ROWS, gen_loader::rows).growth(gen_loader::GROWTH),
    Group::new("link", link::ROWS, link::rows).growth(link::GROWTH),
    Group::new("attach", attach::ROWS, attach::rows),
    Group::new("ring_drain", &["ring_drain"], ring_drain::rows),
    Group::new("uprobe_syms", &["uprobe_syms"], uprobe_syms::rows),
    Group::new("binary_size", &["binary_size"], size::rows),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| args.iter().any(|a| a == option);
    let filter = args.iter().find(|a| !a.starts_with("--")).map_or("", String::as_str);
    let json = has("--json");
    for group in GROUPS {
        let wants = |row: &str| group.name.contains(filter) || row.contains(filter);
        if !has("--growth") && group.rows.iter().any(|row| wants(row)) {
            for row in (group.run)()?.iter().filter(|r| wants(r.name)) {
                if json { println!("{}", row.json()) } else { println!("{}", row.text()) }
            }
        }
        for growth in group.growth.iter().filter(|g| wants(g.name)) {
            let curve = growth.measure()?;
            if json { println!("{}", curve.json()) } else { println!("{}", curve.text()) }
        }
    }
    Ok(())
}
