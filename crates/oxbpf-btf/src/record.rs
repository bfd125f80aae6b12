//! Records of types as they lie in memory, for those who hand them to others by address.

use std::sync::Arc;

use crate::lookup::str_len;
use crate::{Btf, BtfBuilder, TypeId};

impl Btf {
    /// A type's record, own or of the base, with all that follows it in its section. Its address stays as long as the bytes
    /// are shared.
    pub fn record(&self, id: TypeId) -> Option<&[u8]> {
        let mut of = self;
        while id.0 < of.start_id().0 {
            of = of.base()?;
        }
        let start = *of.offsets().get((id.0 - of.start_id().0) as usize)?;
        of.types_bytes().get(start as usize..)
    }
}

impl BtfBuilder {
    /// A type's record, own or of the base, with all that follows it in its section. The next change moves it.
    pub fn record(&self, id: TypeId) -> Option<&[u8]> {
        match (id.0.checked_sub(self.start_id()), &self.base) {
            (Some(own), _) => self.types.get(*self.offsets.get(own as usize)? as usize..),
            (None, Some(base)) => base.record(id),
            (None, None) => None,
        }
    }

    /// The bytes of the string at an offset, without the NUL, own or of the base.
    pub fn str_bytes(&self, off: u32) -> Option<&[u8]> {
        match (off.checked_sub(self.start_str()), &self.base) {
            (Some(own), _) => {
                let rest = self.strs.get(own as usize..)?;
                rest.get(..str_len(rest)?)
            }
            (None, Some(base)) => base.str_bytes(off).ok(),
            (None, None) => None,
        }
    }

    /// What it adds to, `None` if it stands alone.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }
}
