//! Threads, as programs see them: `/proc` and the tracer's events in, `struct task_struct` and what hangs from it in guest memory out.
//!
//! Every traced thread has an image: a `task_struct` with its `cred` and `pid`, and one of its process with `mm`, `signal`, `files`, `fs`, namespaces
//! and the program's file. Parents outside of the traced tree, up to the first process, have images too, as far as `/proc` may be read. Images are
//! read-only to programs and are brought up to date at fork, exec and exit, names and ids also when a call changes them.

mod image;
mod proc;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

use oxbpf_sys::trace;
use oxbpf_uapi::Errno;
use oxbpf_vm::{MemError, Memory, Region, RegionSpec, Rights};

use image::{Arena, Object};
pub(crate) use proc::COMM_LEN;
use proc::{Place, ProcessInfo, ThreadInfo};

/// Bytes for the objects of a process: the fixed ones, and three paths.
const PROCESS_LEN: u64 = 16 << 10;
/// Images of threads that have ended which are kept, for programs that still hold their addresses.
const KEPT: usize = 256;
/// Most parents outside of the traced tree.
const MAX_PARENTS: u32 = 64;

/// A thread.
#[derive(Debug)]
pub(crate) struct Task {
    tid: u32,
    tgid: u32,
    region: Region,
    process: Arc<Process>,
    known: Mutex<Known>,
    cgroup: OnceLock<u64>,
    /// Whether it is this process, whose memory programs do not read.
    is_own: bool,
}

/// What may change.
#[derive(Debug)]
struct Known {
    comm: [u8; COMM_LEN],
    uid: u32,
    gid: u32,
    prio: i32,
    /// Keeps its image. The first process and threads whose parent is not known have none.
    parent: Option<Arc<Task>>,
}

/// What the threads of a process share.
#[derive(Debug)]
struct Process(Region);

impl Process {
    fn new(memory: &Memory, pid: u32) -> Result<Self, MemError> {
        let spec = RegionSpec::new(PROCESS_LEN, format!("objects of process {pid}")).rights(Rights::Read);
        let process = Self(memory.alloc(spec)?);
        process.refresh(pid);
        Ok(process)
    }

    /// Writes the objects anew, each to where it was.
    fn refresh(&self, pid: u32) -> Option<()> {
        let info = ProcessInfo::read(pid);
        let mut arena = Arena::new(&self.0);
        let mm = arena.object("mm_struct")?;
        let signal = arena.object("signal_struct")?;
        let files = arena.object("files_struct")?;
        let fs = arena.object("fs_struct")?;
        let nsproxy = arena.object("nsproxy")?;
        let exe = arena.object("file")?;
        let mount = arena.object("vfsmount")?;
        info.addresses.iter().for_each(|(name, value)| mm.set(name, *value));
        mm.set("total_vm", info.total_vm);
        mm.set("hiwater_rss", info.hiwater_rss);
        mm.set("map_count", info.map_count);
        mm.set("exe_file", exe.addr());
        signal.set("nr_threads", info.nr_threads);
        signal.set("live", info.nr_threads);
        signal.set("oom_score_adj", info.oom_score_adj);
        files.set("count", info.nr_threads);
        files.set("next_fd", info.fd_size);
        fs.set("users", info.nr_threads);
        fs.set("umask", info.umask);
        let members = [
            ("uts_ns", "uts_namespace"),
            ("mnt_ns", "mnt_namespace"),
            ("pid_ns_for_children", "pid_namespace"),
            ("net_ns", "net"),
        ];
        for ((member, name), inum) in members.into_iter().zip(info.namespaces) {
            let namespace = arena.object(name)?;
            namespace.part("ns", "ns_common")?.set("inum", inum);
            nsproxy.set(member, namespace.addr());
        }
        let mut place = |object: Object<'_>, member: &str, place: &Place| -> Option<u64> {
            let path = object.part(member, "path")?;
            let (dentry, inode) = arena.dentries(place);
            path.set("dentry", dentry);
            path.set("mnt", mount.addr());
            Some(inode)
        };
        place(fs, "root", &info.root)?;
        place(fs, "pwd", &info.pwd)?;
        let inode = place(exe, "f_path", &info.exe)?;
        exe.set("f_inode", inode);
        Some(())
    }

    /// Guest address of an object that [`Process::refresh`] placed.
    fn addr_of(&self, name: &str) -> u64 {
        let before = ["mm_struct", "signal_struct", "files_struct", "fs_struct", "nsproxy", "file"];
        self.0.addr() + before.iter().take_while(|n| **n != name).map(|n| image::size_of(n)).sum::<u64>()
    }
}

