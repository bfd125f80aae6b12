//! What the kernel says about a map.

use crate::MapType;
use crate::abi::abi;
use crate::attr::OBJ_NAME_LEN;

abi! {
    /// `struct bpf_map_info`. Linux 4.13.
    #[doc(alias = "bpf_map_info")]
    pub struct MapInfo in "bpf_map_info" {
        /// What kind of map.
        pub r#type: MapType,
        /// Id, unique while the map lives.
        pub id: u32,
        /// Bytes of a key.
        pub key_size: u32,
        /// Bytes of a value.
        pub value_size: u32,
        /// Largest number of elements.
        pub max_entries: u32,
        /// See [`MapFlags`](crate::flags::MapFlags).
        pub map_flags: u32,
        /// Name, zero-terminated. Linux 4.15.
        pub name: [u8; OBJ_NAME_LEN],
        /// Network device of an offloaded map.
        pub ifindex: u32,
        /// Kernel struct that is the value of a struct_ops map.
        pub btf_vmlinux_value_type_id: u32,
        /// Device of the network namespace of an offloaded map.
        pub netns_dev: u64,
        /// Inode of that namespace.
        pub netns_ino: u64,
        /// BTF object of the key and value types. Linux 4.18.
        pub btf_id: u32,
        /// Type of the key.
        pub btf_key_type_id: u32,
        /// Type of the value.
        pub btf_value_type_id: u32,
        /// Module BTF of a struct_ops value type. Linux 6.9.
        pub btf_vmlinux_id: u32,
        /// Extra number by map type. Linux 5.16.
        pub map_extra: u64,
        /// Address of the buffer for the hash of the contents. Linux 6.18.
        pub hash: u64,
        /// Bytes of that buffer.
        pub hash_size: u32,
        /// Padding.
        pub _pad: u32,
    }
}
