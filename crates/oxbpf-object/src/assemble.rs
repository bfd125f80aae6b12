//! Assembling: a program and the functions that it calls in, one array of instructions out.
//!
//! The kernel loads a program together with its functions, one after the other. Each function is appended once, when
//! the first call of it is met while the code is walked in order, its own calls before the rest of its caller
//! (depth-first); that is libbpf's order, so both produce the same instructions. Calls become distances, and function
//! addresses become `BPF_PSEUDO_FUNC` loads. All other relocations are left to the loader, re-indexed.

use std::collections::HashMap;

use oxbpf_uapi::insn::{BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC};
use oxbpf_uapi::{Errno, Insn};

use crate::code::CodeId;
use crate::error::{ObjectError, Place, RELOC};
use crate::spec::{Code, CoreRelocRef, ObjectSpec, ProgId, Reloc, RelocTarget};

/// The most instructions that a program and its functions may have together; the kernel's limit is a million.
const MAX_INSNS: usize = 1 << 24;

/// A program with its functions, as the kernel wants it, except for what only a loader can fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCode {
    /// Instructions in native byte order.
    pub insns: Vec<Insn>,
    /// Relocations that are left: maps, map values, externs, jump tables. Instruction indices are into `insns`,
    /// ascending.
    pub relocs: Vec<Reloc>,
    /// CO-RE relocations, ascending by instruction index into `insns`.
    pub core_relocs: Vec<CoreReloc>,
    /// Pieces of code in the order of `insns`; the first is the program itself.
    pub funcs: Vec<Piece>,
}

/// A program or function within [`ProgramCode::insns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which one.
    pub id: CodeId,
    /// Its first instruction.
    pub insn_off: u32,
    /// How many instructions.
    pub len: u32,
}

/// A CO-RE relocation of [`ProgramCode::insns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreReloc {
    /// Instruction index.
    pub insn: u32,
    /// The code whose section's records `record` counts in; see [`ExtRecords`](crate::ExtRecords).
    pub code: CodeId,
    /// Index among the records of that section.
    pub record: u32,
}

impl ObjectSpec {
    /// The code of a program or function.
    pub fn code(&self, id: CodeId) -> Option<&Code> {
        match id {
            CodeId::Prog(id) => self.programs.get(id.0 as usize).map(|p| &p.code),
            CodeId::Func(id) => self.functions.get(id.0 as usize).map(|f| &f.code),
        }
    }

    /// The index of the program with this name.
    pub fn program_by_name(&self, name: &str) -> Option<ProgId> {
        (0u32..).zip(&self.programs).find(|(_, p)| p.code.name == name).map(|(i, _)| ProgId(i))
    }
}

/// Appends to a program the functions that it calls, and links the calls.
///
/// # Errors
/// `EINVAL` if there is no such program, a function address is loaded by an instruction of the wrong form, or the
/// result is unreasonably long.
#[doc(alias = "bpf_object__relocate_calls")]
pub fn assemble(spec: &ObjectSpec, prog: ProgId) -> Result<ProgramCode, ObjectError> {
    let mut a = Assembler {
        spec,
        out: ProgramCode {
            insns: Vec::new(),
            relocs: Vec::new(),
            core_relocs: Vec::new(),
            funcs: Vec::new(),
        },
        starts: HashMap::new(),
    };
    a.run(CodeId::Prog(prog))?;
    // The verifier calls it, no instruction does.
    if let Some(callback) = spec.programs.get(prog.0 as usize).and_then(|p| p.exception_callback) {
        a.run(CodeId::Func(callback))?;
    }
    a.finish()
}

struct Assembler<'s> {
    spec: &'s ObjectSpec,
    out: ProgramCode,
    /// First instruction of each piece that is in.
    starts: HashMap<CodeId, u32>,
}

/// A piece whose relocations are being walked.
struct Walk {
    id: CodeId,
    /// Next relocation to look at.
    next: usize,
}

