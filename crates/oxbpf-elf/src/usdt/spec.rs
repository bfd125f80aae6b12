//! A probe's arguments as the bytes that `usdt.bpf.h` reads from its map of specs.
//!
//! There are two layouts, told apart by the map's value size. Headers up to libbpf 1.6 have argument records of 16 bytes;
//! since 1.7, which added places with an index, of 24: what was meant to go into the padding of the old record took a
//! word of its own. A record is, in the target's byte order:
//!
//! | 16 bytes | 24 bytes | Contents |
//! | --- | --- | --- |
//! | 0 | 0 | constant, or offset from the register, 64 bits |
//! | 8, 32 bits | 8 (big endian: 12), 8 bits | form: constant, register, memory, indexed |
//! | - | 10 | index register in 12 bits, then shift in 4, lowest first (big endian: highest first) |
//! | 12 | 14 | register, 16 bits |
//! | 14 | 16 | whether it is signed, 8 bits |
//! | 15 | 17 | bits to shift away to cut a 64-bit value to its size, 8 bits |
//!
//! A spec is 12 records, a cookie of 64 bits and the number of arguments in 16.

use super::args::{MAX_USDT_ARGS, UsdtArg, UsdtValue};

/// How a header lays out specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecLayout {
    /// Up to libbpf 1.6: no indexed places.
    V1,
    /// Since libbpf 1.7.
    V2,
}

/// What a layout can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The old layout has no indexed places.
    #[error(
        "argument {number} is in memory by two registers, which the object's usdt.bpf.h (before libbpf 1.7) can't read"
    )]
    Indexed {
        /// Which, from 0.
        number: usize,
    },
    /// There are too many arguments.
    #[error("more than {MAX_USDT_ARGS} arguments")]
    TooMany,
}

impl SpecLayout {
    const ALL: [Self; 2] = [Self::V1, Self::V2];

    const fn record_size(self) -> usize {
        match self {
            Self::V1 => 16,
            Self::V2 => 24,
        }
    }

    /// Bytes of a spec: the value size of the map.
    pub const fn size(self) -> usize {
        // The number of arguments is padded to 8 bytes.
        self.record_size() * MAX_USDT_ARGS + 8 + 8
    }

    /// The layout of a map with values of this size.
    pub fn of_value_size(size: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.size() == size as usize)
    }

    /// A spec in native byte order.
    ///
    /// # Errors
    /// What the layout can't hold.
    pub fn encode(self, args: &[UsdtArg], cookie: u64) -> Result<Vec<u8>, SpecError> {
        self.encode_for(args, cookie, cfg!(target_endian = "big"))
    }

    /// A spec in the byte order of another machine.
    ///
    /// # Errors
    /// What the layout can't hold.
    pub fn encode_for(self, args: &[UsdtArg], cookie: u64, is_big: bool) -> Result<Vec<u8>, SpecError> {
        let count = u16::try_from(args.len()).map_err(|_| SpecError::TooMany)?;
        if args.len() > MAX_USDT_ARGS {
            return Err(SpecError::TooMany);
        }
        let mut out = Writer { bytes: Vec::with_capacity(self.size()), is_big };
        for (number, arg) in args.iter().enumerate() {
            self.record(&mut out, arg, number)?;
        }
        out.bytes.resize(self.record_size() * MAX_USDT_ARGS, 0);
        out.u64(cookie);
        out.u16(count);
        out.bytes.resize(self.size(), 0);
        Ok(out.bytes)
    }

    fn record(self, out: &mut Writer, arg: &UsdtArg, number: usize) -> Result<(), SpecError> {
        // Form, constant or offset, register, index, shift.
        let (form, value, register, index, shift) = match arg.value {
            UsdtValue::Const(value) => (0, value, 0, 0, 0),
            UsdtValue::Register(register) => (1, 0, register, 0, 0),
            UsdtValue::Memory { base, offset } => (2, offset, base, 0, 0),
            UsdtValue::Indexed { base, index, shift, offset } => (3, offset, base, index, shift),
        };
        out.u64(value as u64);
        match self {
            Self::V1 if form == 3 => return Err(SpecError::Indexed { number }),
            Self::V1 => out.u32(form.into()),
            Self::V2 => {
                let (first, last) = if out.is_big { (0, form) } else { (form, 0) };
                let shift = u16::from(shift);
                out.bytes.extend([first, 0]);
                out.u16(if out.is_big { index << 4 | shift } else { shift << 12 | index & 0xfff });
                out.bytes.extend([last, 0]);
            }
        }
        out.u16(register);
        out.bytes.extend([arg.is_signed.into(), 64 - 8 * arg.size.min(8)]);
        if self == Self::V2 {
            out.bytes.extend([0; 6]);
        }
        Ok(())
    }
}

struct Writer {
    bytes: Vec<u8>,
    is_big: bool,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }
}
