//! Writes down what a back end was asked.

/// Placeholder until the transcript form lands.
#[derive(Debug)]
pub struct Recorder;
