//! Objects that are relocated against the types of real kernels, beside what C libbpf makes of them: the instructions that the kernel gets.
//! `testdata/corpus/kernels.py` makes objects, types and answers.

use std::collections::HashMap;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use oxbpf_btf::{Btf, ByteOrder};

use super::fake::Fake;
use super::{builder, difference, load_lines, unpack};

type Entries = Arc<HashMap<String, Vec<u8>>>;

fn text(lines: &str) -> Vec<String> {
    lines.lines().map(str::to_owned).collect()
}

/// The types in the byte order that this machine does not have.
fn swapped(types: &[u8]) -> Vec<u8> {
    let btf = Btf::parse(types.to_vec()).unwrap();
    let other = match btf.byte_order() {
        ByteOrder::Little => ByteOrder::Big,
        ByteOrder::Big => ByteOrder::Little,
    };
    btf.with_byte_order(other).to_bytes().unwrap().into_owned()
}

fn check(kernel: &str, types: &[u8], name: &str, object: &[u8], libbpf: &str) -> Result<(), Failed> {
    let libbpf = text(libbpf);
    let mut wrong = Vec::new();
    let running =
        load_lines(types, false, |fake| builder(fake).object_name(name).open_memory(object.to_vec()));
    wrong.extend(difference("the kernel's types", &running, &libbpf));
    // Types from elsewhere, which the running kernel does not have.
    let dir = testkit::TempDir::new(&format!("corpus_{kernel}_{name}"));
    for (what, types) in
        [("types of another kernel", types.to_vec()), ("of the other byte order", swapped(types))]
    {
        let path = dir.path().join("types.btf");
        std::fs::write(&path, types).unwrap();
        let open =
            |fake: &Fake| builder(fake).object_name(name).btf_custom_path(&path).open_memory(object.to_vec());
        wrong.extend(difference(what, &load_lines(&[], false, open), &libbpf));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// A trial for each object on each kernel.
pub(super) fn trials() -> Vec<Trial> {
    // The answers are those of a little-endian machine.
    if cfg!(target_endian = "big") {
        return Vec::new();
    }
    let objects: Entries = Arc::new(unpack("kernels.objects.zz").into_iter().collect());
    let types: Entries = Arc::new(unpack("kernels.types.zz").into_iter().collect());
    let answers = String::from_utf8(unpack("kernels.libbpf.zz").swap_remove(0).1).unwrap();
    let trial = |case: &str| {
        let (head, libbpf) = case.split_once('\n').unwrap();
        let (kernel, name) = head.split_once(' ').unwrap();
        let (kernel, name, libbpf) = (kernel.to_owned(), name.to_owned(), libbpf.to_owned());
        let (objects, types) = (objects.clone(), types.clone());
        Trial::test(format!("linux_{kernel}_{name}"), move || {
            let stem = name.split('.').next().unwrap();
            check(&kernel, &types[&kernel], stem, &objects[&name], &libbpf)
        })
    };
    let trials: Vec<Trial> = answers.split("== ").skip(1).map(trial).collect();
    assert_eq!(trials.len(), 4 * objects.len());
    trials
}
