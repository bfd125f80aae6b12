//! What `/proc` tells of a thread: text in, numbers out.
//!
//! Everything is best effort. A file that may not be read, or a thread that is gone, leaves zeros behind, as a kernel object of a dying
//! thread has.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of `task_struct.comm`.
pub(crate) const COMM_LEN: usize = 16;

/// A thread as `/proc` shows it.
#[derive(Debug, Default)]
pub(super) struct ThreadInfo {
    pub(super) comm: [u8; COMM_LEN],
    /// Real, effective, saved and file system ids.
    pub(super) uids: [u32; 4],
    pub(super) gids: [u32; 4],
    /// `task_struct.flags`.
    pub(super) flags: u64,
    pub(super) exit_signal: u64,
    pub(super) min_flt: u64,
    pub(super) maj_flt: u64,
    /// Nanoseconds on a CPU.
    pub(super) utime_ns: u64,
    pub(super) stime_ns: u64,
    /// As in the kernel, 120 being ordinary.
    pub(super) prio: i32,
    pub(super) static_prio: i32,
    pub(super) policy: u64,
    /// Nanoseconds from boot to start.
    pub(super) start_boottime_ns: u64,
    pub(super) nvcsw: u64,
    pub(super) nivcsw: u64,
    pub(super) loginuid: u32,
    pub(super) sessionid: u32,
}

/// A process as `/proc` shows it.
#[derive(Debug, Default)]
pub(super) struct ProcessInfo {
    /// Pages.
    pub(super) total_vm: u64,
    pub(super) hiwater_rss: u64,
    pub(super) map_count: u64,
    /// Members of `mm_struct` with their values.
    pub(super) addresses: Vec<(&'static str, u64)>,
    pub(super) nr_threads: u64,
    pub(super) oom_score_adj: u64,
    pub(super) umask: u64,
    pub(super) fd_size: u64,
    /// Namespaces: uts, mnt, pid, net.
    pub(super) namespaces: [u64; 4],
    pub(super) exe: Place,
    pub(super) pwd: Place,
    pub(super) root: Place,
}

/// A file or directory.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Inode number, mode, owner, group.
    pub(super) inode: Option<(u64, u32, u32, u32)>,
}

/// The folder of a thread.
pub(super) fn folder(tgid: u32, tid: u32) -> String {
    format!("/proc/{tgid}/task/{tid}")
}

/// Name of a thread, NUL padded.
pub(super) fn comm(tgid: u32, tid: u32) -> Option<[u8; COMM_LEN]> {
    let text = fs::read(format!("{}/comm", folder(tgid, tid))).ok()?;
    let mut out = [0; COMM_LEN];
    let name = text.strip_suffix(b"\n").unwrap_or(&text);
    for (to, from) in out.iter_mut().take(COMM_LEN - 1).zip(name) {
        *to = *from;
    }
    Some(out)
}

/// Process of a thread's parent, as it is now.
pub(super) fn ppid(tgid: u32, tid: u32) -> Option<u32> {
    let stat = fs::read(format!("{}/stat", folder(tgid, tid))).ok()?;
    u32::try_from(Stat::new(&stat).number(4)?).ok()
}

/// The letter of a thread's state, `R` for one that runs or is about to.
pub(crate) fn state(tgid: u32, tid: u32) -> Option<u8> {
    let stat = fs::read(format!("{}/stat", folder(tgid, tid))).ok()?;
    Stat::new(&stat).fields.first().and_then(|f| f.first()).copied()
}

