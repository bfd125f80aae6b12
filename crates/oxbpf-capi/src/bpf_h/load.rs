//! What creates objects: maps, programs, BTF.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use std::sync::{Arc, OnceLock};

use oxbpf::{Feature, Features};
use zerocopy::IntoBytes;

use super::attr::{BtfLoad, Common, MapCreate, ProgLoad, cmd};
use crate::abi::{BpfBtfLoadOpts, BpfLogOpts, BpfMapCreateOpts, BpfProgLoadOpts};
use crate::arg::{Raw, Str};
use crate::fail::Fail;
use crate::object::kernel;
use crate::opts::Opts;
use crate::ret::Int;
use crate::sys::{self, LOAD_ATTEMPTS, bpf_fd};

/// The limit of locked memory that is set before anything is created on kernels that count by it; 0 leaves it.
static MEMLOCK: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Whether that was done.
static IS_RAISED: AtomicBool = AtomicBool::new(false);

/// Whether the kernel can do something, asked once.
fn has(feature: Feature) -> bool {
    static FEATURES: OnceLock<Arc<Features>> = OnceLock::new();
    FEATURES.get_or_init(|| Features::of(kernel())).has(feature)
}

/// Before 5.11 memory of maps and programs counts against the limit of locked memory.
fn raise_memlock() {
    if IS_RAISED.load(Ordering::Relaxed) || has(Feature::MemcgAccount) {
        return;
    }
    let limit = MEMLOCK.load(Ordering::Relaxed);
    if !IS_RAISED.swap(true, Ordering::Relaxed) && limit != 0 {
        // The kernel says more clearly what is missing, when it refuses something for it.
        let _ = sys::set_memlock(if limit == usize::MAX { u64::MAX } else { limit as u64 });
    }
}

/// A name as the kernel takes it: 15 bytes and a zero. Before 4.15 it takes none.
pub(crate) fn short_name(name: &CStr) -> [u8; 16] {
    let mut short = [0; 16];
    if has(Feature::ProgName) {
        let len = name.to_bytes().len().min(15);
        if let (Some(to), Some(from)) = (short.get_mut(..len), name.to_bytes().get(..len)) {
            to.copy_from_slice(from);
        }
    }
    short
}

fn map_create(
    map_type: u32,
    name: Str,
    [key_size, value_size, max_entries]: [u32; 3],
    opts: Opts<BpfMapCreateOpts>,
) -> Result<c_int, Fail> {
    type L = BpfMapCreateOpts;
    raise_memlock();
    let opts = opts.check()?;
    let mut attr = MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries,
        map_flags: opt!(opts: L, map_flags),
        inner_map_fd: opt!(opts: L, inner_map_fd),
        numa_node: opt!(opts: L, numa_node),
        map_name: name.c().map_or([0; 16], short_name),
        map_ifindex: opt!(opts: L, map_ifindex),
        btf_fd: opt!(opts: L, btf_fd),
        btf_key_type_id: opt!(opts: L, btf_key_type_id),
        btf_value_type_id: opt!(opts: L, btf_value_type_id),
        btf_vmlinux_value_type_id: opt!(opts: L, btf_vmlinux_value_type_id),
        map_extra: opt!(opts: L, map_extra),
        value_type_btf_obj_fd: opt!(opts: L, value_type_btf_obj_fd),
        map_token_fd: opt!(opts: L, token_fd) as i32,
        excl_prog_hash: opt!(ptr opts: L, excl_prog_hash).address(),
        excl_prog_hash_size: opt!(opts: L, excl_prog_hash_size),
        pad: 0,
    };
    let log: Opts<BpfLogOpts> = Opts::at(opt!(ptr opts: L, log_opts));
    let log = log.check()?;
    if !log.is_some() || !has(Feature::CommonAttrs) {
        put_opt!(log: BpfLogOpts, true_size = 0u32);
        return bpf_fd(cmd::MAP_CREATE, &mut attr);
    }
    let mut common = Common {
        log_buf: opt!(ptr log: BpfLogOpts, buf).address(),
        log_size: opt!(log: BpfLogOpts, size),
        log_level: opt!(log: BpfLogOpts, level),
        ..Common::default()
    };
    let result = sys::bpf_fd_with_log(cmd::MAP_CREATE, &mut attr, &mut common);
    put_opt!(log: BpfLogOpts, true_size = common.log_true_size);
    result
}

