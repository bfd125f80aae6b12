//! The objects and sets of `testdata/link`.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use oxbpf_linker::{LinkError, Linker};

static UNITS: LazyLock<HashMap<String, Vec<u8>>> = LazyLock::new(|| unpack("link/units.zz"));
static CORPUS: LazyLock<HashMap<String, Vec<u8>>> = LazyLock::new(|| unpack("corpus/objects.zz"));

fn unpack(name: &str) -> HashMap<String, Vec<u8>> {
    let packed = std::fs::read(testkit::root().join("testdata").join(name)).unwrap();
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

/// An object of the sets or of the corpus, or by its path in the repository.
pub(crate) fn unit(name: &str) -> Vec<u8> {
    let packed = UNITS.get(name).or_else(|| CORPUS.get(name)).cloned();
    packed.unwrap_or_else(|| std::fs::read(testkit::root().join(name)).unwrap())
}

pub(crate) fn object(name: &str) -> Vec<u8> {
    std::fs::read(testkit::testdata("objects").join(name)).unwrap()
}

/// A set: its name, its objects, libbpf's answer.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) members: Vec<String>,
    pub(crate) answer: String,
}

pub(crate) fn sets() -> Vec<Set> {
    let text = std::fs::read_to_string(testkit::testdata("link").join("libbpf.txt")).unwrap();
    let set = |line: &str| {
        let [name, members, answer] = line.split(": ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let members = members.split(' ').map(str::to_owned).collect();
        Set { name: name.to_owned(), members, answer: answer.to_owned() }
    };
    text.lines().map(set).collect()
}

/// The objects of a set.
pub(crate) fn set(name: &str) -> Vec<String> {
    sets().into_iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no set {name}")).members
}

pub(crate) fn link(members: &[String]) -> Result<Vec<u8>, LinkError> {
    let mut linker = Linker::new();
    for name in members {
        linker.add(name, &unit(name))?;
    }
    linker.finish()
}

pub(crate) fn link_set(name: &str) -> Result<Vec<u8>, LinkError> {
    link(&set(name))
}
