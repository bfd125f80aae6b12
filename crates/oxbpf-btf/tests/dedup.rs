//! Deduplication of what several units define, case by case. The bytes are compared with libbpf's in `ops.rs`.

#[allow(dead_code, reason = "only its numbers are used here")]
mod units;

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, BtfExt, IntFlags, Type, TypeId, fields, text};
use oxbpf_uapi::consts::FuncLinkage;
use units::Rng;

/// `struct list { struct list *next; int <member>; }` as a compiler would describe it.
fn unit(member: &str) -> Btf {
    build(|b| {
        let list = b.add_struct("list", 16)?;
        b.add_field("next", TypeId(2), 0, 0)?;
        b.add_field(member, TypeId(3), 64, 0)?;
        b.add_ptr(list)?;
        b.add_int("int", 4, IntFlags::SIGNED).map(drop)
    })
}

fn build(add: impl FnOnce(&mut BtfBuilder) -> Result<(), BtfError>) -> Btf {
    let mut b = BtfBuilder::new();
    add(&mut b).unwrap();
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

/// Deduplicates the types that `add` adds and compares where each went.
fn check(add: impl FnOnce(&mut BtfBuilder) -> Result<(), BtfError>, expect: &[u32]) {
    let mut b = BtfBuilder::new();
    add(&mut b).unwrap();
    let ids: Vec<u32> = b.dedup().unwrap().iter().skip(1).map(|id| id.0).collect();
    assert_eq!(ids, expect);
    b.finish().unwrap();
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

#[test]
fn dedup_takes_the_only_definition_for_a_declaration() {
    check(
        |b| {
            let fwd = b.add_fwd("s", false)?;
            b.add_ptr(fwd)?;
            let s = b.add_struct("s", 4)?;
            b.add_ptr(s).map(drop)
        },
        &[2, 1, 2, 1],
    );
}

#[test]
fn dedup_keeps_a_declaration_that_several_definitions_fit_or_none() {
    let two = |b: &mut BtfBuilder| {
        b.add_fwd("s", false)?;
        b.add_struct("s", 4)?;
        b.add_struct("s", 8).map(drop)
    };
    check(two, &[1, 2, 3]);
    let union = |b: &mut BtfBuilder| {
        b.add_fwd("s", true)?;
        b.add_struct("s", 4).map(drop)
    };
    check(union, &[1, 2]);
}

#[test]
fn dedup_takes_a_definition_for_an_empty_enum_of_either_width() {
    check(
        |b| {
            b.add_enum("e", 4)?;
            b.add_enum64("e", 8, false)?;
            b.add_enum64_value("big", 1 << 40)?;
            b.add_enum("e", 4).map(drop)
        },
        &[1, 1, 1],
    );
}

#[test]
fn dedup_keeps_distinct_enums_with_the_same_name() {
    check(
        |b| {
            b.add_enum("e", 4)?;
            b.add_enum_value("a", 1)?;
            b.add_enum("e", 4)?;
            b.add_enum_value("a", 2)?;
            b.add_enum("e", 4)?;
            b.add_enum_value("a", 1)
        },
        &[1, 2, 1],
    );
}

#[test]
fn dedup_tells_tags_from_attributes_and_components_apart() {
    check(
        |b| {
            let s = b.add_struct("s", 4)?;
            b.add_decl_tag("t", s, -1)?;
            b.add_decl_attr("t", s, -1)?;
            b.add_decl_tag("t", s, 0)?;
            b.add_decl_tag("t", s, -1)?;
            let tag = b.add_type_tag("t", s)?;
            b.add_type_attr("t", s)?;
            b.add_type_tag("t", s)?;
            b.add_ptr(tag).map(drop)
        },
        &[1, 2, 3, 4, 2, 5, 6, 5, 7],
    );
}

#[test]
fn dedup_joins_functions_prototypes_and_arrays_but_never_variables() {
    check(
        |b| {
            let int = b.add_int("int", 4, IntFlags::SIGNED)?;
            for _ in 0..2 {
                let proto = b.add_func_proto(int)?;
                b.add_func_param("a", int)?;
                b.add_func("f", FuncLinkage::GLOBAL, proto)?;
                b.add_array(int, int, 3)?;
                b.add_var("v", oxbpf_btf::VarLinkage::STATIC, int)?;
            }
            Ok(())
        },
        &[1, 2, 3, 4, 5, 2, 3, 4, 6],
    );
}

#[test]
fn dedup_of_a_split_keeps_only_what_the_base_lacks() {
    let base = Arc::new(unit("value"));
    let mut b = BtfBuilder::new_split(base.clone());
    b.append_btf(&unit("value")).unwrap();
    b.append_btf(&unit("other")).unwrap();
    let ids = b.dedup().unwrap();
    assert_eq!(ids, [0, 1, 2, 3, 1, 2, 3, 4, 5, 3].map(TypeId));
    let split = b.finish().unwrap();
    let Type::Struct(s) = split.get(TypeId(4)).unwrap().view() else { panic!("no struct") };
    assert_eq!(s.members().map(|m| m.name).collect::<Vec<_>>(), ["next", "other"]);
    // What the base has, strings too, is not repeated.
    assert_eq!(split.get(TypeId(4)).unwrap().name_off(), base.get(TypeId(1)).unwrap().name_off());
}

#[test]
fn dedup_drops_strings_that_nothing_uses_and_equal_ones() {
    let mut b = BtfBuilder::new();
    b.add_str("unused").unwrap();
    b.add_int("int", 4, IntFlags::NONE).unwrap();
    let btf = b.finish().unwrap();
    let mut b = BtfBuilder::from_btf(&btf).unwrap();
    b.dedup().unwrap();
    assert_eq!(b.find_str("unused"), None);
    assert_eq!(b.find_str("int"), Some(1));
    assert_eq!(b.add_str("more").unwrap(), 5);
}

#[test]
fn dedup_changes_ids_and_strings_of_the_ext() {
    let read = |name: &str| {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/btf/");
        std::fs::read(format!("{dir}{name}")).unwrap()
    };
    let btf = Btf::parse(read("kinds.bpfel.btf")).unwrap();
    let mut ext = BtfExt::parse(read("kinds.bpfel.btf_ext")).unwrap();
    let names = |ext: &BtfExt, btf: &Btf| -> Vec<String> {
        let secs = ext.func_infos(btf).unwrap();
        let name = |id| btf.get(id).unwrap().name().to_owned();
        secs.iter()
            .flat_map(|s| s.records.iter().map(|r| format!("{} {}", s.name, name(r.type_id))))
            .collect()
    };
    let before = names(&ext, &btf);
    let mut b = BtfBuilder::from_btf(&btf).unwrap();
    b.dedup_with(&mut ext).unwrap();
    let map: Vec<TypeId> = [0].into_iter().chain((1..b.type_count()).rev()).map(TypeId).collect();
    b.permute_with(&map, &mut ext).unwrap();
    assert_eq!(names(&ext, &b.finish().unwrap()), before);
}

#[test]
fn dedup_of_either_byte_order_gives_the_same() {
    let read = |name: &str| {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/btf/");
        let btf = Btf::parse(std::fs::read(format!("{dir}{name}")).unwrap()).unwrap();
        let mut b = BtfBuilder::from_btf(&btf).unwrap();
        b.append_btf(&btf).unwrap();
        b.dedup().unwrap();
        b.to_bytes().unwrap()
    };
    assert_eq!(read("kinds.bpfel.btf"), read("kinds.bpfeb.btf"));
}

#[test]
fn a_cycle_without_a_struct_is_an_error_and_changes_nothing() {
    let mut b = BtfBuilder::new();
    b.add_ptr(TypeId(2)).unwrap();
    b.add_const(TypeId(1)).unwrap();
    b.add_int("a", 4, IntFlags::NONE).unwrap();
    b.add_int("a", 4, IntFlags::NONE).unwrap();
    let before = b.to_bytes().unwrap();
    assert!(matches!(b.dedup(), Err(BtfError::TooDeep { .. })));
    assert_eq!(b.to_bytes().unwrap(), before);
}

#[test]
fn chains_of_a_million_types_need_no_deep_stack() {
    let mut b = BtfBuilder::new();
    for _ in 0..2 {
        let mut to = b.add_struct("s", 4).unwrap();
        for i in 0..500_000 {
            to = if i % 2 == 0 { b.add_ptr(to) } else { b.add_const(to) }.unwrap();
        }
        b.add_struct("end", 8).unwrap();
        b.add_field("to", to, 0, 0).unwrap();
    }
    b.dedup().unwrap();
    assert_eq!(b.type_count(), 500_003);
}

#[test]
fn many_structs_of_one_name_and_shape_are_told_apart_without_comparing_each_with_each() {
    let count = 2_000;
    let mut b = BtfBuilder::new();
    for i in 0..2 * count {
        let mut to = b.add_struct(&format!("t{}", i % count), 4).unwrap();
        for depth in 0..6 {
            let ptr = b.add_ptr(to).unwrap();
            to = b.add_struct(&format!("same{depth}"), 8).unwrap();
            b.add_field("member", ptr, 0, 0).unwrap();
        }
    }
    // Compared with each other, they would take minutes in a debug build.
    b.dedup().unwrap();
    assert_eq!(b.type_count(), 13 * count + 1);
}

#[test]
fn references_to_nowhere_and_unknown_kinds_are_errors() {
    let mut b = BtfBuilder::new();
    b.add_ptr(TypeId(7)).unwrap();
    assert_eq!(b.dedup(), Err(BtfError::BadReference { id: 1, target: 7 }));
    let mut b = BtfBuilder::new();
    b.add_struct("s", 4).unwrap();
    b.add_field("m", TypeId(9), 0, 0).unwrap();
    let bytes = b.to_bytes().unwrap();
    assert_eq!(b.dedup(), Err(BtfError::BadReference { id: 1, target: 9 }));
    let broken = Btf::parse(bytes).unwrap();
    let mut b = BtfBuilder::new();
    b.add_int("int", 4, IntFlags::NONE).unwrap();
    let before = b.to_bytes().unwrap();
    assert_eq!(b.append_btf(&broken), Err(BtfError::BadReference { id: 1, target: 9 }));
    assert_eq!(b.to_bytes().unwrap(), before);
    assert_eq!(b.add_str("s").unwrap(), 5);
}

#[test]
fn split_btf_is_only_added_to_btf_with_the_same_base() {
    let base = Arc::new(unit("value"));
    let split = |base: &Arc<Btf>| {
        let mut b = BtfBuilder::new_split(base.clone());
        b.add_ptr(TypeId(1)).unwrap();
        b
    };
    let unit_of_base = split(&base).finish().unwrap();
    assert_eq!(BtfBuilder::new().append_btf(&unit_of_base), Err(BtfError::OtherBase));
    assert_eq!(split(&Arc::new(unit("value"))).append_btf(&unit_of_base), Err(BtfError::OtherBase));
    let mut b = split(&base);
    let first = b.append_btf(&unit_of_base).unwrap();
    assert_eq!(first, TypeId(5));
    assert_eq!(b.finish().unwrap().get(first).unwrap().type_id(), TypeId(1));
}

#[test]
fn one_type_is_appended_with_its_strings_and_its_ids_as_they_are() {
    let from = unit("value");
    let mut b = BtfBuilder::new();
    b.add_int("value", 4, IntFlags::NONE).unwrap();
    b.add_ptr(TypeId(1)).unwrap();
    b.add_int("int", 4, IntFlags::NONE).unwrap();
    let id = b.append_type(&from, TypeId(1)).unwrap();
    let btf = b.finish().unwrap();
    let Type::Struct(s) = btf.get(id).unwrap().view() else { panic!("no struct") };
    let members: Vec<_> = s.members().map(|m| (m.name, m.type_id)).collect();
    assert_eq!(members, [("next", TypeId(2)), ("value", TypeId(3))]);
}

#[test]
fn permute_refuses_what_is_not_a_permutation() {
    let check = |map: &[u32]| {
        let mut b = merged(&[unit("value")]);
        let before = b.to_bytes().unwrap();
        let map: Vec<TypeId> = map.iter().map(|id| TypeId(*id)).collect();
        let result = b.permute(&map);
        assert!(matches!(result, Err(BtfError::BadArgument { .. })), "{map:?}");
        assert_eq!(b.to_bytes().unwrap(), before);
    };
    check(&[]);
    check(&[0, 1, 2]);
    check(&[1, 0, 2, 3]);
    check(&[0, 1, 2, 2]);
    check(&[0, 1, 2, 4]);
    let mut b = merged(&[unit("value")]);
    b.permute(&[0, 3, 1, 2].map(TypeId)).unwrap();
    let expect =
        ["[1] PTR '(anon)' type_id=3", "[2] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED"];
    assert_eq!(show(b)[..2], expect);
}

/// A hash of each type that does not depend on ids, sorted: equal for graphs that are the same but for the order.
fn colours(btf: &Btf) -> Vec<u64> {
    let mix = |h: u64, v: u64| (h.rotate_left(5) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut all = vec![0u64; btf.type_count() as usize];
    for _ in 0..12 {
        let next = btf.types().map(|t| {
            let words: Vec<u32> = [t.name_off(), t.info(), t.size()]
                .into_iter()
                .chain(t.tail().chunks_exact(4).map(|w| u32::from_ne_bytes(*w.first_chunk().unwrap())))
                .collect();
            let (ids, strs): (Vec<_>, Vec<_>) =
                (fields::id_words(t.info()).collect(), fields::str_words(t.info()).collect());
            words.iter().enumerate().fold(1, |h, (i, w)| match (ids.contains(&i), strs.contains(&i)) {
                (true, _) => mix(h, all[*w as usize]),
                (_, true) => btf.str_bytes(*w).unwrap().iter().fold(h, |h, b| mix(h, u64::from(*b))),
                _ => mix(h, u64::from(*w)),
            })
        });
        all = [0].into_iter().chain(next).collect();
    }
    all.sort_unstable();
    all
}

/// Units of a program, each of which defines or declares the same structs, as compilers make them.
fn sources(seed: u64) -> BtfBuilder {
    const STRUCTS: u32 = 30;
    let mut r = Rng::new(seed);
    // Which struct each member points to; each unit sees the same.
    let members: Vec<[u32; 3]> = (0..STRUCTS).map(|_| [0; 3].map(|_| r.below(STRUCTS))).collect();
    let mut b = BtfBuilder::new();
    for unit in 0..4 {
        let int = b.add_int("int", 4, IntFlags::SIGNED).unwrap();
        // The first unit defines all, others declare some.
        let is_defined: Vec<bool> = (0..STRUCTS).map(|_| unit == 0 || !r.one_in(4)).collect();
        let (first, pointers) = (int.0 + 1, int.0 + 1 + STRUCTS);
        for (i, is_defined) in (0..).zip(is_defined) {
            if !is_defined {
                b.add_fwd(&format!("s{i}"), false).unwrap();
                continue;
            }
            b.add_struct(&format!("s{i}"), 32).unwrap();
            b.add_field("value", int, 0, 0).unwrap();
            for (k, to) in (1..).zip(members[i as usize]) {
                b.add_field(&format!("m{k}"), TypeId(pointers + to), 64 * k, 0).unwrap();
            }
        }
        for i in 0..STRUCTS {
            b.add_ptr(TypeId(first + i)).unwrap();
        }
    }
    b
}

#[test]
fn dedup_twice_is_dedup_once() {
    for seed in 0..60 {
        let mut b = sources(seed);
        b.dedup().unwrap();
        assert_eq!(b.type_count(), 62);
        let once = b.to_bytes().unwrap();
        let ids = b.dedup().unwrap();
        assert_eq!(b.to_bytes().unwrap(), once, "seed {seed}");
        assert!(ids.iter().enumerate().all(|(i, id)| id.0 as usize == i));
    }
}

#[test]
fn dedup_finds_the_same_types_in_any_order() {
    for seed in 0..60 {
        let mut b = sources(seed);
        let mut map: Vec<TypeId> = (0..b.type_count()).map(TypeId).collect();
        let mut r = Rng::new(seed + 1000);
        for i in (2..map.len()).rev() {
            map.swap(i, 1 + r.below(i as u32) as usize);
        }
        let mut permuted = sources(seed);
        permuted.permute(&map).unwrap();
        b.dedup().unwrap();
        permuted.dedup().unwrap();
        let (one, other) = (b.finish().unwrap(), permuted.finish().unwrap());
        assert_eq!(colours(&one), colours(&other), "seed {seed}");
    }
}
