//! Programs on statically defined probes of user programs (USDT).
//!
//! A probe may be at many places in a file, and its arguments elsewhere at each. A program finds them through two maps that
//! `usdt.bpf.h` defines: `__bpf_usdt_specs` has for each id what the arguments are, and the id of a place is its attach
//! cookie or, on kernels without cookies (before Linux 5.15), in `__bpf_usdt_ip_to_spec_id` under the place's address.
//! This fills the maps and puts user probes at all places: by one link where the kernel has links on many uprobes
//! (Linux 6.6), else by one perf event each.
//!
//! Ids are given out once for all programs of an object and taken back when a link ends. Within one attachment, places whose
//! arguments are the same share an id; two attachments never share one, since each may have a cookie of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oxbpf_elf::ElfErrorKind;
use oxbpf_elf::usdt::{ArgError, RegisterSet, SpecLayout, UsdtProbe, parse_args};
use oxbpf_kernel::{Fact, Kernel, MapFd};
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::{AttachType, Cmd, Errno, ProgType};

use super::attach::Attach;
use super::uprobe::{self, UprobeMultiOpts, UprobeOpts};
use super::{Held, Link};
use crate::error::{At, Error, Frame, Result, nearest};
use crate::feature::Feature;
use crate::syms;
use crate::syms::binary::{Binary, Contents};

/// Map of argument records, by id.
pub(super) const SPECS: &str = "__bpf_usdt_specs";
/// Map of ids, by address.
pub(super) const IDS_BY_ADDRESS: &str = "__bpf_usdt_ip_to_spec_id";

/// Options of `attach_usdt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_usdt_opts")]
pub struct UsdtOpts {
    /// Only in this process, 0 for the caller's; `None` for all, now and later. Before Linux 5.15 probes of libraries need
    /// a process.
    pub pid: Option<u32>,
    /// What `bpf_usdt_cookie` gives the program.
    pub cookie: u64,
}

/// The maps of an object that tell its programs of probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsdtMaps<'a> {
    pub(super) specs: &'a MapFd,
    pub(super) value_size: u32,
    pub(super) max_entries: u32,
    pub(super) by_address: &'a MapFd,
    pub(super) ids: &'a Arc<SpecIds>,
}

/// Ids of argument records of one object: which are free.
#[derive(Debug, Default)]
pub(crate) struct SpecIds(Mutex<IdState>);

#[derive(Debug, Default)]
struct IdState {
    /// Given back.
    free: Vec<u32>,
    /// Never used from here on.
    next: u32,
}

impl SpecIds {
    fn take(&self, max_entries: u32) -> Option<u32> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = state.free.pop() {
            return Some(id);
        }
        let id = state.next;
        (id < max_entries).then(|| {
            state.next += 1;
            id
        })
    }

    fn give_back(&self, ids: Vec<u32>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).free.extend(ids);
    }
}

/// What an attachment has in the maps.
#[derive(Debug)]
pub(crate) struct Records {
    kernel: Kernel,
    ids: Arc<SpecIds>,
    taken: Vec<u32>,
    by_address: MapFd,
    addresses: Vec<u64>,
}

impl Records {
    /// Gives the ids back. The records stay until the ids are used again; entries by address would be in the way of others.
    pub(crate) fn release(self) {
        for address in self.addresses {
            if let Err(e) = self.kernel.map_delete_elem(&self.by_address, &address.to_ne_bytes(), 0) {
                log::warn!("an address stays in {IDS_BY_ADDRESS}: {e}");
            }
        }
        self.ids.give_back(self.taken);
    }
}

/// A place that a probe goes to.
struct Place {
    /// Offset in the file that the kernel opens.
    offset: u64,
    /// Offset of the counter, 0 for none.
    counter: u64,
    /// Id of its arguments.
    id: u32,
}

