//! Sets of objects, linked: the bytes that C libbpf 1.7 writes, and an error where it gives one. `testdata/link` says how both were
//! made.

use std::collections::HashMap;
use std::io::Read;

use oxbpf_linker::{LinkError, Linker};

fn units() -> HashMap<String, Vec<u8>> {
    let packed = std::fs::read(testkit::testdata("link").join("units.zz")).unwrap();
    let mut raw = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
    let mut rest = &raw[..];
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        Some(part.to_vec())
    };
    let mut entries = HashMap::new();
    while let Some(name) = part() {
        entries.insert(String::from_utf8(name).unwrap(), part().unwrap());
    }
    entries
}

/// FNV-1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// A set: its name, its objects, libbpf's answer.
fn sets() -> Vec<(String, Vec<String>, String)> {
    let text = std::fs::read_to_string(testkit::testdata("link").join("libbpf.txt")).unwrap();
    let set = |line: &str| {
        let [name, members, answer] = line.split(": ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        (name.to_owned(), members.split(' ').map(str::to_owned).collect(), answer.to_owned())
    };
    text.lines().map(set).collect()
}

struct Files(HashMap<String, Vec<u8>>);

impl Files {
    fn read(&self, name: &str) -> Vec<u8> {
        self.0.get(name).cloned().unwrap_or_else(|| std::fs::read(testkit::root().join(name)).unwrap())
    }

    fn link(&self, members: &[String]) -> Result<Vec<u8>, LinkError> {
        let mut linker = Linker::new();
        for name in members {
            linker.add(name, &self.read(name))?;
        }
        linker.finish()
    }
}

/// Where the answers are known to differ, and why.
const DIFFERENCES: &[(&str, &str)] = &[];

#[test]
fn sets_of_objects_become_the_bytes_that_libbpf_writes() {
    let files = Files(units());
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    for (name, members, answer) in sets() {
        let linked = files.link(&members);
        let ours = match &linked {
            Ok(bytes) => format!("{} {:016x}", bytes.len(), hash(bytes)),
            Err(e) => format!("-{}", e.errno().0),
        };
        let is_known = DIFFERENCES.iter().any(|(known, _)| *known == name);
        if (ours == answer) == is_known {
            wrong.push(format!(
                "{name} ({}): libbpf {answer}, we {ours} {:?}",
                members.join(" "),
                linked.err().map(|e| e.to_string())
            ));
        }
        if ours.starts_with('-') { refused += 1 } else { same += 1 }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same > 150 && refused > 80, "{same} linked, {refused} refused");
}