impl Task {
    fn new(
        memory: &Memory,
        tgid: u32,
        tid: u32,
        parent: Option<Arc<Self>>,
        leader: Option<&Arc<Self>>,
    ) -> Result<Self, MemError> {
        let process = match leader {
            Some(leader) => leader.process.clone(),
            None => Arc::new(Process::new(memory, tgid)?),
        };
        let len = image::size_of("task_struct") + image::size_of("cred") + image::size_of("pid");
        let region =
            memory.alloc(RegionSpec::new(len, format!("task_struct of {tid}")).rights(Rights::Read))?;
        let known = Known { comm: [0; COMM_LEN], uid: 0, gid: 0, prio: 0, parent };
        let known = Mutex::new(known);
        let task = Self { tid, tgid, region, process, known, cgroup: OnceLock::new(), is_own: false };
        if let Some(object) = task.object() {
            object.set("group_leader", leader.map_or(object.addr(), |l| l.address()));
        }
        task.refresh();
        Ok(task)
    }

    fn object(&self) -> Option<Object<'_>> {
        Object::new(&self.region, 0, "task_struct")
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what belongs to the thread up to date.
    pub(crate) fn refresh(&self) {
        let info = ThreadInfo::read(self.tgid, self.tid);
        let mut known = self.known();
        (known.comm, known.uid, known.gid, known.prio) = (info.comm, info.uids[0], info.gids[0], info.prio);
        let _ = self.write(&info, &known);
    }

    fn write(&self, info: &ThreadInfo, known: &Known) -> Option<()> {
        let task = self.object()?;
        let cred = Object::new(&self.region, image::size_of("task_struct"), "cred")?;
        let pid = Object::new(&self.region, image::size_of("task_struct") + image::size_of("cred"), "pid")?;
        let process = &self.process;
        let mm = if info.flags & PF_KTHREAD == 0 { process.addr_of("mm_struct") } else { 0 };
        let parent = known.parent.as_ref().map_or(task.addr(), |p| p.address());
        let values = [
            ("flags", info.flags),
            ("prio", info.prio as u64),
            ("static_prio", info.static_prio as u64),
            ("normal_prio", info.prio as u64),
            ("policy", info.policy),
            ("mm", mm),
            ("active_mm", mm),
            ("exit_signal", info.exit_signal),
            ("pid", self.tid.into()),
            ("tgid", self.tgid.into()),
            ("real_parent", parent),
            ("parent", parent),
            ("thread_pid", pid.addr()),
            ("utime", info.utime_ns),
            ("stime", info.stime_ns),
            ("nvcsw", info.nvcsw),
            ("nivcsw", info.nivcsw),
            ("start_time", info.start_boottime_ns.saturating_sub(suspended_ns())),
            ("start_boottime", info.start_boottime_ns),
            ("min_flt", info.min_flt),
            ("maj_flt", info.maj_flt),
            ("real_cred", cred.addr()),
            ("cred", cred.addr()),
            ("fs", process.addr_of("fs_struct")),
            ("files", process.addr_of("files_struct")),
            ("nsproxy", process.addr_of("nsproxy")),
            ("signal", process.addr_of("signal_struct")),
            ("loginuid", info.loginuid.into()),
            ("sessionid", info.sessionid.into()),
        ];
        values.iter().for_each(|(name, value)| task.set(name, *value));
        task.set_bytes("comm", &info.comm);
        for (names, ids) in
            [(["uid", "euid", "suid", "fsuid"], info.uids), (["gid", "egid", "sgid", "fsgid"], info.gids)]
        {
            names.iter().zip(ids).for_each(|(name, id)| cred.set(name, id.into()));
        }
        pid.set("count", 1);
        pid.part("numbers", "upid")?.set("nr", self.tid.into());
        Some(())
    }

    /// Brings the name up to date.
    pub(crate) fn refresh_comm(&self) {
        let Some(comm) = proc::comm(self.tgid, self.tid) else { return };
        self.known().comm = comm;
        if let Some(task) = self.object() {
            task.set_bytes("comm", &comm);
        }
    }

    /// Brings thread and process up to date, after execve(2).
    pub(crate) fn refresh_all(&self) {
        self.process.refresh(self.tgid);
        self.refresh();
    }

    /// Records how the thread ended, as wait(2) would tell.
    pub(crate) fn set_exit_code(&self, status: i32) {
        if let Some(task) = self.object() {
            task.set("exit_code", status as u64);
        }
        if let Some(signal) = Object::new(&self.process.0, image::size_of("mm_struct"), "signal_struct") {
            signal.set("group_exit_code", status as u64);
        }
    }

    fn set_parent(&self, parent: Arc<Self>) {
        if let Some(task) = self.object() {
            task.set("real_parent", parent.address());
            task.set("parent", parent.address());
        }
        self.known().parent = Some(parent);
    }

