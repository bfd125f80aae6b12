//! How time grows with the size of the input: doubled four times, and the exponent of the curve through the five points.

use anyhow::{Result, ensure};

const DOUBLINGS: u32 = 4;
const ROUNDS: usize = 12;
/// The exponent should be at most this.
const TARGET: f64 = 1.1;

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

/// Milliseconds of CPU time that `work` takes. Large inputs take long enough to be interrupted by other work of the machine, which
/// would look like growth by the clock.
pub(crate) fn cpu_time<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let clock = || {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a live variable.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
        ensure!(result == 0, "no CPU clock");
        Ok(t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6)
    };
    let start = clock()?;
    std::hint::black_box(work()?);
    Ok(clock()? - start)
}

impl Growth {
    pub(crate) fn measure(&self) -> Result<Curve> {
        let works: Result<Vec<Work>> = (0..=DOUBLINGS).map(|doubling| (self.run)(1 << doubling)).collect();
        let mut works = works?;
        let mut points: Vec<(usize, f64)> = works.iter().map(|(size, _)| (*size, f64::INFINITY)).collect();
        // In alternation, so that what else the machine does slows all sizes down.
        for _ in 0..ROUNDS {
            for ((_, work), (_, least)) in works.iter_mut().zip(&mut points) {
                *least = least.min(work()?);
            }
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

    fn is_met(&self) -> bool {
        self.exponent() <= TARGET
    }

    pub(crate) fn text(&self) -> String {
        let (exponent, verdict) = (self.exponent(), if self.is_met() { "met" } else { "MISSED" });
        let mut text = format!("{:<18} exponent {exponent:.2}, target at most {TARGET:.2}: {verdict}", self.name);
        for (size, time) in &self.points {
            text += &format!("\n    {size:>9} {:<10} {time:>14.3}", self.what);
        }
        text
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "growth": self.name, "of": self.what, "exponent": self.exponent(), "met": self.is_met(), "points": self.points })
    }
}