pub(super) fn attach(
    a: &Attach<'_>,
    maps: UsdtMaps<'_>,
    binary: &Path,
    (provider, name): (&str, &str),
    opts: UsdtOpts,
) -> Result<Link> {
    a.expect_type("attach_usdt", &[ProgType::KPROBE])?;
    let frame = |path: &Path| Frame::Target(format!("probe `{}:{provider}:{name}`", path.display()));
    let path = syms::resolve_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))?;
    let pid = match opts.pid {
        Some(0) => Some(std::process::id()),
        pid => pid,
    };
    let mut records = Records {
        kernel: a.kernel.clone(),
        ids: maps.ids.clone(),
        taken: Vec::new(),
        by_address: maps.by_address.clone(),
        addresses: Vec::new(),
    };
    let attached = Search { a, maps, path: &path, pid, cookie: opts.cookie }
        .places(provider, name, &mut records)
        .and_then(|(file, places)| put_probes(a, &file, &places, pid));
    match attached {
        Ok(mut link) => {
            let probes = Box::new(core::mem::replace(&mut link.held, Held::Gone));
            Ok(Link::new(a.kernel, Held::Usdt { probes, specs: records }))
        }
        Err(e) => {
            records.release();
            Err(e.at(frame(&path)))
        }
    }
}

/// Whether one link can go on all places.
fn by_one_link(a: &Attach<'_>) -> bool {
    a.attach_type == AttachType::TRACE_UPROBE_MULTI && a.features.has(Feature::UprobeMultiLink)
}

fn put_probes(a: &Attach<'_>, file: &Path, places: &[Place], pid: Option<u32>) -> Result<Link> {
    if by_one_link(a) {
        let offsets: Vec<u64> = places.iter().map(|p| p.offset).collect();
        let counters: Vec<u64> = places.iter().map(|p| p.counter).collect();
        let cookies: Vec<u64> = places.iter().map(|p| p.id.into()).collect();
        let opts = UprobeMultiOpts {
            pid,
            ref_ctr_offsets: &counters,
            cookies: &cookies,
            ..UprobeMultiOpts::default()
        };
        return uprobe::create_multi(a, file, &offsets, opts);
    }
    let has_cookies = a.features.has(Feature::BpfCookie);
    let links: Result<Vec<Link>> = places
        .iter()
        .map(|place| {
            let cookie = if has_cookies { place.id.into() } else { 0 };
            let opts = UprobeOpts { pid, ref_ctr_offset: place.counter, cookie, ..UprobeOpts::default() };
            uprobe::attach_at(a, file, place.offset, opts)
        })
        .collect();
    Ok(Link::join(a.kernel, links?))
}

/// What looking for the places of a probe needs.
struct Search<'a> {
    a: &'a Attach<'a>,
    maps: UsdtMaps<'a>,
    path: &'a Path,
    pid: Option<u32>,
    cookie: u64,
}

