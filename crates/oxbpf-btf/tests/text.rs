//! The text form, both ways.

use oxbpf_btf::{Btf, text};

const KINDS: &str = include_str!("../../../testdata/btf/kinds.txt");

#[test]
fn text_read_back_prints_the_same() {
    let btf = text::parse(KINDS).unwrap();
    assert_eq!(text::print(&btf), KINDS);
    let again = text::parse(&text::print(&btf)).unwrap();
    assert_eq!(again.raw(), btf.raw());
}

#[test]
fn types_read_from_text_equal_the_compilers() {
    let compiled = Btf::parse(include_bytes!("../../../testdata/btf/kinds.bpfel.btf")).unwrap();
    let read = text::parse(KINDS).unwrap();
    assert_eq!(read.type_count(), compiled.type_count());
    for (a, b) in read.types().zip(compiled.types()) {
        // Offsets of names differ: the compiler's strings hold more than names.
        assert_eq!(
            (a.name(), a.info(), a.size(), a.tail().len()),
            (b.name(), b.info(), b.size(), b.tail().len())
        );
    }
}

#[test]
fn split_text_goes_on_from_the_base() {
    let base = std::sync::Arc::new(
        text::parse("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED").unwrap(),
    );
    let own = "[2] PTR '(anon)' type_id=1\n[3] VAR 'v' type_id=2, linkage=static\n";
    let split = text::parse_split(own, base.clone()).unwrap();
    assert_eq!(text::print(&split), own);
    assert!(text::parse_split("[1] PTR '(anon)' type_id=1\n", base).is_err());
}

#[test]
fn odd_names_survive() {
    let types =
        "[1] STRUCT 'it's' size=4 vlen=1\n\t'a' b=' type_id=0 bits_offset=0\n[2] FWD 'x y' fwd_kind=struct\n";
    assert_eq!(text::print(&text::parse(types).unwrap()), types);
}

#[test]
fn comments_and_empty_lines_are_skipped() {
    let types = "# a fixture\n\n[1] STRUCT 's' size=4 vlen=1\n# inside\n\t'm' type_id=0 bits_offset=0\n";
    assert_eq!(text::parse(types).unwrap().type_count(), 2);
}

#[test]
fn broken_text_is_an_error_with_its_line() {
    let check = |types: &str, expect: &str| assert_eq!(text::parse(types).unwrap_err().to_string(), expect);
    check("[2] PTR '(anon)' type_id=0", "line 1: id 2 where 1 is next");
    check("1 PTR '(anon)' type_id=0", "line 1: no `[id]` at its start");
    check("[x] PTR '(anon)' type_id=0", "line 1: `x` is no id");
    check("\n[1] POINTER '(anon)' type_id=0", "line 2: no kind `POINTER`");
    check("[1] PTR (anon) type_id=0", "line 1: no quoted name");
    check("[1] PTR '(anon)' type_id=-1", "line 1: `type_id=-1` is no 32-bit number");
    check("[1] PTR '(anon)'", "line 1: no `type_id=`");
    check("[1] PTR '(anon)' type_id=5", "type [1] refers to [5], which does not exist");
    check(
        "[1] STRUCT 's' size=4 vlen=2\n\t'm' type_id=0 bits_offset=0",
        "line 1: `vlen=2`, but 1 lines follow",
    );
    check("[1] PTR '(anon)' type_id=0\n\t'm' type_id=0", "line 1: this kind has no lines below it");
    check("[1] STRUCT 's' size=4 vlen=1\n\t'm' type_id=0", "line 2: no `bits_offset=`");
    check("[1] FUNC 'f' type_id=0 linkage=odd", "line 1: `linkage=odd` is unknown");
    check(
        "[1] ENUM 'e' encoding=SIGNED size=4 vlen=1\n\t'E' val=-2147483649",
        "line 2: `val=-2147483649` is over 32 bits",
    );
    check(
        "[1] STRUCT 's' size=4 vlen=1\n\t'm' type_id=0 bits_offset=16777216 bitfield_size=1",
        "line 2: too far or too wide for a struct with bit-fields",
    );
}
