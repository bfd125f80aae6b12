//! Building and editing.

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, FuncLinkage, IntFlags, SecVar, TypeId, VarLinkage, text};
use oxbpf_uapi::BtfKind;

/// Every constructor once.
fn everything() -> Result<BtfBuilder, BtfError> {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntFlags::SIGNED)?;
    b.add_ptr(int)?;
    b.add_const(TypeId(5))?;
    b.add_volatile(int)?;
    b.add_restrict(TypeId(2))?;
    b.add_array(int, TypeId(2), 10)?;
    b.add_struct("s", 8)?;
    b.add_field("f1", int, 0, 0)?;
    b.add_field("f2", int, 32, 16)?;
    b.add_union("u", 8)?;
    b.add_field("f1", int, 0, 16)?;
    b.add_enum("e", 4)?;
    b.add_enum_value("E1", 1)?;
    b.add_enum_value("E2", -2)?;
    b.add_fwd("sf", false)?;
    b.add_fwd("uf", true)?;
    b.add_typedef("t", int)?;
    b.add_func_proto(int)?;
    b.add_func_param("p1", int)?;
    b.add_func_param("", TypeId::VOID)?;
    b.add_func("fn", FuncLinkage::GLOBAL, TypeId(13))?;
    b.add_var("v", VarLinkage::GLOBAL_ALLOCATED, int)?;
    b.add_datasec("sec", 12)?;
    b.add_datasec_var(TypeId(15), 4, 8)?;
    b.add_decl_tag("tag", TypeId(7), 1)?;
    b.add_type_tag("tag", int)?;
    b.add_enum64("e64", 8, false)?;
    b.add_enum64_value("V1", 0xffff_ffff_ffff_fff0)?;
    b.add_float("float", 4)?;
    b.add_type_attr("attr", int)?;
    b.add_decl_attr("attr", TypeId(7), -1)?;
    Ok(b)
}

const EVERYTHING: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] PTR '(anon)' type_id=1
[3] CONST '(anon)' type_id=5
[4] VOLATILE '(anon)' type_id=1
[5] RESTRICT '(anon)' type_id=2
[6] ARRAY '(anon)' type_id=2 index_type_id=1 nr_elems=10
[7] STRUCT 's' size=8 vlen=2
	'f1' type_id=1 bits_offset=0
	'f2' type_id=1 bits_offset=32 bitfield_size=16
[8] UNION 'u' size=8 vlen=1
	'f1' type_id=1 bits_offset=0 bitfield_size=16
[9] ENUM 'e' encoding=SIGNED size=4 vlen=2
	'E1' val=1
	'E2' val=-2
[10] FWD 'sf' fwd_kind=struct
[11] FWD 'uf' fwd_kind=union
[12] TYPEDEF 't' type_id=1
[13] FUNC_PROTO '(anon)' ret_type_id=1 vlen=2
	'p1' type_id=1
	'(anon)' type_id=0
[14] FUNC 'fn' type_id=13 linkage=global
[15] VAR 'v' type_id=1, linkage=global
[16] DATASEC 'sec' size=12 vlen=1
	type_id=15 offset=4 size=8 (VAR 'v')
[17] DECL_TAG 'tag' type_id=7 component_idx=1
[18] TYPE_TAG 'tag' type_id=1
[19] ENUM64 'e64' encoding=UNSIGNED size=8 vlen=1
	'V1' val=18446744073709551600ULL
[20] FLOAT 'float' size=4
[21] TYPE_TAG 'attr' type_id=1
[22] DECL_TAG 'attr' type_id=7 component_idx=-1
";

#[test]
fn constructors_make_what_their_names_say() {
    let btf = everything().unwrap().finish().unwrap();
    assert_eq!(text::print(&btf), EVERYTHING);
    let flags = |id| btf.get(TypeId(id)).unwrap().kind_flag();
    assert_eq!([flags(18), flags(21), flags(17), flags(22)], [false, true, false, true]);
}

