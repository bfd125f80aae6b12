//! BTF.ext: records per section, in either byte order.

use oxbpf_btf::{Btf, BtfExt, BtfExtBuilder, ByteOrder, CoreReloKind, FuncInfo, TypeId};

const BTF: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfel.btf");
const LITTLE: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfel.btf_ext");
const BIG: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfeb.btf_ext");

/// A section with the given tables, each already with its record size, at consecutive offsets.
fn ext(tables: [&[u32]; 3]) -> Vec<u8> {
    let mut out = 0xeb9fu16.to_ne_bytes().to_vec();
    out.extend([1, 0]);
    let (mut words, mut off) = (vec![32], 0);
    for table in tables {
        words.extend([off, 4 * table.len() as u32]);
        off += 4 * table.len() as u32;
    }
    out.extend(words.iter().chain(tables.into_iter().flatten()).flat_map(|w| w.to_ne_bytes()));
    out
}

#[test]
fn both_byte_orders_give_the_same_records() {
    let btf = Btf::parse(BTF).unwrap();
    let (little, big) = (BtfExt::parse(LITTLE).unwrap(), BtfExt::parse(BIG).unwrap());
    assert_ne!(little.is_foreign_endian(), big.is_foreign_endian());
    assert_eq!(little.raw(), big.raw());
    let funcs = |ext: &BtfExt| {
        let secs = ext.func_infos(&btf).unwrap();
        let of = |s: &oxbpf_btf::InfoSec<'_, FuncInfo>| {
            let names =
                s.records.iter().map(|f| (f.insn_off, btf.get(f.type_id).unwrap().name().to_string()));
            (s.name.to_string(), names.collect::<Vec<_>>())
        };
        secs.iter().map(of).collect::<Vec<_>>()
    };
    let expect: Vec<(String, Vec<(u32, String)>)> = funcs(&little);
    assert_eq!(funcs(&big), expect);
    assert_eq!(expect[0].0, ".text");
    assert_eq!(expect[0].1[0], (0, "global".to_string()));
    assert_eq!(
        (expect[1].0.as_str(), expect[1].1.as_slice()),
        ("tp_btf/test", &[(0, "prog".to_string())][..])
    );
}

#[test]
fn lines_name_their_file_and_text() {
    let btf = Btf::parse(BTF).unwrap();
    let ext = BtfExt::parse(LITTLE).unwrap();
    let secs = ext.line_infos(&btf).unwrap();
    let line = secs.iter().find(|s| s.name == "tp_btf/test").unwrap().records[0];
    assert_eq!(btf.str_at(line.file_name_off), Ok("./kinds.c"));
    assert_eq!(btf.str_at(line.line_off), Ok("SEC(\"tp_btf/test\") int prog(void *ctx)"));
    let source = include_str!("../../../testdata/btf/kinds.c");
    let number = source.lines().position(|l| l.starts_with("SEC(\"tp_btf/test\")")).unwrap() as u32 + 1;
    assert_eq!((line.insn_off, line.line(), line.column()), (0, number, 0));
}

#[test]
fn core_relocations_name_their_access() {
    let btf = Btf::parse(BTF).unwrap();
    let strings = |s: &str| {
        btf.raw().windows(s.len() + 1).position(|w| w == [s.as_bytes(), b"\0"].concat()).unwrap() as u32
    };
    let start = btf.header().hdr_len + btf.header().str_off;
    let (sec, access) = (strings("license") - start, strings("first") - start);
    let ext = BtfExt::parse(ext([&[], &[], &[16, sec, 2, 8, 7, access, 0, 24, 7, access, 12]])).unwrap();
    let secs = ext.core_relos(&btf).unwrap();
    assert_eq!((secs.len(), secs[0].name, secs[0].rec_size), (1, "license", 16));
    let [a, b] = secs[0].records[..] else { panic!() };
    assert_eq!(
        (a.insn_off, a.type_id, a.access_str, a.kind),
        (8, TypeId(7), "first", CoreReloKind::FIELD_BYTE_OFFSET)
    );
    assert_eq!((b.insn_off, b.kind), (24, CoreReloKind::TYPE_MATCHES));
    assert!(ext.func_infos(&btf).unwrap().is_empty());
    assert_eq!(ext.record_sizes(), [0, 0, 16]);
}

#[test]
fn records_may_be_longer_than_known() {
    let btf = Btf::parse(BTF).unwrap();
    let ext = BtfExt::parse(ext([&[12, 0, 2, 0, 3, 91, 8, 6, 92], &[], &[]])).unwrap();
    let secs = ext.func_infos(&btf).unwrap();
    let records: Vec<_> = secs[0].records.iter().map(|f| (f.insn_off, f.type_id.0)).collect();
    assert_eq!((secs[0].rec_size, records), (12, vec![(0, 3), (8, 6)]));
}

