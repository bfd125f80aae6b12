//! Sets of objects, linked: the bytes that C libbpf 1.7 writes, and an error where it gives one. `testdata/link` says how both were
//! made.

mod units;

use units::{link, sets};

/// FNV-1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn sets_of_objects_become_the_bytes_that_libbpf_writes() {
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    for set in sets() {
        let linked = link(&set.members);
        let ours = match &linked {
            Ok(bytes) => format!("{} {:016x}", bytes.len(), hash(bytes)),
            Err(e) => format!("-{}", e.errno().0),
        };
        if ours != set.answer {
            let error = linked.err().map(|e| e.to_string()).unwrap_or_default();
            wrong.push(format!("{} {:?}: libbpf {}, we {ours} {error}", set.name, set.members, set.answer));
        }
        if ours.starts_with('-') { refused += 1 } else { same += 1 }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same > 1200 && refused > 80, "{same} linked, {refused} refused");
}

#[test]
fn what_the_documentation_says_of_a_set_is_so() {
    let text = std::fs::read_to_string(testkit::root().join("docs/linking.md")).unwrap();
    let mut seen = 0;
    for row in text.lines().filter(|l| l.starts_with("| ")) {
        let [_, _, linked, names, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            continue;
        };
        for name in names.split('`').filter(|n| !n.trim().is_empty() && names.contains('`')) {
            let set = sets().into_iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no set {name}"));
            assert_eq!(link(&set.members).is_ok(), !linked.starts_with("no"), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 45, "{seen}");
}
