//! Probes in user code: places in files in, breakpoints in every process that maps them out.
//!
//! A place is a file and an offset in it. Wherever an executable mapping of the file (same device and inode) covers the offset, the byte there
//! becomes a breakpoint: when a probe is attached, after execve(2), and after the calls by which loaders map code. Children of fork(2) have the
//! breakpoints of their parents already.
//!
//! A return is seen by a second breakpoint at the address that the function will return to. It stays, since most calls come from the same
//! places again. Whether a hit is the return of a call that was seen is told by the stack pointer, so recursion and other threads are no
//! problem; frames that are jumped out of are forgotten when their place on the stack is used again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf_sys::trace::{PtRegs, Tracee};
use zerocopy::IntoBytes;

use super::engine::Engine;
use crate::hooks::{Attachment, Hook};
use crate::invoke::Context;
use crate::tasks::Task;

/// Calls of one thread that may be under way; older ones are forgotten.
const MAX_CALLS: usize = 4096;

/// Numbers of calls that change what code is mapped where, on x86-64.
mod nr {
    pub(super) const MMAP: u64 = 9;
    pub(super) const MPROTECT: u64 = 10;
    pub(super) const MUNMAP: u64 = 11;
    pub(super) const MREMAP: u64 = 25;
    pub(super) const PKEY_MPROTECT: u64 = 329;
}
/// `PROT_EXEC`; `MAP_FIXED` without `MAP_FIXED_NOREPLACE`'s promise.
const PROT_EXEC: u64 = 4;
const MAP_FIXED: u64 = 0x10;

/// Probes of one source.
#[derive(Debug, Default)]
pub(super) struct Uprobes {
    points: Vec<Point>,
    /// By process.
    spaces: HashMap<u32, Space>,
    /// Calls under way, by thread, innermost last.
    calls: HashMap<u32, Vec<Call>>,
}

/// A place in a file.
#[derive(Debug)]
struct Point {
    file: Arc<ProbedFile>,
    offset: u64,
    /// Programs at the instruction.
    entry: Vec<Arc<Attachment>>,
    /// Programs at the function's return.
    ret: Vec<Arc<Attachment>>,
}

#[derive(Debug, PartialEq, Eq)]
struct ProbedFile {
    path: PathBuf,
    /// The same without symbolic links, as `/proc/PID/maps` shows it.
    real: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

/// Breakpoints of a process.
#[derive(Clone, Debug, Default)]
struct Space {
    /// Address to index in [`Uprobes::points`].
    entries: HashMap<u64, usize>,
    returns: HashSet<u64>,
}

/// A call of a function whose return is waited for.
#[derive(Clone, Debug)]
struct Call {
    return_addr: u64,
    /// Stack pointer after the return.
    sp: u64,
    /// Address of the function.
    func: u64,
    /// Programs that want to know.
    programs: Vec<Arc<Attachment>>,
}

/// An executable mapping of a file.
#[derive(Debug)]
struct Mapping<'t> {
    range: Range<u64>,
    offset: u64,
    id: (u64, u64),
    path: &'t Path,
}

impl Uprobes {
    /// Follows what is attached. Processes get and lose breakpoints by [`Uprobes::apply`].
    pub(super) fn set_wanted(&mut self, wanted: &[Arc<Attachment>]) {
        self.points.clear();
        for attachment in wanted {
            let Hook::Uprobe { path, offset, is_return, .. } = &attachment.hook else { continue };
            let known =
                self.points.iter().position(|p| p.offset == *offset && p.file.path == Path::new(path));
            let point = match known.and_then(|at| self.points.get_mut(at)) {
                Some(point) => point,
                None => {
                    let Some(file) = self.file(path) else { continue };
                    self.points.push(Point { file, offset: *offset, entry: Vec::new(), ret: Vec::new() });
                    match self.points.last_mut() {
                        Some(point) => point,
                        None => continue,
                    }
                }
            };
            if *is_return { &mut point.ret } else { &mut point.entry }.push(attachment.clone());
        }
        for calls in self.calls.values_mut() {
            for call in calls.iter_mut() {
                call.programs.retain(|p| wanted.iter().any(|w| Arc::ptr_eq(p, w)));
            }
            calls.retain(|call| !call.programs.is_empty());
        }
    }

    fn file(&self, path: &str) -> Option<Arc<ProbedFile>> {
        let known = self.points.iter().find(|p| p.file.path == Path::new(path));
        if let Some(point) = known {
            return Some(point.file.clone());
        }
        match std::fs::metadata(path) {
            Ok(m) => {
                let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
                Some(Arc::new(ProbedFile { path: path.into(), real, id: (m.dev(), m.ino()) }))
            }
            Err(error) => {
                log::warn!("uprobe in `{path}`: {error}");
                None
            }
        }
    }

