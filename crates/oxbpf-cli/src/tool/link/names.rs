//! Names of perf events and netfilter hooks, as bpftool shows them.

/// `perf_event_attr.type`.
const EVENT_TYPES: &[&str] = &["hardware", "software", "tracepoint", "hw-cache", "raw", "breakpoint"];
const HARDWARE: usize = 0;
const SOFTWARE: usize = 1;
const CACHE: usize = 3;

/// `perf_event_attr.config` of hardware events.
const HARDWARE_EVENTS: &[&str] = &[
    "cpu-cycles",
    "instructions",
    "cache-references",
    "cache-misses",
    "branch-instructions",
    "branch-misses",
    "bus-cycles",
    "stalled-cycles-frontend",
    "stalled-cycles-backend",
    "ref-cycles",
];

/// `perf_event_attr.config` of software events.
const SOFTWARE_EVENTS: &[&str] = &[
    "cpu-clock",
    "task-clock",
    "page-faults",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
    "alignment-faults",
    "emulation-faults",
    "dummy",
    "bpf-output",
    "cgroup-switches",
];

/// The three parts of `perf_event_attr.config` of cache events.
const CACHES: &[&str] = &["L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"];
const CACHE_OPERATIONS: &[&str] = &["load", "store", "prefetch"];
const CACHE_RESULTS: &[&str] = &["refs", "misses"];

/// Protocol families, by number.
const FAMILIES: &[(u32, &str)] =
    &[(1, "inet"), (2, "ip"), (3, "arp"), (5, "netdev"), (7, "bridge"), (10, "ip6")];
const ARP: u32 = 3;
const NETDEV: u32 = 5;

/// Hooks of all families but ARP, by number.
const HOOKS: &[&str] = &["prerouting", "input", "forward", "output", "postrouting"];
const ARP_HOOKS: &[&str] = &["input", "output"];

fn at(names: &[&'static str], index: u64) -> Option<&'static str> {
    names.get(usize::try_from(index).ok()?).copied()
}

/// A type of perf events.
pub(super) fn event_type(kind: u32) -> Option<&'static str> {
    at(EVENT_TYPES, kind.into())
}

/// A perf event of a type.
pub(super) fn event(kind: u32, config: u64) -> Option<String> {
    let name = |names, index| at(names, index).map_or_else(|| index.to_string(), str::to_owned);
    match usize::try_from(kind).ok()? {
        HARDWARE => at(HARDWARE_EVENTS, config).map(str::to_owned),
        SOFTWARE => at(SOFTWARE_EVENTS, config).map(str::to_owned),
        CACHE => {
            let (cache, operation) =
                (name(CACHES, config & 0xff), name(CACHE_OPERATIONS, config >> 8 & 0xff));
            Some(format!("{cache}-{operation}-{}", name(CACHE_RESULTS, config >> 16)))
        }
        _ => None,
    }
}

/// A protocol family of netfilter.
pub(super) fn family(pf: u32) -> Option<&'static str> {
    FAMILIES.iter().find(|row| row.0 == pf).map(|row| row.1)
}

/// A hook of a protocol family.
pub(super) fn hook(pf: u32, hooknum: u32) -> Option<&'static str> {
    match pf {
        ARP => at(ARP_HOOKS, hooknum.into()),
        NETDEV => None,
        _ if family(pf).is_some() => at(HOOKS, hooknum.into()),
        _ => None,
    }
}

/// `enum bpf_cgroup_iter_order`.
pub(super) fn cgroup_order(order: u32) -> &'static str {
    const ORDERS: &[&str] =
        &["order_unspec", "self_only", "descendants_pre", "descendants_post", "ancestors_up"];
    at(ORDERS, order.into()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_hooks_have_names_or_none() {
        assert_eq!(event(0, 1).as_deref(), Some("instructions"));
        assert_eq!(event(1, 9).as_deref(), Some("dummy"));
        assert_eq!(event(3, 0x1_0102).as_deref(), Some("LLC-store-misses"));
        assert_eq!(event(3, 0x9_0909).as_deref(), Some("9-9-9"));
        assert_eq!((event(4, 1), event(0, 99), event_type(99)), (None, None, None));
        assert_eq!(
            (hook(3, 1), hook(2, 1), hook(5, 0), hook(99, 0)),
            (Some("output"), Some("input"), None, None)
        );
    }
}
