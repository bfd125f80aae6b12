//! Finding functions in a library of 100 MB, as attaching uprobes by name does.

use std::ffi::{CString, c_char, c_int, c_ulong};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use oxbpf::syms;

use crate::{Figure, Row, Target};

const ROUNDS: usize = 40;
const STT_FUNC: c_int = 2;

const NAMES: [&str; 10] = [
    "LLVMContextCreate",
    "LLVMAddFunction",
    "LLVMBuildAdd",
    "LLVMDisposeModule",
    "LLVMCreateBuilder",
    "LLVMGetTypeKind",
    "LLVMIsConstant",
    "LLVMVerifyModule",
    "LLVMPrintModuleToString",
    "LLVMShutdown",
];

unsafe extern "C" {
    /// Not of libbpf's interface: what `bpf_program__attach_uprobe_multi` calls for names.
    fn elf_resolve_syms_offsets(
        path: *const c_char,
        count: c_int,
        names: *mut *const c_char,
        offsets: *mut *mut c_ulong,
        kind: c_int,
    ) -> c_int;
}

/// The library of the newest LLVM that is installed.
fn library() -> Option<PathBuf> {
    let dirs = std::fs::read_dir("/usr/lib").ok()?.filter_map(|d| Some(d.ok()?.path()));
    let mut dirs: Vec<PathBuf> =
        dirs.filter(|d| d.to_string_lossy().contains("/llvm-")).map(|d| d.join("lib")).collect();
    dirs.sort();
    dirs.push(PathBuf::from("/usr/lib/x86_64-linux-gnu"));
    let in_dir = |dir: &PathBuf| {
        let files = std::fs::read_dir(dir).ok()?.filter_map(|f| Some(f.ok()?.path().canonicalize().ok()?));
        let mut files: Vec<PathBuf> =
            files.filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libLLVM"))).collect();
        files.retain(|f| f.to_string_lossy().contains(".so"));
        files.pop()
    };
    dirs.iter().rev().find_map(in_dir)
}

fn by_libbpf(path: &Path) -> Result<Vec<u64>> {
    let path = CString::new(path.to_str().context("UTF-8")?)?;
    let names: Vec<CString> = NAMES.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|n| n.as_ptr()).collect();
    let mut offsets = std::ptr::null_mut();
    // SAFETY: the pointers are to texts that live through the call.
    let error = unsafe {
        elf_resolve_syms_offsets(path.as_ptr(), NAMES.len() as c_int, pointers.as_mut_ptr(), &mut offsets, STT_FUNC)
    };
    // Of a library without .symtab libbpf 1.7 says ENOENT after it has found all, and has freed what it gives.
    if error == -libc::ENOENT {
        return Ok(Vec::new());
    }
    anyhow::ensure!(error == 0, "elf_resolve_syms_offsets: {error}");
    // SAFETY: the call gave as many offsets as there are names, to be freed by the caller.
    let found = unsafe { std::slice::from_raw_parts(offsets, NAMES.len()) }.iter().map(|o| *o as u64).collect();
    // SAFETY: as above, and not used again.
    unsafe { libc::free(offsets.cast()) };
    Ok(found)
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let path = library().context("no libLLVM in /usr/lib/llvm-*/lib")?;
    let kernel = oxbpf_sys::kernel();
    let (mut ours, mut libbpf) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let found = black_box(syms::function_offsets(&kernel, &path, &NAMES)?);
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let expect = black_box(by_libbpf(&path)?);
        libbpf.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(expect.is_empty() || found == expect);
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf)];
    let target = Target::Ratio("libbpf", 1.0 / 10.0);
    Ok(vec![Row { name: "uprobe_syms", what: "resolve 10 functions of libLLVM", unit: "ms", figures, target }])
}
