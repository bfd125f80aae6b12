//! Loads that another kernel carries out later: what stays in the request as names and records, instead of being looked up.

use oxbpf_btf::essential_name;
use oxbpf_kernel::{Kernel, LateKind, LateSymbol, MapFd, ProgFd};
use oxbpf_object::{ExtRecords, ExternId, ExternKind, ExternSpec, ProgramCode, Reloc, RelocTarget};
use oxbpf_uapi::{BtfKind, Errno, MapType};

use super::create::{shape_of, share_created};
use super::state::Core;
use crate::error::{At, Error, Frame, Result};
use crate::map::OwnedMap;

/// What is left to the kernel that carries a load out.
#[derive(Debug, Default)]
pub(crate) struct LateRelocs {
    /// Instructions that refer to symbols of the kernel, ascending.
    symbols: Vec<(u32, ExternId, LateKind)>,
    /// CO-RE records, 16 bytes each.
    pub(crate) core_relos: Vec<u8>,
    /// Name and kind of what the program attaches to.
    pub(crate) attach: Option<(String, BtfKind)>,
}

impl LateRelocs {
    /// The symbols as a request has them.
    pub(crate) fn symbols<'s>(&self, externs: &'s [ExternSpec]) -> Vec<LateSymbol<'s>> {
        let symbol = |(insn, id, kind): &(u32, ExternId, LateKind)| {
            let spec = externs.get(id.0 as usize)?;
            // What follows `___` tells variants of one symbol apart, and is no part of its name.
            let name = if *kind == LateKind::Address { &spec.name } else { essential_name(&spec.name) };
            Some(LateSymbol { insn: *insn, name, is_weak: spec.is_weak, kind: *kind })
        };
        self.symbols.iter().filter_map(symbol).collect()
    }
}

impl Core {
    /// Collects what is left of a program's relocations; nothing if the kernel is there.
    pub(super) fn late_relocs(
        &self,
        code: &ProgramCode,
        relocs: &[Reloc],
        records: &ExtRecords<'_>,
    ) -> LateRelocs {
        if !self.kernel.is_deferred() {
            return LateRelocs::default();
        }
        let late = |reloc: &Reloc| match reloc.target {
            RelocTarget::ExternCall(id) => Some((reloc.insn, id, LateKind::Call)),
            RelocTarget::ExternAddr(id) => {
                let kind = match self.spec.externs.get(id.0 as usize)?.kind {
                    ExternKind::Kconfig { .. } => return None,
                    ExternKind::KsymAddr => LateKind::Address,
                    ExternKind::KsymVar { .. } => LateKind::Btf(BtfKind::VAR),
                    ExternKind::Kfunc { .. } => LateKind::Btf(BtfKind::FUNC),
                };
                Some((reloc.insn, id, kind))
            }
            _ => None,
        };
        let core_relos = match self.relocates_late() {
            true => records.core_relo_bytes(code),
            false => Vec::new(),
        };
        LateRelocs { symbols: relocs.iter().filter_map(late).collect(), core_relos, attach: None }
    }

    /// Whether CO-RE relocations are left to the kernel that carries the load out.
    pub(super) fn relocates_late(&self) -> bool {
        let has_target = self.options.target_btf.is_some() || self.options.btf_custom_path.is_some();
        self.kernel.is_deferred() && !has_target
    }

    /// Puts maps and programs that a loader program created in the places of the numbers that stood for them.
    pub(crate) fn take_loaded(&mut self, kernel: Kernel, maps: &[MapFd], programs: &[ProgFd]) -> Result<()> {
        self.set_kernel(kernel);
        self.btf_fd = None;
        let lost = || Error::kernel(Errno::EPROTO);
        for (spec, row) in self.spec.maps.iter().zip(&mut self.maps) {
            let Some(kept) = row.live.take() else { continue };
            let fd = usize::try_from(kept.fd().number()).ok().and_then(|i| maps.get(i)).ok_or_else(lost)?;
            let live = OwnedMap::new(self.kernel.clone(), fd.clone(), shape_of(spec));
            let shared = share_created(&live, &self.features, spec);
            (row.mapping, row.data_offset) = shared.at(|| Frame::Map(spec.real_name.clone()))?;
            row.live = Some(live);
        }
        for row in &mut self.programs {
            let Some(kept) = row.fd.take() else { continue };
            let fd = usize::try_from(kept.number()).ok().and_then(|i| programs.get(i)).ok_or_else(lost)?;
            row.fd = Some(fd.clone());
        }
        Ok(())
    }

    /// Refuses what only a kernel that is there can do.
    pub(super) fn check_deferrable(&self) -> Result<()> {
        for (spec, row) in self.spec.maps.iter().zip(&self.maps) {
            let what = if spec.map_type == MapType::STRUCT_OPS {
                Some(("struct_ops maps", "their layout depends on the kernel's types"))
            } else if spec.map_type == MapType::ARENA && !spec.data.is_empty() {
                Some(("variables in an arena", "they are written through memory that is shared with it"))
            } else if row.pin_path.is_some() {
                Some(("pinned maps", "pin the maps that a run gives, or call set_pin_path(None)"))
            } else if row.reused.is_some() || row.inner.is_some() {
                Some(("maps that exist", "they are known by a number of this process only"))
            } else {
                None
            };
            if let Some((what, hint)) = what {
                let error = Error::invalid_input(format!("a loader program cannot have {what}"));
                return Err(error
                    .with_errno(Errno::EOPNOTSUPP)
                    .with_hint(hint)
                    .at(Frame::Map(spec.real_name.clone())));
            }
        }
        Ok(())
    }
}
