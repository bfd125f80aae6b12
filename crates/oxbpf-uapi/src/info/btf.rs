//! What the kernel says about a BTF object or a token.

use crate::abi::abi;

abi! {
    /// `struct bpf_btf_info`. Linux 4.18.
    #[doc(alias = "bpf_btf_info")]
    pub struct BtfInfo in "bpf_btf_info" {
        /// Address of the buffer for the BTF.
        pub btf: u64,
        /// Bytes of that buffer; after the call, bytes of the BTF.
        pub btf_size: u32,
        /// Id, unique while the object lives.
        pub id: u32,
        /// Address of the buffer for the name. Linux 5.11.
        pub name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub name_len: u32,
        /// 1 if the object describes vmlinux or a module. Linux 5.11.
        pub kernel_btf: u32,
    }

    /// `struct bpf_token_info`: what a token allows, one bit for each value of the enumeration. Linux 6.17.
    #[doc(alias = "bpf_token_info")]
    pub struct TokenInfo in "bpf_token_info" {
        /// Commands.
        pub allowed_cmds: u64,
        /// Map types.
        pub allowed_maps: u64,
        /// Program types.
        pub allowed_progs: u64,
        /// Attach types.
        pub allowed_attachs: u64,
    }
}
