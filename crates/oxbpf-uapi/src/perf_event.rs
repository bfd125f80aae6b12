//! perf_event_open(2) as far as BPF needs it: the request, the ioctls, and the ring of samples in shared memory.
//!
//! A perf event maps as one page of positions ([`mmap_page`]) and then 2^n pages of data. Records start with
//! [`EventHeader`] and may wrap around the end of the data.
//!
//! Source: `include/uapi/linux/perf_event.h` of Linux 7.2; offsets are tested against the BTF of running kernels.

use crate::abi::abi;
use crate::flags::flags;

/// Number of perf_event_open(2) on x86-64; other machines differ.
pub const SYS_PERF_EVENT_OPEN_X86_64: u32 = 298;

/// `type` of an event that the hardware counts.
pub const PERF_TYPE_HARDWARE: u32 = 0;
/// `type` of an event that the kernel counts.
pub const PERF_TYPE_SOFTWARE: u32 = 1;
/// `type` of a tracepoint; `config` is its id.
pub const PERF_TYPE_TRACEPOINT: u32 = 2;
/// `type` of a cache event.
pub const PERF_TYPE_HW_CACHE: u32 = 3;
/// `type` of an event by the machine's own number.
pub const PERF_TYPE_RAW: u32 = 4;
/// `type` of a watched address.
pub const PERF_TYPE_BREAKPOINT: u32 = 5;

/// `config` of processor cycles.
pub const PERF_COUNT_HW_CPU_CYCLES: u64 = 0;
/// `config` of retired instructions.
pub const PERF_COUNT_HW_INSTRUCTIONS: u64 = 1;
/// `config` of cache accesses.
pub const PERF_COUNT_HW_CACHE_REFERENCES: u64 = 2;
/// `config` of cache misses.
pub const PERF_COUNT_HW_CACHE_MISSES: u64 = 3;
/// `config` of branches.
pub const PERF_COUNT_HW_BRANCH_INSTRUCTIONS: u64 = 4;
/// `config` of mispredicted branches.
pub const PERF_COUNT_HW_BRANCH_MISSES: u64 = 5;
/// `config` of the CPU's clock in nanoseconds, for sampling without hardware.
pub const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
/// `config` of the task's clock in nanoseconds.
pub const PERF_COUNT_SW_TASK_CLOCK: u64 = 1;
/// `config` of page faults.
pub const PERF_COUNT_SW_PAGE_FAULTS: u64 = 2;
/// `config` of context switches.
pub const PERF_COUNT_SW_CONTEXT_SWITCHES: u64 = 3;
/// `config` of an event that never happens by itself.
pub const PERF_COUNT_SW_DUMMY: u64 = 9;
/// `config` of what BPF programs write with `bpf_perf_event_output`.
pub const PERF_COUNT_SW_BPF_OUTPUT: u64 = 10;

/// `sample_type`: the instruction's address.
pub const PERF_SAMPLE_IP: u64 = 1 << 0;
/// `sample_type`: process and thread.
pub const PERF_SAMPLE_TID: u64 = 1 << 1;
/// `sample_type`: time in nanoseconds.
pub const PERF_SAMPLE_TIME: u64 = 1 << 2;
/// `sample_type`: call chain.
pub const PERF_SAMPLE_CALLCHAIN: u64 = 1 << 5;
/// `sample_type`: CPU.
pub const PERF_SAMPLE_CPU: u64 = 1 << 7;
/// `sample_type`: period.
pub const PERF_SAMPLE_PERIOD: u64 = 1 << 8;
/// `sample_type`: raw bytes, what BPF programs write.
pub const PERF_SAMPLE_RAW: u64 = 1 << 10;

/// perf_event_open(2): close the descriptor on exec.
pub const PERF_FLAG_FD_CLOEXEC: u64 = 1 << 3;
/// perf_event_open(2): the process argument is a cgroup descriptor.
pub const PERF_FLAG_PID_CGROUP: u64 = 1 << 2;

/// ioctl(2): start counting.
pub const PERF_EVENT_IOC_ENABLE: u32 = 0x2400;
/// ioctl(2): stop counting.
pub const PERF_EVENT_IOC_DISABLE: u32 = 0x2401;
/// ioctl(2): attach a BPF program, whose descriptor is the argument. Linux 4.1.
pub const PERF_EVENT_IOC_SET_BPF: u32 = 0x4004_2408;
/// ioctl(2): stop (1) or go on (0) writing to the ring.
pub const PERF_EVENT_IOC_PAUSE_OUTPUT: u32 = 0x4004_2409;
/// ioctl(2): ask for the attached programs' ids ([`QueryBpf`]). Linux 4.16.
pub const PERF_EVENT_IOC_QUERY_BPF: u32 = 0xc008_240a;

