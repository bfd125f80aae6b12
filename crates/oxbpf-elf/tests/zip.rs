//! Libraries stored in ZIP archives.

use oxbpf_elf::{ElfErrorKind, ExecFile, FileCache, find_member};
use oxbpf_uapi::Errno;
use testkit::{ZipEntry, zip};

static LIB: &[u8] = include_bytes!("data/lib.so");

fn archive() -> Vec<u8> {
    zip(&[
        ZipEntry { name: "README", data: b"text", method: 0, flags: 0 },
        ZipEntry { name: "lib/lib.so", data: LIB, method: 0, flags: 0 },
        ZipEntry { name: "lib/packed.so", data: b"xxx", method: 8, flags: 0 },
        ZipEntry { name: "lib/secret.so", data: b"xxx", method: 0, flags: 1 },
        ZipEntry { name: "lib/streamed.so", data: b"xxx", method: 0, flags: 8 },
    ])
}

#[test]
fn a_stored_library_is_found_and_read_where_it_is() {
    let archive = archive();
    let member = find_member(&archive, "lib/lib.so", "a.apk").unwrap();
    assert_eq!(archive[member.offset as usize..][..LIB.len()], *LIB);
    let plain = ExecFile::parse(LIB, "lib.so").unwrap().func("plain").unwrap();
    assert_eq!(ExecFile::parse(member.data, "lib.so").unwrap().func("plain").unwrap(), plain);

    // The same of a file that is read in pieces, of which most are never read.
    let (bytes, len) = (archive.clone(), archive.len() as u64);
    let file = FileCache::new(len, move |at, out| {
        let at = at as usize;
        out.copy_from_slice(&bytes[at..at + out.len()]);
        true
    });
    let member = find_member(&file, "lib/lib.so", "a.apk").unwrap();
    assert_eq!(ExecFile::parse(member.data, "lib.so").unwrap().func("plain").unwrap(), plain);
}

#[test]
fn what_can_not_be_probed_is_said_with_its_name() {
    let archive = archive();
    let say = |name: &str| find_member(&archive, name, "a.apk").unwrap_err();
    assert_eq!(say("lib/none.so").to_string(), "a.apk: no member 'lib/none.so' in the archive");
    assert_eq!(say("lib/none.so").errno(), Errno::ENOENT);
    for (name, how) in
        [("packed", "compressed"), ("secret", "encrypted or streamed"), ("streamed", "encrypted or streamed")]
    {
        let error = say(&format!("lib/{name}.so"));
        assert!(matches!(error.kind(), ElfErrorKind::PackedMember { how: h, .. } if *h == how), "{error}");
    }
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let say = |data: &[u8]| find_member(data, "x", "f").unwrap_err();
    for data in [&b""[..], b"PK", LIB, &[0; 100_000]] {
        assert!(say(data).to_string().ends_with("it is no ZIP archive"), "{}", say(data));
        assert_eq!(say(data).errno(), Errno::EINVAL);
    }
    let mut cut = archive();
    cut.drain(..LIB.len());
    assert!(matches!(say(&cut).kind(), ElfErrorKind::BadArchive { .. }));
    let mut many = archive();
    let end = many.len() - 22;
    many[end + 4] = 1;
    assert!(say(&many).to_string().contains("several files"));
}

#[test]
fn a_comment_may_look_like_the_end_of_the_directory() {
    let mut archive = archive();
    let comment = b"PK\x05\x06 nothing";
    let len = archive.len();
    archive[len - 2..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    archive.extend(comment);
    assert!(find_member(&archive, "README", "a").is_ok());
}

#[test]
fn mutated_archives_give_errors_and_no_panics() {
    let archive = archive();
    let mut state = 0x21b_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let directory = archive.len() - 400;
    let mut found = 0;
    for _ in 0..5000 {
        let mut data = archive.clone();
        for _ in 0..1 + below(4) {
            let at = directory + below(data.len() - directory);
            data[at] = [0, 1, 0x7f, 0x80, 0xff, below(256) as u8][below(6)];
        }
        data.truncate(if below(8) == 0 { below(data.len()) } else { data.len() });
        if let Ok(member) = find_member(&data, "lib/lib.so", "mutant") {
            found += usize::from(ExecFile::parse(member.data, "lib.so").is_ok());
        }
    }
    assert!(found > 1000, "many mutants should still be readable: {found}");
}
