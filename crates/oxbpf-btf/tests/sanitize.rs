//! BTF for old kernels: each missing feature apart.

use expect_test::{Expect, expect};
use oxbpf_btf::sanitize::{SanitizeFeatures, sanitize};
use oxbpf_btf::{Btf, text};

const TYPES: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] FUNC_PROTO '(anon)' ret_type_id=1 vlen=1
	'arg' type_id=1
[3] FUNC 'f' type_id=2 linkage=global
[4] VAR 'v' type_id=1, linkage=global
[5] DATASEC '?.data.x' size=4 vlen=1
	type_id=4 offset=4 size=4 (VAR 'v')
[6] FLOAT 'float' size=4
[7] DECL_TAG 'tag' type_id=3 component_idx=0
[8] TYPE_TAG 'user' type_id=1
[9] ENUM64 'e64' encoding=UNSIGNED size=8 vlen=1
	'BIG' val=4294967296ULL
[10] ENUM 'e' encoding=SIGNED size=4 vlen=1
	'MINUS' val=-1
";

/// Shows the lines that change.
fn check(lacks: impl Fn(&mut SanitizeFeatures), expect: Expect) {
    let btf = text::parse(TYPES).unwrap();
    let mut features = SanitizeFeatures::ALL;
    lacks(&mut features);
    let bytes = sanitize(&btf, &features).expect("something to change");
    let new = Btf::parse(bytes.clone()).unwrap();
    new.validate().unwrap();
    let lines: Vec<&str> = TYPES.lines().collect();
    let diff: String =
        text::print(&new).lines().filter(|l| !lines.contains(l)).map(|l| format!("{l}\n")).collect();
    expect.assert_eq(&diff);
    // Nothing is left to do then.
    assert_eq!(sanitize(&new, &features), None);
}

#[test]
fn a_kernel_with_everything_gets_the_bytes_as_they_are() {
    assert_eq!(sanitize(&text::parse(TYPES).unwrap(), &SanitizeFeatures::ALL), None);
    let plain = text::parse("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED").unwrap();
    assert_eq!(sanitize(&plain, &SanitizeFeatures::NONE), None);
}

#[test]
fn without_functions_they_become_typedefs_of_enums() {
    check(
        |f| f.func = false,
        expect![[r#"
            [2] ENUM '(anon)' encoding=UNSIGNED size=4 vlen=1
            	'arg' val=1
            [3] TYPEDEF 'f' type_id=2
        "#]],
    );
}

#[test]
fn without_linkage_functions_are_static() {
    check(
        |f| f.global_func = false,
        expect![[r#"
            [3] FUNC 'f' type_id=2 linkage=static
        "#]],
    );
}

#[test]
fn without_data_sections_they_become_structs() {
    check(
        |f| f.datasec = false,
        expect![[r#"
            [4] INT 'v' size=1 bits_offset=0 nr_bits=8 encoding=(none)
            [5] STRUCT '__data_x' size=4 vlen=1
            	'v' type_id=4 bits_offset=32
        "#]],
    );
}

#[test]
fn without_question_marks_they_become_underscores() {
    check(
        |f| f.qmark_datasec = false,
        expect![[r#"
            [5] DATASEC '_.data.x' size=4 vlen=1
        "#]],
    );
}

#[test]
fn without_floats_they_become_structs() {
    check(
        |f| f.float = false,
        expect![[r#"
            [6] STRUCT '(anon)' size=4 vlen=0
        "#]],
    );
}

#[test]
fn without_declaration_tags_they_become_integers() {
    check(
        |f| f.decl_tag = false,
        expect![[r#"
            [7] INT 'tag' size=1 bits_offset=0 nr_bits=8 encoding=(none)
        "#]],
    );
}

#[test]
fn without_type_tags_they_become_const() {
    check(
        |f| f.type_tag = false,
        expect![[r#"
            [8] CONST '(anon)' type_id=1
        "#]],
    );
}

#[test]
fn without_64_bit_enums_they_become_unions() {
    check(
        |f| f.enum64 = false,
        expect![[r#"
            [9] UNION 'e64' size=8 vlen=1
            	'BIG' type_id=11 bits_offset=0
            [10] ENUM 'e' encoding=UNSIGNED size=4 vlen=1
            	'MINUS' val=4294967295
            [11] INT 'enum64_placeholder' size=1 bits_offset=0 nr_bits=8 encoding=(none)
        "#]],
    );
}

#[test]
fn a_kernel_without_any_of_it_gets_the_first_kinds_only() {
    let btf = Btf::parse(include_bytes!("../../../testdata/btf/kinds.bpfel.btf")).unwrap();
    let new = Btf::parse(sanitize(&btf, &SanitizeFeatures::NONE).unwrap()).unwrap();
    new.validate().unwrap();
    assert_eq!(new.type_count(), btf.type_count() + 1);
    assert!(new.types().all(|t| t.kind().0 <= 11), "only kinds up to RESTRICT");
}

#[test]
fn each_missing_feature_gives_the_bytes_of_libbpf() {
    let btf = Btf::parse(include_bytes!("../../../testdata/btf/kinds.bpfel.btf")).unwrap();
    let mut answers = &include_bytes!("../../../testdata/sanitize/libbpf.bin")[..];
    let all = SanitizeFeatures::ALL;
    let kernels = [
        SanitizeFeatures { func: false, ..all },
        SanitizeFeatures { global_func: false, ..all },
        SanitizeFeatures { datasec: false, ..all },
        SanitizeFeatures { float: false, ..all },
        SanitizeFeatures { decl_tag: false, ..all },
        SanitizeFeatures { type_tag: false, ..all },
        SanitizeFeatures { enum64: false, ..all },
        SanitizeFeatures { qmark_datasec: false, ..all },
        SanitizeFeatures { layout: false, ..all },
        SanitizeFeatures::NONE,
    ];
    for (i, kernel) in kernels.iter().enumerate() {
        let (len, rest) = answers.split_at(4);
        let (bytes, rest) = rest.split_at(u32::from_le_bytes(len.try_into().unwrap()) as usize);
        answers = rest;
        let ours = sanitize(&btf, kernel).unwrap_or(btf.raw().to_vec());
        // The answers are little-endian.
        let expect = Btf::parse(bytes).unwrap();
        assert_eq!(ours, expect.raw(), "kernel {i}");
    }
    assert!(answers.is_empty());
}