#[test]
fn strings_are_stored_once() {
    let btf = everything().unwrap().finish().unwrap();
    let raw = btf.raw();
    assert_eq!(raw.windows(3).filter(|w| w == b"f1\0").count(), 1);
    assert_eq!(raw.windows(4).filter(|w| w == b"tag\0").count(), 1);
    let mut b = BtfBuilder::from_btf(&btf).unwrap();
    let off = b.find_str("f1").unwrap();
    assert_eq!(b.add_str("f1"), Ok(off));
    assert_eq!(btf.str_at(off), Ok("f1"));
    assert_eq!((b.find_str(""), b.find_str("none")), (Some(0), None));
    let names: Vec<String> = (0..500).map(|i| format!("name{i}")).collect();
    let first: Vec<u32> = names.iter().map(|n| b.add_str(n).unwrap()).collect();
    assert_eq!(names.iter().map(|n| b.add_str(n).unwrap()).collect::<Vec<_>>(), first);
}

#[test]
fn impossible_requests_are_refused() {
    let mut b = BtfBuilder::new();
    let check =
        |got: Result<TypeId, BtfError>, expect: &str| assert_eq!(got.unwrap_err().to_string(), expect);
    check(b.add_int("", 4, IntFlags::NONE), "integer: needs a name");
    check(b.add_int("int", 3, IntFlags::NONE), "integer: size is not 1, 2, 4, 8 or 16");
    check(b.add_int("int", 32, IntFlags::NONE), "integer: size is not 1, 2, 4, 8 or 16");
    check(b.add_int("int", 4, IntFlags(8)), "integer: unknown encoding");
    check(b.add_float("f", 3), "float: size is not 2, 4, 8, 12 or 16");
    check(b.add_typedef("", TypeId(1)), "typedef: needs a name");
    check(b.add_fwd("", false), "forward declaration: needs a name");
    check(b.add_enum("e", 3), "enum: size is not 1, 2, 4 or 8");
    check(b.add_func("", FuncLinkage::STATIC, TypeId(1)), "function: needs a name");
    check(b.add_func("f", FuncLinkage(3), TypeId(1)), "function: unknown linkage");
    check(b.add_var("", VarLinkage::STATIC, TypeId(1)), "variable: needs a name");
    check(b.add_datasec("", 0), "data section: needs a name");
    check(b.add_decl_tag("t", TypeId(1), -2), "declaration tag: component number is below -1");
    check(b.add_ptr(TypeId(u32::MAX)), "reference: no type id is that large");
    check(b.add_struct("a\0b", 0), "string: contains NUL");

    let check = |got: Result<(), BtfError>, expect: &str| assert_eq!(got.unwrap_err().to_string(), expect);
    check(b.add_field("f", TypeId(1), 0, 0), "member: there is no type to add it to");
    b.add_ptr(TypeId::VOID).unwrap();
    check(b.add_field("f", TypeId(1), 0, 0), "member: the last type does not take it");
    check(b.add_enum_value("E", 1), "enumerator: the last type does not take it");
    check(b.add_func_param("p", TypeId(1)), "parameter: the last type does not take it");
    check(b.add_datasec_var(TypeId(1), 0, 0), "section variable: the last type does not take it");
    b.add_enum("e", 4).unwrap();
    check(b.add_enum_value("E", i64::from(u32::MAX) + 1), "enumerator: value is over 32 bits");
    check(b.add_enum_value("", 1), "enumerator: needs a name");
    b.add_union("u", 4).unwrap();
    check(b.add_field("f", TypeId(1), 8, 0), "member: a union's member begins at 0");
    b.add_struct("s", 4).unwrap();
    check(b.add_field("f", TypeId(1), 3, 0), "member: width of a bit-field is not 1 to 255");
    check(b.add_field("f", TypeId(1), 0, 256), "member: width of a bit-field is not 1 to 255");
    b.add_field("far", TypeId(1), 0x100_0000, 0).unwrap();
    check(
        b.add_field("f", TypeId(1), 0, 1),
        "member: a member before it is too far for a struct with bit-fields",
    );
}

#[test]
fn references_to_types_that_never_come_are_found_at_the_end() {
    let mut b = BtfBuilder::new();
    b.add_ptr(TypeId(2)).unwrap();
    assert_eq!(b.finish().unwrap_err(), BtfError::BadReference { id: 1, target: 2 });
}

