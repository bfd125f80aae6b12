//! Requests about tokens, and the attributes that any command takes.

use crate::abi::abi;

abi! {
    /// Request of `BPF_TOKEN_CREATE`. Linux 6.9.
    pub struct TokenCreateAttr in "bpf_attr" at "token_create." {
        /// No flags exist.
        pub flags: u32,
        /// The BPF file system that delegates.
        pub bpffs_fd: u32,
    }

    /// What any command takes in the fourth argument of bpf(2), with `BPF_COMMON_ATTRS` set in the command.
    pub struct CommonAttr in "bpf_common_attr" {
        /// Address of the log buffer.
        pub log_buf: u64,
        /// Bytes of the log buffer.
        pub log_size: u32,
        /// How much is written to the log; 0 nothing.
        pub log_level: u32,
        /// After the call, bytes that the whole log needs.
        pub log_true_size: u32,
        /// Padding.
        pub _pad: u32,
    }
}
