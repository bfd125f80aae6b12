//! Requests about maps.

use super::OBJ_NAME_LEN;
use crate::MapType;
use crate::abi::abi;

abi! {
    /// Request of `BPF_MAP_CREATE`.
    pub struct MapCreateAttr in "bpf_attr" {
        /// What kind of map.
        pub map_type: MapType,
        /// Bytes of a key; 0 for maps without keys.
        pub key_size: u32,
        /// Bytes of a value.
        pub value_size: u32,
        /// Largest number of elements; bytes of data for ring buffers, pages for arenas.
        pub max_entries: u32,
        /// `BPF_F_*` bits, see [`MapFlags`](crate::flags::MapFlags).
        pub map_flags: u32,
        /// A map whose shape the inner maps have, for maps of maps.
        pub inner_map_fd: u32,
        /// NUMA node of the memory, with `BPF_F_NUMA_NODE`.
        pub numa_node: u32,
        /// Name, zero-terminated. Linux 4.15.
        pub map_name: [u8; OBJ_NAME_LEN],
        /// Network device that the map is offloaded to. Linux 4.16.
        pub map_ifindex: u32,
        /// BTF object that has the key and value types. Linux 4.18.
        pub btf_fd: u32,
        /// Type of the key in that object.
        pub btf_key_type_id: u32,
        /// Type of the value in that object.
        pub btf_value_type_id: u32,
        /// Kernel struct that is the value, for struct_ops maps. Linux 5.6.
        pub btf_vmlinux_value_type_id: u32,
        /// Extra number by map type: hash functions of a bloom filter, user address of an arena, size hint of a
        /// resizable hash. Linux 5.16.
        pub map_extra: u64,
        /// Module BTF that has the value type, with `BPF_F_VTYPE_BTF_OBJ_FD`. Linux 6.9.
        pub value_type_btf_obj_fd: i32,
        /// Token that allows the command, with `BPF_F_TOKEN_FD`. Linux 6.9.
        pub map_token_fd: i32,
        /// Address of the hash of the only program that may use the map. Linux 6.18.
        pub excl_prog_hash: u64,
        /// Bytes of that hash.
        pub excl_prog_hash_size: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// Request of the commands on one element, and of `BPF_MAP_FREEZE`.
    pub struct MapElemAttr in "bpf_attr" {
        /// The map.
        pub map_fd: u32,
        /// Padding.
        pub _pad: u32,
        /// Address of the key.
        pub key: u64,
        /// Address of the value, or of the buffer for the next key.
        pub value | next_key: u64,
        /// `BPF_ANY` and others, see [`UpdateFlags`](crate::flags::UpdateFlags).
        pub flags: u64,
    }

    /// Request of the `BPF_MAP_*_BATCH` commands. Linux 5.6.
    pub struct BatchAttr in "bpf_attr" at "batch." {
        /// Address of the position to start from, 0 for the start.
        pub in_batch: u64,
        /// Address that receives the position to go on from.
        pub out_batch: u64,
        /// Address of the keys.
        pub keys: u64,
        /// Address of the values.
        pub values: u64,
        /// Elements that fit in; after the call, elements done.
        pub count: u32,
        /// The map.
        pub map_fd: u32,
        /// Flags for each element, see [`UpdateFlags`](crate::flags::UpdateFlags).
        pub elem_flags: u64,
        /// Flags of the command itself; none exist.
        pub flags: u64,
    }
}