#[test]
fn split_building_uses_strings_of_the_base() {
    let base = Arc::new(everything().unwrap().finish().unwrap());
    let mut b = BtfBuilder::new_split(base.clone());
    assert_eq!(b.add_typedef("int", TypeId(1)).unwrap(), TypeId(23));
    b.add_typedef("fresh", TypeId(23)).unwrap();
    let split = b.finish().unwrap();
    assert_eq!(split.header().str_len, 6);
    assert_eq!(text::print(&split), "[23] TYPEDEF 'int' type_id=1\n[24] TYPEDEF 'fresh' type_id=23\n");
    // A split of a split counts on from both.
    let mut b = BtfBuilder::new_split(Arc::new(split));
    b.add_typedef("fresh", TypeId(24)).unwrap();
    let top = b.finish().unwrap();
    assert_eq!((top.start_id(), top.header().str_len), (TypeId(25), 0));
    assert_eq!(top.find_all("fresh").collect::<Vec<_>>(), [TypeId(24), TypeId(25)]);
}

#[test]
fn editing_keeps_ids_and_changes_only_what_is_asked() {
    let btf = everything().unwrap().finish().unwrap();
    let mut b = BtfBuilder::from_btf(&btf).unwrap();
    assert_eq!(b.to_bytes().unwrap(), btf.raw());
    b.set_datasec_size(TypeId(16), 64).unwrap();
    b.set_datasec_var(TypeId(16), 0, SecVar { type_id: TypeId(15), offset: 8, size: 4 }).unwrap();
    b.set_func_linkage(TypeId(14), FuncLinkage::STATIC).unwrap();
    b.set_var(TypeId(15), TypeId(2), VarLinkage::STATIC).unwrap();
    b.set_param_name(TypeId(13), 0, "other").unwrap();
    b.set_name(TypeId(7), "renamed").unwrap();
    b.add_ptr(TypeId(7)).unwrap();
    let expect = EVERYTHING
        .replace(
            "size=12 vlen=1\n\ttype_id=15 offset=4 size=8",
            "size=64 vlen=1\n\ttype_id=15 offset=8 size=4",
        )
        .replace("type_id=13 linkage=global", "type_id=13 linkage=static")
        .replace("'v' type_id=1, linkage=global", "'v' type_id=2, linkage=static")
        .replace("'p1'", "'other'")
        .replace("'s'", "'renamed'");
    assert_eq!(text::print(&b.finish().unwrap()), expect + "[23] PTR '(anon)' type_id=7\n");
}

#[test]
fn editing_refuses_other_kinds_and_missing_elements() {
    let btf = everything().unwrap().finish().unwrap();
    let mut b = BtfBuilder::from_btf(&btf).unwrap();
    let var = SecVar { type_id: TypeId(15), offset: 0, size: 0 };
    assert!(matches!(b.set_datasec_size(TypeId(15), 1), Err(BtfError::BadType { kind: BtfKind::VAR, .. })));
    assert!(matches!(b.set_datasec_size(TypeId(0), 1), Err(BtfError::NoSuchType { .. })));
    assert!(matches!(b.set_datasec_size(TypeId(99), 1), Err(BtfError::NoSuchType { .. })));
    assert!(matches!(b.set_datasec_var(TypeId(16), 1, var), Err(BtfError::BadArgument { .. })));
    assert!(matches!(b.set_param_name(TypeId(13), 2, "x"), Err(BtfError::BadArgument { .. })));
    assert_eq!(b.to_bytes().unwrap(), btf.raw());
}

#[test]
fn section_variables_are_sorted_by_offset() {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntFlags::SIGNED).unwrap();
    let var = b.add_var("v", VarLinkage::STATIC, int).unwrap();
    let sec = b.add_datasec(".bss", 12).unwrap();
    for offset in [8, 0, 4] {
        b.add_datasec_var(var, offset, 4).unwrap();
    }
    b.sort_datasec(sec).unwrap();
    let btf: Btf = b.finish().unwrap();
    let oxbpf_btf::Type::DataSec(s) = btf.get(sec).unwrap().view() else { panic!() };
    assert_eq!(s.vars().map(|v| v.offset).collect::<Vec<_>>(), [0, 4, 8]);
}
