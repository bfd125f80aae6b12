//! Kernel objects in guest memory: members by name in, bytes at the offsets that the kernel's BTF gives them out.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use oxbpf_uapi::BtfKind;
use oxbpf_vm::Region;

use super::proc::Place;
use crate::kbtf;

/// Where the members of a struct are.
#[derive(Debug)]
struct Layout {
    size: u64,
    members: HashMap<&'static str, (u64, u32)>,
}

fn layout(name: &str) -> Option<&'static Layout> {
    static LAYOUTS: OnceLock<HashMap<&'static str, Layout>> = OnceLock::new();
    let all = LAYOUTS.get_or_init(|| {
        let btf = kbtf::btf();
        let structs = btf.types().filter(|t| t.kind() == BtfKind::STRUCT && !t.name().is_empty());
        let layouts = structs.filter_map(|t| {
            let members = t.composite()?.members().filter(|m| m.bit_offset % 8 == 0 && m.bit_size == 0);
            let members = members
                .filter_map(|m| Some((m.name, (u64::from(m.bit_offset / 8), btf.size_of(m.type_id).ok()?))));
            Some((t.name(), Layout { size: t.size().into(), members: members.collect() }))
        });
        layouts.collect()
    });
    let found = all.get(name);
    debug_assert!(found.is_some(), "no struct {name}");
    found
}

/// Bytes of a struct, rounded up so that another may follow.
pub(super) fn size_of(name: &str) -> u64 {
    layout(name).map_or(0, |l| l.size.next_multiple_of(8))
}

/// A struct in a region. Writing beyond the region or to a member that the BTF lacks does nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'r> {
    region: &'r Region,
    at: u64,
    layout: &'static Layout,
}

impl<'r> Object<'r> {
    pub(super) fn new(region: &'r Region, at: u64, name: &str) -> Option<Self> {
        Some(Self { region, at, layout: layout(name)? })
    }

    /// Guest address.
    pub(super) fn addr(&self) -> u64 {
        self.region.addr() + self.at
    }

    fn member(&self, name: &str) -> Option<(u64, u32)> {
        let found = self.layout.members.get(name).copied();
        debug_assert!(found.is_some(), "no member {name}");
        found
    }

    /// Sets an integer or pointer of 1, 2, 4 or 8 bytes, or a struct of one such.
    pub(super) fn set(&self, name: &str, value: u64) {
        if let Some((offset, size)) = self.member(name) {
            let stored = self.region.store_uint(self.at + offset, size, value);
            debug_assert!(stored.is_ok(), "{name}");
        }
    }

    /// Sets the first bytes of an array.
    pub(super) fn set_bytes(&self, name: &str, bytes: &[u8]) {
        if let Some((offset, size)) = self.member(name) {
            let bytes = bytes.get(..size as usize).unwrap_or(bytes);
            let written = self.region.write(self.at + offset, bytes);
            debug_assert!(written.is_ok(), "{name}");
        }
    }

    /// A struct that is a member.
    pub(super) fn part(&self, name: &str, of: &str) -> Option<Self> {
        let (offset, _) = self.member(name)?;
        Self::new(self.region, self.at + offset, of)
    }
}

/// Places objects in a region one after another, the same ones at the same addresses each time.
#[derive(Debug)]
pub(super) struct Arena<'r> {
    region: &'r Region,
    at: u64,
}

impl<'r> Arena<'r> {
    pub(super) fn new(region: &'r Region) -> Self {
        Self { region, at: 0 }
    }

    /// Room for a struct, `None` when the region is full.
    pub(super) fn object(&mut self, name: &str) -> Option<Object<'r>> {
        let object = Object::new(self.region, self.at, name)?;
        let end = self.at + size_of(name);
        if end > self.region.len() {
            return None;
        }
        self.at = end;
        Some(object)
    }

    /// A string with its NUL; gives its address, 0 when the region is full.
    pub(super) fn text(&mut self, text: &[u8]) -> u64 {
        let addr = self.region.addr() + self.at;
        let len = text.len() as u64;
        let fits = self.at.checked_add(len + 1).is_some_and(|end| end <= self.region.len());
        if !fits || self.region.write(self.at, text).is_err() || self.region.zero(self.at + len, 1).is_err() {
            return 0;
        }
        self.at = (self.at + len + 1).next_multiple_of(8).min(self.region.len());
        addr
    }

    /// The directory entries from the root to a place, and its inode. Gives the addresses of the last entry and the inode, 0 when
    /// the region is full.
    pub(super) fn dentries(&mut self, place: &Place) -> (u64, u64) {
        let inode = place.inode.and_then(|(number, mode, uid, gid)| {
            let inode = self.object("inode")?;
            inode.set("i_ino", number);
            inode.set("i_mode", mode.into());
            inode.set("i_uid", uid.into());
            inode.set("i_gid", gid.into());
            Some(inode.addr())
        });
        let mut parent = None;
        let mut last = None;
        for name in components(&place.path) {
            let Some(dentry) = self.object("dentry") else { return (0, 0) };
            // The root is its own parent.
            dentry.set("d_parent", parent.unwrap_or(dentry.addr()));
            let text = self.text(name);
            if let Some(qstr) = dentry.part("d_name", "qstr") {
                qstr.set("len", name.len() as u64);
                qstr.set("name", text);
            }
            dentry.set("d_inode", 0);
            parent = Some(dentry.addr());
            last = Some(dentry);
        }
        if let (Some(last), Some(inode)) = (&last, inode) {
            last.set("d_inode", inode);
        }
        (last.map_or(0, |d| d.addr()), inode.unwrap_or(0))
    }
}

/// "/" and the names below it.
fn components(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.as_os_str().as_bytes().split(|b| *b == b'/').enumerate().filter_map(|(i, name)| match (i, name) {
        (0, b"") => Some(&b"/"[..]),
        (_, b"") => None,
        (_, name) => Some(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_vm::{Memory, RegionSpec};

    #[test]
    fn entries_lead_from_a_file_to_the_root() {
        let memory = Memory::new(1 << 20).unwrap();
        let region = memory.alloc(RegionSpec::new(4096, "test")).unwrap();
        let mut arena = Arena::new(&region);
        let place = Place { path: "/usr/bin/cat".into(), inode: Some((77, 0o100_755, 0, 0)) };
        let (mut dentry, inode) = arena.dentries(&place);
        let member = |of: &str, name: &str| layout(of).unwrap().members[name].0;
        let word = |addr: u64| memory.read_uint(addr, 8).unwrap();
        assert_eq!(word(dentry + member("dentry", "d_inode")), inode);
        assert_eq!(word(inode + member("inode", "i_ino")), 77);
        let mut names = Vec::new();
        loop {
            let name = word(dentry + member("dentry", "d_name") + member("qstr", "name"));
            names.push(String::from_utf8(memory.read_cstr(name, 64).unwrap()).unwrap());
            let parent = word(dentry + member("dentry", "d_parent"));
            if parent == dentry {
                break;
            }
            dentry = parent;
        }
        assert_eq!(names, ["cat", "bin", "usr", "/"]);
    }

    #[test]
    fn a_full_region_gives_null_pointers() {
        let memory = Memory::new(1 << 20).unwrap();
        let region = memory.alloc(RegionSpec::new(64, "test")).unwrap();
        let mut arena = Arena::new(&region);
        assert_eq!(arena.text(&[b'x'; 64]), 0);
        assert_ne!(arena.text(&[b'x'; 63]), 0);
        assert_eq!(arena.dentries(&Place { path: "/a".into(), inode: None }), (0, 0));
        assert!(arena.object("task_struct").is_none());
    }
}
