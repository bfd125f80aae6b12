//! Entries of maps, pins, ids and info.

use core::ffi::c_int;

use super::attr::{Id, Info, MapBatch, MapElem, Obj, cmd};
use crate::abi::{BpfGetFdByIdOpts, BpfMapBatchOpts, BpfObjGetOpts, BpfObjPinOpts};
use crate::arg::{Put, Raw, Str};
use crate::fail::Fail;
use crate::opts::Opts;
use crate::ret::Int;
use crate::sys::{bpf, bpf_fd};

/// One entry.
pub(crate) fn elem(command: u32, fd: c_int, key: Raw, value: Raw, flags: u64) -> Result<c_int, Fail> {
    let (key, value) = (key.address(), value.address());
    bpf(command, &mut MapElem { map_fd: fd as u32, key, value, flags, ..MapElem::default() })
}

/// Many entries: in, out, keys, values.
fn batch(
    command: u32,
    fd: c_int,
    [in_batch, out_batch, keys, values]: [Raw; 4],
    count: Put<u32>,
    opts: Opts<BpfMapBatchOpts>,
) -> Result<c_int, Fail> {
    let opts = opts.check()?;
    let mut attr = MapBatch {
        in_batch: in_batch.address(),
        out_batch: out_batch.address(),
        keys: keys.address(),
        values: values.address(),
        count: count.get().ok_or(Fail::INVAL)?,
        map_fd: fd as u32,
        elem_flags: opt!(opts: BpfMapBatchOpts, elem_flags),
        flags: opt!(opts: BpfMapBatchOpts, flags),
    };
    let result = bpf(command, &mut attr);
    count.set(attr.count);
    result
}

fn next_id(command: u32, start: u32, next: Put<u32>) -> Result<c_int, Fail> {
    let mut attr = Id { id: start, ..Id::default() };
    let result = bpf(command, &mut attr)?;
    next.set(attr.next_id);
    Ok(result)
}

fn fd_by_id(command: u32, id: u32, opts: Opts<BpfGetFdByIdOpts>) -> Result<c_int, Fail> {
    let opts = opts.check()?;
    let open_flags = opt!(opts: BpfGetFdByIdOpts, open_flags);
    // Only BTF may be opened with a token.
    let token = opt!(opts: BpfGetFdByIdOpts, token_fd) as i32;
    let token_fd = if command == cmd::BTF_GET_FD_BY_ID { token } else { 0 };
    bpf_fd(command, &mut Id { id, open_flags, token_fd, ..Id::default() })
}

fn info(fd: c_int, info: Raw, len: Put<u32>) -> Result<c_int, Fail> {
    let info_len = len.get().ok_or(Fail::INVAL)?;
    let mut attr = Info { bpf_fd: fd as u32, info_len, info: info.address() };
    let result = bpf(cmd::OBJ_GET_INFO_BY_FD, &mut attr)?;
    len.set(attr.info_len);
    Ok(result)
}

fn pin(fd: c_int, path: Str, opts: Opts<BpfObjPinOpts>) -> Result<c_int, Fail> {
    let opts = opts.check()?;
    let mut attr = Obj {
        pathname: path.address(),
        bpf_fd: fd as u32,
        file_flags: opt!(opts: BpfObjPinOpts, file_flags),
        path_fd: opt!(opts: BpfObjPinOpts, path_fd),
        pad: 0,
    };
    bpf(cmd::OBJ_PIN, &mut attr)
}

fn get(path: Str, opts: Opts<BpfObjGetOpts>) -> Result<c_int, Fail> {
    let opts = opts.check()?;
    let mut attr = Obj {
        pathname: path.address(),
        file_flags: opt!(opts: BpfObjGetOpts, file_flags),
        path_fd: opt!(opts: BpfObjGetOpts, path_fd),
        ..Obj::default()
    };
    bpf_fd(cmd::OBJ_GET, &mut attr)
}