impl Search<'_> {
    /// Finds the places and writes what their arguments are into the maps. Gives the file that the kernel is to open, too.
    fn places(&self, provider: &str, name: &str, records: &mut Records) -> Result<(PathBuf, Vec<Place>)> {
        let layout = SpecLayout::of_value_size(self.maps.value_size).ok_or_else(|| {
            let message = format!("map `{SPECS}` has values of {} bytes", self.maps.value_size);
            Error::invalid_object(message).with_hint("include usdt.bpf.h and leave its maps as they are")
        })?;
        let binary = Binary::open(self.a.kernel, self.path)?;
        let contents = binary.contents()?;
        let registers = self.registers(&contents)?;
        let probes = self.probes(&binary, &contents, provider, name)?;
        if probes.iter().any(|p| p.semaphore_offset != 0) {
            self.check_counters()?;
        }
        let has_cookies = self.a.features.has(Feature::BpfCookie);
        // The newest kernels serve probes on a long `nop` without a trap.
        let on_long_nop =
            probes.iter().any(|p| p.has_long_nop) && self.a.kernel.fact(Fact::UprobeSyscall).is_ok();
        let mut ids: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut places = Vec::new();
        for probe in &probes {
            let args = parse_args(probe.args, registers).map_err(|e| unreadable(probe.args, &e))?;
            let spec = layout.encode(&args, self.cookie).map_err(|e| Error::invalid_input(e.to_string()))?;
            let id = match ids.get(&spec) {
                Some(id) => *id,
                None => {
                    let id = self.write(&spec, records)?;
                    ids.insert(spec, id);
                    id
                }
            };
            let step = u64::from(on_long_nop && probe.has_long_nop);
            if !has_cookies {
                let address = self.address(&contents, probe)?.wrapping_add(step);
                self.write_address(address, id, records)?;
            }
            let in_file = |offset: u64| {
                offset.checked_add(contents.start).ok_or_else(|| Error::kernel(Errno::EOVERFLOW))
            };
            let counter = if probe.semaphore_offset == 0 { 0 } else { in_file(probe.semaphore_offset)? };
            places.push(Place { offset: in_file(probe.file_offset)?.wrapping_add(step), counter, id });
        }
        Ok((binary.path().into(), places))
    }

    fn registers(&self, contents: &Contents<'_>) -> Result<RegisterSet> {
        let registers = RegisterSet::NATIVE.ok_or_else(|| {
            Error::unsupported("probes of this machine's programs", "")
                .with_message("this machine's registers are not known to statically defined probes")
        })?;
        let exec = &contents.exec;
        let is_own = exec.is_big_endian() == cfg!(target_endian = "big");
        if is_own && registers.reads(exec.machine(), exec.is_64()) {
            return Ok(registers);
        }
        Err(Error::invalid_input("it is a program for another kind of machine").with_errno(Errno::EBADF))
    }

    fn probes<'c>(
        &self,
        binary: &Binary,
        contents: &Contents<'c>,
        provider: &str,
        name: &str,
    ) -> Result<Vec<UsdtProbe<'c>>> {
        contents.exec.usdt_probes(provider, name).map_err(|e| {
            let is_missing = matches!(e.kind(), ElfErrorKind::NoSuchProbe { .. });
            let error = binary.error(e);
            let notes = if is_missing { contents.exec.usdt_notes().unwrap_or_default() } else { Vec::new() };
            let names: Vec<String> = notes.iter().map(|n| format!("{}:{}", n.provider, n.name)).collect();
            match nearest(&format!("{provider}:{name}"), names.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    fn write(&self, spec: &[u8], records: &mut Records) -> Result<u32> {
        let max = self.maps.max_entries;
        let id = self.maps.ids.take(max).ok_or_else(|| {
            let message = format!("map `{SPECS}` is full: it has room for the arguments of {max} places");
            Error::invalid_input(message)
                .with_errno(Errno::E2BIG)
                .with_hint("define BPF_USDT_MAX_SPEC_CNT before including usdt.bpf.h, or change the map's size before load")
        })?;
        records.taken.push(id);
        self.a
            .kernel
            .map_update_elem(self.maps.specs, &id.to_ne_bytes(), spec, 0)
            .at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM))
            .at(|| Frame::Map(SPECS.into()))?;
        Ok(id)
    }

    fn write_address(&self, address: u64, id: u32, records: &mut Records) -> Result<()> {
        let (key, value) = (address.to_ne_bytes(), id.to_ne_bytes());
        let flags = UpdateFlags::NOEXIST.bits();
        match self.a.kernel.map_update_elem(self.maps.by_address, &key, &value, flags) {
            Ok(()) => {
                records.addresses.push(address);
                Ok(())
            }
            Err(e) => {
                let error = Error::kernel(e)
                    .at(Frame::Command(Cmd::MAP_UPDATE_ELEM))
                    .at(Frame::Map(IDS_BY_ADDRESS.into()));
                Err(match e {
                    Errno::EEXIST => error.with_hint(format!(
                        "another probe of this object is at address {address:#x}; kernels before 5.15 tell probes apart by address"
                    )),
                    _ => error,
                })
            }
        }
    }

    /// Address of a place as the program will see it.
    fn address(&self, contents: &Contents<'_>, probe: &UsdtProbe<'_>) -> Result<u64> {
        if !contents.exec.is_shared() {
            return Ok(probe.address);
        }
        let Some(pid) = self.pid else {
            return Err(Error::unsupported("probes of libraries in all processes", "5.15")
                .with_hint("give the id of a process: its memory tells the addresses"));
        };
        let maps = self
            .a
            .kernel
            .fact(Fact::ProcessMaps(pid))
            .at(|| Frame::Path(format!("/proc/{pid}/maps").into()))?;
        let path = mapped_name(self.path, pid);
        let offset = probe.file_offset.wrapping_add(contents.start);
        loaded_at(&String::from_utf8_lossy(&maps), &path.to_string_lossy(), offset).ok_or_else(|| {
            Error::not_found(format!("process {pid} has not loaded `{}`", path.display()))
                .with_errno(Errno::ESRCH)
        })
    }

    fn check_counters(&self) -> Result<()> {
        let format = Fact::PmuFormat { unit: "uprobe", field: "ref_ctr_offset" };
        match self.a.kernel.fact(format) {
            // The embedded kernel and new ones say where; others have no such field.
            Err(Errno::ENOENT) if !by_one_link(self.a) => Err(Error::unsupported(
                "counters of uprobes",
                "4.20",
            )
            .with_message(
                "the probe has a counter that says whether anybody listens, and the kernel can't raise it",
            )),
            _ => Ok(()),
        }
    }
}

