//! What a row measured, whether its target is met, and how both read.

use anyhow::Result;

/// What a row measured, of one candidate.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) who: &'static str,
    /// Smaller is better for all rows.
    pub(crate) median: f64,
    pub(crate) min: f64,
}

/// One row: the first figure is ours.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) figures: Vec<Figure>,
    /// Who the target is about, and the most that our minimum may be of theirs; a limit of its own if nobody.
    pub(crate) target: Target,
}

#[derive(Debug)]
pub(crate) enum Target {
    Ratio(&'static str, f64),
    AtMost(f64),
}

/// Takes `rounds` samples of each peer, in turn.
///
/// # Errors
/// The first of a peer's.
pub(crate) fn alternate(rounds: usize, peers: &mut [(&'static str, &mut dyn FnMut() -> Result<f64>)]) -> Result<Vec<Figure>> {
    let mut samples = vec![Vec::with_capacity(rounds); peers.len()];
    for _ in 0..rounds {
        for ((_, peer), samples) in peers.iter_mut().zip(&mut samples) {
            samples.push(peer()?);
        }
    }
    Ok(peers.iter().zip(samples).map(|((who, _), samples)| Figure::of(who, samples)).collect())
}

impl Figure {
    /// Median and minimum of samples.
    pub(crate) fn of(who: &'static str, mut samples: Vec<f64>) -> Self {
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

    pub(crate) fn text(&self) -> String {
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

    pub(crate) fn json(&self) -> serde_json::Value {
        let (met, target) = self.verdict();
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|f| serde_json::json!({ "who": f.who, "median": f.median, "min": f.min, "ratio": self.ours() / f.min }))
            .collect();
        serde_json::json!({ "row": self.name, "unit": self.unit, "figures": figures, "target": target, "met": met })
    }
}
