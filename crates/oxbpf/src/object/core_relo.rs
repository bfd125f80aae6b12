//! CO-RE: the object's instructions against the kernel's types.
//!
//! Relocations are made once for each piece of code, before programs are assembled of them, in the order of `.BTF.ext`.

use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_btf::{Btf, CoreRelo, TypeId};
use oxbpf_elf::ElfObject;
use oxbpf_object::{CodeId, CoreReloc, FuncId, ProgId};
use oxbpf_relo::{Explanation, Outcome, Relocator, Target};
use oxbpf_uapi::Insn;

use super::builder::read_error;
use super::state::{Core, FailedCore};
use super::types::KernelTypes;
use crate::error::{At, Error, Frame, Result};

/// A relocation and where it is: the order of its section in `.BTF.ext`, then its index there.
struct Site<'s> {
    section: usize,
    relo: CoreReloc,
    record: CoreRelo<'s>,
}

impl Core {
    /// Relocates all code that may be loaded. What nothing in the kernel matches becomes an instruction that the verifier
    /// rejects if it is reached.
    pub(super) fn relocate_core(&mut self, types: &KernelTypes) -> Result<()> {
        if self.relocates_late() {
            // The kernel that carries the load out has the types.
            return Ok(());
        }
        let sites = self.core_sites()?;
        let Some(local) = self.spec.btf.clone().filter(|_| !sites.is_empty()) else { return Ok(()) };
        let (relocated, failed) = self
            .with_relocator(&local, types, |relocator| self.relocate_sites(&sites, relocator))
            .and_then(|result| result)?;
        self.failed_core = failed;
        for (id, insns) in relocated {
            let code = match id {
                CodeId::Prog(ProgId(i)) => self.spec.programs.get_mut(i as usize).map(|p| &mut p.code),
                CodeId::Func(FuncId(i)) => self.spec.functions.get_mut(i as usize).map(|f| &mut f.code),
            };
            if let Some(code) = code {
                code.insns = insns;
            }
        }
        Ok(())
    }

