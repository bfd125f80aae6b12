//! The tracepoints that the embedded kernel has: names and numbers, `format` texts, and the records that programs get.
//!
//! Layouts are those of Linux 6.12: `raw_syscalls`, `syscalls/sys_{enter,exit}_NAME` for every call of the table, and the three events of a
//! process's life. A record's first eight bytes (type, flags, process) belong to the kernel; programs may not read them there either.

use std::fmt::Write as _;
use std::sync::OnceLock;

use crate::kbtf;
use crate::sources::syscall_table::SYSCALLS;

/// A field of a record: declaration, byte offset, bytes, signed.
type Field = (&'static str, u32, u32, bool);

/// What every record starts with.
const COMMON: &[Field] = &[
    ("unsigned short common_type", 0, 2, false),
    ("unsigned char common_flags", 2, 1, false),
    ("unsigned char common_preempt_count", 3, 1, false),
    ("int common_pid", 4, 4, true),
];

/// Tracepoints that are not of one system call: category and name, fields, how a record prints.
const FIXED: &[(&str, &[Field], &str)] = &[
    (
        RAW_SYS_ENTER,
        &[("long id", 8, 8, true), ("unsigned long args[6]", 16, 48, false)],
        r#""NR %ld (%lx, %lx, %lx, %lx, %lx, %lx)", REC->id, REC->args[0], REC->args[1], REC->args[2], REC->args[3], REC->args[4], REC->args[5]"#,
    ),
    (
        RAW_SYS_EXIT,
        &[("long id", 8, 8, true), ("long ret", 16, 8, true)],
        r#""NR %ld = %ld", REC->id, REC->ret"#,
    ),
    (
        PROCESS_EXEC,
        &[
            ("__data_loc char[] filename", 8, 4, false),
            ("pid_t pid", 12, 4, true),
            ("pid_t old_pid", 16, 4, true),
        ],
        r#""filename=%s pid=%d old_pid=%d", __get_str(filename), REC->pid, REC->old_pid"#,
    ),
    (
        PROCESS_EXIT,
        &[("char comm[16]", 8, 16, false), ("pid_t pid", 24, 4, true), ("int prio", 28, 4, true)],
        r#""comm=%s pid=%d prio=%d", REC->comm, REC->pid, REC->prio"#,
    ),
    (
        PROCESS_FORK,
        &[
            ("char parent_comm[16]", 8, 16, false),
            ("pid_t parent_pid", 24, 4, true),
            ("char child_comm[16]", 28, 16, false),
            ("pid_t child_pid", 44, 4, true),
        ],
        r#""comm=%s pid=%d child_comm=%s child_pid=%d", REC->parent_comm, REC->parent_pid, REC->child_comm, REC->child_pid"#,
    ),
];

/// Entry of any system call.
pub(crate) const RAW_SYS_ENTER: &str = "raw_syscalls/sys_enter";
/// Return of any system call.
pub(crate) const RAW_SYS_EXIT: &str = "raw_syscalls/sys_exit";
/// A process became another program.
pub(crate) const PROCESS_EXEC: &str = "sched/sched_process_exec";
/// A thread ends.
pub(crate) const PROCESS_EXIT: &str = "sched/sched_process_exit";
/// A thread made another one.
pub(crate) const PROCESS_FORK: &str = "sched/sched_process_fork";

/// Number of the first tracepoint; those below are the tracer's own in Linux.
const FIRST_ID: u64 = 300;

/// "category/name" of every tracepoint by its number: [`FIXED`], then entry and return of each call.
fn names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let fixed = FIXED.iter().map(|t| t.0.to_owned());
        let calls = SYSCALLS.iter().flat_map(|row| {
            [format!("syscalls/sys_enter_{}", row.1), format!("syscalls/sys_exit_{}", row.1)]
        });
        fixed.chain(calls).collect()
    })
}

/// "category/name" of a tracepoint.
pub(crate) fn name_of(id: u64) -> Option<&'static str> {
    let index = usize::try_from(id.checked_sub(FIRST_ID)?).ok()?;
    names().get(index).map(String::as_str)
}

/// Number of a tracepoint.
pub(crate) fn id_of(category: &str, name: &str) -> Option<u64> {
    let is_it = |n: &String| n.strip_prefix(category).and_then(|n| n.strip_prefix('/')) == Some(name);
    names().iter().position(is_it).map(|index| FIRST_ID + index as u64)
}

