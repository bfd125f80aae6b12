//! An object file and types in, the object file relocated against them out: CO-RE without a loader.
//!
//! Instructions are patched where they are in the file. The relocations' records then no longer tell the truth, as the
//! instructions do not hold what the object's types say any more, so `.BTF.ext` is left with none of them: the length of
//! their table becomes 0. Nothing else changes, sizes neither. The object loads as it is on the kernel that the types
//! are of. Objects of either byte order are taken.

use oxbpf_btf::{Btf, BtfError, BtfExt};
use oxbpf_elf::{ElfError, ElfObject, Section};
use oxbpf_uapi::Insn;

use crate::error::ReloError;
use crate::explain::Explanation;
use crate::relocator::{Outcome, Relocator, Target};

/// A relocated object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocated {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many relocations were made, the poisoned ones included.
    pub relocations: usize,
    /// Instructions that nothing in the target matches.
    pub poisoned: Vec<Poisoned>,
}

/// An instruction that was replaced by a call that the verifier refuses if it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// Section of the object.
    pub section: String,
    /// Index of the instruction in the section.
    pub insn: usize,
    /// What was asked for, and what there is.
    pub why: Explanation,
}

/// Why an object file cannot be relocated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// It is no BPF object.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// Its types or relocation records are broken.
    #[error("section '{section}': {source}")]
    Btf {
        /// `.BTF` or `.BTF.ext`.
        section: &'static str,
        /// What is wrong.
        source: BtfError,
    },
    /// There are relocations for a section that is not there.
    #[error("there are CO-RE relocations for section '{0}', but the file has none of that name")]
    NoSection(String),
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
}

/// Relocates an object file against `target`. A file without CO-RE relocations is given back as it is.
///
/// # Errors
/// The file is no BPF object or broken, or a relocation cannot be made. One that nothing matches is no error.
pub fn relocate_only(object: &[u8], name: &str, target: &Btf) -> Result<Relocated, OfflineError> {
    let elf = ElfObject::parse(object, name)?;
    let mut out = Relocated { bytes: object.to_vec(), relocations: 0, poisoned: Vec::new() };
    let (Some(btf), Some(ext_section)) = (elf.section_by_name(".BTF"), elf.section_by_name(".BTF.ext"))
    else {
        return Ok(out);
    };
    let in_btf = |section| move |source| OfflineError::Btf { section, source };
    let btf = Btf::parse(btf.data.to_vec()).map_err(in_btf(".BTF"))?;
    let ext = BtfExt::parse(ext_section.data.to_vec()).map_err(in_btf(".BTF.ext"))?;
    let groups = ext.core_relos(&btf).map_err(in_btf(".BTF.ext"))?;
    let mut relocator = Relocator::new(&btf, vec![Target { name: "the target", btf: target }]);
    relocator.expect(groups.iter().flat_map(|g| &g.records).map(|r| r.type_id));
    for group in &groups {
        let section = elf.section_by_name(group.name);
        let section = section.ok_or_else(|| OfflineError::NoSection(group.name.to_owned()))?;
        let mut insns = read(&out.bytes, section, elf.is_little_endian());
        for (index, relo) in group.records.iter().enumerate() {
            let at = relo.insn_off as usize / 8;
            let outcome = relocator.relocate(&mut insns, at, relo).map_err(|source| OfflineError::Relo {
                section: group.name.to_owned(),
                index,
                source: Box::new(source),
            })?;
            if outcome == Outcome::Poisoned {
                let why = relocator.explain(relo);
                out.poisoned.push(Poisoned { section: group.name.to_owned(), insn: at, why });
            }
            out.relocations += 1;
        }
        write(&mut out.bytes, section, &insns, elf.is_little_endian());
    }
    forget_relocations(&mut out.bytes, ext_section);
    Ok(out)
}

fn read(bytes: &[u8], section: &Section<'_>, little_endian: bool) -> Vec<Insn> {
    let code = bytes.get(section.range.clone()).unwrap_or_default();
    let insns = code.chunks_exact(8).filter_map(|c| c.first_chunk::<8>());
    insns.map(|bytes| Insn::from_bytes(*bytes, little_endian)).collect()
}

fn write(bytes: &mut [u8], section: &Section<'_>, insns: &[Insn], little_endian: bool) {
    let code = bytes.get_mut(section.range.clone()).unwrap_or_default();
    for (to, insn) in code.chunks_exact_mut(8).zip(insns) {
        to.copy_from_slice(&insn.to_bytes(little_endian));
    }
}

/// Sets the length of the relocations' table, the last of the words that the header has since Linux 5.4, to 0.
fn forget_relocations(bytes: &mut [u8], ext: &Section<'_>) {
    const CORE_RELO_LEN: usize = 28;
    let header = bytes.get_mut(ext.range.clone()).and_then(|b| b.get_mut(CORE_RELO_LEN..CORE_RELO_LEN + 4));
    if let Some(len) = header {
        len.fill(0);
    }
}
