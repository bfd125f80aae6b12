//! Helper functions: one table from number to function, one file a family.
//!
//! Arguments are r1 to r5 as the program left them; what a pointer among them reaches is checked by guest memory. Results are those of
//! Linux v6.12, negative error numbers included.

mod format;
mod map;
mod memory;
mod net;
mod output;
mod stack;
mod sys;
mod task;
mod time;

use oxbpf_uapi::{Errno, HelperId};
use oxbpf_vm::{Call, Cpu, Flow, Trap};

use crate::invoke::{Invocation, errno_value};

/// What the `struct seq_file` pointer of an iterator's context is: opaque, and no address of guest memory.
pub(crate) const SEQ_FILE: u64 = 0xffff_a000_0000_0000;

/// A helper's arguments.
type Args = [u64; 5];

/// A value or an error number, unless the run is stopped.
type Status = Result<Result<u64, Errno>, Trap>;

/// How a helper is called.
#[derive(Clone, Copy)]
enum Helper {
    /// It gives a value.
    Value(fn(&mut Invocation<'_, '_>, &mut Cpu, Args) -> Result<u64, Trap>),
    /// It gives nothing or an error number.
    Status(fn(&mut Invocation<'_, '_>, &mut Cpu, Args) -> Status),
    /// It calls back, or decides how the program goes on.
    Flow(fn(&mut Invocation<'_, '_>, &mut Cpu, &Call<'_>) -> Result<Flow, Trap>),
}

use Helper::{Flow as F, Status as S, Value as V};

/// Helpers that the embedded kernel has, by number.
const TABLE: &[(HelperId, Helper)] = &[
    (HelperId::MAP_LOOKUP_ELEM, V(map::lookup)),
    (HelperId::MAP_UPDATE_ELEM, S(map::update)),
    (HelperId::MAP_DELETE_ELEM, S(map::delete)),
    (HelperId::PROBE_READ, S(memory::probe_read)),
    (HelperId::KTIME_GET_NS, V(time::ktime)),
    (HelperId::TRACE_PRINTK, S(output::trace_printk)),
    (HelperId::GET_PRANDOM_U32, V(time::prandom)),
    (HelperId::GET_SMP_PROCESSOR_ID, V(task::cpu)),
    (HelperId::SKB_STORE_BYTES, S(net::store_bytes)),
    (HelperId::L3_CSUM_REPLACE, S(net::l3_csum_replace)),
    (HelperId::L4_CSUM_REPLACE, S(net::l4_csum_replace)),
    (HelperId::TAIL_CALL, F(map::tail_call)),
    (HelperId::GET_CURRENT_PID_TGID, V(task::pid_tgid)),
    (HelperId::GET_CURRENT_UID_GID, V(task::uid_gid)),
    (HelperId::GET_CURRENT_COMM, S(task::comm)),
    (HelperId::REDIRECT, V(net::redirect)),
    (HelperId::PERF_EVENT_OUTPUT, S(output::perf_event_output)),
    (HelperId::SKB_LOAD_BYTES, S(net::load_bytes)),
    (HelperId::GET_STACKID, S(stack::stack_id)),
    (HelperId::CSUM_DIFF, S(net::csum_diff)),
    (HelperId::GET_HASH_RECALC, V(net::hash)),
    (HelperId::GET_CURRENT_TASK, V(task::current)),
    (HelperId::PROBE_WRITE_USER, S(memory::probe_write_user)),
    (HelperId::SKB_CHANGE_TAIL, S(net::change_tail)),
    (HelperId::SKB_PULL_DATA, S(net::pull_data)),
    (HelperId::GET_NUMA_NODE_ID, V(task::numa_node)),
    (HelperId::SKB_CHANGE_HEAD, S(net::change_head)),
    (HelperId::XDP_ADJUST_HEAD, S(net::adjust_head)),
    (HelperId::PROBE_READ_STR, S(memory::probe_read_str)),
    (HelperId::XDP_ADJUST_META, S(net::adjust_meta)),
    (HelperId::XDP_ADJUST_TAIL, S(net::adjust_tail)),
    (HelperId::GET_STACK, S(stack::stack)),
    (HelperId::SKB_LOAD_BYTES_RELATIVE, S(net::load_bytes_relative)),
    (HelperId::GET_CURRENT_CGROUP_ID, V(task::cgroup_id)),
    (HelperId::MAP_PUSH_ELEM, S(map::push)),
    (HelperId::MAP_POP_ELEM, S(map::pop)),
    (HelperId::MAP_PEEK_ELEM, S(map::peek)),
    (HelperId::SPIN_LOCK, V(map::spin_lock)),
    (HelperId::SPIN_UNLOCK, V(map::spin_unlock)),
    (HelperId::STRTOL, S(memory::strtol)),
    (HelperId::STRTOUL, S(memory::strtoul)),
    (HelperId::PROBE_READ_USER, S(memory::probe_read_user)),
    (HelperId::PROBE_READ_KERNEL, S(memory::probe_read_kernel)),
    (HelperId::PROBE_READ_USER_STR, S(memory::probe_read_user_str)),
    (HelperId::PROBE_READ_KERNEL_STR, S(memory::probe_read_kernel_str)),
    (HelperId::JIFFIES64, V(time::jiffies)),
    (HelperId::GET_NS_CURRENT_PID_TGID, S(task::ns_pid_tgid)),
    (HelperId::KTIME_GET_BOOT_NS, V(time::boottime)),
    (HelperId::SEQ_PRINTF, S(output::seq_printf)),
    (HelperId::SEQ_WRITE, S(output::seq_write)),
    (HelperId::RINGBUF_OUTPUT, S(output::ringbuf_output)),
    (HelperId::RINGBUF_RESERVE, V(output::ringbuf_reserve)),
    (HelperId::RINGBUF_SUBMIT, V(output::ringbuf_submit)),
    (HelperId::RINGBUF_DISCARD, V(output::ringbuf_discard)),
    (HelperId::RINGBUF_QUERY, V(output::ringbuf_query)),
    (HelperId::COPY_FROM_USER, S(memory::copy_from_user)),
    (HelperId::GET_CURRENT_TASK_BTF, V(task::current)),
    (HelperId::KTIME_GET_COARSE_NS, V(time::coarse)),
    (HelperId::FOR_EACH_MAP_ELEM, F(map::for_each)),
    (HelperId::SNPRINTF, S(output::snprintf)),
    (HelperId::SYS_BPF, S(sys::sys_bpf)),
    (HelperId::BTF_FIND_BY_NAME_KIND, S(sys::find_by_name_kind)),
    (HelperId::SYS_CLOSE, S(sys::sys_close)),
    (HelperId::GET_FUNC_IP, V(task::func_ip)),
    (HelperId::GET_ATTACH_COOKIE, V(task::cookie)),
    (HelperId::TRACE_VPRINTK, S(output::trace_vprintk)),
    (HelperId::KALLSYMS_LOOKUP_NAME, S(sys::kallsyms_lookup_name)),
    (HelperId::LOOP, F(map::bpf_loop)),
    (HelperId::STRNCMP, V(memory::strncmp)),
    (HelperId::XDP_GET_BUFF_LEN, V(net::buff_len)),
    (HelperId::XDP_LOAD_BYTES, S(net::xdp_load_bytes)),
    (HelperId::XDP_STORE_BYTES, S(net::xdp_store_bytes)),
    (HelperId::MAP_LOOKUP_PERCPU_ELEM, V(map::lookup_percpu)),
    (HelperId::KTIME_GET_TAI_NS, V(time::tai)),
];

fn find(id: HelperId) -> Option<Helper> {
    let at = TABLE.binary_search_by_key(&id.0, |row| row.0.0).ok()?;
    TABLE.get(at).map(|row| row.1)
}

/// Whether the embedded kernel has a helper.
pub(crate) fn is_served(id: HelperId) -> bool {
    find(id).is_some()
}

/// Does a helper call.
pub(crate) fn call(
    inv: &mut Invocation<'_, '_>,
    cpu: &mut Cpu,
    id: HelperId,
    call: &Call<'_>,
) -> Result<Flow, Trap> {
    match find(id) {
        Some(V(helper)) => Ok(Flow::Return(helper(inv, cpu, call.args)?)),
        Some(S(helper)) => Ok(Flow::Return(helper(inv, cpu, call.args)?.unwrap_or_else(errno_value))),
        Some(F(helper)) => helper(inv, cpu, call),
        None => Err(Trap::refused(format!("helper {id} is not served by the embedded kernel"))),
    }
}

/// A length argument, bounded by what one object can be.
fn length(value: u64) -> Result<usize, Trap> {
    const MAX: u64 = 1 << 29;
    if value > MAX { Err(Trap::refused(format!("a length of {value} bytes"))) } else { Ok(value as usize) }
}

/// Copies bytes that a program points at.
fn read(cpu: &Cpu, addr: u64, len: u64) -> Result<Vec<u8>, Trap> {
    let mut out = vec![0; length(len)?];
    cpu.memory().read(addr, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_by_number() {
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(TABLE.iter().all(|row| is_served(row.0)));
        assert!(!is_served(HelperId(100_000)));
    }
}