/// Loads, again while the kernel puts it off.
pub(crate) fn load_attempts(attr: &mut ProgLoad, attempts: i32) -> Result<c_int, Fail> {
    let mut result = bpf_fd(cmd::PROG_LOAD, attr);
    for _ in 1..attempts {
        if result != Err(Fail(libc::EAGAIN)) {
            break;
        }
        result = bpf_fd(cmd::PROG_LOAD, attr);
    }
    result
}

/// Records with what the kernel does not know of each made zero. The kernel said how much it knows.
fn cut_records(records: Raw, count: u32, size: u32, known: u32) -> Result<Vec<u8>, Fail> {
    let (count, size, known) = (count as usize, size as usize, known as usize);
    let all = records.bytes(count.checked_mul(size).ok_or(Fail::TOOBIG)?).ok_or(Fail::INVAL)?;
    let mut cut = all.to_vec();
    for record in cut.chunks_exact_mut(size.max(1)) {
        record.get_mut(known..).unwrap_or_default().fill(0);
    }
    Ok(cut)
}

fn prog_load(
    prog_type: u32,
    name: Str,
    license: Str,
    (insns, insn_cnt): (Raw, usize),
    opts: Opts<BpfProgLoadOpts>,
) -> Result<c_int, Fail> {
    type L = BpfProgLoadOpts;
    raise_memlock();
    let opts = opts.check()?;
    let attempts = match opt!(opts: L, attempts) {
        0 => LOAD_ATTEMPTS,
        some if some < 0 => return Err(Fail::INVAL),
        some => some,
    };
    let insn_cnt = u32::try_from(insn_cnt).map_err(|_| Fail::TOOBIG)?;
    let (attach_prog, attach_btf) = (opt!(opts: L, attach_prog_fd), opt!(opts: L, attach_btf_obj_fd));
    let (log_buf, log_size) = (opt!(ptr opts: L, log_buf), opt!(opts: L, log_size));
    let level = opt!(opts: L, log_level);
    if (attach_prog != 0 && attach_btf != 0) || log_buf.is_null() != (log_size == 0) {
        return Err(Fail::INVAL);
    }
    let (func_info, line_info) = (opt!(ptr opts: L, func_info), opt!(ptr opts: L, line_info));
    let (func_size, line_size) = (opt!(opts: L, func_info_rec_size), opt!(opts: L, line_info_rec_size));
    let mut attr = ProgLoad {
        prog_type,
        insn_cnt,
        insns: insns.address(),
        license: license.address(),
        kern_version: opt!(opts: L, kern_version),
        prog_flags: opt!(opts: L, prog_flags),
        prog_name: name.c().map_or([0; 16], short_name),
        prog_ifindex: opt!(opts: L, prog_ifindex),
        expected_attach_type: opt!(opts: L, expected_attach_type),
        prog_btf_fd: opt!(opts: L, prog_btf_fd),
        func_info_rec_size: func_size,
        func_info: func_info.address(),
        func_info_cnt: opt!(opts: L, func_info_cnt),
        line_info_rec_size: line_size,
        line_info: line_info.address(),
        line_info_cnt: opt!(opts: L, line_info_cnt),
        attach_btf_id: opt!(opts: L, attach_btf_id),
        attach_fd: if attach_prog != 0 { attach_prog } else { attach_btf },
        fd_array: opt!(ptr opts: L, fd_array).address(),
        prog_token_fd: opt!(opts: L, token_fd),
        fd_array_cnt: opt!(opts: L, fd_array_cnt),
        ..ProgLoad::default()
    };
    let with_log = |attr: &mut ProgLoad, level| {
        (attr.log_buf, attr.log_size, attr.log_level) = (log_buf.address(), log_size, level);
    };
    if level != 0 {
        with_log(&mut attr, level);
    }
    let mut result = load_attempts(&mut attr, attempts);
    // An older kernel answers with the sizes of records that it knows.
    let (mut funcs, mut lines): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
    while result == Err(Fail::TOOBIG) {
        if funcs.is_none() && attr.func_info_cnt != 0 && attr.func_info_rec_size < func_size {
            let cut = cut_records(func_info, attr.func_info_cnt, func_size, attr.func_info_rec_size)?;
            attr.func_info = cut.as_bytes().as_ptr().expose_provenance() as u64;
            (attr.func_info_rec_size, funcs) = (func_size, Some(cut));
        } else if lines.is_none() && attr.line_info_cnt != 0 && attr.line_info_rec_size < line_size {
            let cut = cut_records(line_info, attr.line_info_cnt, line_size, attr.line_info_rec_size)?;
            attr.line_info = cut.as_bytes().as_ptr().expose_provenance() as u64;
            (attr.line_info_rec_size, lines) = (line_size, Some(cut));
        } else {
            break;
        }
        result = load_attempts(&mut attr, attempts);
    }
    if result.is_err() && level == 0 && !log_buf.is_null() {
        with_log(&mut attr, 1);
        result = load_attempts(&mut attr, attempts);
    }
    put_opt!(opts: L, log_true_size = attr.log_true_size);
    result
}

