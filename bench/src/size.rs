//! Size of the command.

use anyhow::{Context, Result};

use crate::{Figure, Row, Target};

pub(crate) fn rows() -> Result<Vec<Row>> {
    let path = std::env::var("OXBPF_RELEASE_BINARY").context("OXBPF_RELEASE_BINARY does not name the binary")?;
    let size = std::fs::metadata(&path).with_context(|| path.clone())?.len() as f64 / 1e6;
    let figures = vec![Figure::of("oxbpf", vec![size])];
    Ok(vec![Row { name: "binary_size", what: "release binary, stripped", unit: "MB", figures, target: Target::AtMost(6.0) }])
}