/// The `format` file of a tracepoint, as tracefs prints it.
pub(crate) fn format(category: &str, name: &str) -> Option<String> {
    let id = id_of(category, name)?;
    let mut out = format!("name: {name}\nID: {id}\nformat:\n");
    for (decl, offset, size, signed) in COMMON {
        field(&mut out, decl, *offset, *size, *signed);
    }
    out.push('\n');
    let full = format!("{category}/{name}");
    if let Some((_, fields, print)) = FIXED.iter().find(|t| t.0 == full) {
        for (decl, offset, size, signed) in *fields {
            field(&mut out, decl, *offset, *size, *signed);
        }
        let _ = writeln!(out, "\nprint fmt: {print}");
        return Some(out);
    }
    field(&mut out, "int __syscall_nr", 8, 4, true);
    if name.starts_with("sys_exit_") {
        field(&mut out, "long ret", 16, 8, true);
        out.push_str("\nprint fmt: \"0x%lx\", REC->ret\n");
        return Some(out);
    }
    let call = name.strip_prefix("sys_enter_")?;
    let row = SYSCALLS.iter().find(|row| row.1 == call)?;
    let (mut shown, mut values) = (Vec::new(), String::new());
    for (offset, decl) in (16..).step_by(8).zip(row.2.split(", ").filter(|d| !d.is_empty())) {
        field(&mut out, decl, offset, 8, false);
        let arg = decl.rsplit_once(' ').map_or(decl, |(_, arg)| arg);
        shown.push(format!("{arg}: 0x%08lx"));
        let _ = write!(values, ", ((unsigned long)(REC->{arg}))");
    }
    let _ = writeln!(out, "\nprint fmt: \"{}\"{values}", shown.join(", "));
    Some(out)
}

fn field(out: &mut String, decl: &str, offset: u32, size: u32, signed: bool) {
    let _ = writeln!(out, "\tfield:{decl};\toffset:{offset};\tsize:{size};\tsigned:{};", u8::from(signed));
}

/// Whether there is a raw tracepoint.
pub(crate) fn has_raw(name: &str) -> bool {
    kbtf::raw_tracepoints().any(|n| n == name)
}

/// The raw tracepoints, for messages.
pub(crate) fn raw_names() -> String {
    kbtf::raw_tracepoints().collect::<Vec<_>>().join(", ")
}

/// What the kernel's functions of system calls begin with on x86-64.
const FUNCTION_PREFIX: &str = "__x64_sys_";
/// Where the first of them is said to be, and how far they are apart.
const FUNCTION_BASE: u64 = 0xffff_ffff_8100_0000;
const FUNCTION_LEN: u64 = 64;

/// Whether there is a kernel function to probe: the entries of system calls.
pub(crate) fn has_function(name: &str) -> bool {
    syscall_of_function(name).is_some()
}

/// Number of the system call that a function serves.
pub(crate) fn syscall_of_function(name: &str) -> Option<u32> {
    let call = name.strip_prefix(FUNCTION_PREFIX)?;
    SYSCALLS.iter().find(|row| row.1 == call).map(|row| row.0)
}

/// Address of the function that serves a system call.
pub(crate) fn function_address(nr: u32) -> u64 {
    FUNCTION_BASE + FUNCTION_LEN * u64::from(nr)
}

/// Name and address of every function, by ascending address.
pub(crate) fn functions() -> impl Iterator<Item = (String, u64)> {
    SYSCALLS.iter().map(|row| (format!("{FUNCTION_PREFIX}{}", row.1), function_address(row.0)))
}

/// Number of the system call that "category/name" is about, and whether it is of the entry.
pub(crate) fn syscall_of_tracepoint(name: &str) -> Option<(u32, bool)> {
    let name = name.strip_prefix("syscalls/")?;
    let (call, is_enter) = match (name.strip_prefix("sys_enter_"), name.strip_prefix("sys_exit_")) {
        (Some(call), _) => (call, true),
        (_, Some(call)) => (call, false),
        _ => return None,
    };
    SYSCALLS.iter().find(|row| row.1 == call).map(|row| (row.0, is_enter))
}