fn btf_load(btf: Raw, size: usize, opts: Opts<BpfBtfLoadOpts>) -> Result<c_int, Fail> {
    type L = BpfBtfLoadOpts;
    raise_memlock();
    let opts = opts.check()?;
    let (log_buf, log_size) = (opt!(ptr opts: L, log_buf), opt!(opts: L, log_size));
    let level = opt!(opts: L, log_level);
    if log_size != 0 && log_buf.is_null() {
        return Err(Fail::INVAL);
    }
    let mut attr = BtfLoad {
        btf: btf.address(),
        btf_size: u32::try_from(size).map_err(|_| Fail::TOOBIG)?,
        btf_flags: opt!(opts: L, btf_flags),
        token_fd: opt!(opts: L, token_fd) as i32,
        ..BtfLoad::default()
    };
    let with_log = |attr: &mut BtfLoad, level| {
        (attr.log_buf, attr.log_size, attr.log_level) = (log_buf.address(), log_size, level);
    };
    if level != 0 {
        with_log(&mut attr, level);
    }
    let mut result = bpf_fd(cmd::BTF_LOAD, &mut attr);
    if result.is_err() && level == 0 && !log_buf.is_null() {
        with_log(&mut attr, 1);
        result = bpf_fd(cmd::BTF_LOAD, &mut attr);
    }
    put_opt!(opts: L, log_true_size = attr.log_true_size);
    result
}

export! {
    /// Creates a map.
    fn bpf_map_create(
        map_type: u32, map_name: Str, key_size: u32, value_size: u32, max_entries: u32, opts: Opts<BpfMapCreateOpts>,
    ) -> Int {
        map_create(map_type, map_name, [key_size, value_size, max_entries], opts)
    }

    /// Loads a program. With a log buffer and level 0 the log is of a second try, if the first fails.
    fn bpf_prog_load(
        prog_type: u32, prog_name: Str, license: Str, insns: Raw, insn_cnt: usize, opts: Opts<BpfProgLoadOpts>,
    ) -> Int {
        prog_load(prog_type, prog_name, license, (insns, insn_cnt), opts)
    }

    /// Loads BTF.
    fn bpf_btf_load(btf_data: Raw, btf_size: usize, opts: Opts<BpfBtfLoadOpts>) -> Int {
        btf_load(btf_data, btf_size, opts)
    }

    /// Sets what the limit of locked memory is raised to on kernels that need it, 0 for nothing. −EBUSY after it was.
    fn libbpf_set_memlock_rlim(memlock_bytes: usize) -> Int {
        if IS_RAISED.load(Ordering::Relaxed) {
            return Err(Fail::BUSY);
        }
        MEMLOCK.store(memlock_bytes, Ordering::Relaxed);
        Ok(0)
    }
}
