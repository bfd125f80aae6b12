//! Code, types and CO-RE relocations in, the bytes of a BPF object file out: what a compiler would write, without one.
//!
//! Little-endian ELF64. There are programs, BTF that the caller made, and CO-RE records; no maps and no ELF relocations.

use std::collections::BTreeMap;

/// A BPF object file in the making.
#[derive(Clone, Debug, Default)]
pub struct BpfObject {
    sections: Vec<Section>,
    programs: Vec<Program>,
    /// Records by index of their section.
    relos: BTreeMap<usize, Vec<[u32; 4]>>,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    data: Vec<u8>,
    kind: u32,
    flags: u64,
    /// Of the symbol table: the strings, and the number of local symbols. Else 0.
    link: (u32, u32),
    entry_len: u64,
}

#[derive(Clone, Debug)]
struct Program {
    name: String,
    section: usize,
    at: u64,
    len: u64,
}

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const ALLOC: u64 = 2;
const EXEC: u64 = 4;

impl BpfObject {
    /// An object with a licence and nothing else.
    pub fn new() -> Self {
        let mut object = Self::default();
        object.section("license", ALLOC | 1).extend(b"GPL\0");
        object
    }

    fn section(&mut self, name: &str, flags: u64) -> &mut Vec<u8> {
        let i = self.section_index(name, flags);
        &mut self.sections[i].data
    }

    fn section_index(&mut self, name: &str, flags: u64) -> usize {
        self.sections.iter().rposition(|s| s.name == name).unwrap_or_else(|| {
            let name = name.to_owned();
            self.sections.push(Section {
                name,
                data: Vec::new(),
                kind: PROGBITS,
                flags,
                link: (0, 0),
                entry_len: 0,
            });
            self.sections.len() - 1
        })
    }

    /// Appends a program, given as instructions of 8 bytes, to the section of this name. Gives where it begins in it.
    pub fn program(&mut self, section: &str, name: &str, code: &[u8]) -> u32 {
        let i = self.section_index(section, ALLOC | EXEC);
        let data = &mut self.sections[i].data;
        let at = data.len();
        data.extend(code);
        self.programs.push(Program {
            name: name.to_owned(),
            section: i,
            at: at as u64,
            len: code.len() as u64,
        });
        at as u32
    }

    /// Adds a CO-RE record for the instruction at this offset in the section, which must have a program: the type, where
    /// the access string is among the strings of the BTF, and what is asked.
    pub fn core_relo(&mut self, section: &str, at: u32, type_id: u32, access_str_off: u32, kind: u32) {
        let i = self.section_index(section, ALLOC | EXEC);
        self.relos.entry(i).or_default().push([at, type_id, access_str_off, kind]);
    }

    /// The file. `btf` is the finished BTF; `name_off` gives where among its strings a section's name is.
    pub fn to_bytes(&self, btf: &[u8], mut name_off: impl FnMut(&str) -> u32) -> Vec<u8> {
        let mut relos = Vec::new();
        for (&i, records) in &self.relos {
            relos.extend([name_off(&self.sections[i].name), records.len() as u32]);
            relos.extend(records.iter().flatten());
        }
        // Magic, version 1, no flags; then the length of the header and offset and length of each of its three tables.
        let mut ext = vec![0x9f, 0xeb, 1, 0];
        let core_len = if relos.is_empty() { 0 } else { 4 + 4 * relos.len() as u32 };
        ext.extend([32, 0, 0, 0, 0, 0, core_len].iter().flat_map(|w| w.to_le_bytes()));
        if core_len > 0 {
            ext.extend([16u32].iter().chain(&relos).flat_map(|w| w.to_le_bytes()));
        }
        let mut all = self.clone();
        *all.section(".BTF", 0) = btf.to_vec();
        // C libbpf takes none that is empty.
        if core_len > 0 {
            *all.section(".BTF.ext", 0) = ext;
        }
        all.add_symbols();
        all.elf()
    }

    fn add_symbols(&mut self) {
        let (mut symbols, mut names) = (vec![0; 24], vec![0]);
        for p in &self.programs {
            symbols.extend((names.len() as u32).to_le_bytes());
            // A global function with default visibility.
            symbols.extend([1 << 4 | 2, 0]);
            symbols.extend((p.section as u16 + 1).to_le_bytes());
            symbols.extend(p.at.to_le_bytes());
            symbols.extend(p.len.to_le_bytes());
            names.extend(p.name.as_bytes());
            names.push(0);
        }
        let strtab = self.sections.len() as u32 + 2;
        let mut add = |name: &str, data, kind, link, entry_len| {
            self.sections.push(Section { name: name.to_owned(), data, kind, flags: 0, link, entry_len });
        };
        add(".symtab", symbols, SYMTAB, (strtab, 1), 24);
        add(".strtab", names, STRTAB, (0, 0), 0);
    }

    /// Header, sections, section headers; the names of the sections are in the last one.
    fn elf(mut self) -> Vec<u8> {
        let strtab = self.sections.len() - 1;
        let name_offs: Vec<u32> = (0..self.sections.len())
            .map(|i| {
                let name = self.sections[i].name.clone();
                let names = &mut self.sections[strtab].data;
                let at = names.len() as u32;
                names.extend(name.as_bytes());
                names.push(0);
                at
            })
            .collect();
        let mut out = vec![0; 64];
        let mut headers = vec![0; 64];
        for (s, name) in self.sections.iter().zip(name_offs) {
            out.resize(out.len().next_multiple_of(8), 0);
            headers.extend([name, s.kind].iter().flat_map(|w| w.to_le_bytes()));
            let (at, len) = (out.len() as u64, s.data.len() as u64);
            headers.extend([s.flags, 0, at, len].iter().flat_map(|w| w.to_le_bytes()));
            headers.extend([s.link.0, s.link.1].iter().flat_map(|w| w.to_le_bytes()));
            headers.extend([8, s.entry_len].iter().flat_map(|w| w.to_le_bytes()));
            out.extend(&s.data);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let at = out.len() as u64;
        out.extend(headers);
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // Relocatable, for BPF.
        header.extend([1u16, 247].iter().flat_map(|w| w.to_le_bytes()));
        header.extend(1u32.to_le_bytes());
        header.extend([0, 0, at].iter().flat_map(|w| w.to_le_bytes()));
        header.extend(0u32.to_le_bytes());
        let last = [64, 0, 0, 64, self.sections.len() as u16 + 1, strtab as u16 + 1];
        header.extend(last.iter().flat_map(|w| w.to_le_bytes()));
        out[..64].copy_from_slice(&header);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_headers_are_where_the_header_says() {
        let mut object = BpfObject::new();
        assert_eq!(object.program("socket", "p", &[0xb7, 0, 0, 0, 0, 0, 0, 0]), 0);
        assert_eq!(object.program("socket", "q", &[0x95, 0, 0, 0, 0, 0, 0, 0]), 8);
        let bytes = object.to_bytes(&[], |_| 0);
        let at = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
        // Nothing, license, socket, .BTF, .symtab, .strtab.
        assert_eq!(bytes.len(), at + 6 * 64);
        assert_eq!(bytes[at + 2 * 64 + 32], 16, "both programs are in one section");
    }
}
