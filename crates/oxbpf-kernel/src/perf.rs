//! perf_event_open(2) as requests.

use oxbpf_uapi::perf_event::PerfAttrFlags;

use crate::{Handle, ProgFd};

/// The fields of `perf_event_attr` that BPF tools set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerfEventSpec<'a> {
    /// `PERF_TYPE_*`, or the number of a dynamic performance unit.
    pub kind: u32,
    /// Event of that type; for a probe its flags.
    pub config: u64,
    /// Function name of a kprobe or file of a uprobe, for units that take one (`config1` is its address).
    pub target: Option<&'a str>,
    /// `config1`, where `target` is not set.
    pub config1: u64,
    /// `config2`: offset or address of a probe.
    pub config2: u64,
    /// Events between samples, or samples a second with `freq`.
    pub sample_period: u64,
    /// `PERF_SAMPLE_*` bits.
    pub sample_type: u64,
    /// Events, or bytes with `watermark`, before the reader is woken.
    pub wakeup_events: u32,
    /// `sample_period` is a frequency.
    pub freq: bool,
    /// `wakeup_events` counts bytes.
    pub watermark: bool,
    /// Do not count until enabled.
    pub disabled: bool,
    /// Count children too.
    pub inherit: bool,
    /// Write the ring from its end, so that the newest events survive.
    pub write_backward: bool,
    /// More flags, such as `EXCLUDE_KERNEL`.
    pub flags: PerfAttrFlags,
    /// Kind of watched access, `HW_BREAKPOINT_*`; `config1` is the address and `config2` the bytes watched.
    pub bp_type: u32,
}

/// A request about perf events.
#[derive(Debug)]
pub enum PerfRequest<'a> {
    /// Opens an event; answers with a handle. `pid` and `cpu` are −1 for all.
    Open {
        /// What to count or sample.
        spec: PerfEventSpec<'a>,
        /// Process to follow, −1 for all, 0 for the caller.
        pid: i32,
        /// CPU to follow, −1 for all.
        cpu: i32,
        /// Leader of the group to join.
        group: Option<&'a Handle>,
    },
    /// Runs a program at each sample (`PERF_EVENT_IOC_SET_BPF`).
    SetBpf {
        /// The event.
        event: &'a Handle,
        /// The program.
        prog: &'a ProgFd,
    },
    /// Starts counting.
    Enable(&'a Handle),
    /// Stops counting.
    Disable(&'a Handle),
    /// Stops writing to the ring of an event, or goes on (`PERF_EVENT_IOC_PAUSE_OUTPUT`).
    Pause {
        /// The event.
        event: &'a Handle,
        /// Whether nothing is written.
        is_paused: bool,
    },
    /// Ids of the programs on the event; answers with their number.
    QueryBpf {
        /// The event.
        event: &'a Handle,
        /// Receives the ids.
        ids: &'a mut [u32],
    },
}
