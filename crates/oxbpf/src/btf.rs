//! Types of the kernel and its modules: where they are read, and how a process shares them.
//!
//! | Function | Source |
//! | --- | --- |
//! | [`vmlinux`] | `/sys/kernel/btf/vmlinux`, mapped where the kernel allows it (Linux 6.16) and read once otherwise; without it, the kernel images of [`Fact::VmlinuxBtf`] |
//! | [`module`] | `/sys/kernel/btf/NAME`, on top of vmlinux |
//! | [`by_id`], [`by_id_on`] | the kernel's BTF object with that id: a program's, a map's, a module's |
//!
//! vmlinux is there once in a process while anyone uses it: all objects that are loaded, and whoever called [`vmlinux`],
//! have the same [`Btf`] and so the same index of names. The last one to drop it releases it, as libbpf does after each
//! load. A process that loads many objects one after the other holds on to it, so that it is read and indexed once:
//!
//! ```no_run
//! let kernel = oxbpf::kernel();
//! let types = oxbpf::btf::vmlinux(&kernel)?;
//! for path in ["a.bpf.o", "b.bpf.o"] {
//!     oxbpf::ObjectBuilder::new().open_file(path)?.load()?;
//! }
//! # drop(types);
//! # Ok::<(), oxbpf::Error>(())
//! ```
//!
//! Mapped, it costs 4 bytes a type (0.6 MB) until the first look-up by name, which adds about 6.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use oxbpf_btf::{Btf, BtfError, Bytes};
use oxbpf_kernel::{Blob, BtfFd, Fact, GetInfo, Handle, InfoBuffers, Kernel, ObjectKind};
use oxbpf_uapi::info::BtfInfo;
use oxbpf_uapi::{Cmd, Errno};
use zerocopy::IntoBytes;

use crate::error::{At, Error, Frame, Result};
use crate::ids::{self, OpenId};

/// The vmlinux of each kernel that is in use.
static SHARED: Mutex<Vec<Weak<Btf>>> = Mutex::new(Vec::new());

/// Types of the kernel itself.
///
/// # Errors
/// `Unsupported` if the kernel has none; what reading or parsing them fails with.
#[doc(alias = "btf__load_vmlinux_btf")]
pub fn vmlinux(kernel: &Kernel) -> Result<Arc<Btf>> {
    let blob = match kernel.fact(Fact::VmlinuxBtf) {
        Err(Errno::ENOENT) => {
            return Err(Error::unsupported("types of its own", "5.4")
                .with_message("the kernel has no BTF of its own (/sys/kernel/btf/vmlinux)")
                .with_hint(
                    "the kernel needs CONFIG_DEBUG_INFO_BTF=y, or give BTF for it with btf_custom_path",
                ));
        }
        blob => blob.at(of_kernel)?,
    };
    share(blob).map_err(broken).at(of_kernel)
}

/// The BTF that these very bytes were read as before, if it is still in use. A back end that reads its kernel's types
/// once gives the same bytes each time; one that does not is read anew.
fn share(blob: Blob) -> core::result::Result<Arc<Btf>, BtfError> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.retain(|btf| btf.strong_count() > 0);
    // Two that live at once can not have their bytes at one address.
    let known = shared.iter().filter_map(Weak::upgrade).find(|btf| core::ptr::eq(btf.raw(), &*blob));
    if let Some(btf) = known {
        return Ok(btf);
    }
    let btf = Arc::new(Btf::parse(Bytes::from_owner(blob.into_owner()))?);
    log::debug!("the kernel has {} types", btf.type_count());
    shared.push(Arc::downgrade(&btf));
    Ok(btf)
}

/// Types of a module, on top of those of the kernel. Linux 5.11.
///
/// # Errors
/// `ENOENT` if no such module with types is loaded; what reading or parsing fails with.
#[doc(alias = "btf__load_module_btf")]
pub fn module(kernel: &Kernel, name: &str) -> Result<Btf> {
    let base = vmlinux(kernel)?;
    let frame = || Frame::Target(format!("BTF of module '{name}'"));
    let blob = kernel.fact(Fact::ModuleBtf(name)).at(frame)?;
    Btf::parse_split(Bytes::from_owner(blob.into_owner()), base).map_err(broken).at(frame)
}

