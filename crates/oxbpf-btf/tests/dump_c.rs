//! BTF as C: what stands in which order, what is named how, and what does not end.
//! That the text is libbpf's, for kernels and objects, is tested where the tool that shows it is.

use oxbpf_btf::{Btf, BtfError, CDump, DeclOpts, TypeId, text};

#[track_caller]
fn check(types: &str, expect: &str) {
    let btf = text::parse(types).expect("text form");
    let out = String::from_utf8(btf.dump_c().expect("dumps")).expect("text");
    assert_eq!(out, expect);
}

#[test]
fn what_is_embedded_is_defined_before_and_what_is_pointed_at_declared() {
    check(
        "[1] STRUCT 'outer' size=24 vlen=3\n\
        \t'inner' type_id=2 bits_offset=0\n\
        \t'next' type_id=3 bits_offset=64\n\
        \t'later' type_id=4 bits_offset=128\n\
        [2] STRUCT 'inner' size=8 vlen=1\n\
        \t'self' type_id=5 bits_offset=0\n\
        [3] PTR '(anon)' type_id=1\n\
        [4] PTR '(anon)' type_id=6\n\
        [5] PTR '(anon)' type_id=2\n\
        [6] UNION 'later' size=4 vlen=1\n\
        \t'i' type_id=7 bits_offset=0\n\
        [7] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n",
        "struct inner {\n\tstruct inner *self;\n};\n\n\
        union later;\n\n\
        struct outer {\n\tstruct inner inner;\n\tstruct outer *next;\n\tunion later *later;\n};\n\n\
        union later {\n\tint i;\n};\n\n",
    );
}

#[test]
fn names_that_come_again_get_a_number_in_their_name_space() {
    check(
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
        [2] STRUCT 'a' size=4 vlen=1\n\t'x' type_id=1 bits_offset=0\n\
        [3] STRUCT 'a' size=8 vlen=2\n\t'x' type_id=1 bits_offset=0\n\t'y' type_id=1 bits_offset=32\n\
        [4] TYPEDEF 'a' type_id=3\n\
        [5] ENUM '(anon)' encoding=UNSIGNED size=4 vlen=2\n\t'a' val=0\n\t'b' val=4294967295\n\
        [6] UNION 'int' size=4 vlen=1\n\t'x' type_id=1 bits_offset=0\n\
        [7] TYPEDEF 'f' type_id=8\n\
        [8] PTR '(anon)' type_id=9\n\
        [9] FUNC_PROTO '(anon)' ret_type_id=0 vlen=2\n\t'(anon)' type_id=4\n\t'(anon)' type_id=0\n",
        "struct a {\n\tint x;\n};\n\nstruct a___2 {\n\tint x;\n\tint y;\n};\n\n\
        typedef struct a___2 a;\n\nenum {\n\ta___2 = 0,\n\tb = 4294967295,\n};\n\n\
        union int___2 {\n\tint x;\n};\n\ntypedef void (*f)(a, ...);\n\n",
    );
}

#[test]
fn holes_are_filled_where_a_compiler_would_not() {
    check(
        "[1] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=SIGNED\n\
        [2] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
        [3] INT 'long' size=8 bits_offset=0 nr_bits=64 encoding=SIGNED\n\
        [4] STRUCT 'packed' size=5 vlen=2\n\t'c' type_id=1 bits_offset=0\n\t'i' type_id=2 bits_offset=8\n\
        [5] STRUCT 'natural' size=8 vlen=2\n\t'c' type_id=1 bits_offset=0\n\t'i' type_id=2 bits_offset=32\n\
        [6] STRUCT 'aligned' size=64 vlen=2\n\t'l' type_id=3 bits_offset=0\n\t'c' type_id=1 bits_offset=256\n\
        [7] STRUCT 'bits' size=8 vlen=2\n\
        \t'a' type_id=2 bits_offset=0 bitfield_size=3\n\t'b' type_id=2 bits_offset=37 bitfield_size=2\n\
        [8] STRUCT 'empty' size=0 vlen=0\n",
        "struct packed {\n\tchar c;\n\tint i;\n} __attribute__((packed));\n\n\
        struct natural {\n\tchar c;\n\tint i;\n};\n\n\
        struct aligned {\n\tlong l;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n\tchar c;\n\tlong: 64;\n\
        \tlong: 64;\n\tlong: 64;\n};\n\n\
        struct bits {\n\tint a: 3;\n\tint: 29;\n\tchar: 5;\n\tint b: 2;\n};\n\n\
        struct empty {};\n\n",
    );
}

