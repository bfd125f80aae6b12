//! The installed headers, by C and C++ compilers, against tables of what libbpf 1.8's headers declare.
//!
//! `abi/symbols.tsv` has the functions, `abi/fields.tsv` where each field of each struct is, `abi/constants.tsv` the
//! values of enums. The two latter were read from the debugging information of a file that includes libbpf's headers.

#![cfg(target_pointer_width = "64")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIELDS: &str = include_str!("../abi/fields.tsv");
const CONSTANTS: &str = include_str!("../abi/constants.tsv");
const SYMBOLS: &str = include_str!("../abi/symbols.tsv");
const OPTS: &str = include_str!("../abi/opts_layout.tsv");

const ALL: &str =
    "#include <bpf/bpf.h>\n#include <bpf/btf.h>\n#include <bpf/libbpf.h>\n#include <bpf/libbpf_legacy.h>\n";

/// Compilers, with the standards of C and C++ to hold.
const COMPILERS: [(&str, &str, &[&str]); 2] =
    [("cc", "c", &["-std=gnu99", "-std=gnu17"]), ("c++", "c++", &["-std=gnu++11", "-std=gnu++20"])];

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Compiles with each compiler and standard that is there; the source must be good without a warning.
fn accepted(name: &str, source: &str) {
    let dir = testkit::TempDir::new(name);
    let file = dir.path().join("source");
    std::fs::write(&file, source).unwrap();
    for (compiler, language, standards) in COMPILERS {
        for standard in standards {
            // C++ warns about designated initialisers that leave fields out, as those of option structs do.
            let mut command = Command::new(compiler);
            command.args(["-x", language, standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
            command.args(["-Wno-missing-field-initializers", "-I"]);
            match command.arg(include()).arg(&file).output() {
                Err(e) => testkit::skip_this(format_args!("{compiler}: {e}")),
                Ok(out) => {
                    let errors = String::from_utf8_lossy(&out.stderr);
                    assert!(out.status.success(), "{compiler} {standard}: {name}:\n{errors}");
                }
            }
        }
    }
}

/// Rows of the functions that there are.
fn symbols() -> impl Iterator<Item = Vec<&'static str>> {
    let missing: BTreeSet<&str> = include_str!("../abi/missing.txt").lines().collect();
    rows(SYMBOLS).filter(move |row| !missing.contains(row[0]))
}

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).map(|row| row.split('\t').collect())
}

/// A check by the compiler, in both languages.
const ASSERT: &str =
    "#ifdef __cplusplus\n#define CHECK static_assert\n#else\n#define CHECK _Static_assert\n#endif\n";

#[test]
fn each_field_is_where_libbpf_has_it() {
    let mut source = format!("#include <stddef.h>\n{ALL}{ASSERT}");
    for row in rows(FIELDS) {
        let [of, field, at] = row[..] else { panic!("{row:?}") };
        let what = if field == "-" {
            format!("sizeof(struct {of})")
        } else {
            format!("offsetof(struct {of}, {field})")
        };
        let _ = writeln!(source, "CHECK({what} == {at}, \"{of}.{field}\");");
    }
    accepted("fields", &source);
}

#[test]
fn enums_have_libbpfs_values() {
    let mut source = format!("{ALL}{ASSERT}");
    for row in rows(CONSTANTS) {
        let [name, value] = row[..] else { panic!("{row:?}") };
        let _ = writeln!(source, "CHECK((long long)(int){name} == (long long)(int){value}, \"{name}\");");
    }
    accepted("constants", &source);
}

#[test]
fn option_structs_end_with_their_last_field() {
    let mut source = format!("#include <stddef.h>\n{ALL}{ASSERT}");
    for row in rows(OPTS) {
        let [name, _, end] = row[..] else { panic!("{row:?}") };
        if end == "-" {
            continue;
        }
        let last = format!("{name}__last_field");
        let size = format!("sizeof(((struct {name} *)0)->{last})");
        let _ = writeln!(source, "CHECK(offsetof(struct {name}, {last}) + {size} == {end}, \"{name}\");");
    }
    accepted("ends", &source);
}

#[test]
fn functions_have_libbpfs_prototypes() {
    // The headers must have declared what the array has, and compilers refuse another declaration that is not like the first.
    let (mut used, mut declared) = (String::new(), String::new());
    for row in symbols() {
        let [name, .., declaration] = row[..] else { panic!("{row:?}") };
        let _ = writeln!(used, "\t(void *){name},");
        let _ = writeln!(declared, "{};", declaration.trim_end_matches(';'));
    }
    let (begin, end) = ("#ifdef __cplusplus\nextern \"C\" {\n#endif\n", "#ifdef __cplusplus\n}\n#endif\n");
    accepted("prototypes", &format!("{ALL}void *functions[] = {{\n{used}}};\n{begin}{declared}{end}"));
}

#[test]
fn each_function_is_declared_by_its_header() {
    for row in symbols() {
        let [name, _, header, ..] = row[..] else { panic!("{row:?}") };
        let text = std::fs::read_to_string(include().join("bpf").join(header)).unwrap();
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        assert!(words.contains(name), "{header} has no {name}");
    }
}

#[test]
fn each_header_stands_alone() {
    for header in
        ["bpf", "btf", "libbpf", "libbpf_common", "libbpf_legacy", "libbpf_version", "skel_internal"]
    {
        // Twice, since a header may be reached by several ways.
        let include = format!("#include <bpf/{header}.h>\n");
        accepted(header, &format!("{include}{include}"));
    }
}

#[test]
fn macros_and_inline_functions_are_those_that_programs_use() {
    accepted("use", include_str!("c/headers.c"));
}
