//! What the dumper knows of each type: the words of its record that decide, and how far it has come.
//!
//! Twelve bytes a type, filled in one pass over the records. Sorting and following references look at nothing else, which is
//! most of the work.

use oxbpf_uapi::BtfKind;

use crate::decl::Link;
use crate::{Btf, TypeId};

/// One type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// As [`Link::target`].
    pub(super) target: TypeId,
    pub(super) name_off: u32,
    kind: u8,
    pub(super) order: Progress,
    pub(super) emit: Progress,
    facts: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    #[default]
    No,
    Begun,
    Done,
}

/// A forward declaration has been written, or a typedef that serves as one.
const DECLARED: u8 = 1;
/// Another type refers to it.
const REFERENCED: u8 = 2;
const KIND_FLAG: u8 = 4;

impl Node {
    pub(super) fn kind(self) -> BtfKind {
        BtfKind(self.kind.into())
    }

    pub(super) fn is_composite(self) -> bool {
        matches!(self.kind(), BtfKind::STRUCT | BtfKind::UNION)
    }

    pub(super) fn is_named(self) -> bool {
        self.name_off != 0
    }

    pub(super) fn is_declared(self) -> bool {
        self.facts & DECLARED != 0
    }

    pub(super) fn declare(&mut self) {
        self.facts |= DECLARED;
    }

    pub(super) fn is_referenced(self) -> bool {
        self.facts & REFERENCED != 0
    }

    pub(super) fn link(self) -> Link {
        let (target, name_off) = (self.target, self.name_off);
        Link { kind: self.kind(), target, name_off, kind_flag: self.facts & KIND_FLAG != 0 }
    }
}

/// All types of a BTF, by id.
pub(super) fn nodes(btf: &Btf) -> Vec<Node> {
    let mut nodes = vec![Node::default(); btf.type_count() as usize];
    for t in btf.types() {
        let link = Link::of(t);
        if let Some(node) = nodes.get_mut(t.id().0 as usize) {
            (node.target, node.name_off) = (link.target, link.name_off);
            // Kinds have seven bits.
            node.kind = link.kind.0 as u8;
            // Earlier types may have referred to it.
            node.facts |= if link.kind_flag { KIND_FLAG } else { 0 };
        }
        for id in t.ids() {
            if let Some(node) = nodes.get_mut(id.0 as usize) {
                node.facts |= REFERENCED;
            }
        }
    }
    if let Some(void) = nodes.first_mut() {
        (void.order, void.emit) = (Progress::Done, Progress::Done);
    }
    nodes
}
