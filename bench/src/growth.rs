//! How time grows with the size of the input: doubled four times, and the exponent of the curve through the five points.

use anyhow::Result;

const DOUBLINGS: u32 = 4;
const ROUNDS: usize = 5;

/// A measurement whose input can be made larger.
pub(crate) struct Growth {
    pub(crate) name: &'static str,
    /// What there is more of.
    pub(crate) what: &'static str,
    /// The input's size at `scale` times the smallest, and a function that does the work once and gives the time of it, in any unit.
    pub(crate) run: fn(scale: usize) -> Result<Work>,
}

/// Work on an input that has been made.
pub(crate) type Work = (usize, Box<dyn FnMut() -> Result<f64>>);

/// Sizes and least times.
pub(crate) struct Curve {
    name: &'static str,
    what: &'static str,
    points: Vec<(usize, f64)>,
}

impl Growth {
    pub(crate) fn measure(&self) -> Result<Curve> {
        let mut points = Vec::new();
        for doubling in 0..=DOUBLINGS {
            let (size, mut work) = (self.run)(1 << doubling)?;
            let mut least = f64::INFINITY;
            for _ in 0..ROUNDS {
                least = least.min(work()?);
            }
            points.push((size, least));
        }
        Ok(Curve { name: self.name, what: self.what, points })
    }
}

impl Curve {
    /// The slope of the line through the logarithms with the least squared distance: 1.0 is linear.
    fn exponent(&self) -> f64 {
        let logs: Vec<(f64, f64)> = self.points.iter().map(|(size, time)| ((*size as f64).ln(), time.ln())).collect();
        let count = logs.len() as f64;
        let (x, y) = logs.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
        let (over, under) = logs.iter().fold((0.0, 0.0), |(o, u), p| (o + (p.0 - x) * (p.1 - y), u + (p.0 - x).powi(2)));
        over / under
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{:<18} exponent {:.2}", self.name, self.exponent());
        for (size, time) in &self.points {
            text += &format!("\n    {size:>9} {:<10} {time:>14.3}", self.what);
        }
        text
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "growth": self.name, "of": self.what, "exponent": self.exponent(), "points": self.points })
    }
}