export! {
    /// Writes the value under a key.
    fn bpf_map_update_elem(fd: c_int, key: Raw, value: Raw, flags: u64) -> Int {
        elem(cmd::MAP_UPDATE_ELEM, fd, key, value, flags)
    }

    /// Copies the value under a key.
    fn bpf_map_lookup_elem(fd: c_int, key: Raw, value: Raw) -> Int {
        elem(cmd::MAP_LOOKUP_ELEM, fd, key, value, 0)
    }

    /// Copies the value under a key, with flags.
    fn bpf_map_lookup_elem_flags(fd: c_int, key: Raw, value: Raw, flags: u64) -> Int {
        elem(cmd::MAP_LOOKUP_ELEM, fd, key, value, flags)
    }

    /// Copies the value under a key and removes the entry.
    fn bpf_map_lookup_and_delete_elem(fd: c_int, key: Raw, value: Raw) -> Int {
        elem(cmd::MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0)
    }

    /// Copies the value under a key and removes the entry, with flags.
    fn bpf_map_lookup_and_delete_elem_flags(fd: c_int, key: Raw, value: Raw, flags: u64) -> Int {
        elem(cmd::MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags)
    }

    /// Removes the entry under a key.
    fn bpf_map_delete_elem(fd: c_int, key: Raw) -> Int {
        elem(cmd::MAP_DELETE_ELEM, fd, key, Raw::null(), 0)
    }

    /// Removes the entry under a key, with flags.
    fn bpf_map_delete_elem_flags(fd: c_int, key: Raw, flags: u64) -> Int {
        elem(cmd::MAP_DELETE_ELEM, fd, key, Raw::null(), flags)
    }

    /// The key after one, the first for null.
    fn bpf_map_get_next_key(fd: c_int, key: Raw, next_key: Raw) -> Int {
        elem(cmd::MAP_GET_NEXT_KEY, fd, key, next_key, 0)
    }

    /// Makes a map read-only for user space.
    fn bpf_map_freeze(fd: c_int) -> Int {
        elem(cmd::MAP_FREEZE, fd, Raw::null(), Raw::null(), 0)
    }

    /// Removes many entries.
    fn bpf_map_delete_batch(fd: c_int, keys: Raw, count: Put<u32>, opts: Opts<BpfMapBatchOpts>) -> Int {
        batch(cmd::MAP_DELETE_BATCH, fd, [Raw::null(), Raw::null(), keys, Raw::null()], count, opts)
    }

    /// Copies many entries.
    fn bpf_map_lookup_batch(
        fd: c_int, in_batch: Raw, out_batch: Raw, keys: Raw, values: Raw, count: Put<u32>, opts: Opts<BpfMapBatchOpts>,
    ) -> Int {
        batch(cmd::MAP_LOOKUP_BATCH, fd, [in_batch, out_batch, keys, values], count, opts)
    }

    /// Copies many entries and removes them.
    fn bpf_map_lookup_and_delete_batch(
        fd: c_int, in_batch: Raw, out_batch: Raw, keys: Raw, values: Raw, count: Put<u32>, opts: Opts<BpfMapBatchOpts>,
    ) -> Int {
        batch(cmd::MAP_LOOKUP_AND_DELETE_BATCH, fd, [in_batch, out_batch, keys, values], count, opts)
    }

    /// Writes many entries.
    fn bpf_map_update_batch(fd: c_int, keys: Raw, values: Raw, count: Put<u32>, opts: Opts<BpfMapBatchOpts>) -> Int {
        batch(cmd::MAP_UPDATE_BATCH, fd, [Raw::null(), Raw::null(), keys, values], count, opts)
    }

    /// Pins an object.
    fn bpf_obj_pin(fd: c_int, pathname: Str) -> Int {
        pin(fd, pathname, Opts::none())
    }

    /// Pins an object, with options.
    fn bpf_obj_pin_opts(fd: c_int, pathname: Str, opts: Opts<BpfObjPinOpts>) -> Int {
        pin(fd, pathname, opts)
    }

    /// Opens a pinned object.
    fn bpf_obj_get(pathname: Str) -> Int {
        get(pathname, Opts::none())
    }

    /// Opens a pinned object, with options.
    fn bpf_obj_get_opts(pathname: Str, opts: Opts<BpfObjGetOpts>) -> Int {
        get(pathname, opts)
    }

    /// The id of the program after one.
    fn bpf_prog_get_next_id(start_id: u32, id: Put<u32>) -> Int {
        next_id(cmd::PROG_GET_NEXT_ID, start_id, id)
    }

    /// The id of the map after one.
    fn bpf_map_get_next_id(start_id: u32, id: Put<u32>) -> Int {
        next_id(cmd::MAP_GET_NEXT_ID, start_id, id)
    }

    /// The id of the BTF after one.
    fn bpf_btf_get_next_id(start_id: u32, id: Put<u32>) -> Int {
        next_id(cmd::BTF_GET_NEXT_ID, start_id, id)
    }

    /// The id of the link after one.
    fn bpf_link_get_next_id(start_id: u32, id: Put<u32>) -> Int {
        next_id(cmd::LINK_GET_NEXT_ID, start_id, id)
    }

    /// Opens a program by id.
    fn bpf_prog_get_fd_by_id(id: u32) -> Int {
        fd_by_id(cmd::PROG_GET_FD_BY_ID, id, Opts::none())
    }

    /// Opens a program by id, with options.
    fn bpf_prog_get_fd_by_id_opts(id: u32, opts: Opts<BpfGetFdByIdOpts>) -> Int {
        fd_by_id(cmd::PROG_GET_FD_BY_ID, id, opts)
    }

    /// Opens a map by id.
    fn bpf_map_get_fd_by_id(id: u32) -> Int {
        fd_by_id(cmd::MAP_GET_FD_BY_ID, id, Opts::none())
    }

    /// Opens a map by id, with options.
    fn bpf_map_get_fd_by_id_opts(id: u32, opts: Opts<BpfGetFdByIdOpts>) -> Int {
        fd_by_id(cmd::MAP_GET_FD_BY_ID, id, opts)
    }

    /// Opens BTF by id.
    fn bpf_btf_get_fd_by_id(id: u32) -> Int {
        fd_by_id(cmd::BTF_GET_FD_BY_ID, id, Opts::none())
    }

    /// Opens BTF by id, with options.
    fn bpf_btf_get_fd_by_id_opts(id: u32, opts: Opts<BpfGetFdByIdOpts>) -> Int {
        fd_by_id(cmd::BTF_GET_FD_BY_ID, id, opts)
    }

    /// Opens a link by id.
    fn bpf_link_get_fd_by_id(id: u32) -> Int {
        fd_by_id(cmd::LINK_GET_FD_BY_ID, id, Opts::none())
    }

    /// Opens a link by id, with options.
    fn bpf_link_get_fd_by_id_opts(id: u32, opts: Opts<BpfGetFdByIdOpts>) -> Int {
        fd_by_id(cmd::LINK_GET_FD_BY_ID, id, opts)
    }

    /// What the kernel knows about an object.
    fn bpf_obj_get_info_by_fd(bpf_fd: c_int, out: Raw, info_len: Put<u32>) -> Int {
        info(bpf_fd, out, info_len)
    }

    /// What the kernel knows about a program.
    fn bpf_prog_get_info_by_fd(prog_fd: c_int, out: Raw, info_len: Put<u32>) -> Int {
        info(prog_fd, out, info_len)
    }

    /// What the kernel knows about a map.
    fn bpf_map_get_info_by_fd(map_fd: c_int, out: Raw, info_len: Put<u32>) -> Int {
        info(map_fd, out, info_len)
    }

    /// What the kernel knows about BTF.
    fn bpf_btf_get_info_by_fd(btf_fd: c_int, out: Raw, info_len: Put<u32>) -> Int {
        info(btf_fd, out, info_len)
    }

    /// What the kernel knows about a link.
    fn bpf_link_get_info_by_fd(link_fd: c_int, out: Raw, info_len: Put<u32>) -> Int {
        info(link_fd, out, info_len)
    }
}
