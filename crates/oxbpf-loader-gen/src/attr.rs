//! Requests as bytes: fields of `union bpf_attr` in the target's byte order, cut behind the last field that is used.

use oxbpf_uapi::attr::OBJ_NAME_LEN;

use crate::blob::Blob;

/// Gives the byte offset of a field of a request.
macro_rules! field {
    ($attr:ty, $field:ident) => {
        core::mem::offset_of!($attr, $field) as u32
    };
}

/// Gives the bytes of a request whose last field this is.
macro_rules! len_to {
    ($attr:ty, $field:ident: $size:literal) => {
        core::mem::offset_of!($attr, $field) + $size
    };
}

pub(crate) use {field, len_to};

/// A request that is being written.
#[derive(Debug)]
pub(crate) struct Attr {
    bytes: Vec<u8>,
    is_little: bool,
}

impl Attr {
    /// A request of `len` bytes, all zero.
    pub(crate) fn new(blob: &Blob, len: usize) -> Self {
        Self { bytes: vec![0; len], is_little: blob.is_little() }
    }

    /// Sets a field of 32 bits.
    pub(crate) fn word(&mut self, at: u32, value: u32) -> &mut Self {
        let bytes = if self.is_little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.put(at, &bytes)
    }

    /// Sets a field of 64 bits.
    pub(crate) fn long(&mut self, at: u32, value: u64) -> &mut Self {
        let bytes = if self.is_little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.put(at, &bytes)
    }

    /// Sets a name, cut to what the kernel takes.
    pub(crate) fn name(&mut self, at: u32, name: &str) -> &mut Self {
        let bytes = name.as_bytes();
        self.put(at, bytes.get(..OBJ_NAME_LEN - 1).unwrap_or(bytes))
    }

    fn put(&mut self, at: u32, value: &[u8]) -> &mut Self {
        let place = self.bytes.get_mut(at as usize..).unwrap_or_default();
        place.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        self
    }

    /// Appends it to the blob; gives its place and its length.
    pub(crate) fn add_to(&self, blob: &mut Blob) -> (u32, i32) {
        (blob.add(&self.bytes), self.bytes.len() as i32)
    }
}