    /// The parent, if it is known.
    pub(crate) fn parent(&self) -> Option<Arc<Self>> {
        self.known().parent.clone()
    }

    /// Whether the thread executes, or would if there were a CPU for it.
    pub(crate) fn is_running(&self) -> bool {
        proc::state(self.tgid, self.tid) == Some(b'R')
    }

    /// Thread.
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }

    /// Process.
    pub(crate) fn tgid(&self) -> u32 {
        self.tgid
    }

    /// Real user id.
    pub(crate) fn uid(&self) -> u32 {
        self.known().uid
    }

    /// Real group id.
    pub(crate) fn gid(&self) -> u32 {
        self.known().gid
    }

    /// Name, NUL padded.
    pub(crate) fn comm(&self) -> [u8; COMM_LEN] {
        self.known().comm
    }

    /// Priority as the kernel counts, 120 being ordinary.
    pub(crate) fn prio(&self) -> i32 {
        self.known().prio
    }

    /// Guest address of the `task_struct`.
    pub(crate) fn address(&self) -> u64 {
        self.region.addr()
    }

    /// Guest address of the `cred`.
    pub(crate) fn cred_address(&self) -> u64 {
        self.region.addr() + image::size_of("task_struct")
    }

    /// Guest address of the `struct file` of the program.
    pub(crate) fn exe_file_address(&self) -> u64 {
        self.process.addr_of("file")
    }

    /// Id of the control group, 0 if there is no unified hierarchy.
    pub(crate) fn cgroup_id(&self) -> u64 {
        *self.cgroup.get_or_init(|| proc::cgroup_id(self.tgid))
    }

    /// Copies memory of the traced process, whole or not at all.
    pub(crate) fn read_user(&self, addr: u64, out: &mut [u8]) -> Result<(), Errno> {
        if self.read_some(addr, out)? == out.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn read_some(&self, addr: u64, out: &mut [u8]) -> Result<usize, Errno> {
        if self.is_own {
            return Err(Errno::EFAULT);
        }
        if out.is_empty() {
            return Ok(0);
        }
        trace::read_memory(self.tid, addr, out).map_err(|_| Errno::EFAULT)
    }

    /// Copies a string of the traced process: at most `max` bytes, and without its NUL.
    pub(crate) fn read_user_str(&self, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        /// Most strings end in the first part; a part ends at a page's end, since the next page may be missing.
        const PART: usize = 256;
        let mut found = Vec::new();
        let mut at = addr;
        while found.len() < max {
            let to_page_end = 4096 - (at & 4095) as usize;
            let len = PART.min(max - found.len()).min(to_page_end);
            let start = found.len();
            found.resize(start + len, 0);
            let read = self.read_some(at, found.get_mut(start..).unwrap_or_default())?;
            let part = found.get(start..start + read).unwrap_or_default();
            if let Some(end) = part.iter().position(|b| *b == 0) {
                found.truncate(start + end);
                return Ok(found);
            }
            if read < len {
                return Err(Errno::EFAULT);
            }
            at = at.wrapping_add(len as u64);
        }
        Ok(found)
    }

    /// Writes memory of the traced process where it could itself.
    pub(crate) fn write_user(&self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        if self.is_own {
            return Err(Errno::EFAULT);
        }
        trace::write_memory(self.tid, addr, bytes).map_err(|_| Errno::EFAULT)
    }
}

/// `PF_KTHREAD`.
const PF_KTHREAD: u64 = 0x0020_0000;

/// Nanoseconds that the machine slept since it booted: what the clock since boot counts and the monotonic one does not.
fn suspended_ns() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    u64::try_from(now(ClockId::Boottime) - now(ClockId::Monotonic)).unwrap_or(0)
}

/// All threads that programs may see.
#[derive(Debug)]
pub(crate) struct Tasks {
    memory: Memory,
    own: Arc<Task>,
    /// Done when this process has got its parents.
    rooted: Once,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    traced: BTreeMap<u32, Arc<Task>>,
    /// Parents outside of the traced tree, by process.
    others: HashMap<u32, Arc<Task>>,
    /// Threads that have ended, oldest first.
    gone: VecDeque<Arc<Task>>,
}