#[test]
fn records_of_a_program_count_instructions_from_its_start() {
    let btf = Btf::parse(BTF).unwrap();
    let ext = BtfExt::parse(ext([&[12, 0, 3, 0, 3, 91, 16, 4, 92, 40, 5, 93], &[], &[]])).unwrap();
    let sec = &ext.func_infos(&btf).unwrap()[0];
    let words = |bytes: Vec<u8>| -> Vec<u32> {
        bytes.chunks(4).map(|w| u32::from_ne_bytes(w.try_into().unwrap())).collect()
    };
    assert_eq!(words(sec.for_program(16..48, 100)), [100, 4, 92, 103, 5, 93]);
    assert_eq!(words(sec.for_program(0..16, 0)), [0, 3, 91]);
    assert!(sec.for_program(48..64, 0).is_empty());
}

#[test]
fn headers_before_core_relocations_are_read() {
    let mut bytes = ext([&[8, 0, 1, 0, 3], &[], &[]]);
    bytes[4..8].copy_from_slice(&24u32.to_ne_bytes());
    bytes.drain(24..32);
    let btf = Btf::parse(BTF).unwrap();
    let ext = BtfExt::parse(bytes).unwrap();
    assert_eq!(ext.func_infos(&btf).unwrap().len(), 1);
    assert!(ext.core_relos(&btf).unwrap().is_empty());
}

#[test]
fn broken_sections_are_errors() {
    let check =
        |bytes: Vec<u8>, expect: &str| assert_eq!(BtfExt::parse(bytes).unwrap_err().to_string(), expect);
    check(vec![0; 10], "BTF.ext of 10 bytes is too short for its header of 24");
    check(vec![0; 40], "not BTF: magic 0x0000 instead of 0xeb9f");
    check(ext([&[4, 0, 1, 0], &[], &[]]), "BTF.ext func_info at offset 0: has a wrong record size");
    check(ext([&[], &[8, 0, 1, 0, 0], &[]]), "BTF.ext line_info at offset 0: has a wrong record size");
    check(ext([&[10, 0, 1, 0, 0], &[], &[]]), "BTF.ext func_info at offset 0: has a wrong record size");
    check(ext([&[8, 0], &[], &[]]), "BTF.ext func_info at offset 4: ends inside the header of a section");
    check(ext([&[8, 0, 0], &[], &[]]), "BTF.ext func_info at offset 4: has a section without records");
    check(
        ext([&[8, 0, 2, 0, 3], &[], &[]]),
        "BTF.ext func_info at offset 4: ends inside the records of a section",
    );
    check(
        ext([&[8, 0, u32::MAX, 0, 3], &[], &[]]),
        "BTF.ext func_info at offset 4: ends inside the records of a section",
    );
    let mut bytes = ext([&[8, 0, 1, 0, 3], &[], &[]]);
    bytes[12..16].copy_from_slice(&24u32.to_ne_bytes());
    check(bytes.clone(), "BTF.ext func_info at offset 0: ends behind the data");
    bytes[8..12].copy_from_slice(&1u32.to_ne_bytes());
    check(bytes.clone(), "BTF.ext func_info at offset 1: is not aligned to 4 bytes");
    bytes[4..8].copy_from_slice(&16u32.to_ne_bytes());
    check(bytes, "header length 16 is out of range (52 bytes of data)");
}

#[test]
fn built_from_what_was_read_is_the_same() {
    for bytes in [LITTLE, BIG] {
        let ext = BtfExt::parse(bytes).unwrap();
        assert_eq!(ext.to_bytes(), bytes, "written in the order it was read in");
        let again = BtfExtBuilder::from_ext(&ext).finish().unwrap();
        assert_eq!(again.raw(), ext.raw());
    }
    let long = BtfExt::parse(ext([&[12, 0, 2, 0, 3, 91, 8, 6, 92], &[], &[]])).unwrap();
    let mut b = BtfExtBuilder::from_ext(&long);
    b.add_func_info(0, FuncInfo { insn_off: 16, type_id: TypeId(7) });
    b.add_func_info(1, FuncInfo { insn_off: 0, type_id: TypeId(8) });
    let expect = ext([&[12, 0, 3, 0, 3, 91, 8, 6, 92, 16, 7, 0, 1, 1, 0, 8, 0], &[], &[]]);
    assert_eq!(b.finish().unwrap().raw(), expect);
}

#[test]
fn swapped_bytes_are_those_of_libbpf() {
    // Both files are from one source, and `btf_ext__set_endianness` makes the one of the other.
    let mut ext = BtfExt::parse(LITTLE).unwrap();
    ext.set_byte_order(ByteOrder::Big);
    assert_eq!(ext.to_bytes(), BIG);
    // The third word of a longer record is no field that libbpf 1.8 knows, and it leaves it alone.
    let mut long = BtfExt::parse(ext_of_long_records()).unwrap();
    long.set_byte_order(ByteOrder::FOREIGN);
    let bytes = long.to_bytes().to_vec();
    let word = |i: usize| u32::from_ne_bytes(bytes[32 + 4 * i..36 + 4 * i].try_into().unwrap());
    let expect = [12u32, 0, 1, 8, 3].map(u32::swap_bytes);
    assert_eq!([word(0), word(1), word(2), word(3), word(4)], expect);
    assert_eq!(word(5), 91);
    assert_eq!(BtfExt::parse(bytes).unwrap().raw(), long.raw());
}

fn ext_of_long_records() -> Vec<u8> {
    ext([&[12, 0, 1, 8, 3, 91], &[], &[]])
}