impl<'s> Assembler<'s> {
    fn fail(&self, place: Place, errno: Errno, why: impl Into<String>) -> ObjectError {
        ObjectError::new(&self.spec.name.as_str().into(), place, errno, why)
    }

    fn code(&self, id: CodeId) -> Result<&'s Code, ObjectError> {
        self.spec
            .code(id)
            .ok_or_else(|| self.fail(Place::Object, Errno::EINVAL, format!("there is no {id:?}")))
    }

    /// Appends a piece and, depth-first, all that it refers to and that is not in yet.
    fn run(&mut self, root: CodeId) -> Result<(), ObjectError> {
        if self.starts.contains_key(&root) {
            return Ok(());
        }
        // An explicit stack: a hostile object may nest calls deeper than this thread's stack.
        let mut stack = vec![self.append(root)?];
        while let Some(walk) = stack.last_mut() {
            let Some(reloc) = self.spec.code(walk.id).and_then(|c| c.relocs.get(walk.next)) else {
                stack.pop();
                continue;
            };
            walk.next += 1;
            let Some(target) = function_of(&reloc.target) else { continue };
            if !self.starts.contains_key(&target) {
                let next = self.append(target)?;
                stack.push(next);
            }
        }
        Ok(())
    }

    fn append(&mut self, id: CodeId) -> Result<Walk, ObjectError> {
        let code = self.code(id)?;
        let start = self.out.insns.len();
        if start + code.insns.len() > MAX_INSNS {
            let place = Place::Code { section: code.section.clone(), name: code.name.clone() };
            let why = format!("with it the program has over {MAX_INSNS} instructions");
            return Err(self.fail(place, Errno::E2BIG, why));
        }
        let start = start as u32;
        self.out.insns.extend_from_slice(&code.insns);
        self.out.funcs.push(Piece { id, insn_off: start, len: code.insns.len() as u32 });
        let core = |r: &CoreRelocRef| CoreReloc { insn: start + r.insn, code: id, record: r.record };
        self.out.core_relocs.extend(code.core_relocs.iter().map(core));
        self.starts.insert(id, start);
        Ok(Walk { id, next: 0 })
    }

    /// Links calls and addresses now that all places are known, and keeps the other relocations.
    fn finish(mut self) -> Result<ProgramCode, ObjectError> {
        let mut relocs = Vec::new();
        for piece in &self.out.funcs {
            let code = self.code(piece.id)?;
            for reloc in &code.relocs {
                let at = piece.insn_off + reloc.insn;
                let Some(target) = function_of(&reloc.target) else {
                    relocs.push(Reloc { insn: at, target: reloc.target.clone() });
                    continue;
                };
                let bad = |why: &str| {
                    let (section, name) = (code.section.clone(), code.name.clone());
                    let place = Place::Insn { section, name, insn: reloc.insn, symbol: String::new() };
                    self.fail(place, RELOC, why)
                };
                let start = self
                    .starts
                    .get(&target)
                    .ok_or_else(|| bad("it refers to a function that is not there"))?;
                let insn = self.out.insns.get_mut(at as usize).ok_or_else(|| {
                    ObjectError::new(&"".into(), Place::Object, RELOC, "relocation behind the code")
                })?;
                // Both fit: there are at most 2^24 instructions.
                let distance = *start as i32 - at as i32 - 1;
                if insn.is_ld_imm64() {
                    *insn = insn.with_src(BPF_PSEUDO_FUNC);
                    insn.imm = distance;
                } else {
                    *insn = insn.with_src(BPF_PSEUDO_CALL);
                    insn.imm = distance;
                }
            }
        }
        self.out.relocs = relocs;
        Ok(self.out)
    }
}

/// The function or program that a relocation refers to, if it does.
fn function_of(target: &RelocTarget) -> Option<CodeId> {
    match target {
        RelocTarget::Call(id) | RelocTarget::FuncAddr(id) => Some(CodeId::Func(*id)),
        RelocTarget::ProgCall(id) => Some(CodeId::Prog(*id)),
        _ => None,
    }
}
