//! Flag sets of the commands and helpers. Bits that this version does not know survive and print as a number.
//!
//! Source: `include/uapi/linux/bpf.h` of Linux 7.2.

/// Declares flag sets over a plain integer, so that they can also be fields of a kernel struct.
///
/// A row is `NAME = bits, "C_NAME", "what it does";`.
macro_rules! flags {
    ($(
        $(#[$meta:meta])*
        pub struct $ty:ident: $repr:ty {
            $( $name:ident = $bits:expr, $c_name:tt, $doc:literal; )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(transparent)]
        pub struct $ty($repr);

        bitflags::bitflags! {
            impl $ty: $repr {
                $(
                    #[doc = $doc]
                    #[doc(alias = $c_name)]
                    const $name = $bits;
                )*
                // Bits from a newer kernel are kept.
                const _ = !0;
            }
        }

        impl $ty {
            /// Every flag of the set with its C name.
            pub const C_NAMES: &'static [(&'static str, $repr)] = &[$(($c_name, $bits)),*];
        }

        impl core::fmt::Display for $ty {
            /// C names joined by `|`, unknown bits as one hexadecimal number, `0` if empty.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                crate::flags::write_flags(f, u64::from(self.bits()), Self::C_NAMES.iter().map(|&(n, b)| (n, u64::from(b))))
            }
        }

        impl core::fmt::Debug for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    )*};
}