impl ThreadInfo {
    pub(super) fn read(tgid: u32, tid: u32) -> Self {
        let folder = folder(tgid, tid);
        let stat = fs::read(format!("{folder}/stat")).unwrap_or_default();
        let stat = Stat::new(&stat);
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let status = Status(&status);
        let number = |file: &str| {
            let text = fs::read_to_string(format!("{folder}/{file}")).ok()?;
            text.trim().parse().ok()
        };
        let at = |field| stat.number(field).unwrap_or(0);
        Self {
            comm: comm(tgid, tid).unwrap_or_default(),
            uids: status.four("Uid:"),
            gids: status.four("Gid:"),
            flags: at(9),
            exit_signal: at(38),
            min_flt: at(10),
            maj_flt: at(12),
            utime_ns: ticks_to_ns(at(14)),
            stime_ns: ticks_to_ns(at(15)),
            // The field counts from the first priority that is not real time.
            prio: (at(18) as i32).saturating_add(100),
            static_prio: (at(19) as i32).saturating_add(120),
            policy: at(41),
            start_boottime_ns: ticks_to_ns(at(22)),
            nvcsw: status.number("voluntary_ctxt_switches:").unwrap_or(0),
            nivcsw: status.number("nonvoluntary_ctxt_switches:").unwrap_or(0),
            loginuid: number("loginuid").unwrap_or(u32::MAX),
            sessionid: number("sessionid").unwrap_or(u32::MAX),
        }
    }
}

/// Fields of `/proc/PID/stat` that are members of `mm_struct`.
const MM_FIELDS: &[(usize, &str)] = &[
    (26, "start_code"),
    (27, "end_code"),
    (28, "start_stack"),
    (45, "start_data"),
    (46, "end_data"),
    (47, "start_brk"),
    (48, "arg_start"),
    (49, "arg_end"),
    (50, "env_start"),
    (51, "env_end"),
];

impl ProcessInfo {
    pub(super) fn read(pid: u32) -> Self {
        let folder = format!("/proc/{pid}");
        let stat = fs::read(format!("{folder}/stat")).unwrap_or_default();
        let stat = Stat::new(&stat);
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let status = Status(&status);
        let text = |file: &str| fs::read_to_string(format!("{folder}/{file}")).unwrap_or_default();
        let maps = text("maps");
        let heap_end = maps
            .lines()
            .find(|l| l.ends_with("[heap]"))
            .and_then(|l| u64::from_str_radix(l.split_once(' ')?.0.split_once('-')?.1, 16).ok());
        let mut addresses: Vec<_> =
            MM_FIELDS.iter().map(|(field, name)| (*name, stat.number(*field).unwrap_or(0))).collect();
        addresses.push(("brk", heap_end.or(stat.number(47)).unwrap_or(0)));
        let namespace = |name: &str| {
            let link = fs::read_link(format!("{folder}/ns/{name}")).ok()?;
            link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
        };
        let page = rustix::param::page_size() as u64;
        Self {
            total_vm: text("statm").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0),
            hiwater_rss: status.number("VmHWM:").unwrap_or(0) * 1024 / page,
            map_count: maps.lines().filter(|l| !l.ends_with("[vsyscall]")).count() as u64,
            addresses,
            nr_threads: status.number("Threads:").unwrap_or(0),
            oom_score_adj: text("oom_score_adj").trim().parse::<i64>().unwrap_or(0) as u64,
            umask: status.text("Umask:").and_then(|t| u64::from_str_radix(t, 8).ok()).unwrap_or(0),
            fd_size: status.number("FDSize:").unwrap_or(0),
            namespaces: ["uts", "mnt", "pid", "net"].map(|name| namespace(name).unwrap_or(0)),
            exe: Place::read(&format!("{folder}/exe")),
            pwd: Place::read(&format!("{folder}/cwd")),
            root: Place::read(&format!("{folder}/root")),
        }
    }
}

impl Place {
    fn read(link: &str) -> Self {
        use std::os::unix::fs::MetadataExt;
        let inode = fs::metadata(link).ok().map(|m| (m.ino(), m.mode(), m.uid(), m.gid()));
        Self { path: fs::read_link(link).unwrap_or_default(), inode }
    }
}

/// Inode number of the control group that a process is in, which is the group's id; 0 without the unified hierarchy.
pub(super) fn cgroup_id(pid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(text) = fs::read(format!("/proc/{pid}/cgroup")) else { return 0 };
    let path = text.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::/"));
    let Some(path) = path else { return 0 };
    let path = Path::new("/sys/fs/cgroup").join(Path::new(std::ffi::OsStr::from_bytes(path)));
    fs::metadata(path).map_or(0, |m| m.ino())
}

