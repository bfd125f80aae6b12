//! What `.BTF.ext` says about an assembled program: function and line records in the form that the kernel takes, and
//! CO-RE relocations.

use std::collections::HashMap;
use std::ops::Range;

use oxbpf_btf::{Btf, BtfError, BtfExt, CoreRelo, FuncInfo, InfoSec, LineInfo};
use oxbpf_uapi::Errno;

use crate::assemble::{CoreReloc, Piece, ProgramCode};
use crate::error::{ObjectError, Place};
use crate::spec::ObjectSpec;

/// Function and line records of a program, as program loading takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtInfo {
    /// Function records, native-endian, by instruction; empty if there are none for the program.
    pub func_info: Vec<u8>,
    /// Bytes of one function record, 0 if there are none.
    pub func_info_rec_size: u32,
    /// Line records, native-endian, by instruction.
    pub line_info: Vec<u8>,
    /// Bytes of one line record, 0 if there are none.
    pub line_info_rec_size: u32,
}

/// The records of an object's `.BTF.ext`, by section; made once for all programs.
#[derive(Debug)]
pub struct ExtRecords<'s> {
    spec: &'s ObjectSpec,
    func: Groups<'s, FuncInfo>,
    line: Groups<'s, LineInfo>,
    core: HashMap<&'s str, Vec<CoreRelo<'s>>>,
    /// The bytes of each of `core`.
    core_raw: HashMap<&'s str, Vec<&'s [u8]>>,
}

/// A section has one group of records, or more if a linker did not merge them.
type Groups<'s, T> = HashMap<&'s str, Vec<InfoSec<'s, T>>>;

impl<'s> ExtRecords<'s> {
    /// Reads the records. An object without `.BTF.ext` has none.
    ///
    /// # Errors
    /// A name in it cannot be read.
    pub fn new(spec: &'s ObjectSpec) -> Result<Self, ObjectError> {
        let mut records = Self {
            spec,
            func: Groups::new(),
            line: Groups::new(),
            core: HashMap::new(),
            core_raw: HashMap::new(),
        };
        if let (Some(btf), Some(ext)) = (&spec.btf, &spec.btf_ext) {
            let place = Place::Section(".BTF.ext".to_owned());
            records.read(btf, ext).map_err(|e| ObjectError::btf(&spec.name.as_str().into(), place, e))?;
        }
        Ok(records)
    }

    fn read(&mut self, btf: &'s Btf, ext: &'s BtfExt) -> Result<(), BtfError> {
        for sec in ext.func_infos(btf)? {
            self.func.entry(sec.name).or_default().push(sec);
        }
        for sec in ext.line_infos(btf)? {
            self.line.entry(sec.name).or_default().push(sec);
        }
        for sec in ext.core_relos(btf)? {
            let raw = sec.raw.chunks_exact(sec.rec_size.max(1) as usize);
            self.core_raw.entry(sec.name).or_default().extend(raw);
            self.core.entry(sec.name).or_default().extend(sec.records);
        }
        Ok(())
    }

    /// The record that a CO-RE relocation refers to.
    pub fn core_relo(&self, relo: &CoreReloc) -> Option<&CoreRelo<'s>> {
        let section = self.spec.code(relo.code)?.section.as_str();
        self.core.get(section)?.get(relo.record as usize)
    }

    /// The CO-RE relocations of an assembled program in the form that the kernel takes (Linux 5.17), for an object whose BTF it is given as
    /// it is: 16 bytes each, native-endian, by byte offset in the program.
    pub fn core_relo_bytes(&self, code: &ProgramCode) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 * code.core_relocs.len());
        for relo in &code.core_relocs {
            let section = self.spec.code(relo.code).map(|c| c.section.as_str());
            let raw = section.and_then(|s| self.core_raw.get(s)?.get(relo.record as usize));
            let Some(rest) = raw.and_then(|raw| raw.get(4..16)) else { continue };
            out.extend_from_slice(&relo.insn.saturating_mul(8).to_ne_bytes());
            out.extend_from_slice(rest);
        }
        out
    }

    /// The function and line records of an assembled program. If there are none for the program itself, none are
    /// given for its functions either.
    ///
    /// # Errors
    /// `ENOENT` if the program has records, but one of its functions lacks them: the kernel would refuse that.
    pub fn ext_info(&self, code: &ProgramCode) -> Result<ExtInfo, ObjectError> {
        let (func_info, func_info_rec_size) =
            self.collect(&self.func, code, "function", |r| r.insn_off)?.unwrap_or_default();
        let (line_info, line_info_rec_size) =
            self.collect(&self.line, code, "line", |r| r.insn_off)?.unwrap_or_default();
        Ok(ExtInfo { func_info, func_info_rec_size, line_info, line_info_rec_size })
    }

    fn collect<T>(
        &self,
        groups: &Groups<'s, T>,
        code: &ProgramCode,
        what: &str,
        insn_off: impl Fn(&T) -> u32,
    ) -> Result<Option<(Vec<u8>, u32)>, ObjectError> {
        let mut out = Vec::new();
        let mut rec_size = 0;
        for (i, piece) in code.funcs.iter().enumerate() {
            let found = self.append(groups, piece, &insn_off, &mut out);
            match found {
                Some(size) => rec_size = size,
                None if i == 0 => return Ok(None),
                None => {
                    let (section, name) = self
                        .spec
                        .code(piece.id)
                        .map_or_else(Default::default, |c| (c.section.clone(), c.name.clone()));
                    let why =
                        format!("'.BTF.ext' has no {what} records for it, but for the program that calls it");
                    let place = Place::Code { section, name };
                    return Err(ObjectError::new(&self.spec.name.as_str().into(), place, Errno::ENOENT, why));
                }
            }
        }
        Ok(Some((out, rec_size)))
    }

    /// Appends the records of one piece and gives their size; `None` if it has none.
    fn append<T>(
        &self,
        groups: &Groups<'s, T>,
        piece: &Piece,
        insn_off: &impl Fn(&T) -> u32,
        out: &mut Vec<u8>,
    ) -> Option<u32> {
        let code = self.spec.code(piece.id)?;
        let start = code.sec_insn_off.checked_mul(8)?;
        let end = start.checked_add(piece.len.checked_mul(8)?)?;
        for group in groups.get(code.section.as_str())? {
            // Records are in the order of their instructions.
            let from = group.records.partition_point(|r| insn_off(r) < start);
            let to = group.records.partition_point(|r| insn_off(r) < end);
            if from < to {
                append_records(group.raw, group.rec_size, from..to, start, piece.insn_off, out);
                return Some(group.rec_size);
            }
        }
        None
    }
}

/// Copies records, turning byte offsets in the section into instruction indices in the program.
fn append_records(raw: &[u8], rec_size: u32, range: Range<usize>, start: u32, at: u32, out: &mut Vec<u8>) {
    let size = rec_size as usize;
    let records = raw.chunks_exact(size.max(4)).take(range.end).skip(range.start);
    for rec in records {
        let Some((off, rest)) = rec.split_first_chunk::<4>() else { continue };
        let insn = (u32::from_ne_bytes(*off).wrapping_sub(start) / 8).wrapping_add(at);
        out.extend_from_slice(&insn.to_ne_bytes());
        out.extend_from_slice(rest);
    }
}
