//! Rows of figures: oxbpf and its peers in alternation, in one run. Only ratios of one run count, and nothing fails on time.
//!
//! `cargo xtask bench [--json] [FILTER]`, as root on Linux with BTF.

mod btf_open;
mod core;
mod min_process;
mod ring_drain;
mod size;

use anyhow::Result;

/// What a row measured, of one candidate.
#[derive(Debug)]
struct Figure {
    who: &'static str,
    /// Smaller is better for all rows.
    median: f64,
    min: f64,
}

/// One row: the first figure is ours.
#[derive(Debug)]
struct Row {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    figures: Vec<Figure>,
    /// Who the target is about, and the most that our minimum may be of theirs; a limit of its own if nobody.
    target: Target,
}

#[derive(Debug)]
enum Target {
    Ratio(&'static str, f64),
    AtMost(f64),
}

type Bench = (&'static str, fn() -> Result<Vec<Row>>);

const BENCHES: &[Bench] = &[
    ("min_process", min_process::rows),
    ("btf_open", btf_open::rows),
    ("core", core::rows),
    ("ring_drain", ring_drain::rows),
    ("binary_size", size::rows),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|a| a == "--json");
    let filter = args.iter().find(|a| !a.starts_with("--"));
    for (name, bench) in BENCHES {
        if filter.is_some_and(|f| !name.contains(f.as_str())) {
            continue;
        }
        for row in bench()? {
            if json { println!("{}", row.json()) } else { println!("{}", row.text()) }
        }
    }
    Ok(())
}

impl Figure {
    /// Median and minimum of samples.
    fn of(who: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let median = samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN);
        Self { who, median, min: samples.first().copied().unwrap_or(f64::NAN) }
    }
}

impl Row {
    fn ours(&self) -> f64 {
        self.figures.first().map_or(f64::NAN, |f| f.min)
    }

    /// Whether the target is met, and how it reads.
    fn verdict(&self) -> (bool, String) {
        match self.target {
            Target::AtMost(limit) => (self.ours() <= limit, format!("at most {limit} {}", self.unit)),
            Target::Ratio(who, most) => {
                let theirs = self.figures.iter().find(|f| f.who == who).map_or(f64::NAN, |f| f.min);
                (self.ours() <= theirs * most, format!("at most {most:.2} of {who}"))
            }
        }
    }

    fn text(&self) -> String {
        let mut line = format!("{:<18} {} ({})", self.name, self.what, self.unit);
        for f in &self.figures {
            let ratio = self.ours() / f.min;
            line += &format!("\n    {:<10} median {:>12.3}  min {:>12.3}", f.who, f.median, f.min);
            if f.who != "oxbpf" {
                line += &format!("  oxbpf/it {ratio:.3}");
            }
        }
        let (met, target) = self.verdict();
        line + &format!("\n    target {target}: {}", if met { "met" } else { "MISSED" })
    }

    fn json(&self) -> serde_json::Value {
        let (met, target) = self.verdict();
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|f| serde_json::json!({ "who": f.who, "median": f.median, "min": f.min, "ratio": self.ours() / f.min }))
            .collect();
        serde_json::json!({ "row": self.name, "unit": self.unit, "figures": figures, "target": target, "met": met })
    }
}