/// Record: samples were lost; a `u64` event id and a `u64` count follow the header.
pub const PERF_RECORD_LOST: u32 = 2;
/// Record: a sample; with `PERF_SAMPLE_RAW` alone, a `u32` length and the bytes follow the header.
pub const PERF_RECORD_SAMPLE: u32 = 9;

/// Bit of `config` that makes a kprobe or uprobe event a return probe, unless
/// `/sys/bus/event_source/devices/*/format/retprobe` says otherwise.
pub const PROBE_RETPROBE_BIT: u32 = 0;
/// Where `config` of a uprobe event holds the offset of the semaphore, unless
/// `/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset` says otherwise.
pub const UPROBE_REF_CTR_OFFSET_SHIFT: u32 = 32;

flags! {
    /// The bit-fields of `struct perf_event_attr` that follow `read_format`, first field in the lowest bit.
    pub struct PerfAttrFlags: u64 {
        DISABLED = 1 << 0, "disabled", "Wait for an ioctl to start.";
        INHERIT = 1 << 1, "inherit", "Children count too.";
        PINNED = 1 << 2, "pinned", "Always on the hardware.";
        EXCLUSIVE = 1 << 3, "exclusive", "Alone on the hardware.";
        EXCLUDE_USER = 1 << 4, "exclude_user", "Not in user space.";
        EXCLUDE_KERNEL = 1 << 5, "exclude_kernel", "Not in the kernel.";
        EXCLUDE_HV = 1 << 6, "exclude_hv", "Not in the hypervisor.";
        EXCLUDE_IDLE = 1 << 7, "exclude_idle", "Not when idle.";
        MMAP = 1 << 8, "mmap", "Records of executable mappings.";
        COMM = 1 << 9, "comm", "Records of names.";
        FREQ = 1 << 10, "freq", "`sample_period` is a frequency in hertz.";
        INHERIT_STAT = 1 << 11, "inherit_stat", "Counts by task.";
        ENABLE_ON_EXEC = 1 << 12, "enable_on_exec", "Start at the next exec.";
        TASK = 1 << 13, "task", "Records of forks and exits.";
        WATERMARK = 1 << 14, "watermark", "`wakeup_events` counts bytes.";
        MMAP_DATA = 1 << 17, "mmap_data", "Records of data mappings.";
        SAMPLE_ID_ALL = 1 << 18, "sample_id_all", "Every record has the sample's ids.";
        EXCLUDE_HOST = 1 << 19, "exclude_host", "Not on the host.";
        EXCLUDE_GUEST = 1 << 20, "exclude_guest", "Not in guests.";
        EXCLUDE_CALLCHAIN_KERNEL = 1 << 21, "exclude_callchain_kernel", "No kernel frames.";
        EXCLUDE_CALLCHAIN_USER = 1 << 22, "exclude_callchain_user", "No user frames.";
        MMAP2 = 1 << 23, "mmap2", "Records of mappings with inodes.";
        COMM_EXEC = 1 << 24, "comm_exec", "Names by exec are marked.";
        USE_CLOCKID = 1 << 25, "use_clockid", "Time by `clockid`.";
        CONTEXT_SWITCH = 1 << 26, "context_switch", "Records of context switches.";
        WRITE_BACKWARD = 1 << 27, "write_backward", "The ring is written from the end.";
        NAMESPACES = 1 << 28, "namespaces", "Records of namespaces.";
        KSYMBOL = 1 << 29, "ksymbol", "Records of kernel symbols.";
        BPF_EVENT = 1 << 30, "bpf_event", "Records of BPF programs.";
        AUX_OUTPUT = 1 << 31, "aux_output", "Into another event's area.";
        CGROUP = 1 << 32, "cgroup", "Records of cgroups.";
        TEXT_POKE = 1 << 33, "text_poke", "Records of changed kernel code.";
        BUILD_ID = 1 << 34, "build_id", "Mapping records with build ids.";
        INHERIT_THREAD = 1 << 35, "inherit_thread", "Only threads inherit.";
        REMOVE_ON_EXEC = 1 << 36, "remove_on_exec", "Gone at the next exec.";
        SIGTRAP = 1 << 37, "sigtrap", "A signal for each event.";
        DEFER_CALLCHAIN = 1 << 38, "defer_callchain", "User frames come later.";
        DEFER_OUTPUT = 1 << 39, "defer_output", "Records of those frames.";
    }
}

