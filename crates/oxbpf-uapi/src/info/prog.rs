//! What the kernel says about a program.

use crate::ProgType;
use crate::abi::abi;
use crate::attr::OBJ_NAME_LEN;

abi! {
    /// `struct bpf_prog_info`. Linux 4.13.
    ///
    /// For each pair of an address and a count or size, the caller gives room and the kernel writes what there is.
    #[doc(alias = "bpf_prog_info")]
    pub struct ProgInfo in "bpf_prog_info" {
        /// What kind of program.
        pub r#type: ProgType,
        /// Id, unique while the program lives.
        pub id: u32,
        /// Hash of the instructions.
        pub tag: [u8; 8],
        /// Bytes of machine code.
        pub jited_prog_len: u32,
        /// Bytes of instructions after the verifier's rewriting.
        pub xlated_prog_len: u32,
        /// Address of the buffer for machine code.
        pub jited_prog_insns: u64,
        /// Address of the buffer for instructions.
        pub xlated_prog_insns: u64,
        /// When the program was loaded, nanoseconds since boot. Linux 4.15.
        pub load_time: u64,
        /// User who loaded it.
        pub created_by_uid: u32,
        /// Maps that it uses.
        pub nr_map_ids: u32,
        /// Address of the buffer for map ids, `u32` each.
        pub map_ids: u64,
        /// Name, zero-terminated.
        pub name: [u8; OBJ_NAME_LEN],
        /// Network device of an offloaded or bound program.
        pub ifindex: u32,
        /// Bit 0: the licence allows GPL-only helpers. Linux 4.18.
        pub gpl_compatible: u32,
        /// Device of the network namespace of an offloaded program.
        pub netns_dev: u64,
        /// Inode of that namespace.
        pub netns_ino: u64,
        /// Kernel symbols of its functions.
        pub nr_jited_ksyms: u32,
        /// Functions whose length is known.
        pub nr_jited_func_lens: u32,
        /// Address of the buffer for kernel addresses, `u64` each.
        pub jited_ksyms: u64,
        /// Address of the buffer for lengths in bytes, `u32` each.
        pub jited_func_lens: u64,
        /// BTF object of its types. Linux 5.0.
        pub btf_id: u32,
        /// Bytes of one function record.
        pub func_info_rec_size: u32,
        /// Address of the buffer for function records.
        pub func_info: u64,
        /// Function records.
        pub nr_func_info: u32,
        /// Line records.
        pub nr_line_info: u32,
        /// Address of the buffer for line records.
        pub line_info: u64,
        /// Address of the buffer for the machine address of each line, `u64` each.
        pub jited_line_info: u64,
        /// Machine addresses of lines.
        pub nr_jited_line_info: u32,
        /// Bytes of one line record.
        pub line_info_rec_size: u32,
        /// Bytes of one machine address of a line.
        pub jited_line_info_rec_size: u32,
        /// Tags of its functions.
        pub nr_prog_tags: u32,
        /// Address of the buffer for tags, 8 bytes each.
        pub prog_tags: u64,
        /// Nanoseconds spent in it while statistics were on. Linux 5.1.
        pub run_time_ns: u64,
        /// Runs while statistics were on.
        pub run_cnt: u64,
        /// Runs that were skipped because it was already running on the CPU. Linux 5.12.
        pub recursion_misses: u64,
        /// Instructions that the verifier walked. Linux 5.16.
        pub verified_insns: u32,
        /// BTF object of its target. Linux 5.18.
        pub attach_btf_obj_id: u32,
        /// Its target in that object.
        pub attach_btf_id: u32,
        /// Padding.
        pub _pad: u32,
    }
}
