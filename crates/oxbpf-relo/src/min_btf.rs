//! Minimal BTF: objects and a kernel's types in, the few of those types out that the objects' relocations touch.
//!
//! A kernel's types take megabytes, those that a tool needs of it some kilobytes, so a tool can bring them along for
//! kernels that have none. Each relocation is made, and what the first matching type was asked for is kept:
//!
//! | Relocation | Kept |
//! | --- | --- |
//! | of a field | root type and each member on the way with its type; what pointers lead to is not |
//! | existence, size or id of a type | the type, and what pointers, typedefs, arrays and prototypes lead to; no members |
//! | match of a type | the type with all members and their types; behind pointers no members |
//! | enumerator | the enumeration |
//!
//! The result is that of bpftool (v7.8) `gen min_core_btf`, byte for byte, but for type tags and forward declarations,
//! at which bpftool gives up in some places; here they are kept.

use std::collections::HashSet;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, BtfExt, CoreReloKind, Selection, Type, TypeId};

use crate::error::ReloError;
use crate::relocator::{Relocator, Target};
use crate::spec::{Subject, subject};

/// Collects what objects need of a kernel's types.
#[derive(Clone, Debug)]
pub struct MinBtf<'b> {
    target: &'b Btf,
    kept: Selection,
    /// Types that were kept as part of a match, behind a pointer or not.
    matched: HashSet<(TypeId, bool)>,
}

/// Why a minimal BTF cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinBtfError {
    /// A relocation cannot be made.
    #[error("section '{section}': CO-RE relocation {index}: {source}")]
    Relo {
        /// Section of the object.
        section: String,
        /// Number of the relocation among those of the section.
        index: usize,
        /// What is wrong.
        source: Box<ReloError>,
    },
    /// The object's or the kernel's types are broken.
    #[error(transparent)]
    Btf(#[from] BtfError),
}

impl<'b> MinBtf<'b> {
    /// Nothing of these types yet.
    pub fn new(target: &'b Btf) -> Self {
        Self { target, kept: Selection::new(), matched: HashSet::new() }
    }

    /// Adds what the relocations of an object need.
    ///
    /// # Errors
    /// A relocation that cannot be made: its types are broken, or candidates disagree. One that nothing matches is no
    /// error and needs nothing.
    pub fn add_object(&mut self, btf: &Btf, ext: &BtfExt) -> Result<(), MinBtfError> {
        let sections = ext.core_relos(btf)?;
        let mut relocator = Relocator::new(btf, vec![Target { name: "the target", btf: self.target }]);
        relocator.expect(sections.iter().flat_map(|s| &s.records).map(|r| r.type_id));
        for section in &sections {
            for (index, relo) in section.records.iter().enumerate() {
                let access = relocator.access(relo).map_err(|source| MinBtfError::Relo {
                    section: section.name.to_owned(),
                    index,
                    source: Box::new(source),
                })?;
                if let Some((root, path)) = access {
                    self.keep(relo.kind, root, &path)?;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, kind: CoreReloKind, root: TypeId, path: &[u32]) -> Result<(), BtfError> {
        match subject(kind) {
            _ if kind == CoreReloKind::TYPE_ID_LOCAL => Ok(()),
            _ if kind == CoreReloKind::TYPE_MATCHES => self.keep_match(root, false),
            Some(Subject::Field) => self.keep_path(root, path),
            Some(Subject::Type) => self.keep_type(root, true),
            _ => self.keep_type(root, false),
        }
    }

    fn keep_path(&mut self, root: TypeId, path: &[u32]) -> Result<(), BtfError> {
        self.keep_type(root, false)?;
        let mut at = root;
        for &n in path.get(1..).unwrap_or_default() {
            let t = self.target.resolve_ref(at)?;
            at = match t.view() {
                Type::Struct(view) | Type::Union(view) => {
                    let Some(member) = view.member(n as usize) else { return Ok(()) };
                    self.kept.add_member(t.id(), n);
                    self.keep_type(member.type_id, false)?;
                    member.type_id
                }
                Type::Array { elem, .. } => elem,
                _ => return Ok(()),
            };
        }
        Ok(())
    }

    /// Keeps a type and what it takes to say what it is, but no members.
    fn keep_type(&mut self, id: TypeId, through_pointers: bool) -> Result<(), BtfError> {
        let mut left = vec![id];
        // Types that are kept already may have been kept without what their pointers lead to, so kept ones are gone
        // through again; each once.
        let mut seen = HashSet::new();
        while let Some(id) = left.pop() {
            if id.is_void() || !seen.insert(id) {
                continue;
            }
            let t = self.target.get(id)?;
            self.kept.add_type(id);
            match t.view() {
                Type::Ptr(to) if through_pointers => left.push(to),
                Type::Const(to)
                | Type::Volatile(to)
                | Type::Restrict(to)
                | Type::Typedef(to)
                | Type::TypeTag(to) => {
                    left.push(to);
                }
                Type::Array { elem, index, .. } => left.extend([elem, index]),
                Type::FuncProto(proto) => {
                    left.push(proto.ret());
                    left.extend(proto.params().map(|p| p.type_id));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a type with all that a match looks at.
    fn keep_match(&mut self, id: TypeId, behind_pointer: bool) -> Result<(), BtfError> {
        let mut left = vec![(id, behind_pointer)];
        while let Some((id, behind_pointer)) = left.pop() {
            if id.is_void() || !self.matched.insert((id, behind_pointer)) {
                continue;
            }
            let t = self.target.get(id)?;
            self.kept.add_type(id);
            match t.view() {
                Type::Struct(view) | Type::Union(view) if !behind_pointer => {
                    for (i, m) in (0u32..).zip(view.members()) {
                        self.kept.add_member(id, i);
                        left.push((m.type_id, false));
                    }
                }
                Type::Const(to)
                | Type::Volatile(to)
                | Type::Restrict(to)
                | Type::Typedef(to)
                | Type::TypeTag(to) => {
                    left.push((to, behind_pointer));
                }
                Type::Ptr(to) => left.push((to, true)),
                Type::Array { elem, index, .. } => left.extend([(elem, false), (index, false)]),
                Type::FuncProto(proto) => {
                    left.push((proto.ret(), false));
                    left.extend(proto.params().map(|p| (p.type_id, false)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is kept.
    pub fn selection(&self) -> &Selection {
        &self.kept
    }

    /// The minimal types, in a new BTF with ids of its own.
    ///
    /// # Errors
    /// As [`Selection::build`].
    #[doc(alias = "min_core_btf")]
    pub fn build(&self) -> Result<BtfBuilder, BtfError> {
        self.kept.build(self.target)
    }
}
