//! Layouts of structs, against pahole's text.

use oxbpf_btf::layout::{self, Layout};
use oxbpf_btf::{Btf, BtfError, TypeId, text};
use oxbpf_uapi::BtfKind;

fn btf() -> Btf {
    Btf::parse(include_bytes!("../../../testdata/btf/layout.bpfel.btf")).unwrap()
}

/// The type that a text begins with.
fn id_of(btf: &Btf, text: &str) -> TypeId {
    let mut words = text.split(' ');
    let kind = if words.next() == Some("union") { BtfKind::UNION } else { BtfKind::STRUCT };
    btf.find(words.next().unwrap(), kind).unwrap()
}

#[test]
fn layouts_print_as_pahole_prints_them() {
    let btf = btf();
    // pahole takes every floating-point number of BTF for one of a kind of its own.
    let golden =
        include_str!("../../../testdata/btf/layout.txt").replace("single float f;", "float f;       ");
    let mut case = String::new();
    let mut cases = 0;
    for line in golden.split_inclusive('\n') {
        case += line;
        // Only the outermost struct ends at the beginning of a line.
        if line.starts_with('}') {
            assert_eq!(layout::print(&btf, id_of(&btf, &case)).unwrap(), case);
            case.clear();
            cases += 1;
        }
    }
    assert_eq!((cases, case.as_str()), (28, ""));
}

#[test]
fn a_layout_says_where_members_are_and_what_is_between() {
    let btf = btf();
    let of = |text| Layout::of(&btf, id_of(&btf, text)).unwrap();
    let holes = of("struct holes");
    let found: Vec<_> = holes.members.iter().map(|m| (m.member.name, m.offset, m.size, m.hole)).collect();
    let expect =
        [("a", 0, 1, 7), ("b", 8, 8, 0), ("c", 16, 1, 1), ("d", 18, 2, 0), ("e", 20, 1, 3), ("f", 24, 8, 0)];
    assert_eq!(found[..6], expect);
    assert_eq!((holes.padding, holes.bit_padding, holes.alignment), (7, 0, 0));
    let bits = of("struct bit_fields");
    let found: Vec<_> = bits.members.iter().map(|m| (m.offset, m.bit, m.bit_hole)).collect();
    assert_eq!(found, [(0, 0, 0), (0, 3, 4), (0, 12, 12), (4, 0, 0), (8, 0, 0)]);
    assert_eq!(bits.bit_padding, 31);
    // The source says 128; what is in BTF is explained by a cache line.
    let aligned = of("struct aligned");
    assert_eq!((aligned.alignment, aligned.members[1].alignment, aligned.members[2].alignment), (64, 16, 64));
}

#[test]
fn dimensions_are_in_the_order_of_the_declaration_and_signed_enumerators_are_signed() {
    // pahole has them the other way round, and writes 4294967295.
    let btf = text::parse(
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
         [2] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=3\n\
         [3] ARRAY '(anon)' type_id=2 index_type_id=1 nr_elems=2\n\
         [4] ENUM '(anon)' encoding=SIGNED size=4 vlen=1\n\t'LOW' val=-1\n\
         [5] STRUCT 's' size=28 vlen=2\n\t'a' type_id=3 bits_offset=0\n\t'e' type_id=4 bits_offset=192\n",
    )
    .unwrap();
    let text = layout::print(&btf, TypeId(5)).unwrap();
    assert!(text.contains("a[2][3];"), "{text}");
    assert!(text.contains("LOW = -1,"), "{text}");
}

#[test]
fn only_structs_and_unions_have_a_layout() {
    let btf = btf();
    let color = btf.find("color", BtfKind::ENUM).unwrap();
    assert!(matches!(layout::print(&btf, color), Err(BtfError::BadType { .. })));
    assert!(matches!(Layout::of(&btf, TypeId::VOID), Err(BtfError::BadType { .. })));
    assert!(matches!(Layout::of(&btf, TypeId(1 << 20)), Err(BtfError::NoSuchType { .. })));
}

#[test]
fn hostile_types_end_in_an_error() {
    // [1] contains itself; [2] to [40] each hold the next one twice; prototypes take themselves; offsets lie.
    let mut types = String::from("[1] STRUCT '(anon)' size=4 vlen=1\n\t'm' type_id=1 bits_offset=0\n");
    for id in 2..40 {
        let to = id + 1;
        types += &format!(
            "[{id}] UNION '(anon)' size=4 vlen=2\n\t'a' type_id={to} bits_offset=0\n\t'b' type_id={to} bits_offset=0\n"
        );
    }
    types += "[40] STRUCT '(anon)' size=4 vlen=0\n\
              [41] FUNC_PROTO '(anon)' ret_type_id=42 vlen=2\n\t'a' type_id=42\n\t'b' type_id=42\n\
              [42] PTR '(anon)' type_id=41\n\
              [43] STRUCT 'calls' size=8 vlen=1\n\t'c' type_id=42 bits_offset=0\n\
              [44] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=(none)\n\
              [45] STRUCT 'far' size=1 vlen=2\n\t'x' type_id=44 bits_offset=4294967295\n\t'y' type_id=44 bits_offset=1\n\
              [46] TYPEDEF 'loop' type_id=46\n\
              [47] STRUCT 'looped' size=1 vlen=1\n\t'x' type_id=46 bits_offset=0\n";
    let btf = text::parse(&types).unwrap();
    for id in [1, 2, 43, 47] {
        let error = layout::print(&btf, TypeId(id)).expect_err("nested without end");
        assert!(matches!(error, BtfError::TooDeep { .. }), "[{id}]: {error}");
    }
    assert!(layout::print(&btf, TypeId(45)).unwrap().contains("536870911"));
}

#[test]
fn structs_that_are_written_out_twice_at_each_level_end_before_their_text_is_large() {
    let mut types = String::from("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=(none)\n");
    for id in 2..30 {
        let to = id - 1;
        types += &format!(
            "[{id}] STRUCT '(anon)' size=4 vlen=2\n\t'a' type_id={to} bits_offset=0\n\t'b' type_id={to} bits_offset=0\n"
        );
    }
    let btf = text::parse(&types).unwrap();
    assert!(matches!(layout::print(&btf, TypeId(29)), Err(BtfError::TooBig { id: 29 })));
    assert!(layout::print(&btf, TypeId(6)).unwrap().len() < 10_000);
}