    /// Runs `work` with a relocator for types of the object and what they are relocated against.
    fn with_relocator<T>(
        &self,
        local: &Btf,
        types: &KernelTypes,
        work: impl FnOnce(&mut Relocator<'_>) -> T,
    ) -> Result<T> {
        if let Some(target) = self.custom_target()? {
            let targets = vec![Target { name: "custom BTF", btf: &target }];
            return Ok(work(&mut Relocator::new(local, targets)));
        }
        let targets = vec![Target { name: "vmlinux", btf: types.vmlinux()? }];
        let modules = || match types.modules() {
            Ok(modules) => modules.iter().map(|m| Target { name: &m.name, btf: &m.btf }).collect(),
            Err(e) => {
                log::warn!("types of modules are not searched: {e}");
                Vec::new()
            }
        };
        Ok(work(&mut Relocator::new(local, targets).with_modules(modules)))
    }

    /// Why a relocation found nothing, for a program that was refused for it; `None` if the types cannot be read again.
    pub(super) fn explain_core(&self, failed: &FailedCore) -> Option<Explanation> {
        let local = self.spec.btf.clone()?;
        let FailedCore { type_id, kind, access, .. } = failed;
        let relo = CoreRelo { insn_off: 0, type_id: *type_id, access_str: access, kind: *kind };
        let types = KernelTypes::new(&self.kernel);
        self.with_relocator(&local, &types, |relocator| relocator.explain(&relo)).ok()
    }

    /// The relocations of programs that will be loaded, and of functions.
    fn core_sites(&self) -> Result<Vec<Site<'_>>> {
        let (Some(btf), Some(ext)) = (&self.spec.btf, &self.spec.btf_ext) else { return Ok(Vec::new()) };
        let progs = (0..).zip(&self.spec.programs).zip(&self.programs).filter(|(_, row)| row.autoload);
        let progs = progs.map(|((i, p), _)| (CodeId::Prog(ProgId(i)), &p.code));
        let funcs = (0..).zip(&self.spec.functions).map(|(i, f)| (CodeId::Func(FuncId(i)), &f.code));
        let codes: Vec<_> = progs.chain(funcs).filter(|(_, c)| !c.core_relocs.is_empty()).collect();
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let groups =
            ext.core_relos(btf).map_err(|e| Error::invalid_object("").with_errno(e.errno()).with_source(e));
        let groups = groups.at(|| Frame::Section(".BTF.ext".into()))?;
        // By name, where a section's first records are and all of them; a linker may not have merged its groups.
        let mut sections: HashMap<&str, (usize, Vec<CoreRelo<'_>>)> = HashMap::new();
        for (order, group) in groups.into_iter().enumerate() {
            sections.entry(group.name).or_insert((order, Vec::new())).1.extend(group.records);
        }
        let mut sites = Vec::new();
        for (code, c) in codes {
            let Some((section, records)) = sections.get(c.section.as_str()) else { continue };
            sites.extend(c.core_relocs.iter().filter_map(|r| {
                let relo = CoreReloc { insn: r.insn, code, record: r.record };
                Some(Site { section: *section, relo, record: *records.get(r.record as usize)? })
            }));
        }
        sites.sort_by_key(|s| (s.section, s.relo.record));
        Ok(sites)
    }

    fn relocate_sites(
        &self,
        sites: &[Site<'_>],
        relocator: &mut Relocator<'_>,
    ) -> Result<(Pieces, Vec<FailedCore>)> {
        relocator.expect(sites.iter().map(|s| s.record.type_id));
        let mut pieces = Pieces::new();
        let mut numbers: HashMap<CodeId, usize> = HashMap::new();
        let mut failed = Vec::new();
        for Site { relo, record, .. } in sites {
            let at = *numbers.entry(relo.code).or_insert_with(|| {
                let insns = self.spec.code(relo.code).map(|c| c.insns.clone()).unwrap_or_default();
                pieces.push((relo.code, insns));
                pieces.len() - 1
            });
            let Some((_, insns)) = pieces.get_mut(at) else { continue };
            let outcome = relocator.relocate(insns, relo.insn as usize, record).map_err(|e| {
                let frame = Frame::CoreRelo { index: relo.record, insn: relo.insn, spec: e.spec.clone() };
                let error = Error::invalid_object(e.kind.to_string()).with_errno(e.errno()).at(frame);
                self.code_frame(relo.code).into_iter().fold(error, Error::at)
            })?;
            if outcome == Outcome::Poisoned {
                let access = record.access_str.to_owned();
                let (type_id, kind) = (record.type_id, record.kind);
                failed.push(FailedCore { code: relo.code, insn: relo.insn, type_id, kind, access });
            }
        }
        Ok((pieces, failed))
    }

    fn code_frame(&self, id: CodeId) -> Option<Frame> {
        match id {
            CodeId::Prog(id) => Some(self.program_frame(id)),
            CodeId::Func(_) => {
                let code = self.spec.code(id)?;
                Some(Frame::Program { name: code.name.clone(), section: code.section.clone() })
            }
        }
    }

    /// Types that the caller gave in place of the running kernel's.
    fn custom_target(&self) -> Result<Option<Arc<Btf>>> {
        if let Some(btf) = &self.options.target_btf {
            return Ok(Some(btf.clone()));
        }
        let Some(path) = &self.options.btf_custom_path else { return Ok(None) };
        let read = || -> Result<Btf> {
            let bytes = std::fs::read(path).map_err(|e| read_error(&e))?;
            let bytes = oxbpf_btf::Bytes::from(bytes);
            let name = path.to_string_lossy();
            let section = ElfObject::parse(&bytes, &name).ok().and_then(|elf| {
                let range = elf.section_by_name(".BTF")?.range.clone();
                bytes.slice(range)
            });
            let btf = section.unwrap_or(bytes);
            Btf::parse(btf).map_err(|e| Error::invalid_input("").with_errno(e.errno()).with_source(e))
        };
        read().at(|| Frame::Path(path.clone())).map(|btf| Some(Arc::new(btf)))
    }
}

/// Relocated instructions of each piece of code.
type Pieces = Vec<(CodeId, Vec<Insn>)>;

/// Whether a type of the object and one of the kernel are the same sort of type.
pub(super) fn is_compatible(local: &Btf, local_id: TypeId, target: &Btf, target_id: TypeId) -> Result<bool> {
    oxbpf_relo::types_are_compat(local, local_id, target, target_id)
        .map_err(|e| Error::invalid_object("").with_source(e))
}