abi! {
    /// `struct perf_event_attr`: the request of perf_event_open(2).
    ///
    /// [`size`](Self::size) has to be the size of this struct or of an older form of it.
    #[doc(alias = "perf_event_attr")]
    pub struct PerfEventAttr in "perf_event_attr" {
        /// Kind of event: `PERF_TYPE_*`, or a number from `/sys/bus/event_source/devices/*/type`.
        pub r#type: u32,
        /// Bytes of this struct.
        pub size: u32,
        /// Which event of its type.
        pub config: u64,
        /// Events for each sample, or samples a second with [`PerfAttrFlags::FREQ`].
        pub sample_period | sample_freq: u64,
        /// `PERF_SAMPLE_*` bits.
        pub sample_type: u64,
        /// What read(2) gives.
        pub read_format: u64,
        /// See [`PerfAttrFlags`].
        pub flags: PerfAttrFlags,
        /// Samples until the reader is woken, or bytes with [`PerfAttrFlags::WATERMARK`].
        pub wakeup_events | wakeup_watermark: u32,
        /// Kind of watched access.
        pub bp_type: u32,
        /// Address of the function's or binary's name, or the watched address.
        pub config1 | bp_addr | kprobe_func | uprobe_path: u64,
        /// Address or offset of the probe, or bytes watched.
        pub config2 | bp_len | kprobe_addr | probe_offset: u64,
        /// Which branches.
        pub branch_sample_type: u64,
        /// Which user registers.
        pub sample_regs_user: u64,
        /// Bytes of user stack.
        pub sample_stack_user: u32,
        /// Clock, with [`PerfAttrFlags::USE_CLOCKID`].
        pub clockid: i32,
        /// Which registers at the interrupt.
        pub sample_regs_intr: u64,
        /// Bytes of the auxiliary area until the reader is woken.
        pub aux_watermark: u32,
        /// Most frames of a call chain.
        pub sample_max_stack: u16,
        /// Padding.
        pub __reserved_2: u16,
        /// Bytes of the auxiliary area in a sample.
        pub aux_sample_size: u32,
        /// What to do with the auxiliary area. Linux 6.13.
        pub aux_action: u32,
        /// Value of the signal, with [`PerfAttrFlags::SIGTRAP`].
        pub sig_data: u64,
        /// More of `config`. Linux 6.3.
        pub config3: u64,
        /// More of `config`. Linux 6.18.
        pub config4: u64,
    }

    /// `struct perf_event_header`: the start of each record in the ring.
    #[doc(alias = "perf_event_header")]
    pub struct EventHeader in "perf_event_header" {
        /// `PERF_RECORD_*`.
        pub r#type: u32,
        /// Where the CPU was, and other bits.
        pub misc: u16,
        /// Bytes of the record, header included.
        pub size: u16,
    }

    /// The head of `struct perf_event_query_bpf`, argument of [`PERF_EVENT_IOC_QUERY_BPF`]; `u32` ids follow.
    #[doc(alias = "perf_event_query_bpf")]
    pub struct QueryBpf in "perf_event_query_bpf" {
        /// Room for ids after the head.
        pub ids_len: u32,
        /// After the call, programs that are attached.
        pub prog_cnt: u32,
    }
}

/// Bytes of the first form of `struct perf_event_attr`, which every kernel takes.
pub const PERF_ATTR_SIZE_VER0: u32 = 64;
/// Bytes of `struct perf_event_attr` up to `sample_regs_intr` and `aux_watermark`, Linux 4.1.
pub const PERF_ATTR_SIZE_VER5: u32 = 112;

/// Offsets of `struct perf_event_mmap_page`, the first page of a mapped event, in bytes.
pub mod mmap_page {
    /// `u64`: where the kernel has written up to; read with acquire ordering.
    pub const DATA_HEAD: usize = 1024;
    /// `u64`: where the reader has read up to; written with release ordering.
    pub const DATA_TAIL: usize = 1032;
    /// `u64`: where the data starts in the mapping.
    pub const DATA_OFFSET: usize = 1040;
    /// `u64`: bytes of data.
    pub const DATA_SIZE: usize = 1048;
}