#[test]
fn a_declaration_is_written_around_its_name() {
    let btf = text::parse(
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
        [2] CONST '(anon)' type_id=1\n\
        [3] PTR '(anon)' type_id=2\n\
        [4] ARRAY '(anon)' type_id=3 index_type_id=1 nr_elems=4\n\
        [5] STRUCT '(anon)' size=4 vlen=1\n\t'x' type_id=1 bits_offset=0\n",
    )
    .expect("text form");
    let mut dump = CDump::new(&btf);
    let mut decl = |id, opts| {
        let mut out = Vec::new();
        dump.emit_type_decl(TypeId(id), opts, &mut out).expect("a type");
        String::from_utf8(out).expect("text")
    };
    let named = DeclOpts { field_name: "v", ..DeclOpts::default() };
    assert_eq!(decl(4, named), "const int *v[4]");
    assert_eq!(decl(4, DeclOpts { strip_mods: true, ..named }), "int *v[4]");
    assert_eq!(decl(3, DeclOpts::default()), "const int *");
    assert_eq!(decl(5, DeclOpts { indent_level: 1, ..named }), "struct {\n\t\tint x;\n\t} v");
    assert!(dump.emit_type_decl(TypeId(6), named, &mut Vec::new()).is_err());
}

/// Fails to dump `types`, without output beyond bounds.
#[track_caller]
fn check_refused(types: &str) -> BtfError {
    let btf = text::parse(types).expect("text form");
    let mut out = Vec::new();
    let mut dump = CDump::new(&btf);
    let all = 1..btf.type_count();
    let result = all.into_iter().try_for_each(|id| dump.dump_type(TypeId(id), &mut out));
    assert!(out.len() < 40 << 20, "{} bytes", out.len());
    result.expect_err("no end")
}

#[test]
fn types_that_contain_themselves_are_refused() {
    let error = check_refused("[1] STRUCT 's' size=4 vlen=1\n\t's' type_id=1 bits_offset=0\n");
    assert_eq!(error, BtfError::Cycle { id: 1 });
    assert_eq!(error.errno(), oxbpf_uapi::Errno::ELOOP);
    let error = check_refused("[1] TYPEDEF 'a' type_id=2\n[2] TYPEDEF 'b' type_id=1\n");
    assert!(matches!(error, BtfError::TooDeep { .. }), "{error}");
    check_refused("[1] PTR '(anon)' type_id=2\n[2] CONST '(anon)' type_id=1\n");
    check_refused(
        "[1] PTR '(anon)' type_id=2\n[2] STRUCT '(anon)' size=8 vlen=1\n\t'p' type_id=1 bits_offset=0\n",
    );
}

#[test]
fn types_that_multiply_are_refused() {
    // Each anonymous struct has two of the next: 2^40 integers.
    let mut types = "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n".to_owned();
    for id in 2..42 {
        let next = id - 1;
        types += &format!(
            "[{id}] STRUCT '(anon)' size=8 vlen=2\n\t'a' type_id={next} bits_offset=0\n\t'b' type_id={next} bits_offset=32\n"
        );
    }
    types += "[42] STRUCT 'top' size=8 vlen=1\n\t'a' type_id=41 bits_offset=0\n";
    let error = check_refused(&types);
    assert!(matches!(error, BtfError::TooDeep { .. }), "{error}");
    // An anonymous struct of pointers to itself, reached without asking for a definition.
    let types =
        "[1] PTR '(anon)' type_id=2\n[2] STRUCT '(anon)' size=8 vlen=1\n\t'p' type_id=1 bits_offset=0\n";
    let btf = text::parse(types).expect("text form");
    let mut dump = CDump::new(&btf);
    assert!(dump.emit_type_decl(TypeId(1), DeclOpts::default(), &mut Vec::new()).is_err());
    // Arrays of arrays, and what they are spelled like elsewhere.
    let mut types = "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n".to_owned();
    for id in 2..20_000 {
        types += &format!("[{id}] ARRAY '(anon)' type_id={} index_type_id=1 nr_elems=1\n", id - 1);
    }
    let btf = text::parse(&types).expect("text form");
    let mut dump = CDump::new(&btf);
    assert!(dump.emit_type_decl(TypeId(19_999), DeclOpts::default(), &mut Vec::new()).is_err());
    assert!(btf.c_name(TypeId(19_999)).len() < 1 << 17);
    // A chain of 100,000 pointers.
    let mut types = String::new();
    for id in 1..100_000 {
        types += &format!("[{id}] PTR '(anon)' type_id={}\n", id + 1);
    }
    types += "[100000] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n[100001] TYPEDEF 't' type_id=1\n";
    check_refused(&types);
}

#[test]
fn dumping_all_at_once_and_one_by_one_is_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/btf/kinds.bpfel.btf");
    let btf = Btf::parse(std::fs::read(path).expect("test data")).expect("BTF");
    let (mut out, mut dump) = (Vec::new(), CDump::new(&btf));
    for id in 1..btf.type_count() {
        dump.dump_type(TypeId(id), &mut out).expect("dumps");
        let len = out.len();
        dump.dump_type(TypeId(id), &mut out).expect("dumps");
        assert_eq!(out.len(), len, "[{id}] comes once");
    }
    assert!(!out.is_empty());
    assert_eq!(btf.dump_c().expect("dumps"), out);
}