impl Tasks {
    /// A table without traced threads.
    pub(crate) fn new(memory: &Memory) -> Result<Self, MemError> {
        let pid = std::process::id();
        let own = Task { is_own: true, ..Task::new(memory, pid, pid, None, None)? };
        Ok(Self { memory: memory.clone(), own: Arc::new(own), rooted: Once::new(), table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process.
    pub(crate) fn own(&self) -> Arc<Task> {
        self.rooted.call_once(|| {
            let parent =
                proc::ppid(self.own.tgid, self.own.tid).and_then(|pid| self.outside(pid, MAX_PARENTS));
            if let Some(parent) = parent {
                self.own.set_parent(parent);
            }
        });
        self.own.clone()
    }

    /// A process outside of the traced tree, with its parents.
    fn outside(&self, pid: u32, depth: u32) -> Option<Arc<Task>> {
        if pid == 0 {
            return None;
        }
        if pid == self.own.tgid {
            return Some(self.own());
        }
        if let Some(known) = self.table().others.get(&pid) {
            return Some(known.clone());
        }
        let parent = match depth.checked_sub(1) {
            Some(depth) => proc::ppid(pid, pid).and_then(|ppid| self.outside(ppid, depth)),
            None => None,
        };
        let task = Arc::new(Task::new(&self.memory, pid, pid, parent, None).ok()?);
        self.table().others.insert(pid, task.clone());
        Some(task)
    }

    /// A thread that is traced from now on. `parent` made it, if that was seen.
    pub(crate) fn add(&self, tid: u32, tgid: u32, parent: Option<Arc<Task>>) -> Result<Arc<Task>, MemError> {
        let leader = if tid == tgid { None } else { self.traced(tgid) };
        let parent = match (&leader, parent) {
            // The parent of a thread is the one of its process.
            (Some(leader), _) => leader.parent(),
            (None, Some(parent)) => Some(parent),
            (None, None) => proc::ppid(tgid, tid).and_then(|ppid| self.outside(ppid, MAX_PARENTS)),
        };
        let task = Arc::new(Task::new(&self.memory, tgid, tid, parent, leader.as_ref())?);
        self.table().traced.insert(tid, task.clone());
        Ok(task)
    }

    /// A traced thread.
    pub(crate) fn traced(&self, tid: u32) -> Option<Arc<Task>> {
        self.table().traced.get(&tid).cloned()
    }

    /// Every traced thread, by ascending number.
    pub(crate) fn all_traced(&self) -> Vec<Arc<Task>> {
        self.table().traced.values().cloned().collect()
    }

    /// A thread has ended; its image stays a while.
    pub(crate) fn remove(&self, tid: u32) {
        let mut table = self.table();
        let Some(task) = table.traced.remove(&tid) else { return };
        table.gone.push_back(task);
        if table.gone.len() > KEPT {
            table.gone.pop_front();
        }
    }

    /// Traced processes whose parent a process is.
    pub(crate) fn children_of(&self, pid: u32) -> Vec<u32> {
        let table = self.table();
        let is_child = |t: &&Arc<Task>| t.tgid != pid && t.parent().is_some_and(|p| p.tgid == pid);
        table.traced.values().filter(is_child).map(|t| t.tid).collect()
    }

    /// Gives a thread whose parent has ended the one that `/proc` shows now; `false` if the old one is not gone yet.
    pub(crate) fn reparent(&self, task: &Task, dead: u32) -> bool {
        let Some(ppid) = proc::ppid(task.tgid, task.tid).filter(|ppid| *ppid != dead) else { return false };
        if let Some(parent) = self.traced(ppid).or_else(|| self.outside(ppid, MAX_PARENTS)) {
            task.set_parent(parent);
        }
        true
    }

    /// Guest addresses of what an iterator over a kind goes through, `None` if there is no such kind.
    pub(crate) fn iter_elements(&self, target: &str) -> Option<Vec<u64>> {
        (target == "task").then(|| self.table().traced.values().map(|t| t.address()).collect())
    }
}

/// The `struct linux_binprm` of the last execve(2).
#[derive(Debug)]
pub(crate) struct Binprm(Region);

impl Binprm {
    /// Room for the struct and two names of 4096 bytes.
    const LEN: u64 = 12 << 10;

    pub(crate) fn new(memory: &Memory) -> Result<Self, MemError> {
        Ok(Self(memory.alloc(RegionSpec::new(Self::LEN, "linux_binprm").rights(Rights::Read))?))
    }

    /// Guest address.
    pub(crate) fn address(&self) -> u64 {
        self.0.addr()
    }

    /// Describes how `task` became what it is: the name that was given, and the number of arguments.
    pub(crate) fn set(&self, task: &Task, filename: &[u8], argc: u64) {
        let mut arena = Arena::new(&self.0);
        let Some(binprm) = arena.object("linux_binprm") else { return };
        let name = arena.text(filename);
        // A script is given to its interpreter, which is then the process's program.
        let interp = match proc::interpreter(task.tgid, filename) {
            Some(path) => arena.text(&path),
            None => name,
        };
        let values = [
            ("argc", argc),
            ("envc", proc::environment_len(task.tgid)),
            ("filename", name),
            ("interp", interp),
            ("file", task.exe_file_address()),
            ("cred", task.cred_address()),
        ];
        values.iter().for_each(|(member, value)| binprm.set(member, *value));
    }
}
