//! Committed objects and the specs that they give.
//!
//! `UPDATE_EXPECT=1 cargo test -p oxbpf-object` rewrites the texts in `tests/golden`.

use std::path::{Path, PathBuf};

use expect_test::expect_file;
use oxbpf_object::dump::Dump;
use oxbpf_object::{OpenOptions, open};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Object files of a folder, sorted by name.
fn objects(folder: &str) -> Vec<PathBuf> {
    let Ok(dir) = std::fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        dir.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "o")).collect();
    paths.sort();
    paths
}

#[test]
fn objects_give_the_specs_that_they_gave_before() {
    let all = [objects("examples"), objects("testdata/objects")].concat();
    assert!(!all.is_empty());
    for path in all {
        let file = path.file_name().unwrap().to_str().unwrap();
        let data = std::fs::read(&path).unwrap();
        let text = match open(data, &OpenOptions::from_path(file)) {
            Ok(spec) => Dump(&spec).to_string(),
            Err(e) => format!("error {}: {e}\n", e.errno().0),
        };
        expect_file![format!("golden/{file}.txt")].assert_eq(&text);
    }
}
