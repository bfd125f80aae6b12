//! Deduplication of what several units define.

use oxbpf_btf::{Btf, BtfBuilder, IntFlags, TypeId, text};

/// `struct list { struct list *next; int <member>; }` as a compiler would describe it.
fn unit(member: &str) -> Btf {
    let mut b = BtfBuilder::new();
    let list = b.add_struct("list", 16).unwrap();
    b.add_field("next", TypeId(2), 0, 0).unwrap();
    b.add_field(member, TypeId(3), 64, 0).unwrap();
    b.add_ptr(list).unwrap();
    b.add_int("int", 4, IntFlags::SIGNED).unwrap();
    b.finish().unwrap()
}

fn merged(units: &[Btf]) -> BtfBuilder {
    let mut b = BtfBuilder::new();
    for unit in units {
        b.append_btf(unit).unwrap();
    }
    b
}

fn show(b: BtfBuilder) -> Vec<String> {
    b.finish().unwrap().types().map(|t| text::show(t).to_string()).collect()
}

#[test]
fn dedup_keeps_one_of_what_two_units_define_alike() {
    let mut b = merged(&[unit("value"), unit("value")]);
    let ids = b.dedup().unwrap();
    assert_eq!(ids, [0, 1, 2, 3, 1, 2, 3].map(TypeId));
    assert_eq!(show(b), show(merged(&[unit("value")])));
}

#[test]
fn dedup_keeps_structs_with_the_same_name_that_differ() {
    let mut b = merged(&[unit("value"), unit("other")]);
    let ids = b.dedup().unwrap();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 3].map(TypeId));
}
