//! stub
use super::state::Core;
use super::types::KernelTypes;
use crate::error::Result;
use oxbpf_btf::{Btf, TypeId};
pub(super) const POISON_CORE: i32 = 195_896_080;
pub(super) fn is_compatible(_a: &Btf, _b: TypeId, _c: &Btf, _d: TypeId) -> Result<bool> { Ok(true) }
impl Core {
    pub(super) fn relocate_core(&mut self, _types: &mut KernelTypes) -> Result<()> { Ok(()) }
}
