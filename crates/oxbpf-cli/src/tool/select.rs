//! Which object of the kernel a command means: `id N`, `pinned FILE`, `name NAME`, `tag TAG`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use oxbpf::Kernel;
use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{GetFdById, GetInfo, Handle, InfoBuffers, ObjectKind};
use oxbpf_uapi::Errno;
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::info::{BtfInfo, MapInfo, ProgInfo};
use zerocopy::{FromBytes, IntoBytes};

use super::{Args, Tool};

/// What messages call a kind of object.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Prog => "prog",
        ObjectKind::Map => "map",
        ObjectKind::Btf => "BTF object",
        ObjectKind::Link => "link",
    }
}

/// Ids of all objects of a kind, ascending.
///
/// # Errors
/// The kernel's, with what was asked.
pub(crate) fn ids(kernel: &Kernel, kind: ObjectKind) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut id = 0;
    while let Some(next) =
        kernel.get_next_id(kind, id).with_context(|| format!("can't get next {}", kind_name(kind)))?
    {
        ids.push(next);
        id = next;
    }
    Ok(ids)
}

/// What a map is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Opens an object by id, to be looked at only; `None` if it has gone.
///
/// # Errors
/// The kernel's, with the id.
pub(crate) fn open_id(kernel: &Kernel, kind: ObjectKind, id: u32) -> Result<Option<Handle>> {
    open_id_for(kernel, kind, id, Access::Read)
}

/// As [`open_id`], for `access`, which only maps tell apart.
///
/// # Errors
/// As there.
pub(crate) fn open_id_for(
    kernel: &Kernel,
    kind: ObjectKind,
    id: u32,
    access: Access,
) -> Result<Option<Handle>> {
    let is_read_only = kind == ObjectKind::Map && access == Access::Read;
    let open_flags = if is_read_only { MapFlags::RDONLY.bits() } else { 0 };
    let mut command = oxbpf_kernel::Command::GetFdById(GetFdById { kind, id, open_flags, token: None });
    match kernel.bpf(&mut command).and_then(oxbpf_kernel::Reply::handle) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("can't get {} by id ({id})", kind_name(kind))),
    }
}

/// The fixed part of what the kernel tells about an object.
///
/// # Errors
/// The kernel's.
pub(crate) fn info<T: IntoBytes + FromBytes + Default>(kernel: &Kernel, object: &Handle) -> Result<T> {
    let mut info = T::default();
    kernel
        .get_info(GetInfo { object, info: info.as_mut_bytes(), buffers: InfoBuffers::None })
        .context("can't get object info")?;
    Ok(info)
}

impl Tool {
    /// The maps that the next words mean: one for `id` and `pinned`, any number for `name`.
    ///
    /// # Errors
    /// If the words say nothing known, or there is no such map.
    pub(crate) fn maps(&mut self, args: &mut Args<'_>, access: Access) -> Result<Vec<Handle>> {
        let kernel = self.kernel();
        match args.one_of(&["id", "pinned", "name"])? {
            "id" => one_by_id(&kernel, ObjectKind::Map, args.number("id")?, access),
            "pinned" => {
                let flags = if access == Access::Read { MapFlags::RDONLY.bits() } else { 0 };
                pinned(&kernel, args.path("FILE")?, flags).map(|h| vec![h])
            }
            _ => {
                let name = args.text("MAP_NAME")?;
                let is_it = |h: &Handle| Ok(c_name(&info::<MapInfo>(&kernel, h)?.name) == name);
                matching(&kernel, ObjectKind::Map, access, is_it)
            }
        }
    }

    /// The one map that the next words mean.
    ///
    /// # Errors
    /// As [`maps`](Self::maps), and if several have the name.
    pub(crate) fn map(&mut self, args: &mut Args<'_>, access: Access) -> Result<Handle> {
        only_one(self.maps(args, access)?, "maps")
    }

    /// The programs that the next words mean: one for `id` and `pinned`, any number for `name` and `tag`.
    ///
    /// # Errors
    /// If the words say nothing known, or there is no such program.
    pub(crate) fn progs(&mut self, args: &mut Args<'_>) -> Result<Vec<Handle>> {
        let kernel = self.kernel();
        match args.one_of(&["id", "tag", "name", "pinned"])? {
            "id" => one_by_id(&kernel, ObjectKind::Prog, args.number("id")?, Access::Read),
            "pinned" => pinned(&kernel, args.path("FILE")?, 0).map(|h| vec![h]),
            "tag" => {
                let tag = parse_tag(args.text("PROG_TAG")?)?;
                matching(&kernel, ObjectKind::Prog, Access::Read, |h| {
                    Ok(info::<ProgInfo>(&kernel, h)?.tag == tag)
                })
            }
            _ => {
                let name = args.text("PROG_NAME")?;
                matching(&kernel, ObjectKind::Prog, Access::Read, |h| {
                    Ok(c_name(&info::<ProgInfo>(&kernel, h)?.name) == name)
                })
            }
        }
    }

