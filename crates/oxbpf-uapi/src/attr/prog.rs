//! Requests about programs.

use super::OBJ_NAME_LEN;
use crate::abi::abi;
use crate::{AttachType, ProgType};

abi! {
    /// Request of `BPF_PROG_LOAD`.
    pub struct ProgLoadAttr in "bpf_attr" {
        /// What kind of program.
        pub prog_type: ProgType,
        /// Instructions, counted in 8-byte slots.
        pub insn_cnt: u32,
        /// Address of the instructions.
        pub insns: u64,
        /// Address of the licence, zero-terminated.
        pub license: u64,
        /// How much the verifier writes: 0 nothing, 1 the walk, 2 every state, 4 statistics.
        pub log_level: u32,
        /// Bytes of the log buffer.
        pub log_size: u32,
        /// Address of the log buffer.
        pub log_buf: u64,
        /// Kernel version code, which kprobe programs had to give before Linux 5.0.
        pub kern_version: u32,
        /// `BPF_F_*` bits, see [`ProgLoadFlags`](crate::flags::ProgLoadFlags).
        pub prog_flags: u32,
        /// Name, zero-terminated. Linux 4.15.
        pub prog_name: [u8; OBJ_NAME_LEN],
        /// Network device that the program is offloaded or bound to. Linux 4.15.
        pub prog_ifindex: u32,
        /// Where the program will attach, for types whose rules depend on it. Linux 4.17.
        pub expected_attach_type: AttachType,
        /// BTF object with the program's types. Linux 5.0.
        pub prog_btf_fd: u32,
        /// Bytes of one function record.
        pub func_info_rec_size: u32,
        /// Address of the [`FuncInfo`](crate::btf_ext::FuncInfo) records.
        pub func_info: u64,
        /// Function records.
        pub func_info_cnt: u32,
        /// Bytes of one line record.
        pub line_info_rec_size: u32,
        /// Address of the [`LineInfo`](crate::btf_ext::LineInfo) records.
        pub line_info: u64,
        /// Line records.
        pub line_info_cnt: u32,
        /// Kernel type to attach to: a function, or a struct for struct_ops. Linux 5.5.
        pub attach_btf_id: u32,
        /// Program that is attached to, or BTF object that has `attach_btf_id` (0 is vmlinux).
        pub attach_prog_fd | attach_btf_obj_fd: u32,
        /// CO-RE relocations that the kernel is asked to do. Linux 5.17.
        pub core_relo_cnt: u32,
        /// Address of an array of file descriptors that instructions refer to by index. Linux 5.14.
        pub fd_array: u64,
        /// Address of the [`CoreRelo`](crate::btf_ext::CoreRelo) records.
        pub core_relos: u64,
        /// Bytes of one relocation record.
        pub core_relo_rec_size: u32,
        /// After the call, bytes that the whole log needs. Linux 6.4.
        pub log_true_size: u32,
        /// Token that allows the command, with `BPF_F_TOKEN_FD`. Linux 6.9.
        pub prog_token_fd: i32,
        /// File descriptors in `fd_array`, if it is one run that binds its maps to the program. Linux 6.14.
        pub fd_array_cnt: u32,
        /// Address of the program's signature. Linux 6.18.
        pub signature: u64,
        /// Bytes of the signature.
        pub signature_size: u32,
        /// Keyring that checks the signature.
        pub keyring_id: i32,
    }

    /// Request of `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
    pub struct ProgAttachAttr in "bpf_attr" {
        /// What is attached to: cgroup, map or namespace; the interface's number for tcx and netkit.
        pub target_fd | target_ifindex: u32,
        /// The program.
        pub attach_bpf_fd: u32,
        /// Where at the target.
        pub attach_type: AttachType,
        /// `BPF_F_*` bits, see [`AttachFlags`](crate::flags::AttachFlags).
        pub attach_flags: u32,
        /// Program to take the place of, with `BPF_F_REPLACE`. Linux 5.6.
        pub replace_bpf_fd: u32,
        /// Neighbour that `BPF_F_BEFORE` or `BPF_F_AFTER` means; an id with `BPF_F_ID`. Linux 6.6.
        pub relative_fd | relative_id: u32,
        /// Revision that the list must still have; 0 for any.
        pub expected_revision: u64,
    }

    /// Request of `BPF_PROG_TEST_RUN`.
    pub struct TestRunAttr in "bpf_attr" at "test." {
        /// The program.
        pub prog_fd: u32,
        /// After the call, the program's result.
        pub retval: u32,
        /// Bytes of input data.
        pub data_size_in: u32,
        /// Bytes of room for output data; after the call, bytes there are.
        pub data_size_out: u32,
        /// Address of the input data (a packet).
        pub data_in: u64,
        /// Address of the room for output data.
        pub data_out: u64,
        /// How often to run; 0 is once.
        pub repeat: u32,
        /// After the call, average nanoseconds of a run.
        pub duration: u32,
        /// Bytes of input context. Linux 5.2.
        pub ctx_size_in: u32,
        /// Bytes of room for the output context; after the call, bytes there are.
        pub ctx_size_out: u32,
        /// Address of the input context.
        pub ctx_in: u64,
        /// Address of the room for the output context.
        pub ctx_out: u64,
        /// `BPF_F_TEST_*` bits, see [`TestRunFlags`](crate::flags::TestRunFlags). Linux 5.10.
        pub flags: u32,
        /// CPU to run on, with `BPF_F_TEST_RUN_ON_CPU`.
        pub cpu: u32,
        /// Packets a batch, with `BPF_F_TEST_XDP_LIVE_FRAMES`. Linux 5.18.
        pub batch_size: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// Request of `BPF_PROG_QUERY`.
    pub struct QueryAttr in "bpf_attr" at "query." {
        /// What is asked about: cgroup, map or namespace; the interface's number for tcx and netkit.
        pub target_fd | target_ifindex: u32,
        /// Where at the target.
        pub attach_type: AttachType,
        /// See [`QueryFlags`](crate::flags::QueryFlags).
        pub query_flags: u32,
        /// After the call, how the programs were attached.
        pub attach_flags: u32,
        /// Address that receives program ids, `u32` each.
        pub prog_ids: u64,
        /// Room at `prog_ids`, counted in ids; after the call, programs there are.
        pub count | prog_cnt: u32,
        /// Padding.
        pub _pad: u32,
        /// Address that receives the flags of each program. Linux 6.0.
        pub prog_attach_flags: u64,
        /// Address that receives link ids, 0 for programs attached without a link. Linux 6.6.
        pub link_ids: u64,
        /// Address that receives the flags of each link.
        pub link_attach_flags: u64,
        /// After the call, the revision of the list.
        pub revision: u64,
    }

    /// Request of `BPF_RAW_TRACEPOINT_OPEN`.
    pub struct RawTracepointOpenAttr in "bpf_attr" at "raw_tracepoint." {
        /// Address of the tracepoint's name, zero-terminated; 0 for programs that name their target at load.
        pub name: u64,
        /// The program.
        pub prog_fd: u32,
        /// Padding.
        pub _pad: u32,
        /// Value that the program reads with `bpf_get_attach_cookie`. Linux 6.10.
        pub cookie: u64,
    }

    /// Request of `BPF_TASK_FD_QUERY`: what a perf event or raw tracepoint descriptor of a process traces.
    pub struct TaskFdQueryAttr in "bpf_attr" at "task_fd_query." {
        /// Process.
        pub pid: u32,
        /// Descriptor in that process.
        pub fd: u32,
        /// No flags exist.
        pub flags: u32,
        /// Bytes of the name buffer; after the call, bytes of the name.
        pub buf_len: u32,
        /// Address of the name buffer: tracepoint, symbol or file name.
        pub buf: u64,
        /// After the call, the program's id.
        pub prog_id: u32,
        /// After the call, a [`TaskFdType`](crate::consts::TaskFdType) value.
        pub fd_type: u32,
        /// After the call, offset in the symbol or file.
        pub probe_offset: u64,
        /// After the call, kernel address of the probe.
        pub probe_addr: u64,
    }

    /// Request of `BPF_PROG_BIND_MAP`: keep a map alive as long as a program. Linux 5.10.
    pub struct ProgBindMapAttr in "bpf_attr" at "prog_bind_map." {
        /// The program.
        pub prog_fd: u32,
        /// The map.
        pub map_fd: u32,
        /// No flags exist.
        pub flags: u32,
    }

    /// Request of `BPF_PROG_STREAM_READ_BY_FD`: what a program wrote to its output streams. Linux 6.17.
    pub struct StreamReadAttr in "bpf_attr" at "prog_stream_read." {
        /// Address of the buffer.
        pub stream_buf: u64,
        /// Bytes of the buffer.
        pub stream_buf_len: u32,
        /// `BPF_STREAM_STDOUT` (1) or `BPF_STREAM_STDERR` (2).
        pub stream_id: u32,
        /// The program.
        pub prog_fd: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// Request of `BPF_PROG_ASSOC_STRUCT_OPS`: tie a program to a struct_ops map. Linux 7.0.
    pub struct AssocStructOpsAttr in "bpf_attr" at "prog_assoc_struct_ops." {
        /// The struct_ops map.
        pub map_fd: u32,
        /// The program.
        pub prog_fd: u32,
        /// No flags exist.
        pub flags: u32,
    }
}
