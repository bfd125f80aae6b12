//! Byte order and pointer size: what belongs to the machine that BTF is for, not to the one that reads it.
//!
//! [`Btf`] and [`crate::BtfExt`] hold native bytes. Both remember the byte order they came in, and give their bytes back
//! in it, or in another that was set.

use core::mem::size_of;
use std::borrow::Cow;
use std::sync::OnceLock;

use crate::{Btf, BtfError, BtfExt, raw};

/// The order of the bytes of a number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "btf_endianness")]
pub enum ByteOrder {
    /// Least significant byte first (x86, arm64, riscv).
    Little,
    /// Most significant byte first (s390x).
    Big,
}

impl ByteOrder {
    /// This machine's.
    pub const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };
    /// The one that is not this machine's.
    pub const FOREIGN: Self = if cfg!(target_endian = "little") { Self::Big } else { Self::Little };

    pub(crate) fn of_input(is_foreign: bool) -> Self {
        if is_foreign { Self::FOREIGN } else { Self::NATIVE }
    }
}

impl Btf {
    /// The byte order of [`Btf::to_bytes`]: that of the input, unless it was set.
    #[doc(alias = "btf__endianness")]
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Sets the byte order of [`Btf::to_bytes`]. Everything else stays native.
    #[doc(alias = "btf__set_endianness")]
    pub fn set_byte_order(&mut self, order: ByteOrder) {
        self.order = order;
    }

    /// The same BTF with another byte order of [`Btf::to_bytes`].
    pub fn with_byte_order(mut self, order: ByteOrder) -> Self {
        self.set_byte_order(order);
        self
    }

    /// The own bytes, header included, in [`Btf::byte_order`]: what goes into a file.
    ///
    /// # Errors
    /// `CannotSwap` if the order is not native and there is a type whose fields are not known.
    #[doc(alias = "btf__raw_data")]
    pub fn to_bytes(&self) -> Result<Cow<'_, [u8]>, BtfError> {
        if self.order == ByteOrder::NATIVE {
            return Ok(Cow::Borrowed(self.raw()));
        }
        if let Some(t) = self.own_types().find(|t| !raw::is_known(t.kind().0)) {
            return Err(BtfError::CannotSwap { id: t.id().0, kind: t.kind().0 });
        }
        let mut copy = self.raw().to_vec();
        let scan = raw::read_header(&copy, false)?;
        raw::swap_in_place(&mut copy, &scan);
        Ok(Cow::Owned(copy))
    }

    /// The size of a pointer in bytes, told by the size of `long`; this machine's if no type is called that.
    #[doc(alias = "btf__pointer_size")]
    pub fn pointer_size(&self) -> u32 {
        self.guess_pointer_size().unwrap_or(size_of::<usize>() as u32)
    }

    /// Sets the size of a pointer in bytes, for BTF without a `long` to tell it.
    ///
    /// # Errors
    /// `BadArgument` unless it is 4 or 8.
    #[doc(alias = "btf__set_pointer_size")]
    pub fn set_pointer_size(&mut self, size: u32) -> Result<(), BtfError> {
        if !matches!(size, 4 | 8) {
            return Err(BtfError::BadArgument { what: "pointer size", why: "is not 4 or 8" });
        }
        self.pointer_size = OnceLock::from(Some(size));
        Ok(())
    }
}

impl BtfExt {
    /// The byte order of [`BtfExt::to_bytes`]: that of the input, unless it was set.
    #[doc(alias = "btf_ext__endianness")]
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Sets the byte order of [`BtfExt::to_bytes`]. Everything else stays native.
    #[doc(alias = "btf_ext__set_endianness")]
    pub fn set_byte_order(&mut self, order: ByteOrder) {
        self.order = order;
    }

    /// The bytes in [`BtfExt::byte_order`]: what goes into a file.
    #[doc(alias = "btf_ext__raw_data")]
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        if self.order == ByteOrder::NATIVE { Cow::Borrowed(self.raw()) } else { Cow::Owned(self.swapped()) }
    }
}