/// A record under construction.
#[derive(Debug)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    fn new(tid: u32) -> Self {
        let mut out = Self(Vec::with_capacity(64));
        // Type, flags and preemption count are of no interest to a program.
        out.put(&0u32.to_ne_bytes());
        out.put(&tid.to_ne_bytes());
        out
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The record of an entry, of any call or of one: both keep the arguments at the same place, and a number that is no
    /// call's is seen by the former only.
    pub(crate) fn sys_enter(tid: u32, nr: u64, args: [u64; 6]) -> Self {
        let mut out = Self::new(tid);
        out.put(&nr.to_ne_bytes());
        args.iter().for_each(|arg| out.put(&arg.to_ne_bytes()));
        out
    }

    /// The record of a return.
    pub(crate) fn sys_exit(tid: u32, nr: u64, ret: i64) -> Self {
        let mut out = Self::new(tid);
        out.put(&nr.to_ne_bytes());
        out.put(&ret.to_ne_bytes());
        out
    }

    /// The record of an execve(2).
    pub(crate) fn process_exec(tid: u32, old_tid: u32, filename: &[u8]) -> Self {
        const DATA: u32 = 20;
        let mut out = Self::new(tid);
        let len = u32::try_from(filename.len() + 1).unwrap_or(0).min(u16::MAX.into());
        out.put(&(len << 16 | DATA).to_ne_bytes());
        out.put(&tid.to_ne_bytes());
        out.put(&old_tid.to_ne_bytes());
        out.put(filename);
        out.put(&[0]);
        let padded = out.0.len().next_multiple_of(8);
        out.0.resize(padded, 0);
        out
    }

    /// The record of a thread's end.
    pub(crate) fn process_exit(tid: u32, comm: [u8; 16], prio: i32) -> Self {
        let mut out = Self::new(tid);
        out.put(&comm);
        out.put(&tid.to_ne_bytes());
        out.put(&prio.to_ne_bytes());
        out
    }

    /// The record of a fork.
    pub(crate) fn process_fork(parent: (u32, [u8; 16]), child: (u32, [u8; 16])) -> Self {
        let mut out = Self::new(parent.0);
        for (tid, comm) in [parent, child] {
            out.put(&comm);
            out.put(&tid.to_ne_bytes());
        }
        out
    }

    /// The bytes.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_both_ways() {
        for (index, name) in names().iter().enumerate() {
            let (category, short) = name.split_once('/').unwrap();
            let id = FIRST_ID + index as u64;
            assert_eq!(id_of(category, short), Some(id));
            assert_eq!(name_of(id), Some(name.as_str()));
        }
        assert_eq!(name_of(0), None);
        assert_eq!(name_of(FIRST_ID + names().len() as u64), None);
        assert_eq!(id_of("sched", "sys_enter"), None);
        assert_eq!(id_of("raw_syscalls", "sys_enter_read"), None);
    }

    #[test]
    fn formats_read_as_those_of_tracefs() {
        let id = id_of("sched", "sched_process_exec").unwrap();
        let expect = format!(
            "name: sched_process_exec\nID: {id}\nformat:\n\
             \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
             \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
             \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
             \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
             \tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n\
             \tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n\
             \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n\n\
             print fmt: \"filename=%s pid=%d old_pid=%d\", __get_str(filename), REC->pid, REC->old_pid\n"
        );
        assert_eq!(format("sched", "sched_process_exec"), Some(expect));
        assert_eq!(format("sched", "sched_switch"), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn formats_of_calls_follow_the_table() {
        let text = format("syscalls", "sys_enter_openat").unwrap();
        assert!(text.contains("\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"));
        assert!(text.contains("\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;\n"));
        assert!(text.contains("print fmt: \"dfd: 0x%08lx, filename: 0x%08lx, flags: 0x%08lx, mode: 0x%08lx\", ((unsigned long)(REC->dfd)), "));
        assert!(format("syscalls", "sys_enter_getpid").unwrap().ends_with("signed:1;\n\nprint fmt: \"\"\n"));
        assert!(format("syscalls", "sys_exit_openat").unwrap().ends_with("print fmt: \"0x%lx\", REC->ret\n"));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn numbers_ascend_and_names_are_unique() {
        assert!(SYSCALLS.windows(2).all(|w| w[0].0 < w[1].0));
        let mut names: Vec<_> = SYSCALLS.iter().map(|row| row.1).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(syscall_of_function("__x64_sys_rmdir"), Some(84));
        assert_eq!(syscall_of_tracepoint("syscalls/sys_exit_openat"), Some((257, false)));
        assert!(!has_function("do_sys_openat2"));
    }

    #[test]
    fn records_have_their_fields_where_the_formats_say() {
        let mut exec = Record::process_exec(7, 8, b"/bin/true");
        let bytes = exec.bytes();
        assert_eq!(bytes[8..12], (10u32 << 16 | 20).to_ne_bytes());
        assert_eq!(bytes[12..16], 7u32.to_ne_bytes());
        assert_eq!(bytes[16..20], 8u32.to_ne_bytes());
        assert_eq!(&bytes[20..30], b"/bin/true\0");
        assert_eq!(bytes.len() % 8, 0);
        let mut fork = Record::process_fork((1, [b'p'; 16]), (2, [b'c'; 16]));
        let bytes = fork.bytes();
        assert_eq!((bytes[8], &bytes[24..28]), (b'p', &1u32.to_ne_bytes()[..]));
        assert_eq!((bytes[28], &bytes[44..48]), (b'c', &2u32.to_ne_bytes()[..]));
        let mut enter = Record::sys_enter(1, 257, [1, 2, 3, 4, 5, 6]);
        assert_eq!(enter.bytes()[24..32], 2u64.to_ne_bytes());
        assert_eq!(enter.bytes().len(), 64);
        assert_eq!(Record::sys_exit(1, 257, -2).bytes()[16..24], (-2i64).to_ne_bytes());
        assert_eq!(Record::process_exit(9, [0; 16], 120).bytes()[24..28], 9u32.to_ne_bytes());
    }
}
