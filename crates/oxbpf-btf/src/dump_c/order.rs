//! Which definitions a type needs before its own, in the order in which C wants them.
//!
//! A type that is embedded must be *defined* before; one that is only pointed at need be *declared*. So following a
//! member leads to a strong need, until a pointer and then a name is passed: from there on a declaration is enough, and the
//! definition is left for later. An anonymous struct behind a pointer is written in place, so what it embeds is needed again.

use oxbpf_uapi::BtfKind;

use super::nodes::Progress;
use super::{CDump, MAX_DEPTH};
use crate::decl::Spell;
use crate::raw::{RawMember, RawParam};
use crate::{BtfError, TypeId};

impl CDump<'_> {
    /// Queues the definitions that `id` needs, and its own. `through_ptr`: a pointer led here. Whether the definition is
    /// needed, or a declaration would do.
    pub(super) fn order(&mut self, id: TypeId, through_ptr: bool, depth: u32) -> Result<bool, BtfError> {
        if depth > MAX_DEPTH || !self.step() {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        let Some(node) = self.nodes.get(id.0 as usize).copied() else {
            return Err(BtfError::NoSuchType { id: id.0, count: self.btf.type_count() });
        };
        match node.order {
            Progress::Done => return Ok(true),
            Progress::No => {}
            Progress::Begun if node.is_composite() && through_ptr && node.is_named() => return Ok(false),
            Progress::Begun => return Err(BtfError::Cycle { id: id.0 }),
        }
        match node.kind() {
            BtfKind::PTR => {
                let is_strong = self.order(node.target, true, depth + 1);
                self.ordered(id);
                is_strong
            }
            BtfKind::ARRAY => self.order(node.target, false, depth + 1),
            BtfKind::STRUCT | BtfKind::UNION => {
                if through_ptr && node.is_named() {
                    return Ok(false);
                }
                self.set(id, |n| n.order = Progress::Begun);
                for m in self.btf.get(id)?.elems::<RawMember>() {
                    self.order(TypeId(m.type_id.get()), false, depth + 1)?;
                }
                if node.is_named() {
                    self.queue.push(id);
                }
                self.ordered(id);
                Ok(true)
            }
            BtfKind::ENUM | BtfKind::ENUM64 | BtfKind::FWD => {
                if node.is_named() || !node.is_referenced() {
                    self.queue.push(id);
                }
                self.ordered(id);
                Ok(true)
            }
            BtfKind::TYPEDEF => {
                let is_strong = self.order(node.target, through_ptr, depth + 1)?;
                if through_ptr && !is_strong {
                    return Ok(false);
                }
                self.queue.push(id);
                self.ordered(id);
                Ok(true)
            }
            BtfKind::VOLATILE | BtfKind::CONST | BtfKind::RESTRICT | BtfKind::TYPE_TAG => {
                self.order(node.target, through_ptr, depth + 1)
            }
            BtfKind::FUNC_PROTO => {
                let mut is_strong = self.order(node.target, through_ptr, depth + 1)?;
                for p in self.btf.get(id)?.elems::<RawParam>() {
                    is_strong |= self.order(TypeId(p.type_id.get()), through_ptr, depth + 1)?;
                }
                Ok(is_strong)
            }
            // Always defined, or nothing that C defines.
            _ => {
                self.ordered(id);
                Ok(false)
            }
        }
    }

    fn ordered(&mut self, id: TypeId) {
        self.set(id, |n| n.order = Progress::Done);
    }
}
