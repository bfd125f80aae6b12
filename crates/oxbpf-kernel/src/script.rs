//! Answers from a transcript.

/// Placeholder until the transcript form lands.
#[derive(Debug)]
pub struct Scripted;