fn unreadable(text: &str, error: &ArgError) -> Error {
    // As libbpf's.
    let errno = match error {
        ArgError::Register { .. } => Errno::ENOENT,
        ArgError::TooMany => Errno::E2BIG,
        _ => Errno::EINVAL,
    };
    Error::unsupported("the arguments of this probe", "")
        .with_errno(errno)
        .with_message(format!("arguments `{text}`: {error}"))
}

/// What `/proc/PID/maps` calls a file: a process in a container sees it under its own root.
fn mapped_name(path: &Path, pid: u32) -> PathBuf {
    let root = format!("/proc/{pid}/root");
    match path.strip_prefix(&root) {
        Ok(inside) => Path::new("/").join(inside),
        Err(_) => path.canonicalize().unwrap_or_else(|_| path.into()),
    }
}

/// Address at which a byte of a file is mapped as code.
fn loaded_at(maps: &str, path: &str, offset: u64) -> Option<u64> {
    maps.lines().find_map(|line| {
        // Start-end, rights, offset, device, inode, name, which may have blanks in it.
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let from = u64::from_str_radix(words.next()?, 16).ok()?;
        let name = words.nth(2)?.trim_start();
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let at = offset.checked_sub(from).filter(|at| *at < end.saturating_sub(start))?;
        (name == path && rights.as_bytes().get(2) == Some(&b'x')).then(|| start.wrapping_add(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_used_again_once_they_are_given_back() {
        let ids = SpecIds::default();
        assert_eq!((ids.take(2), ids.take(2), ids.take(2)), (Some(0), Some(1), None));
        ids.give_back(vec![0]);
        assert_eq!((ids.take(2), ids.take(2)), (Some(0), None));
    }

    #[test]
    fn a_library_is_found_in_the_memory_of_a_process() {
        let maps = "\
55d0-55e0 r--p 00000000 fe:01 12 /usr/lib/a b.so
7000-8000 r-xp 00001000 fe:01 12                         /usr/lib/a b.so
9000-a000 rw-p 00002000 fe:01 12                         /usr/lib/a b.so
b000-c000 rw-p 00000000 00:00 0
c000-d000 r-xp 00000000 fe:01 13                         /usr/lib/other.so
";
        assert_eq!(loaded_at(maps, "/usr/lib/a b.so", 0x1010), Some(0x7010));
        assert_eq!(loaded_at(maps, "/usr/lib/a b.so", 0x2010), None, "that part is no code");
        assert_eq!(loaded_at(maps, "/usr/lib/none.so", 0x1010), None);
    }

    #[test]
    fn a_file_in_a_container_goes_by_its_name_there() {
        assert_eq!(mapped_name(Path::new("/proc/7/root/lib/x.so"), 7), Path::new("/lib/x.so"));
        assert_eq!(mapped_name(Path::new("/no/such/x.so"), 7), Path::new("/no/such/x.so"));
    }
}