/// The program of a process that was started by a file which is another one, such as a script.
pub(super) fn interpreter(pid: u32, filename: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::fs::MetadataExt;
    // Names are relative to the process's folder; an absolute one replaces it.
    let file = Path::new(&format!("/proc/{pid}/cwd")).join(Path::new(std::ffi::OsStr::from_bytes(filename)));
    let exe = format!("/proc/{pid}/exe");
    let (started, program) = (fs::metadata(file).ok()?, fs::metadata(&exe).ok()?);
    if (started.dev(), started.ino()) == (program.dev(), program.ino()) {
        return None;
    }
    Some(fs::read_link(exe).ok()?.into_os_string().into_encoded_bytes())
}

/// Number of variables of a process's environment.
pub(super) fn environment_len(pid: u32) -> u64 {
    let text = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    text.iter().filter(|b| **b == 0).count() as u64
}

fn ticks_to_ns(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// The fields of a `stat` file from the third on.
struct Stat<'t> {
    fields: Vec<&'t [u8]>,
}

impl<'t> Stat<'t> {
    fn new(text: &'t [u8]) -> Self {
        // The name in brackets may hold anything, brackets and spaces too.
        let rest =
            text.iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 2..)).unwrap_or_default();
        Self { fields: rest.split(|b| b.is_ascii_whitespace()).collect() }
    }

    /// A field by its number in proc(5); negative ones as two's complement.
    fn number(&self, field: usize) -> Option<u64> {
        let text = std::str::from_utf8(self.fields.get(field.checked_sub(3)?)?).ok()?;
        text.parse::<u64>().ok().or_else(|| text.parse::<i64>().ok().map(|n| n as u64))
    }
}

/// A `status` file.
struct Status<'t>(&'t str);

impl<'t> Status<'t> {
    fn text(&self, key: &str) -> Option<&'t str> {
        self.0.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.split_ascii_whitespace().next()?.parse().ok()
    }

    fn four(&self, key: &str) -> [u32; 4] {
        let mut words = self.text(key).unwrap_or_default().split_ascii_whitespace();
        [(); 4].map(|()| words.next().and_then(|w| w.parse().ok()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_move_the_fields() {
        let stat = Stat::new(b"12 (a) R (b)) S 7 -1 rest");
        assert_eq!(stat.fields.first(), Some(&&b"S"[..]));
        assert_eq!((stat.number(4), stat.number(5), stat.number(6)), (Some(7), Some(u64::MAX), None));
        assert_eq!(Stat::new(b"").number(4), None);
    }

    #[test]
    fn this_process_is_readable() {
        let pid = std::process::id();
        let info = ProcessInfo::read(pid);
        assert!(info.total_vm > 0 && info.map_count > 0);
        let address = |name: &str| info.addresses.iter().find(|a| a.0 == name).unwrap().1;
        let args: usize = std::env::args_os().map(|a| a.len() + 1).sum();
        assert_eq!(address("arg_end") - address("arg_start"), args as u64);
        assert_eq!(info.exe.path, std::env::current_exe().unwrap());
        let thread = ThreadInfo::read(pid, pid);
        assert_eq!(thread.uids[0], rustix::process::getuid().as_raw());
        assert!(thread.prio >= 100 && thread.start_boottime_ns > 0);
        assert_eq!(
            ppid(pid, pid),
            rustix::process::getppid().map(|p| p.as_raw_nonzero().get().unsigned_abs())
        );
    }

    #[test]
    fn a_thread_that_is_not_there_is_all_zeros() {
        let info = ThreadInfo::read(u32::MAX, u32::MAX);
        assert_eq!((info.comm, info.start_boottime_ns), ([0; COMM_LEN], 0));
        assert_eq!(ProcessInfo::read(u32::MAX).total_vm, 0);
    }
}