    /// Makes the breakpoints of a process those that its mappings and the attached programs ask for.
    pub(super) fn apply(&mut self, tracee: &mut Tracee, task: &Task) {
        if self.points.is_empty() && !self.spaces.contains_key(&task.tgid()) {
            return;
        }
        let wanted = self.addresses(task);
        let space = self.spaces.entry(task.tgid()).or_default();
        let old: Vec<u64> = space.entries.keys().copied().filter(|a| !wanted.contains_key(a)).collect();
        for addr in old {
            if !space.returns.contains(&addr) {
                // What is no longer mapped cannot be put back.
                let _ = tracee.remove_breakpoint(task.tid(), addr);
            }
        }
        if self.points.iter().all(|p| p.ret.is_empty()) {
            for addr in std::mem::take(&mut space.returns) {
                if !wanted.contains_key(&addr) {
                    let _ = tracee.remove_breakpoint(task.tid(), addr);
                }
            }
        }
        space.entries = wanted;
        for addr in space.entries.keys() {
            if let Err(error) = tracee.insert_breakpoint(task.tid(), *addr) {
                log::warn!("breakpoint at {addr:#x} of process {}: {error}", task.tgid());
            }
        }
    }

    /// Where the points are in a process.
    fn addresses(&self, task: &Task) -> HashMap<u64, usize> {
        let mut found = HashMap::new();
        if self.points.is_empty() {
            return found;
        }
        let maps = std::fs::read_to_string(format!("/proc/{}/task/{}/maps", task.tgid(), task.tid()));
        let maps = maps.unwrap_or_default();
        for mapping in maps.lines().filter_map(mapping) {
            for (index, point) in self.points.iter().enumerate() {
                let is_wanted = point.entry.iter().chain(&point.ret).any(|a| is_for(a, task));
                if let Some(addr) = mapping.address_of(point).filter(|_| is_wanted) {
                    found.insert(addr, index);
                }
            }
        }
        found
    }

    /// Takes breakpoints out of memory that a call is about to give back.
    pub(super) fn before_syscall(&mut self, tracee: &mut Tracee, task: &Task, nr: u64, args: [u64; 6]) {
        let [addr, len, _, flags, ..] = args;
        let gives_back = match nr {
            nr::MUNMAP | nr::MREMAP => true,
            nr::MMAP => flags & MAP_FIXED != 0,
            _ => false,
        };
        let Some(space) = self.spaces.get_mut(&task.tgid()).filter(|_| gives_back) else { return };
        let range = addr..addr.saturating_add(len);
        let gone: Vec<u64> =
            space.entries.keys().chain(&space.returns).copied().filter(|a| range.contains(a)).collect();
        for addr in gone {
            space.entries.remove(&addr);
            space.returns.remove(&addr);
            let _ = tracee.remove_breakpoint(task.tid(), addr);
        }
    }

    /// Puts breakpoints into code that a call may have mapped, or failed to give back.
    pub(super) fn after_syscall(&mut self, tracee: &mut Tracee, task: &Task, nr: u64, ret: i64) {
        let maps_code = match nr {
            nr::MMAP | nr::MPROTECT | nr::PKEY_MPROTECT => {
                tracee.regs(task.tid()).is_ok_and(|r| r.dx & PROT_EXEC != 0)
            }
            nr::MREMAP => true,
            nr::MUNMAP => ret < 0,
            _ => return,
        };
        if maps_code {
            self.apply(tracee, task);
        }
    }

    /// The process is another program now, without breakpoints.
    pub(super) fn after_exec(&mut self, tracee: &mut Tracee, task: &Task, old_tid: u32) {
        self.calls.remove(&old_tid);
        self.calls.remove(&task.tid());
        self.spaces.remove(&task.tgid());
        self.apply(tracee, task);
    }

    /// A new process starts with the memory and the stack of the thread that made it.
    pub(super) fn after_fork(&mut self, parent: &Task, child: &Task) {
        if let Some(space) = self.spaces.get(&parent.tgid()).cloned() {
            self.spaces.insert(child.tgid(), space);
        }
        if let Some(calls) = self.calls.get(&parent.tid()).cloned() {
            self.calls.insert(child.tid(), calls);
        }
    }

    pub(super) fn after_exit(&mut self, task: &Task, group_dead: bool) {
        self.calls.remove(&task.tid());
        if group_dead {
            self.spaces.remove(&task.tgid());
        }
    }

    /// Runs the programs at a breakpoint: of returns first, since the function that is entered there comes after them.
    pub(super) fn hit(&mut self, tracee: &mut Tracee, engine: &mut Engine, task: &Arc<Task>, addr: u64) {
        let Ok(regs) = tracee.regs(task.tid()) else { return };
        self.returned(engine, task, &regs, addr);
        let index = self.spaces.get(&task.tgid()).and_then(|s| s.entries.get(&addr));
        let Some(point) = index.and_then(|i| self.points.get(*i)) else { return };
        for attachment in point.entry.iter().filter(|a| is_for(a, task)) {
            run(engine, attachment, task, &regs, addr);
        }
        let programs: Vec<_> = point.ret.iter().filter(|a| is_for(a, task)).cloned().collect();
        if !programs.is_empty() {
            self.called(tracee, task, &regs, addr, programs);
        }
    }

