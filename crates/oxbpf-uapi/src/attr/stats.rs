//! Requests about statistics.

use crate::abi::abi;

abi! {
    /// Request of `BPF_ENABLE_STATS`: counts run until the returned descriptor closes. Linux 5.8.
    pub struct EnableStatsAttr in "bpf_attr" at "enable_stats." {
        /// `BPF_STATS_RUN_TIME` (0).
        pub r#type: u32,
    }
}
