//! Finding types by name.

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, TypeId, essential_name, text};
use oxbpf_uapi::BtfKind;

fn ids(found: impl Iterator<Item = TypeId>) -> Vec<u32> {
    found.map(|id| id.0).collect()
}

fn sample() -> Btf {
    text::parse(
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
         [2] STRUCT 'foo' size=4 vlen=0\n\
         [3] TYPEDEF 'foo' type_id=2\n\
         [4] STRUCT 'foo___v2' size=8 vlen=0\n\
         [5] STRUCT 'foo' size=12 vlen=0\n\
         [6] PTR '(anon)' type_id=2\n\
         [7] STRUCT 'foo___v1___v2' size=8 vlen=0\n\
         [8] STRUCT 'a_name_of_more_than_thirty_two_bytes_in_total' size=8 vlen=0\n\
         [9] STRUCT 'a_name_of_more_than_thirty_two_bytes_otherwise' size=8 vlen=0\n\
         [10] STRUCT 'exactly_thirty_two_bytes_long__x' size=8 vlen=0\n",
    )
    .unwrap()
}

#[test]
fn find_gives_the_lowest_id_of_the_kind() {
    let btf = sample();
    let check =
        |name, kind, expect: Option<u32>| assert_eq!(btf.find(name, kind).map(|id| id.0), expect, "{name}");
    check("foo", BtfKind::STRUCT, Some(2));
    check("foo", BtfKind::TYPEDEF, Some(3));
    check("foo", BtfKind::UNION, None);
    check("fo", BtfKind::STRUCT, None);
    check("fooo", BtfKind::STRUCT, None);
    check("", BtfKind::PTR, None);
    check("int\0", BtfKind::INT, None);
    check("a_name_of_more_than_thirty_two_bytes_in_total", BtfKind::STRUCT, Some(8));
    check("a_name_of_more_than_thirty_two_bytes_otherwise", BtfKind::STRUCT, Some(9));
    check("a_name_of_more_than_thirty_two_bytes", BtfKind::STRUCT, None);
    check("exactly_thirty_two_bytes_long__x", BtfKind::STRUCT, Some(10));
}

#[test]
fn find_all_gives_every_kind_in_order() {
    let btf = sample();
    assert_eq!(ids(btf.find_all("foo")), [2, 3, 5]);
    assert_eq!(ids(btf.find_all("bar")), []);
    assert_eq!(ids(btf.find_all("")), []);
}

#[test]
fn find_essential_ignores_flavours_of_the_target() {
    let btf = sample();
    assert_eq!(ids(btf.find_essential("foo")), [2, 3, 4, 5]);
    assert_eq!(ids(btf.find_essential("foo___v1")), [7]);
    assert_eq!(ids(btf.find_essential("foo___v2")), []);
    assert_eq!(ids(btf.find_essential("int")), [1]);
}

#[test]
fn a_split_btf_looks_in_its_base_first() {
    let base = Arc::new(sample());
    let mut b = BtfBuilder::new_split(base.clone());
    // Both names are strings of the base.
    assert_eq!(b.add_struct("foo", 1).unwrap(), TypeId(11));
    assert_eq!(b.add_struct("foo___v2", 1).unwrap(), TypeId(12));
    assert_eq!(b.add_struct("own", 1).unwrap(), TypeId(13));
    assert_eq!(b.add_struct("own___x", 1).unwrap(), TypeId(14));
    let split = b.finish().unwrap();
    assert_eq!(split.find("foo", BtfKind::STRUCT), Some(TypeId(2)));
    assert_eq!(split.find_own("foo", BtfKind::STRUCT), Some(TypeId(11)));
    assert_eq!(split.find("own", BtfKind::STRUCT), Some(TypeId(13)));
    assert_eq!(ids(split.find_all("foo")), [2, 3, 5, 11]);
    assert_eq!(ids(split.find_essential("foo")), [2, 3, 4, 5, 11, 12]);
    assert_eq!(ids(split.find_essential("own")), [13, 14]);
    assert_eq!(base.find("own", BtfKind::STRUCT), None);
}

#[test]
fn every_type_of_a_large_btf_is_found_by_its_name() {
    let mut b = BtfBuilder::new();
    // Lengths around the block of bytes that names are hashed in, and names that differ only at their ends.
    for i in 0..3000u32 {
        let name = format!("{}_{i}", "name_of_a_type_".repeat(i as usize % 5));
        b.add_struct(&name, i).unwrap();
    }
    let btf = b.finish().unwrap();
    for t in btf.types() {
        assert_eq!(btf.find(t.name(), BtfKind::STRUCT), Some(t.id()), "{}", t.name());
    }
}

#[test]
fn many_names_are_found_in_one_pass_as_one_by_one() {
    let mut b = BtfBuilder::new_split(Arc::new(sample()));
    for name in ["foo", "fo", "f___x", "seven77___y", "eight888___y", "eight888", "eight8889", "ab"] {
        b.add_struct(name, 4).unwrap();
    }
    for btf in [Arc::new(sample()), Arc::new(b.finish().unwrap())] {
        let names = [
            "foo",
            "int",
            "f",
            "seven77",
            "eight888",
            "none",
            "",
            "exactly_thirty_two_bytes_long__x",
            "ab",
            "foo",
        ];
        let many = btf.find_essential_own(&names);
        for (name, found) in names.iter().zip(many) {
            let one: Vec<TypeId> = btf.find_essential(name).filter(|id| *id >= btf.start_id()).collect();
            assert_eq!(found, one, "{name}");
        }
    }
}

#[test]
fn names_of_any_length_are_found_in_one_pass_with_their_flavours_only() {
    let mut b = BtfBuilder::new();
    let lens: Vec<&str> = (1..=10).map(|len| &"abcdefghij"[..len]).collect();
    for name in &lens {
        for suffix in ["", "___x", "___one_more", "__", "____z", "_", "k"] {
            b.add_struct(&format!("{name}{suffix}"), 4).unwrap();
        }
    }
    b.add_struct("not_the_last_bytes_of_the_strings", 4).unwrap();
    let btf = b.finish().unwrap();
    for names in [&lens[..], &lens[7..], &lens[..1], &lens[6..7]] {
        let expect: Vec<Vec<TypeId>> = names
            .iter()
            .map(|name| {
                let is_alike = |t: &oxbpf_btf::TypeRef<'_>| essential_name(t.name()) == *name;
                btf.types().filter(is_alike).map(|t| t.id()).collect()
            })
            .collect();
        assert!(expect.iter().all(|found| found.len() >= 3));
        // A BTF that nothing was looked up in yet, so that there is no index.
        let fresh = Btf::parse(btf.raw().to_vec()).unwrap();
        assert_eq!(fresh.find_essential_own(names), expect);
    }
}
