//! Requests about BTF objects.

use crate::abi::abi;

abi! {
    /// Request of `BPF_BTF_LOAD`. Linux 4.18.
    pub struct BtfLoadAttr in "bpf_attr" {
        /// Address of the BTF, header included.
        pub btf: u64,
        /// Address of the log buffer.
        pub btf_log_buf: u64,
        /// Bytes of the BTF.
        pub btf_size: u32,
        /// Bytes of the log buffer.
        pub btf_log_size: u32,
        /// How much is written to the log; 0 nothing.
        pub btf_log_level: u32,
        /// After the call, bytes that the whole log needs. Linux 6.4.
        pub btf_log_true_size: u32,
        /// `BPF_F_TOKEN_FD` or nothing. Linux 6.9.
        pub btf_flags: u32,
        /// Token that allows the command, with `BPF_F_TOKEN_FD`.
        pub btf_token_fd: i32,
    }
}