    /// Waits for the return of a function that is just entered.
    fn called(
        &mut self,
        tracee: &mut Tracee,
        task: &Task,
        regs: &PtRegs,
        func: u64,
        programs: Vec<Arc<Attachment>>,
    ) {
        let mut word = [0; 8];
        if task.read_user(regs.sp, &mut word).is_err() {
            return;
        }
        let call =
            Call { return_addr: u64::from_ne_bytes(word), sp: regs.sp.wrapping_add(8), func, programs };
        let space = self.spaces.entry(task.tgid()).or_default();
        if !space.returns.contains(&call.return_addr) {
            if let Err(error) = tracee.insert_breakpoint(task.tid(), call.return_addr) {
                log::debug!("return to {:#x}: {error}", call.return_addr);
                return;
            }
            space.returns.insert(call.return_addr);
        }
        let calls = self.calls.entry(task.tid()).or_default();
        // What was called with the same stack pointer is over, unless it went on here by a jump, which keeps the return address.
        calls.retain(|c| c.sp != call.sp || (c.return_addr == call.return_addr && c.func != call.func));
        if calls.len() >= MAX_CALLS {
            calls.remove(0);
        }
        calls.push(call);
    }

    fn returned(&mut self, engine: &mut Engine, task: &Arc<Task>, regs: &PtRegs, addr: u64) {
        let Some(calls) = self.calls.get_mut(&task.tid()) else { return };
        let is_over = |c: &Call| c.return_addr == addr && c.sp == regs.sp;
        if !calls.iter().any(is_over) {
            return;
        }
        let (over, rest): (Vec<_>, Vec<_>) = std::mem::take(calls).into_iter().partition(is_over);
        *calls = rest;
        for call in over.iter().rev() {
            for attachment in &call.programs {
                run(engine, attachment, task, regs, call.func);
            }
        }
    }
}

fn is_for(attachment: &Attachment, task: &Task) -> bool {
    match attachment.hook {
        Hook::Uprobe { pid: Some(pid), .. } => pid == task.tgid(),
        _ => true,
    }
}

fn run(engine: &mut Engine, attachment: &Attachment, task: &Arc<Task>, regs: &PtRegs, func_ip: u64) {
    let mut bytes = *regs;
    let context = Context::Record { bytes: bytes.as_mut_bytes(), writable: false };
    engine.run(attachment, context, task, Some(regs), func_ip);
}

impl Mapping<'_> {
    /// Where a point is in the mapping.
    fn address_of(&self, point: &Point) -> Option<u64> {
        // Stacked file systems show the lower file's device or inode in maps, and their own in stat(2); the name tells then. That of a
        // file that was replaced ends in " (deleted)".
        let same_file = self.id == point.file.id || self.path == point.file.real;
        let addr = self.range.start.checked_add(point.offset.checked_sub(self.offset)?)?;
        (same_file && self.range.contains(&addr)).then_some(addr)
    }
}

/// A line of `/proc/PID/maps`, if it is an executable mapping of a file.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?.parse().ok()?;
    if inode == 0 || rights.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let device =
        rustix::fs::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let path = Path::new(words.next()?.trim_start());
    Some(Mapping { range: hex(start)?..hex(end)?, offset, id: (device, inode), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_mappings_of_files_are_found() {
        let line = "7f0000001000-7f0000003000 r-xp 00002000 08:01 77                     /lib/a b.so";
        let found = mapping(line).unwrap();
        assert_eq!((found.range.clone(), found.offset), (0x7f00_0000_1000..0x7f00_0000_3000, 0x2000));
        assert_eq!((found.id, found.path), ((rustix::fs::makedev(8, 1), 77), Path::new("/lib/a b.so")));
        let point = |path: &str, id, offset| Point {
            file: Arc::new(ProbedFile { path: "/link".into(), real: path.into(), id }),
            offset,
            entry: Vec::new(),
            ret: Vec::new(),
        };
        let id = found.id;
        assert_eq!(found.address_of(&point("/x", id, 0x2010)), Some(0x7f00_0000_1010));
        assert_eq!(found.address_of(&point("/x", id, 0x1fff)), None, "before the mapping");
        assert_eq!(found.address_of(&point("/x", id, 0x4000)), None, "behind it");
        assert_eq!(found.address_of(&point("/x", (1, 77), 0x2010)), None, "another device");
        assert_eq!(
            found.address_of(&point("/lib/a b.so", (1, 99), 0x2010)),
            Some(0x7f00_0000_1010),
            "the same name"
        );
    }

    #[test]
    fn other_mappings_are_not() {
        for line in [
            "7f0000001000-7f0000003000 rw-p 00002000 08:01 77   /lib/a.so",
            "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0    [vdso]",
            "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 ",
            "",
        ] {
            assert!(mapping(line).is_none(), "{line}");
        }
    }
}
