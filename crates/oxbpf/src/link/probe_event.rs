//! Probes as text in tracefs, for kernels without perf units for them (before Linux 4.17): a line in `kprobe_events` or
//! `uprobe_events` defines a tracepoint, which a perf event then opens.
//!
//! The definition belongs to no process: if this one is killed, it stays until a line removes it. Its name has the process
//! id in it, so that the next process which defines one can tell, and removes those of processes that are gone. The kernel keeps what is in
//! use, such as those of a process in another namespace.

use core::sync::atomic::{AtomicU32, Ordering};

use oxbpf_kernel::{Fact, Handle, Kernel, Opening, PerfEventSpec};
use oxbpf_uapi::Errno;
use oxbpf_uapi::perf_event::PERF_TYPE_TRACEPOINT;

use super::perf;
use crate::error::{At, Error, Frame, Result};

/// Longest name of an event that the kernel takes, without its NUL.
const MAX_NAME: usize = 63;

/// A definition, which [`remove`](Self::remove) takes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProbeEvent {
    unit: &'static str,
    group: &'static str,
    name: String,
}

impl ProbeEvent {
    /// Defines a probe at `place`, which is `FUNCTION+0xOFFSET` or `FILE:0xOFFSET`, and opens its tracepoint.
    pub(super) fn open(
        kernel: &Kernel,
        unit: &'static str,
        is_return: bool,
        place: &str,
        pid: i32,
    ) -> Result<(Handle, Self)> {
        let group = match (unit, is_return) {
            ("kprobe", false) => "kprobes",
            ("kprobe", true) => "kretprobes",
            (_, false) => "uprobes",
            (_, true) => "uretprobes",
        };
        let event = Self { unit, group, name: name_for(place) };
        remove_orphans(kernel, unit);
        let letter = if is_return { 'r' } else { 'p' };
        let line = format!("{letter}:{group}/{} {place}", event.name);
        kernel
            .define_event(unit, &line)
            .map_err(|e| refused(e, unit))
            .at(|| Frame::Step("define a probe in tracefs:"))?;
        match event.tracepoint(kernel, pid) {
            Ok(handle) => Ok((handle, event)),
            Err(e) => {
                if let Err(left) = event.remove(kernel) {
                    log::warn!("a probe that could not be opened stays defined: {left}");
                }
                Err(e)
            }
        }
    }

    fn tracepoint(&self, kernel: &Kernel, pid: i32) -> Result<Handle> {
        let id = perf::number_fact(kernel, Fact::TracepointId { category: self.group, name: &self.name })?;
        let spec = PerfEventSpec { kind: PERF_TYPE_TRACEPOINT, config: id, ..PerfEventSpec::default() };
        perf::open(kernel, spec, pid, if pid == -1 { 0 } else { -1 })
    }

    /// Removes the definition, which nothing may use any more.
    pub(super) fn remove(self, kernel: &Kernel) -> Result<()> {
        let line = format!("-:{}/{}", self.group, self.name);
        kernel.define_event(self.unit, &line).at(|| Frame::Step("remove a probe from tracefs:"))
    }
}

/// Removes definitions of processes that are gone.
fn remove_orphans(kernel: &Kernel, unit: &str) {
    let Ok(list) = kernel.fact(Fact::DynamicEvents(unit)) else { return };
    for (event, pid) in String::from_utf8_lossy(&list).lines().filter_map(owner) {
        if pid != std::process::id() && kernel.open(Opening::Process(pid)).err() == Some(Errno::ESRCH) {
            // Somebody else may have been faster, and what is in use stays.
            let _ = kernel.define_event(unit, &format!("-:{event}"));
        }
    }
}

/// The event that a line of the list defines, with its group, and the process that defined it, if that was one of ours.
fn owner(line: &str) -> Option<(&str, u32)> {
    let event = line.split_whitespace().next()?.split_once(':')?.1;
    let name = event.split_once('/')?.1.strip_prefix(PREFIX)?;
    Some((event, name.split('_').next()?.parse().ok()?))
}

/// What names of events start with, before the process id.
const PREFIX: &str = "oxbpf_";

fn refused(errno: Errno, unit: &str) -> Error {
    let feature = if unit == "kprobe" { "kprobes" } else { "uprobes" };
    match errno {
        // No perf unit and no list of events: the kernel is built without.
        Errno::ENOSYS | Errno::ENOENT => Error::unsupported(feature, "4.1").with_hint(
            "the kernel is built without CONFIG_KPROBE_EVENTS or CONFIG_UPROBE_EVENTS, or tracefs is not mounted",
        ),
        e => Error::kernel(e),
    }
}

/// A name that no other probe has, as the kernel wants names: letters, digits and underscores.
fn name_for(place: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let place = place.rsplit('/').next().unwrap_or(place);
    let mut name = format!("{PREFIX}{}_{number}_{place}", std::process::id());
    name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    name.truncate(MAX_NAME);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_list_tell_whose_they_are() {
        let check = |line, expect| assert_eq!(owner(line), expect, "{line}");
        check(
            "p:uprobes/oxbpf_42_0_libc_so_6 /lib/libc.so.6:0x10",
            Some(("uprobes/oxbpf_42_0_libc_so_6", 42)),
        );
        check("r16:kretprobes/oxbpf_7_1_f f+0", Some(("kretprobes/oxbpf_7_1_f", 7)));
        check("p:kprobes/libbpf_42_f_0x0 f", None);
        check("p:kprobes/oxbpf_x f", None);
        check("p:oxbpf_42_0_f f", None);
        check("", None);
    }

    #[test]
    fn names_of_events_are_distinct_and_such_as_the_kernel_takes() {
        let (one, two) = (name_for("/usr/lib/libc.so.6:0x10"), name_for("/usr/lib/libc.so.6:0x10"));
        assert_ne!(one, two);
        assert!(one.ends_with("_libc_so_6_0x10"), "{one}");
        assert!(name_for(&"é".repeat(100)).len() <= MAX_NAME);
    }
}