/// Types of the kernel's BTF object with this id. Those of a module are read on top of vmlinux.
///
/// # Errors
/// `ENOENT` if there is no such object; what asking for it, reading or parsing fails with. Takes `CAP_SYS_ADMIN`.
#[doc(alias = "btf__load_from_kernel_by_id")]
pub fn by_id(kernel: &Kernel, id: u32) -> Result<Btf> {
    let (object, info, name) = open(kernel, id)?;
    let base = if info.kernel_btf != 0 && name != "vmlinux" { Some(vmlinux(kernel)?) } else { None };
    parse(kernel, id, &object, base)
}

/// As [`by_id`], with types that go on from those of `base`.
///
/// # Errors
/// As [`by_id`].
#[doc(alias = "btf__load_from_kernel_by_id_split")]
pub fn by_id_on(kernel: &Kernel, id: u32, base: Arc<Btf>) -> Result<Btf> {
    let (object, ..) = open(kernel, id)?;
    parse(kernel, id, &object, Some(base))
}

/// The ids of all BTF objects of the kernel, ascending. One may be gone when it is opened. Linux 5.4.
#[doc(alias = "bpf_btf_get_next_id")]
pub fn ids(kernel: &Kernel) -> impl Iterator<Item = Result<u32>> + use<> {
    ids::all(kernel, ObjectKind::Btf)
}

/// Opens the kernel's BTF object with an id, with the rights of a token if one is given, without reading it.
///
/// # Errors
/// `NotFound` if there is no such object.
#[doc(alias = "bpf_btf_get_fd_by_id")]
#[doc(alias = "bpf_btf_get_fd_by_id_opts")]
pub fn open_id(kernel: &Kernel, id: u32, how: OpenId<'_>) -> Result<BtfFd> {
    ids::open(kernel, ObjectKind::Btf, id, how).map(BtfFd)
}

/// What the kernel says about a BTF object, and its name: "vmlinux", a module's, or "".
///
/// # Errors
/// The kernel's.
#[doc(alias = "bpf_btf_get_info_by_fd")]
pub fn info(kernel: &Kernel, object: &Handle) -> Result<(BtfInfo, String)> {
    let mut name = [0; 64];
    let info = ask(kernel, object, &mut [], &mut name)?;
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    Ok((info, String::from_utf8_lossy(name).into_owned()))
}

fn open(kernel: &Kernel, id: u32) -> Result<(Handle, BtfInfo, String)> {
    let object = ids::open(kernel, ObjectKind::Btf, id, OpenId::default())?;
    let (info, name) = info(kernel, &object)?;
    Ok((object, info, name))
}

fn parse(kernel: &Kernel, id: u32, object: &Handle, base: Option<Arc<Btf>>) -> Result<Btf> {
    let bytes = read(kernel, object)?;
    let btf = match base {
        Some(base) => Btf::parse_split(bytes, base),
        None => Btf::parse(bytes),
    };
    btf.map_err(broken).at(|| Frame::Target(format!("BTF {id}")))
}

/// The bytes of a BTF object in the kernel.
pub(crate) fn read(kernel: &Kernel, object: &Handle) -> Result<Vec<u8>> {
    let size = ask(kernel, object, &mut [], &mut [])?.btf_size;
    let mut bytes = vec![0; size as usize];
    ask(kernel, object, &mut bytes, &mut [])?;
    Ok(bytes)
}

fn ask(kernel: &Kernel, object: &Handle, btf: &mut [u8], name: &mut [u8]) -> Result<BtfInfo> {
    let mut info = BtfInfo::default();
    let request = GetInfo { object, info: info.as_mut_bytes(), buffers: InfoBuffers::Btf { btf, name } };
    kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    Ok(info)
}

fn of_kernel() -> Frame {
    Frame::Target("BTF of the kernel".into())
}

fn broken(e: BtfError) -> Error {
    Error::kernel(e.errno()).with_source(e)
}
