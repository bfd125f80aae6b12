//! The bytes that a loader program works on: requests, instructions, texts, first contents of maps.

use oxbpf_uapi::Insn;

use crate::error::GenError;

/// The kernel's bound on addresses in a map's value (`BPF_MAX_VAR_OFF`).
const MAX_LEN: usize = 1 << 29;

/// Bytes that grow, each piece at a multiple of 8, with numbers in the target's byte order.
///
/// Room for all of it is taken as zeroed memory, so that large contents of zeroes, which data maps often have, cost nothing.
#[derive(Debug)]
pub(crate) struct Blob {
    bytes: Vec<u8>,
    len: usize,
    is_little: bool,
}

impl Blob {
    pub(crate) fn new(is_little: bool, room: usize) -> Self {
        Self { bytes: vec![0; room.min(MAX_LEN)], len: 0, is_little }
    }

    /// Takes `len` bytes, which are zero, and says where.
    fn take(&mut self, len: usize) -> (usize, &mut [u8]) {
        let at = self.len;
        self.len = at.saturating_add(len).next_multiple_of(8);
        // What is too long is not kept; `finish` says so.
        if self.bytes.len() < self.len && self.len <= MAX_LEN {
            self.bytes.resize(self.len.max(2 * at).min(MAX_LEN), 0);
        }
        (at, self.bytes.get_mut(at..at.saturating_add(len)).unwrap_or_default())
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
        let (at, place) = self.take(bytes.len());
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        at as u32
    }

    /// Appends zeroes.
    pub(crate) fn add_zeroes(&mut self, len: usize) -> u32 {
        self.take(len).0 as u32
    }

    /// Appends a text with a zero behind it; gives its place and its length with the zero.
    pub(crate) fn add_text(&mut self, text: &str) -> (u32, i32) {
        let len = text.len() + 1;
        let (at, place) = self.take(len);
        place.iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        (at as u32, len as i32)
    }

    /// Appends instructions.
    pub(crate) fn add_insns(&mut self, insns: &[Insn]) -> u32 {
        let is_little = self.is_little;
        let (at, place) = self.take(8 * insns.len());
        for (to, insn) in place.chunks_exact_mut(8).zip(insns) {
            to.copy_from_slice(&insn.to_bytes(is_little));
        }
        at as u32
    }

    /// Appends records that consist of words of 32 bits, given in this machine's byte order.
    pub(crate) fn add_words(&mut self, native: &[u8]) -> u32 {
        if self.is_little == cfg!(target_endian = "little") {
            return self.add(native);
        }
        let (at, place) = self.take(native.len());
        for (to, word) in place.chunks_mut(4).zip(native.chunks(4)) {
            to.iter_mut().zip(word.iter().rev()).for_each(|(to, from)| *to = *from);
        }
        at as u32
    }

    /// The bytes.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, GenError> {
        if self.len > MAX_LEN {
            return Err(GenError::DataTooLong { max: MAX_LEN });
        }
        self.bytes.truncate(self.len);
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_and_in_the_targets_byte_order() {
        for (is_little, words) in [(true, [1, 0, 0, 0, 2, 0, 0, 0]), (false, [0, 0, 0, 1, 0, 0, 0, 2])] {
            let mut blob = Blob::new(is_little, 0);
            assert_eq!(blob.add_text("abc"), (0, 4));
            assert_eq!(blob.add(&[7; 9]), 8);
            let native: Vec<u8> = [1u32, 2].iter().flat_map(|w| w.to_ne_bytes()).collect();
            assert_eq!(blob.add_words(&native), 24);
            assert_eq!(blob.add_zeroes(1), 32);
            let bytes = blob.finish().expect("short");
            assert_eq!(bytes.len(), 40);
            assert_eq!(bytes[..24], [b"abc\0\0\0\0\0".as_slice(), &[7; 9], &[0; 7]].concat());
            assert_eq!(bytes[24..32], words);
        }
    }

    #[test]
    fn what_is_too_long_is_an_error_and_takes_no_memory() {
        let mut blob = Blob::new(true, 1 << 40);
        blob.add_zeroes(usize::MAX / 2);
        blob.add(&[1; 16]);
        assert_eq!(blob.finish(), Err(GenError::DataTooLong { max: MAX_LEN }));
    }
}
