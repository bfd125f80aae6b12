//! The requests of bpf(2): one struct for each member of `union bpf_attr`.
//!
//! Each struct is its member byte for byte, with gaps as named padding, so that a request has no uninitialised bytes.
//! Pointers are `u64` addresses, file descriptors are `u32` (or `i32` where the kernel allows "none"), sizes are in
//! bytes unless said otherwise. A request may be longer than what a kernel knows as long as the surplus is zero.
//! [`Cmd`](crate::Cmd) says which command takes which struct.
//!
//! Source: `include/uapi/linux/bpf.h` of Linux 7.2; offsets are tested against the BTF of running kernels.

mod btf;
mod iter;
mod link;
mod map;
mod obj;
mod prog;
mod stats;
mod token;

pub use btf::BtfLoadAttr;
pub use iter::{CgroupIter, IterCreateAttr, MapIter, TaskIter};
pub use link::{
    IterLink, KprobeMultiLink, LinkCreateAttr, LinkDetachAttr, LinkKind, LinkUpdateAttr, NetfilterLink,
    PerfEventLink, RelativeLink, TracingLink, TracingMultiLink, UprobeMultiLink,
};
pub use map::{BatchAttr, MapCreateAttr, MapElemAttr};
pub use obj::{GetIdAttr, InfoByFdAttr, ObjAttr};
pub use prog::{
    AssocStructOpsAttr, ProgAttachAttr, ProgBindMapAttr, ProgLoadAttr, QueryAttr, RawTracepointOpenAttr,
    StreamReadAttr, TaskFdQueryAttr, TestRunAttr,
};
pub use stats::EnableStatsAttr;
pub use token::{CommonAttr, TokenCreateAttr};

/// Bytes of `union bpf_attr` in Linux 7.2.
pub const ATTR_SIZE: usize = 168;

/// Bytes of a map or program name, the final zero included (`BPF_OBJ_NAME_LEN`).
pub const OBJ_NAME_LEN: usize = 16;
