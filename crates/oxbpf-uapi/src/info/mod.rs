//! What `BPF_OBJ_GET_INFO_BY_FD` answers about maps, programs, links, BTF objects and tokens.
//!
//! The caller zeroes the struct, fills in buffer addresses and sizes, and the kernel writes as many bytes as it knows.
//!
//! Source: `include/uapi/linux/bpf.h` of Linux 7.2; offsets are tested against the BTF of running kernels.

mod btf;
mod link;
mod map;
mod prog;

pub use btf::{BtfInfo, TokenInfo};
pub use link::{
    CgroupLinkInfo, DeviceLinkInfo, EventLinkInfo, IterLinkInfo, KprobeLinkInfo, KprobeMultiLinkInfo,
    LinkInfo, LinkInfoKind, NetfilterLinkInfo, NetnsLinkInfo, PerfEventLinkInfo, PerfLinkKind,
    RawTracepointLinkInfo, SockmapLinkInfo, StructOpsLinkInfo, TracepointLinkInfo, TracingLinkInfo,
    UprobeLinkInfo, UprobeMultiLinkInfo, XdpLinkInfo,
};
pub use map::MapInfo;
pub use prog::ProgInfo;
