//! What mutants begin from: the repository's test data, and what `fuzz/corpus/TARGET` has.

use std::fs;
use std::path::{Path, PathBuf};

use crate::targets::join;

const LITTLE: &[u8] = include_bytes!("../../testdata/btf/kinds.bpfel.btf");
const BIG: &[u8] = include_bytes!("../../testdata/btf/kinds.bpfeb.btf");
const LITTLE_EXT: &[u8] = include_bytes!("../../testdata/btf/kinds.bpfel.btf_ext");
const BIG_EXT: &[u8] = include_bytes!("../../testdata/btf/kinds.bpfeb.btf_ext");
const SPLIT: &[u8] = include_bytes!("../../testdata/split/libbpf.bin");

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("fuzz is a folder of the repository")
}

/// Inputs of a target, in an order that is the same everywhere.
///
/// # Errors
/// If test data can not be read.
pub fn of(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let mut seeds = match target {
        "btf" | "btf_dedup" | "btf_dump" => {
            let mut seeds = vec![LITTLE.to_vec(), BIG.to_vec()];
            seeds.extend(split_cases().into_iter().take(12).map(|case| case[2].to_vec()));
            seeds
        }
        "btf_ext" => vec![join(&[LITTLE_EXT, LITTLE]), join(&[BIG_EXT, BIG])],
        "btf_relocate" => split_cases()
            .into_iter()
            .flat_map(|[base, split, new]| [join(&[base, split, new]), join(&[base, split, base])])
            .collect(),
        "core" => {
            let dir = root().join("crates/oxbpf-relo/tests/data");
            let object = fs::read(dir.join("accesses.o"))?;
            let targets = ["moved.btf", "flavours.btf", "kinds.btf"];
            let join = |name: &str| Ok(join(&[&object, &fs::read(dir.join(name))?]));
            targets.into_iter().map(join).collect::<std::io::Result<_>>()?
        }
        "link" => {
            let dir = root().join("testdata/objects");
            let read = |name: &str| fs::read(dir.join(name));
            let sets = [
                ["linked_a.o", "linked_b.o", "maps_only.o"],
                ["kconfig.o", "ksyms_typed.o", "data_sections.o"],
                ["subprogs_static.o", "maps_in_maps.o", "license_missing.o"],
                ["core_relos.be.o", "data_sections.be.o", "subprogs_static.be.o"],
            ];
            let set = |names: [&str; 3]| Ok(join(&[&read(names[0])?, &read(names[1])?, &read(names[2])?]));
            sets.into_iter().map(set).collect::<std::io::Result<_>>()?
        }
        "exec" => {
            let own = root().join("crates/oxbpf-elf/tests/data");
            let names = ["exec", "lib.so", "lib.stripped.so", "lib32.so"].map(|name| own.join(name));
            let usdt = root().join("testdata/usdt");
            let names = names.into_iter().chain(["target", "target.pie"].map(|name| usdt.join(name)));
            names.map(fs::read).collect::<Result<_, _>>()?
        }
        "usdt" => ARGUMENTS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        // Small ones give more mutants a second.
        "elf" | "loader" | "object" => files(&root().join("testdata/objects"), "o")?
            .iter()
            .filter(|path| fs::metadata(path).is_ok_and(|m| m.len() < 12 << 10))
            .map(fs::read)
            .collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    for path in files(&root().join("fuzz/corpus").join(target), "")? {
        seeds.push(fs::read(path)?);
    }
    Ok(seeds)
}

/// Arguments of probes, as each machine writes them.
const ARGUMENTS: &[&str] = &[
    "8@%rdi -4@$1 4@-1204(%rbp) 8@(%rax,%rcx,8) -2@16(%rsp,%r9,2) 1@%al 8@counter(%rip)",
    "4@%eax -4@8(%ebp) 2@(%ebx,%esi,4)",
    "8@x1 -4@[sp, 60] 8@[x0] -1@-5 4@[x2, -16]",
    "4@r0 -4@[fp, #-20] 4@[r11] -4@#7",
    "8@%r2 -4@160(%r15) 8@0(%r1,%r3) -4@42",
    "8@a0 -4@-20(s0) 8@0(sp) -4@9",
];

/// Base, split BTF and another base of recorded cases; see testdata/split/README.md.
fn split_cases() -> Vec<[&'static [u8]; 3]> {
    let mut rest = SPLIT;
    // An answer that is an error is a number without bytes.
    let mut next = move || -> Option<Option<&'static [u8]>> {
        let (len, more) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        rest = more;
        if len >= 0xffff_0000 {
            return Some(None);
        }
        let (file, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some(Some(file))
    };
    let mut cases = Vec::new();
    while let (Some(Some(base)), Some(Some(split)), Some(Some(new))) = (next(), next(), next()) {
        cases.push([base, split, new]);
        // The distilled base, and the two results if there is one.
        if next().flatten().is_some() {
            next();
            next();
        }
    }
    cases.truncate(24);
    cases
}

fn files(dir: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() && (extension.is_empty() || path.extension().is_some_and(|e| e == extension)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