    /// The one program that the next words mean.
    ///
    /// # Errors
    /// As [`progs`](Self::progs), and if several have the name or tag.
    pub(crate) fn prog(&mut self, args: &mut Args<'_>) -> Result<Handle> {
        only_one(self.progs(args)?, "programs")
    }
}

fn one_by_id(kernel: &Kernel, kind: ObjectKind, id: u32, access: Access) -> Result<Vec<Handle>> {
    match open_id_for(kernel, kind, id, access)? {
        Some(handle) => Ok(vec![handle]),
        None => bail!("can't get {} by id ({id}): No such file or directory", kind_name(kind)),
    }
}

fn pinned(kernel: &Kernel, path: &Path, flags: u32) -> Result<Handle> {
    kernel.obj_get(path, flags).with_context(|| format!("bpf obj get ({})", path.display()))
}

/// All objects of a kind for which `is_wanted` holds.
fn matching(
    kernel: &Kernel,
    kind: ObjectKind,
    access: Access,
    is_wanted: impl Fn(&Handle) -> Result<bool>,
) -> Result<Vec<Handle>> {
    let mut found = Vec::new();
    for id in ids(kernel, kind)? {
        // One that has gone meanwhile is not meant.
        if let Some(handle) = open_id_for(kernel, kind, id, access)? {
            if is_wanted(&handle)? {
                found.push(handle);
            }
        }
    }
    if found.is_empty() {
        bail!("no {} has that name or tag", kind_name(kind));
    }
    Ok(found)
}

fn only_one(found: Vec<Handle>, what: &str) -> Result<Handle> {
    let count = found.len();
    match <[Handle; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(_) => bail!("several {what} match: {count}; say which one by its id"),
    }
}

/// A program's whole name: the kernel keeps 15 bytes of it, and BTF the rest.
pub(crate) fn prog_name(kernel: &Kernel, prog: &Handle, info: &ProgInfo) -> String {
    let short = c_name(&info.name);
    let is_cut = short.len() + 1 >= info.name.len();
    if is_cut { name_of_function(kernel, prog, info).unwrap_or(short) } else { short }
}

/// The name that BTF has for a program's first function.
pub(crate) fn name_of_function(kernel: &Kernel, prog: &Handle, info: &ProgInfo) -> Option<String> {
    if info.btf_id == 0 || info.nr_func_info == 0 {
        return None;
    }
    let mut record = vec![0; usize::try_from(info.func_info_rec_size).ok()?.min(256)];
    let buffers = InfoBuffers::Prog {
        xlated_insns: &mut [],
        jited_insns: &mut [],
        map_ids: &mut [],
        jited_ksyms: &mut [],
        jited_func_lens: &mut [],
        func_info: &mut record,
        line_info: &mut [],
        jited_line_info: &mut [],
        prog_tags: &mut [],
    };
    let mut again = ProgInfo::default();
    kernel.get_info(GetInfo { object: prog, info: again.as_mut_bytes(), buffers }).ok()?;
    let (function, _) = oxbpf_uapi::btf_ext::FuncInfo::read_from_prefix(&record).ok()?;
    let object = open_id(kernel, ObjectKind::Btf, info.btf_id).ok()??;
    let size = self::info::<BtfInfo>(kernel, &object).ok()?.btf_size;
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    let buffers = InfoBuffers::Btf { btf: &mut bytes, name: &mut [] };
    let mut filled = BtfInfo::default();
    kernel.get_info(GetInfo { object: &object, info: filled.as_mut_bytes(), buffers }).ok()?;
    let btf = Btf::parse(bytes).ok()?;
    btf.get(TypeId(function.type_id)).ok().map(|t| t.name().to_owned())
}

/// A name as the kernel keeps it, up to its NUL.
pub(crate) fn c_name(name: &[u8]) -> String {
    let text = name.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Sixteen hexadecimal digits.
fn parse_tag(word: &str) -> Result<[u8; 8]> {
    let number = if word.len() == 16 { u64::from_str_radix(word, 16).ok() } else { None };
    match number {
        Some(number) => Ok(number.to_be_bytes()),
        None => bail!("can't parse tag '{word}': it has 16 hexadecimal digits"),
    }
}
