//! Types out of bytes, files and the kernel, and into it.

use core::ffi::c_int;
use std::path::Path;
use std::sync::Arc;

use oxbpf_btf::{BtfBuilder, BtfExt};
use oxbpf_elf::{ElfObject, ExecFile};
use oxbpf_uapi::BtfKind;

use super::ext::Ext;
use super::{Btf, Types};
use crate::abi::BtfNewOpts;
use crate::arg::{Ptr, Put, Raw, Str, give};
use crate::bpf_h::attr::{BtfLoad, cmd};
use crate::fail::Fail;
use crate::object::kernel;
use crate::opts::Opts;
use crate::ret::{Int, Out};
use crate::sys::bpf_fd;

/// Bytes of a log of the kernel's, at first.
const LOG_LEN: usize = 64 << 10;

fn parse(bytes: Vec<u8>, base: Ptr<Btf>, pointer_size: Option<u32>) -> Result<Btf, Fail> {
    let (mut types, address) = match base.opt() {
        Some(base_btf) => (Types::parse_split(bytes, base_btf.types()?)?, base.address()),
        None => (Types::parse(bytes)?, core::ptr::null()),
    };
    types.validate()?;
    if let Some(size) = pointer_size {
        types.set_pointer_size(size)?;
    }
    Ok(Btf::shared(Arc::new(types)).with_pointers(pointer_size.unwrap_or(0)).on(address))
}

fn new(data: Raw, size: u32, base: Ptr<Btf>) -> Result<*const Btf, Fail> {
    let bytes = data.bytes(size as usize).filter(|b| !b.is_empty()).ok_or(Fail::INVAL)?;
    parse(bytes.to_vec(), base, None).map(give)
}

/// What an ELF file has of types.
struct Sections {
    types: Vec<u8>,
    records: Option<Vec<u8>>,
    /// Bytes of a pointer in a file of its class.
    pointer_size: u32,
}

fn sections(bytes: &[u8], path: &Path) -> Result<Sections, Fail> {
    let name = path.display().to_string();
    if let Ok(object) = ElfObject::parse(bytes, &name) {
        let section = |name: &str| Some(object.section_by_name(name)?.data.to_vec());
        let types = section(".BTF").ok_or(Fail(libc::ENODATA))?;
        return Ok(Sections { types, records: section(".BTF.ext"), pointer_size: 8 });
    }
    let file = ExecFile::parse(bytes, &name).map_err(|e| Fail(e.errno().0))?;
    let section = |name: &str| file.section(name).map(<[u8]>::to_vec);
    let types = section(".BTF").ok_or(Fail(libc::ENODATA))?;
    Ok(Sections { types, records: section(".BTF.ext"), pointer_size: if file.is_64() { 8 } else { 4 } })
}

fn from_elf(path: Str, base: Ptr<Btf>, ext: Put<*const Ext>) -> Result<*const Btf, Fail> {
    let path = path.path()?;
    let found = sections(&std::fs::read(path)?, path)?;
    let btf = parse(found.types, base, Some(found.pointer_size))?;
    let records = found.records.filter(|_| !ext.is_null()).map(BtfExt::parse).transpose()?;
    ext.set(records.map_or(core::ptr::null(), |records| give(Ext::new(records))));
    Ok(give(btf))
}

fn from_raw(path: Str, base: Ptr<Btf>) -> Result<*const Btf, Fail> {
    let bytes = std::fs::read(path.path()?)?;
    // Neither byte order's magic number: not BTF, and perhaps something else that is.
    let is_btf = matches!(bytes.get(..2), Some([0x9f, 0xeb] | [0xeb, 0x9f]));
    if is_btf { parse(bytes, base, None).map(give) } else { Err(Fail(libc::EPROTO)) }
}

/// A file of either kind.
fn from_file(path: Str, base: Ptr<Btf>, ext: Put<*const Ext>) -> Result<*const Btf, Fail> {
    ext.set(core::ptr::null());
    match from_raw(path, base) {
        Err(Fail(libc::EPROTO)) => from_elf(path, base, ext),
        result => result,
    }
}

fn none() -> (Ptr<Btf>, Put<*const Ext>) {
    (Ptr::given(core::ptr::null()), Put::none())
}

fn into_kernel(btf: &Btf) -> Result<c_int, Fail> {
    if btf.fd() >= 0 {
        return Err(Fail(libc::EEXIST));
    }
    let types = btf.types()?;
    let bytes = types.raw();
    let mut attr = BtfLoad {
        btf: bytes.as_ptr().expose_provenance() as u64,
        btf_size: bytes.len() as u32,
        ..BtfLoad::default()
    };
    let mut result = bpf_fd(cmd::BTF_LOAD, &mut attr);
    let mut log = Vec::new();
    if result.is_err() {
        log = vec![0u8; LOG_LEN];
        attr.log_buf = log.as_mut_ptr().expose_provenance() as u64;
        (attr.log_size, attr.log_level) = (log.len() as u32, 1);
        result = bpf_fd(cmd::BTF_LOAD, &mut attr);
    }
    let fd = result.inspect_err(|fail| {
        let text = log.split(|b| *b == 0).next().unwrap_or_default();
        log::warn!("BTF loading error: -{:?}", oxbpf_uapi::Errno(fail.0));
        if !text.is_empty() {
            let text = String::from_utf8_lossy(text);
            log::warn!("-- BEGIN BTF LOAD LOG ---\n{text}\n-- END BTF LOAD LOG --");
        }
    })?;
    btf.set_fd(fd);
    Ok(0)
}