pub(crate) fn write_flags(
    f: &mut core::fmt::Formatter<'_>,
    mut rest: u64,
    names: impl Iterator<Item = (&'static str, u64)>,
) -> core::fmt::Result {
    let mut separator = "";
    for (name, bits) in names {
        if bits != 0 && rest & bits == bits {
            write!(f, "{separator}{name}")?;
            rest &= !bits;
            separator = "|";
        }
    }
    match (rest, separator) {
        (0, "") => f.write_str("0"),
        (0, _) => Ok(()),
        _ => write!(f, "{separator}{rest:#x}"),
    }
}

pub(crate) use flags;

flags! {
    /// How a map is made: `map_flags` of `BPF_MAP_CREATE`.
    pub struct MapFlags: u32 {
        NO_PREALLOC = 1 << 0, "BPF_F_NO_PREALLOC", "Allocate elements when they are used (Linux 4.6).";
        NO_COMMON_LRU = 1 << 1, "BPF_F_NO_COMMON_LRU", "One LRU list for each CPU (Linux 4.10).";
        NUMA_NODE = 1 << 2, "BPF_F_NUMA_NODE", "`numa_node` is set (Linux 4.14).";
        RDONLY = 1 << 3, "BPF_F_RDONLY", "User space may only read (Linux 4.15).";
        WRONLY = 1 << 4, "BPF_F_WRONLY", "User space may only write (Linux 4.15).";
        STACK_BUILD_ID = 1 << 5, "BPF_F_STACK_BUILD_ID", "Stacks as build id and offset (Linux 4.17).";
        ZERO_SEED = 1 << 6, "BPF_F_ZERO_SEED", "Hash without a random seed, for tests (Linux 5.0).";
        RDONLY_PROG = 1 << 7, "BPF_F_RDONLY_PROG", "Programs may only read (Linux 5.2).";
        WRONLY_PROG = 1 << 8, "BPF_F_WRONLY_PROG", "Programs may only write (Linux 5.2).";
        CLONE = 1 << 9, "BPF_F_CLONE", "A listener's storage is copied to accepted sockets (Linux 5.4).";
        MMAPABLE = 1 << 10, "BPF_F_MMAPABLE", "Values can be mapped into user space (Linux 5.5).";
        PRESERVE_ELEMS = 1 << 11, "BPF_F_PRESERVE_ELEMS", "Perf events outlive the descriptor that added them (Linux 5.10).";
        INNER_MAP = 1 << 12, "BPF_F_INNER_MAP", "An inner array whose size may differ (Linux 5.10).";
        LINK = 1 << 13, "BPF_F_LINK", "A struct_ops map that a link registers (Linux 6.4).";
        PATH_FD = 1 << 14, "BPF_F_PATH_FD", "`path_fd` is set (Linux 6.5).";
        VTYPE_BTF_OBJ_FD = 1 << 15, "BPF_F_VTYPE_BTF_OBJ_FD", "`value_type_btf_obj_fd` is set (Linux 6.9).";
        TOKEN_FD = 1 << 16, "BPF_F_TOKEN_FD", "`map_token_fd` is set (Linux 6.9).";
        SEGV_ON_FAULT = 1 << 17, "BPF_F_SEGV_ON_FAULT", "Touching an absent arena page in user space is a fault (Linux 6.9).";
        NO_USER_CONV = 1 << 18, "BPF_F_NO_USER_CONV", "Arena pointers are not translated for user space (Linux 6.9).";
        RB_OVERWRITE = 1 << 19, "BPF_F_RB_OVERWRITE", "A full ring buffer overwrites its oldest records (Linux 6.19).";
    }

    /// How an element is looked up or updated. `BPF_ANY`, create or replace, is the empty set.
    pub struct UpdateFlags: u64 {
        NOEXIST = 1, "BPF_NOEXIST", "Only create; `EEXIST` if present.";
        EXIST = 2, "BPF_EXIST", "Only replace; `ENOENT` if absent.";
        LOCK = 4, "BPF_F_LOCK", "Take the value's spin lock (Linux 5.1).";
        CPU = 8, "BPF_F_CPU", "Per-CPU maps: one value, the CPU is in the upper 32 bits (Linux 7.0).";
        ALL_CPUS = 16, "BPF_F_ALL_CPUS", "Per-CPU maps: one value for every CPU (Linux 7.0).";
    }

    /// How a program is verified: `prog_flags` of `BPF_PROG_LOAD`.
    pub struct ProgLoadFlags: u32 {
        STRICT_ALIGNMENT = 1 << 0, "BPF_F_STRICT_ALIGNMENT", "Reject unaligned accesses everywhere (Linux 4.12).";
        ANY_ALIGNMENT = 1 << 1, "BPF_F_ANY_ALIGNMENT", "Accept unaligned accesses everywhere (Linux 5.0).";
        TEST_RND_HI32 = 1 << 2, "BPF_F_TEST_RND_HI32", "Fill unused upper halves with noise, for tests (Linux 5.3).";
        TEST_STATE_FREQ = 1 << 3, "BPF_F_TEST_STATE_FREQ", "Keep a verifier state at every instruction, for tests (Linux 5.4).";
        SLEEPABLE = 1 << 4, "BPF_F_SLEEPABLE", "The program may sleep (Linux 5.10).";
        XDP_HAS_FRAGS = 1 << 5, "BPF_F_XDP_HAS_FRAGS", "The XDP program knows about fragments (Linux 5.18).";
        XDP_DEV_BOUND_ONLY = 1 << 6, "BPF_F_XDP_DEV_BOUND_ONLY", "Bound to a device, may read its metadata (Linux 6.3).";
        TEST_REG_INVARIANTS = 1 << 7, "BPF_F_TEST_REG_INVARIANTS", "A broken verifier invariant is an error, for tests (Linux 6.8).";
        TOKEN_FD = 1 << 16, "BPF_F_TOKEN_FD", "`prog_token_fd` is set (Linux 6.9).";
    }

    /// How an object is opened or pinned: `file_flags` and `open_flags`.
    pub struct ObjFlags: u32 {
        RDONLY = 1 << 3, "BPF_F_RDONLY", "Open a map for reading only (Linux 4.15).";
        WRONLY = 1 << 4, "BPF_F_WRONLY", "Open a map for writing only (Linux 4.15).";
        PATH_FD = 1 << 14, "BPF_F_PATH_FD", "`path_fd` is set (Linux 6.5).";
        TOKEN_FD = 1 << 16, "BPF_F_TOKEN_FD", "A token allows opening by id (Linux 6.18).";
    }

    /// How a program joins others at its target: `attach_flags` of `BPF_PROG_ATTACH`.
    pub struct AttachFlags: u32 {
        ALLOW_OVERRIDE = 1 << 0, "BPF_F_ALLOW_OVERRIDE", "Descendant cgroups may replace it (Linux 4.10).";
        ALLOW_MULTI = 1 << 1, "BPF_F_ALLOW_MULTI", "Descendant cgroups' programs run as well (Linux 4.15).";
        REPLACE = 1 << 2, "BPF_F_REPLACE", "Take the place of the given program (Linux 5.6).";
        BEFORE = 1 << 3, "BPF_F_BEFORE", "Before the given neighbour, or first (Linux 6.6).";
        AFTER = 1 << 4, "BPF_F_AFTER", "After the given neighbour, or last (Linux 6.6).";
        ID = 1 << 5, "BPF_F_ID", "The neighbour is given by id (Linux 6.6).";
        PREORDER = 1 << 6, "BPF_F_PREORDER", "Run before descendant cgroups' programs (Linux 6.15).";
        LINK = 1 << 13, "BPF_F_LINK", "The neighbour is a link (Linux 6.6).";
    }

    /// Flags of `BPF_LINK_CREATE` and `BPF_LINK_UPDATE`, beside the neighbour bits of [`AttachFlags`].
    pub struct LinkCreateFlags: u32 {
        REPLACE = 1 << 2, "BPF_F_REPLACE", "Only if the link still holds the given program.";
        BEFORE = 1 << 3, "BPF_F_BEFORE", "Before the given neighbour, or first.";
        AFTER = 1 << 4, "BPF_F_AFTER", "After the given neighbour, or last.";
        ID = 1 << 5, "BPF_F_ID", "The neighbour is given by id.";
        PREORDER = 1 << 6, "BPF_F_PREORDER", "Run before descendant cgroups' programs.";
        LINK = 1 << 13, "BPF_F_LINK", "The neighbour is a link.";
    }

    /// What is asked: `query_flags` of `BPF_PROG_QUERY`.
    pub struct QueryFlags: u32 {
        EFFECTIVE = 1 << 0, "BPF_F_QUERY_EFFECTIVE", "Inherited programs too.";
    }

    /// How a program is run: `flags` of `BPF_PROG_TEST_RUN`.
    pub struct TestRunFlags: u32 {
        RUN_ON_CPU = 1 << 0, "BPF_F_TEST_RUN_ON_CPU", "On the given CPU (Linux 5.10).";
        XDP_LIVE_FRAMES = 1 << 1, "BPF_F_TEST_XDP_LIVE_FRAMES", "Packets are sent on as the result says (Linux 5.18).";
        SKB_CHECKSUM_COMPLETE = 1 << 2, "BPF_F_TEST_SKB_CHECKSUM_COMPLETE", "Check the packet's checksum (Linux 6.13).";
    }

    /// Flags of a link to many kernel functions.
    pub struct KprobeMultiFlags: u32 {
        RETURN = 1 << 0, "BPF_F_KPROBE_MULTI_RETURN", "At the functions' returns.";
    }

    /// Flags of a link to many places of a user binary.
    pub struct UprobeMultiFlags: u32 {
        RETURN = 1 << 0, "BPF_F_UPROBE_MULTI_RETURN", "At the functions' returns.";
        PATH_FD = 1 << 1, "BPF_F_UPROBE_MULTI_PATH_FD", "The path starts at `path_fd` (Linux 6.13).";
    }

    /// Flags of a netfilter link.
    pub struct NetfilterFlags: u32 {
        IP_DEFRAG = 1 << 0, "BPF_F_NETFILTER_IP_DEFRAG", "Packets are reassembled first (Linux 6.6).";
    }

    /// How an XDP program is attached: `IFLA_XDP_FLAGS` over netlink, and `flags` of its link.
    pub struct XdpFlags: u32 {
        UPDATE_IF_NOEXIST = 1 << 0, "XDP_FLAGS_UPDATE_IF_NOEXIST", "Only if nothing is attached.";
        SKB_MODE = 1 << 1, "XDP_FLAGS_SKB_MODE", "In the generic stack, any driver.";
        DRV_MODE = 1 << 2, "XDP_FLAGS_DRV_MODE", "In the driver.";
        HW_MODE = 1 << 3, "XDP_FLAGS_HW_MODE", "In the device.";
        REPLACE = 1 << 4, "XDP_FLAGS_REPLACE", "Only if the given program is attached (Linux 5.7).";
    }

    /// Flags of the perf and stack helpers: a CPU or a number of frames to skip, and bits.
    pub struct StackFlags: u64 {
        USER_STACK = 1 << 8, "BPF_F_USER_STACK", "The user stack instead of the kernel's.";
        FAST_STACK_CMP = 1 << 9, "BPF_F_FAST_STACK_CMP", "`bpf_get_stackid`: same hash is same stack.";
        REUSE_STACKID = 1 << 10, "BPF_F_REUSE_STACKID", "`bpf_get_stackid`: a new stack takes the place of another with its hash.";
        USER_BUILD_ID = 1 << 11, "BPF_F_USER_BUILD_ID", "`bpf_get_stack`: build id and offset instead of addresses.";
    }

    /// Flags of the ring buffer helpers.
    pub struct RingbufFlags: u64 {
        NO_WAKEUP = 1 << 0, "BPF_RB_NO_WAKEUP", "Do not wake the reader.";
        FORCE_WAKEUP = 1 << 1, "BPF_RB_FORCE_WAKEUP", "Wake the reader even if it is behind.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_survive_and_print() {
        let flags = MapFlags::from_bits_retain(1 | 1 << 30);
        assert_eq!(flags.bits(), 0x4000_0001);
        assert_eq!(flags.to_string(), "BPF_F_NO_PREALLOC|0x40000000");
        assert_eq!(MapFlags::from_bits(1 << 30).map(|f| f.bits()), Some(1 << 30));
    }

    #[test]
    fn the_empty_set_prints_as_zero() {
        assert_eq!(UpdateFlags::default().to_string(), "0");
    }
}
