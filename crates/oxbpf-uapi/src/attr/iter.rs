//! Requests about iterators.

use crate::abi::abi;

abi! {
    /// Request of `BPF_ITER_CREATE`: a descriptor that is read to run the iterator. Linux 5.8.
    pub struct IterCreateAttr in "bpf_attr" at "iter_create." {
        /// The iterator's link.
        pub link_fd: u32,
        /// No flags exist.
        pub flags: u32,
    }

    /// Which map a map element iterator walks.
    pub struct MapIter in "bpf_iter_link_info" at "map." {
        /// The map.
        pub map_fd: u32,
    }

    /// Which cgroups a cgroup iterator walks. Linux 6.1.
    pub struct CgroupIter in "bpf_iter_link_info" at "cgroup." {
        /// `BPF_CGROUP_ITER_*` value: 1 the cgroup itself, 2 down in pre-order, 3 down in post-order, 4 up,
        /// 5 direct children.
        pub order: u32,
        /// The cgroup, or 0.
        pub cgroup_fd: u32,
        /// Id of the cgroup, or 0; with neither the walk starts at the default root.
        pub cgroup_id: u64,
    }

    /// Which tasks a task iterator walks. Linux 6.1.
    pub struct TaskIter in "bpf_iter_link_info" at "task." {
        /// One thread, or 0.
        pub tid: u32,
        /// The threads of one process, or 0.
        pub pid: u32,
        /// The same, given as a pidfd, or 0.
        pub pid_fd: u32,
    }
}