export! {
    /// Types out of bytes, which are copied.
    fn btf__new(data: Raw, size: u32) -> Out<Btf> {
        new(data, size, none().0)
    }

    /// Types out of bytes, on top of others.
    fn btf__new_split(data: Raw, size: u32, base_btf: Ptr<Btf>) -> Out<Btf> {
        new(data, size, base_btf)
    }

    /// No types yet.
    fn btf__new_empty() -> Out<Btf> {
        empty(none().0, &[])
    }

    /// No types yet, on top of others.
    fn btf__new_empty_split(base_btf: Ptr<Btf>) -> Out<Btf> {
        empty(base_btf, &[])
    }

    /// No types yet, with options.
    fn btf__new_empty_opts(opts: Opts<BtfNewOpts>) -> Out<Btf> {
        let opts = opts.check()?;
        let base = opts.memory().object_at::<Btf>(core::mem::offset_of!(BtfNewOpts, base_btf));
        let has_base = opts.has(core::mem::offset_of!(BtfNewOpts, base_btf) + size_of::<usize>());
        let layout = if opt!(opts: BtfNewOpts, add_layout) != 0 { &LAYOUT[..] } else { &[] };
        empty(if has_base { base } else { none().0 }, layout)
    }

    /// Types of a file, raw or ELF.
    fn btf__parse(path: Str, btf_ext: Put<*const Ext>) -> Out<Btf> {
        from_file(path, none().0, btf_ext)
    }

    /// Types of a file, raw or ELF, on top of others.
    fn btf__parse_split(path: Str, base_btf: Ptr<Btf>) -> Out<Btf> {
        from_file(path, base_btf, none().1)
    }

    /// Types of an ELF file.
    fn btf__parse_elf(path: Str, btf_ext: Put<*const Ext>) -> Out<Btf> {
        from_elf(path, none().0, btf_ext)
    }

    /// Types of an ELF file, on top of others.
    fn btf__parse_elf_split(path: Str, base_btf: Ptr<Btf>) -> Out<Btf> {
        from_elf(path, base_btf, none().1)
    }

    /// Types of a file of nothing else.
    fn btf__parse_raw(path: Str) -> Out<Btf> {
        from_raw(path, none().0)
    }

    /// Types of a file of nothing else, on top of others.
    fn btf__parse_raw_split(path: Str, base_btf: Ptr<Btf>) -> Out<Btf> {
        from_raw(path, base_btf)
    }

    /// Types of the kernel.
    fn btf__load_vmlinux_btf() -> Out<Btf> {
        Ok(give(Btf::shared(oxbpf::btf::vmlinux(kernel())?)))
    }

    /// Types of a module, on top of those of the kernel.
    fn btf__load_module_btf(module_name: Str, vmlinux_btf: Ptr<Btf>) -> Out<Btf> {
        let name = module_name.get()?;
        let path = Path::new("/sys/kernel/btf").join(name);
        parse(std::fs::read(path)?, vmlinux_btf, None).map(give)
    }

    /// Types of the kernel's object with an id.
    fn btf__load_from_kernel_by_id(id: u32) -> Out<Btf> {
        Ok(give(Btf::shared(Arc::new(oxbpf::btf::by_id(kernel(), id)?))))
    }

    /// Types of the kernel's object with an id, on top of others.
    fn btf__load_from_kernel_by_id_split(id: u32, base_btf: Ptr<Btf>) -> Out<Btf> {
        let Some(base) = base_btf.opt() else {
            return Ok(give(Btf::shared(Arc::new(oxbpf::btf::by_id(kernel(), id)?))));
        };
        let types = oxbpf::btf::by_id_on(kernel(), id, base.types()?)?;
        Ok(give(Btf::shared(Arc::new(types)).on(base_btf.address())))
    }

    /// Gives the types to the kernel.
    fn btf__load_into_kernel(btf: Ptr<Btf>) -> Int {
        into_kernel(btf.get()?)
    }
}

/// Bytes that follow a type of each kind, and bytes of each of its elements: what a layout section says.
const LAYOUT: [[u8; 4]; 20] = {
    let mut rows = [[0; 4]; 20];
    let sizes: [(BtfKind, u8, u8); 10] = [
        (BtfKind::INT, 4, 0),
        (BtfKind::ARRAY, 12, 0),
        (BtfKind::STRUCT, 0, 12),
        (BtfKind::UNION, 0, 12),
        (BtfKind::ENUM, 0, 8),
        (BtfKind::FUNC_PROTO, 0, 8),
        (BtfKind::VAR, 4, 0),
        (BtfKind::DATASEC, 0, 12),
        (BtfKind::DECL_TAG, 4, 0),
        (BtfKind::ENUM64, 0, 12),
    ];
    let mut i = 0;
    while i < sizes.len() {
        let (kind, info, elem) = sizes[i];
        rows[kind.0 as usize] = [info, elem, 0, 0];
        i += 1;
    }
    rows
};

/// Nothing but a header with all fields of this version, the layout, and the empty string.
fn empty(base: Ptr<Btf>, layout: &[[u8; 4]]) -> Result<*const Btf, Fail> {
    let (layout, strs): (&[u8], u32) = (layout.as_flattened(), u32::from(base.opt().is_none()));
    let len = layout.len() as u32;
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    if cfg!(target_endian = "big") {
        bytes.swap(0, 1);
    }
    for word in [32, 0, 0, len, strs, 0, len] {
        bytes.extend_from_slice(&u32::to_ne_bytes(word));
    }
    bytes.extend_from_slice(layout);
    bytes.resize(bytes.len() + strs as usize, 0);
    let types = match base.opt() {
        Some(base) => Types::parse_split(bytes, base.types()?)?,
        None => Types::parse(bytes)?,
    };
    Ok(give(Btf::building(BtfBuilder::from_btf(&types)?).on(base.address())))
}
