//! Split BTF on distilled bases and on others: what C libbpf makes of the same bytes (`testdata/split`).

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, ByteOrder, IntFlags, TypeId, text};
use oxbpf_uapi::BtfKind;

const ANSWERS: &[u8] = include_bytes!("../../../testdata/split/libbpf.bin");

/// What libbpf gave: bytes or an error number.
struct Answers<'a>(&'a [u8]);

impl<'a> Answers<'a> {
    fn next(&mut self) -> Option<Result<&'a [u8], i32>> {
        let (len, rest) = self.0.split_at_checked(4)?;
        let len = u32::from_le_bytes(len.try_into().unwrap());
        if len >= 0xffff_0000 {
            self.0 = rest;
            return Some(Err((len & 0xffff) as i32));
        }
        let (bytes, rest) = rest.split_at(len as usize);
        self.0 = rest;
        Some(Ok(bytes))
    }
}

#[test]
fn distilled_and_relocated_bytes_are_those_of_libbpf() {
    let mut answers = Answers(ANSWERS);
    let (mut relocated, mut unmatched, mut undistilled) = (0, 0, 0);
    for case in 0.. {
        let Some(old) = answers.next() else { break };
        let old = Arc::new(Btf::parse(old.unwrap().to_vec()).unwrap());
        let module = Btf::parse_split(answers.next().unwrap().unwrap().to_vec(), old).unwrap();
        let new = Arc::new(Btf::parse(answers.next().unwrap().unwrap().to_vec()).unwrap());
        let (base, split) = match (module.distill_base(), answers.next().unwrap()) {
            (Ok((base, split)), Ok(expect)) => {
                assert_eq!(base.to_bytes().unwrap(), expect, "distilled base of case {case}");
                (base, split)
            }
            (Err(e), Err(errno)) => {
                assert_eq!(e.errno().0, errno, "case {case}: {e}");
                undistilled += 1;
                continue;
            }
            (ours, theirs) => panic!("case {case}: {ours:?}, libbpf gives {theirs:?}"),
        };
        assert_eq!(split.to_bytes().unwrap(), answers.next().unwrap().unwrap(), "split of case {case}");

        // From files, as a module is read.
        let (btf, base) = (split.to_bytes().unwrap().to_vec(), base.to_bytes().unwrap().to_vec());
        match (Btf::parse_on(btf, Some(base.into()), Some(&new)), answers.next().unwrap()) {
            (Ok(on_new), Ok(expect)) => {
                assert_eq!(on_new.to_bytes().unwrap(), expect, "case {case} relocated");
                on_new.validate().unwrap();
                relocated += 1;
            }
            (Err(e), Err(errno)) => {
                assert_eq!(e.errno().0, errno, "case {case}: {e}");
                unmatched += 1;
            }
            (ours, theirs) => panic!("case {case}: {ours:?}, libbpf gives {theirs:?}"),
        }
    }
    assert!(
        relocated > 20 && unmatched > 4 && undistilled > 2,
        "{relocated} relocated, {unmatched} do not match, {undistilled} cannot be distilled"
    );
}

/// A kernel and a module's BTF on it.
fn module() -> Btf {
    let mut b = BtfBuilder::new();
    b.add_int("long", 8, IntFlags::SIGNED).unwrap();
    b.add_struct("inode", 16).unwrap();
    b.add_field("i_ino", TypeId(1), 0, 0).unwrap();
    let mut m = BtfBuilder::new_split(Arc::new(b.finish().unwrap()));
    m.add_struct("my_inode", 24).unwrap();
    m.add_field("vfs", TypeId(2), 0, 0).unwrap();
    m.add_field("mine", TypeId(1), 128, 0).unwrap();
    m.finish().unwrap()
}

fn refused(base: &str) -> String {
    let (_, split) = module().distill_base().unwrap();
    split.relocate(&Arc::new(text::parse(base).unwrap())).unwrap_err().to_string()
}

#[test]
fn embedded_structs_keep_their_size_and_integers_their_encoding() {
    let long = "[1] INT 'long' size=8 bits_offset=0 nr_bits=64 encoding=SIGNED\n";
    let no_inode =
        "no type of the base matches 'inode' (BTF_KIND_STRUCT [2] of the distilled base, 16 bytes)";
    assert_eq!(refused(long), no_inode);
    assert_eq!(refused(&format!("{long}[2] STRUCT 'inode' size=24 vlen=0")), no_inode);
    assert_eq!(
        refused("[1] INT 'long' size=8 bits_offset=0 nr_bits=64 encoding=(none)"),
        "no type of the base matches 'long' (BTF_KIND_INT [1] of the distilled base, 8 bytes)"
    );
    let twice = format!("{long}[2] STRUCT 'inode' size=16 vlen=0\n[3] STRUCT 'inode' size=16 vlen=0");
    assert_eq!(refused(&twice), "'inode' ([2] of the distilled base) matches both [2] and [3] of the base");
}

#[test]
fn only_split_btf_on_a_distilled_base_is_relocated() {
    let module = module();
    let base = module.base().unwrap().clone();
    assert_eq!(base.distill_base().unwrap_err(), BtfError::NotSplit);
    assert_eq!(base.relocate(&base).unwrap_err(), BtfError::NotSplit);
    assert_eq!(module.relocate(&base).unwrap_err().to_string(), "new base: is the base already");
    let plain = Arc::new(text::parse("[1] PTR '(anon)' type_id=0").unwrap());
    let on_plain = BtfBuilder::new_split(plain).finish().unwrap();
    assert_eq!(
        on_plain.relocate(&base).unwrap_err().to_string(),
        "type [1] (BTF_KIND_PTR): a distilled base has no such types"
    );
}

#[test]
fn chains_of_bases_number_types_and_strings_through() {
    let middle = Arc::new(module());
    let mut top = BtfBuilder::new_split(middle.clone());
    let ptr = top.add_ptr(TypeId(3)).unwrap();
    top.add_typedef("my_inode_t", ptr).unwrap();
    top.add_typedef("mine", ptr).unwrap();
    let top = top.finish().unwrap();
    assert_eq!((top.start_id(), ptr, top.type_count()), (TypeId(4), TypeId(4), 7));
    assert_eq!(top.find("long", BtfKind::INT), Some(TypeId(1)));
    assert_eq!(top.find_own("long", BtfKind::INT), None);
    assert_eq!(top.find_own("mine", BtfKind::TYPEDEF), Some(TypeId(6)));
    assert_eq!(top.get(TypeId(3)).unwrap().name(), "my_inode");
    let again = Btf::parse_split(top.raw().to_vec(), middle.clone()).unwrap();
    assert_eq!(text::print(&again), text::print(&top));

    // A base that is split itself can be relocated to.
    let (_, distilled) = top.distill_base().unwrap();
    let back = distilled.relocate(&middle).unwrap();
    assert_eq!(text::print(&back), text::print(&top));
}

#[test]
fn byte_order_and_pointer_size_are_the_targets() {
    let mut btf = text::parse("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED").unwrap();
    assert_eq!((btf.guess_pointer_size(), btf.byte_order()), (None, ByteOrder::NATIVE));
    btf.set_pointer_size(4).unwrap();
    assert_eq!(btf.pointer_size(), 4);
    assert!(btf.set_pointer_size(3).is_err());
    btf.set_byte_order(ByteOrder::FOREIGN);
    let swapped = btf.to_bytes().unwrap().to_vec();
    let back = Btf::parse(swapped.clone()).unwrap();
    assert!(back.is_foreign_endian());
    assert_eq!(back.raw(), btf.raw());
    assert_eq!(back.to_bytes().unwrap(), swapped);
}
