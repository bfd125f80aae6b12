//! The bytes that a loader program works on: requests, instructions, texts, first contents of maps.

use crate::error::GenError;

/// The kernel's bound on addresses in a map's value (`BPF_MAX_VAR_OFF`).
const MAX_LEN: usize = 1 << 29;

/// Bytes that grow, each piece at a multiple of 8, with numbers in the target's byte order.
#[derive(Debug)]
pub(crate) struct Blob {
    bytes: Vec<u8>,
    is_little: bool,
}

impl Blob {
    pub(crate) fn new(is_little: bool, capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), is_little }
    }

    /// Whether the target is little-endian.
    pub(crate) fn is_little(&self) -> bool {
        self.is_little
    }

    /// A number of 32 bits as the target has it.
    pub(crate) fn word(&self, value: u32) -> [u8; 4] {
        if self.is_little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    /// Appends bytes and says where they are. Positions fit in 32 bits if [`finish`](Self::finish) does not fail.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> u32 {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        at as u32
    }

    /// Appends zeroes.
    pub(crate) fn add_zeroes(&mut self, len: usize) -> u32 {
        let at = self.bytes.len();
        self.bytes.resize((at + len).next_multiple_of(8), 0);
        at as u32
    }

    /// Appends a text with a zero behind it; gives its place and its length with the zero.
    pub(crate) fn add_text(&mut self, text: &str) -> (u32, i32) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        let len = text.len() + 1;
        self.bytes.resize((at + len).next_multiple_of(8), 0);
        (at as u32, len as i32)
    }

    /// Appends records that consist of words of 32 bits, given in this machine's byte order.
    pub(crate) fn add_words(&mut self, native: &[u8]) -> u32 {
        if self.is_little == cfg!(target_endian = "little") {
            return self.add(native);
        }
        let at = self.bytes.len();
        for word in native.chunks(4) {
            self.bytes.extend(word.iter().rev());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        at as u32
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>, GenError> {
        if self.bytes.len() > MAX_LEN { Err(GenError::DataTooLong { max: MAX_LEN }) } else { Ok(self.bytes) }
    }
}
