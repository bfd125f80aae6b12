//! Program contexts and the other structs that programs and the kernel share.
//!
//! Addresses in packets and ports are in network byte order unless said otherwise. Where a context has a C pointer,
//! the field is a `u64` guest address.
//!
//! Source: `include/uapi/linux/{bpf,bpf_perf_event}.h` and `arch/x86/include/asm/ptrace.h` of Linux 7.2; offsets are
//! tested against the BTF of running kernels.

use crate::abi::abi;

abi! {
    /// `struct xdp_md`: context of XDP programs.
    ///
    /// Programs see the packet's addresses as 64-bit pointers when they load these 32-bit fields.
    #[doc(alias = "xdp_md")]
    pub struct XdpMd in "xdp_md" {
        /// Start of the packet.
        pub data: u32,
        /// End of the packet.
        pub data_end: u32,
        /// Start of the metadata, which ends where the packet starts.
        pub data_meta: u32,
        /// Device that received the packet. Linux 4.16.
        pub ingress_ifindex: u32,
        /// Receive queue. Linux 4.16.
        pub rx_queue_index: u32,
        /// Device that will send the packet, for programs in a devmap. Linux 5.8.
        pub egress_ifindex: u32,
    }

    /// `struct __sk_buff`: context of programs on socket buffers.
    #[doc(alias = "__sk_buff")]
    pub struct SkBuff in "__sk_buff" {
        /// Bytes of the packet.
        pub len: u32,
        /// Who it is for: 0 this host, 1 broadcast, 2 multicast, 3 another host, 4 outgoing.
        pub pkt_type: u32,
        /// The mark.
        pub mark: u32,
        /// Queue.
        pub queue_mapping: u32,
        /// Ethernet protocol, network byte order.
        pub protocol: u32,
        /// Whether there is a VLAN tag outside the packet's bytes.
        pub vlan_present: u32,
        /// That tag.
        pub vlan_tci: u32,
        /// Protocol of that tag, network byte order.
        pub vlan_proto: u32,
        /// Priority.
        pub priority: u32,
        /// Device that received the packet.
        pub ingress_ifindex: u32,
        /// Device that the packet is on.
        pub ifindex: u32,
        /// Index for traffic control.
        pub tc_index: u32,
        /// Room for programs to pass values on.
        pub cb: [u32; 5],
        /// Flow hash.
        pub hash: u32,
        /// Class for traffic control.
        pub tc_classid: u32,
        /// Start of the packet; 64-bit to programs.
        pub data: u32,
        /// End of the packet; 64-bit to programs.
        pub data_end: u32,
        /// NAPI instance.
        pub napi_id: u32,
        /// Address family of the socket.
        pub family: u32,
        /// Remote IPv4 address.
        pub remote_ip4: u32,
        /// Local IPv4 address.
        pub local_ip4: u32,
        /// Remote IPv6 address.
        pub remote_ip6: [u32; 4],
        /// Local IPv6 address.
        pub local_ip6: [u32; 4],
        /// Remote port, network byte order.
        pub remote_port: u32,
        /// Local port, host byte order.
        pub local_port: u32,
        /// Start of the metadata; 64-bit to programs.
        pub data_meta: u32,
        /// Address of [`FlowKeys`], flow dissectors only.
        pub flow_keys: u64,
        /// Time stamp in nanoseconds.
        pub tstamp: u64,
        /// Bytes on the wire, segments counted.
        pub wire_len: u32,
        /// Segments.
        pub gso_segs: u32,
        /// Address of [`Sock`].
        pub sk: u64,
        /// Bytes of a segment.
        pub gso_size: u32,
        /// Clock of the time stamp. Linux 5.18.
        pub tstamp_type: u8,
        /// Padding.
        pub _pad: [u8; 3],
        /// Time stamp of the hardware. Linux 5.16.
        pub hwtstamp: u64,
    }

    /// `struct pt_regs` of x86-64: context of kprobes and uprobes.
    #[doc(alias = "pt_regs")]
    pub struct PtRegsX86_64 in "pt_regs" {
        /// R15.
        pub r15: u64,
        /// R14.
        pub r14: u64,
        /// R13.
        pub r13: u64,
        /// R12.
        pub r12: u64,
        /// RBP.
        pub bp: u64,
        /// RBX.
        pub bx: u64,
        /// R11.
        pub r11: u64,
        /// R10, fourth argument of a system call.
        pub r10: u64,
        /// R9, sixth argument.
        pub r9: u64,
        /// R8, fifth argument.
        pub r8: u64,
        /// RAX, the result.
        pub ax: u64,
        /// RCX, fourth argument of a function.
        pub cx: u64,
        /// RDX, third argument.
        pub dx: u64,
        /// RSI, second argument.
        pub si: u64,
        /// RDI, first argument.
        pub di: u64,
        /// RAX at entry: the system call's number.
        pub orig_ax: u64,
        /// RIP.
        pub ip: u64,
        /// CS, with more above its low 16 bits on FRED machines.
        pub cs | csx: u64,
        /// RFLAGS.
        pub flags: u64,
        /// RSP.
        pub sp: u64,
        /// SS, with more above its low 16 bits on FRED machines.
        pub ss | ssx: u64,
    }

    /// `struct user_pt_regs` of 64-bit Arm: context of kprobes and uprobes there.
    #[doc(alias = "user_pt_regs")]
    pub struct PtRegsAarch64 in "user_pt_regs" {
        /// X0 to X30; the first eight are arguments, X0 the result, X8 a system call's number.
        pub regs: [u64; 31],
        /// SP.
        pub sp: u64,
        /// PC.
        pub pc: u64,
        /// PSTATE.
        pub pstate: u64,
    }

    /// `struct bpf_perf_event_data` on x86-64: context of perf event programs.
    #[doc(alias = "bpf_perf_event_data")]
    pub struct PerfEventDataX86_64 in "bpf_perf_event_data" {
        /// Registers at the sample.
        pub regs: PtRegsX86_64,
        /// Events since the last sample.
        pub sample_period: u64,
        /// Address that was accessed.
        pub addr: u64,
    }

    /// `struct bpf_perf_event_value`: a counter with its times.
    #[doc(alias = "bpf_perf_event_value")]
    pub struct PerfEventValue in "bpf_perf_event_value" {
        /// The count.
        pub counter: u64,
        /// Nanoseconds that the event was on.
        pub enabled: u64,
        /// Nanoseconds that it was counting.
        pub running: u64,
    }

    /// `struct bpf_sock`: what programs may see of a socket.
    #[doc(alias = "bpf_sock")]
    pub struct Sock in "bpf_sock" {
        /// Device that it is bound to.
        pub bound_dev_if: u32,
        /// Address family.
        pub family: u32,
        /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2) …
        pub r#type: u32,
        /// IP protocol.
        pub protocol: u32,
        /// The mark.
        pub mark: u32,
        /// Priority.
        pub priority: u32,
        /// Local IPv4 address.
        pub src_ip4: u32,
        /// Local IPv6 address.
        pub src_ip6: [u32; 4],
        /// Local port, host byte order.
        pub src_port: u32,
        /// Remote port, network byte order.
        pub dst_port: u16,
        /// Padding.
        pub _pad: u16,
        /// Remote IPv4 address.
        pub dst_ip4: u32,
        /// Remote IPv6 address.
        pub dst_ip6: [u32; 4],
        /// TCP state.
        pub state: u32,
        /// Receive queue, -1 for none.
        pub rx_queue_mapping: i32,
    }

    /// `struct bpf_sock_addr`: context of programs on bind, connect, sendmsg and the like.
    #[doc(alias = "bpf_sock_addr")]
    pub struct SockAddr in "bpf_sock_addr" {
        /// Family of the address that the caller gave.
        pub user_family: u32,
        /// IPv4 address.
        pub user_ip4: u32,
        /// IPv6 address.
        pub user_ip6: [u32; 4],
        /// Port, network byte order.
        pub user_port: u32,
        /// Family of the socket.
        pub family: u32,
        /// Type of the socket.
        pub r#type: u32,
        /// Protocol of the socket.
        pub protocol: u32,
        /// Source IPv4 address of a message.
        pub msg_src_ip4: u32,
        /// Source IPv6 address of a message.
        pub msg_src_ip6: [u32; 4],
        /// Padding.
        pub _pad: u32,
        /// Address of [`Sock`].
        pub sk: u64,
    }

    /// `struct bpf_sock_ops`: context of programs on the life of a TCP connection.
    #[doc(alias = "bpf_sock_ops")]
    pub struct SockOps in "bpf_sock_ops" {
        /// What happens, `BPF_SOCK_OPS_*`.
        pub op: u32,
        /// Arguments, or the program's reply in the first.
        pub args | replylong | reply: [u32; 4],
        /// Address family.
        pub family: u32,
        /// Remote IPv4 address.
        pub remote_ip4: u32,
        /// Local IPv4 address.
        pub local_ip4: u32,
        /// Remote IPv6 address.
        pub remote_ip6: [u32; 4],
        /// Local IPv6 address.
        pub local_ip6: [u32; 4],
        /// Remote port, network byte order.
        pub remote_port: u32,
        /// Local port, host byte order.
        pub local_port: u32,
        /// Whether all fields can be used.
        pub is_fullsock: u32,
        /// Congestion window.
        pub snd_cwnd: u32,
        /// Smoothed round trip time, eighths of a microsecond.
        pub srtt_us: u32,
        /// Events that are wanted.
        pub bpf_sock_ops_cb_flags: u32,
        /// TCP state.
        pub state: u32,
        /// Least round trip time.
        pub rtt_min: u32,
        /// Slow start threshold.
        pub snd_ssthresh: u32,
        /// Next byte to receive.
        pub rcv_nxt: u32,
        /// Next byte to send.
        pub snd_nxt: u32,
        /// First byte not acknowledged.
        pub snd_una: u32,
        /// Segment size.
        pub mss_cache: u32,
        /// Congestion notification state.
        pub ecn_flags: u32,
        /// Packets delivered in the measured interval.
        pub rate_delivered: u32,
        /// That interval, microseconds.
        pub rate_interval_us: u32,
        /// Packets in flight.
        pub packets_out: u32,
        /// Retransmitted packets in flight.
        pub retrans_out: u32,
        /// Retransmissions.
        pub total_retrans: u32,
        /// Segments received.
        pub segs_in: u32,
        /// Segments with data received.
        pub data_segs_in: u32,
        /// Segments sent.
        pub segs_out: u32,
        /// Segments with data sent.
        pub data_segs_out: u32,
        /// Packets lost.
        pub lost_out: u32,
        /// Packets acknowledged selectively.
        pub sacked_out: u32,
        /// Hash for sending.
        pub sk_txhash: u32,
        /// Bytes received.
        pub bytes_received: u64,
        /// Bytes acknowledged.
        pub bytes_acked: u64,
        /// Address of [`Sock`].
        pub sk: u64,
        /// Start of the TCP header.
        pub skb_data: u64,
        /// End of what can be read.
        pub skb_data_end: u64,
        /// Bytes of the packet.
        pub skb_len: u32,
        /// TCP flags of the packet.
        pub skb_tcp_flags: u32,
        /// Time stamp of the hardware. Linux 6.0.
        pub skb_hwtstamp: u64,
    }

    /// `struct sk_msg_md`: context of programs on messages that a socket sends.
    #[doc(alias = "sk_msg_md")]
    pub struct SkMsgMd in "sk_msg_md" {
        /// Start of the data.
        pub data: u64,
        /// End of the data.
        pub data_end: u64,
        /// Address family.
        pub family: u32,
        /// Remote IPv4 address.
        pub remote_ip4: u32,
        /// Local IPv4 address.
        pub local_ip4: u32,
        /// Remote IPv6 address.
        pub remote_ip6: [u32; 4],
        /// Local IPv6 address.
        pub local_ip6: [u32; 4],
        /// Remote port, network byte order.
        pub remote_port: u32,
        /// Local port, host byte order.
        pub local_port: u32,
        /// Bytes of the message.
        pub size: u32,
        /// Address of [`Sock`].
        pub sk: u64,
    }

    /// `struct sk_reuseport_md`: context of programs that choose a socket of a group.
    #[doc(alias = "sk_reuseport_md")]
    pub struct SkReuseportMd in "sk_reuseport_md" {
        /// Start of the packet, from the transport header.
        pub data: u64,
        /// End of what can be read.
        pub data_end: u64,
        /// Bytes of the packet.
        pub len: u32,
        /// Ethernet protocol, network byte order.
        pub eth_protocol: u32,
        /// IP protocol.
        pub ip_protocol: u32,
        /// Whether the sockets are bound to any address.
        pub bind_inany: u32,
        /// Flow hash.
        pub hash: u32,
        /// Padding.
        pub _pad: u32,
        /// Address of [`Sock`].
        pub sk: u64,
        /// Socket that a connection moves from. Linux 5.14.
        pub migrating_sk: u64,
    }

    /// `struct bpf_sk_lookup`: context of programs that choose a socket for a packet.
    #[doc(alias = "bpf_sk_lookup")]
    pub struct SkLookup in "bpf_sk_lookup" {
        /// Address of the chosen [`Sock`]; in a test run, its cookie.
        pub sk | cookie: u64,
        /// Address family.
        pub family: u32,
        /// IP protocol.
        pub protocol: u32,
        /// Remote IPv4 address.
        pub remote_ip4: u32,
        /// Remote IPv6 address.
        pub remote_ip6: [u32; 4],
        /// Remote port, network byte order.
        pub remote_port: u16,
        /// Padding.
        pub _pad: u16,
        /// Local IPv4 address.
        pub local_ip4: u32,
        /// Local IPv6 address.
        pub local_ip6: [u32; 4],
        /// Local port, host byte order.
        pub local_port: u32,
        /// Device that received the packet. Linux 5.17.
        pub ingress_ifindex: u32,
        /// Padding.
        pub _pad2: u32,
    }

    /// `struct bpf_cgroup_dev_ctx`: context of programs on device access.
    #[doc(alias = "bpf_cgroup_dev_ctx")]
    pub struct CgroupDevCtx in "bpf_cgroup_dev_ctx" {
        /// Access in the high half (1 mknod, 2 read, 4 write), kind in the low (1 block, 2 character).
        pub access_type: u32,
        /// Major number.
        pub major: u32,
        /// Minor number.
        pub minor: u32,
    }

    /// `struct bpf_sysctl`: context of programs on sysctl access.
    #[doc(alias = "bpf_sysctl")]
    pub struct Sysctl in "bpf_sysctl" {
        /// Whether the access writes.
        pub write: u32,
        /// Position in the file.
        pub file_pos: u32,
    }

    /// `struct bpf_sockopt`: context of programs on socket options.
    #[doc(alias = "bpf_sockopt")]
    pub struct Sockopt in "bpf_sockopt" {
        /// Address of [`Sock`].
        pub sk: u64,
        /// Start of the value.
        pub optval: u64,
        /// End of the value.
        pub optval_end: u64,
        /// Level.
        pub level: i32,
        /// Option.
        pub optname: i32,
        /// Bytes of the value.
        pub optlen: i32,
        /// Result of the system call.
        pub retval: i32,
    }

    /// `struct bpf_nf_ctx`: context of netfilter programs. Linux 6.4.
    #[doc(alias = "bpf_nf_ctx")]
    pub struct NfCtx in "bpf_nf_ctx" {
        /// Address of the hook's state.
        pub state: u64,
        /// Address of the packet's kernel struct.
        pub skb: u64,
    }

    /// `struct bpf_flow_keys`: what a flow dissector finds.
    #[doc(alias = "bpf_flow_keys")]
    pub struct FlowKeys in "bpf_flow_keys" {
        /// Offset of the network header.
        pub nhoff: u16,
        /// Offset of the transport header.
        pub thoff: u16,
        /// Ethernet protocol of the addresses, host byte order.
        pub addr_proto: u16,
        /// Whether it is a fragment.
        pub is_frag: u8,
        /// Whether it is the first fragment.
        pub is_first_frag: u8,
        /// Whether it is encapsulated.
        pub is_encap: u8,
        /// IP protocol.
        pub ip_proto: u8,
        /// Ethernet protocol, network byte order.
        pub n_proto: u16,
        /// Source port, network byte order.
        pub sport: u16,
        /// Destination port, network byte order.
        pub dport: u16,
        /// Source address; IPv4 in the first word.
        pub ipv6_src: [u32; 4],
        /// Destination address; IPv4 is in the second word of the source.
        pub ipv6_dst: [u32; 4],
        /// `BPF_FLOW_DISSECTOR_F_*`.
        pub flags: u32,
        /// IPv6 flow label, network byte order.
        pub flow_label: u32,
    }

    /// `struct bpf_tcp_sock`: what programs may see of a TCP socket.
    #[doc(alias = "bpf_tcp_sock")]
    pub struct TcpSock in "bpf_tcp_sock" {
        /// Congestion window.
        pub snd_cwnd: u32,
        /// Smoothed round trip time, eighths of a microsecond.
        pub srtt_us: u32,
        /// Least round trip time.
        pub rtt_min: u32,
        /// Slow start threshold.
        pub snd_ssthresh: u32,
        /// Next byte to receive.
        pub rcv_nxt: u32,
        /// Next byte to send.
        pub snd_nxt: u32,
        /// First byte not acknowledged.
        pub snd_una: u32,
        /// Segment size.
        pub mss_cache: u32,
        /// Congestion notification state.
        pub ecn_flags: u32,
        /// Packets delivered in the measured interval.
        pub rate_delivered: u32,
        /// That interval, microseconds.
        pub rate_interval_us: u32,
        /// Packets in flight.
        pub packets_out: u32,
        /// Retransmitted packets in flight.
        pub retrans_out: u32,
        /// Retransmissions.
        pub total_retrans: u32,
        /// Segments received.
        pub segs_in: u32,
        /// Segments with data received.
        pub data_segs_in: u32,
        /// Segments sent.
        pub segs_out: u32,
        /// Segments with data sent.
        pub data_segs_out: u32,
        /// Packets lost.
        pub lost_out: u32,
        /// Packets acknowledged selectively.
        pub sacked_out: u32,
        /// Bytes received.
        pub bytes_received: u64,
        /// Bytes acknowledged.
        pub bytes_acked: u64,
        /// Duplicates that were acknowledged.
        pub dsack_dups: u32,
        /// Packets delivered.
        pub delivered: u32,
        /// Packets delivered with a congestion mark.
        pub delivered_ce: u32,
        /// Timeouts without recovery.
        pub icsk_retransmits: u32,
    }

    /// `struct bpf_sock_tuple`: addresses and ports of an IPv4 connection, network byte order.
    #[doc(alias = "bpf_sock_tuple")]
    pub struct SockTuple4 in "bpf_sock_tuple" at "ipv4." {
        /// Source address.
        pub saddr: u32,
        /// Destination address.
        pub daddr: u32,
        /// Source port.
        pub sport: u16,
        /// Destination port.
        pub dport: u16,
    }

    /// `struct bpf_sock_tuple`: addresses and ports of an IPv6 connection, network byte order.
    #[doc(alias = "bpf_sock_tuple")]
    pub struct SockTuple6 in "bpf_sock_tuple" at "ipv6." {
        /// Source address.
        pub saddr: [u32; 4],
        /// Destination address.
        pub daddr: [u32; 4],
        /// Source port.
        pub sport: u16,
        /// Destination port.
        pub dport: u16,
    }

    /// `struct bpf_fib_lookup`: question and answer of `bpf_fib_lookup`.
    #[doc(alias = "bpf_fib_lookup")]
    pub struct FibLookup in "bpf_fib_lookup" {
        /// Address family.
        pub family: u8,
        /// IP protocol.
        pub l4_protocol: u8,
        /// Source port, network byte order.
        pub sport: u16,
        /// Destination port, network byte order.
        pub dport: u16,
        /// Bytes of the packet; after the call, the route's MTU.
        pub tot_len | mtu_result: u16,
        /// Device that received the packet; after the call, the one to send on.
        pub ifindex: u32,
        /// Type of service or flow information; after the call, the route's metric.
        pub flowinfo | tos | rt_metric: u32,
        /// Source address; IPv4 in the first word.
        pub ipv6_src | ipv4_src: [u32; 4],
        /// Destination address; IPv4 in the first word.
        pub ipv6_dst | ipv4_dst: [u32; 4],
        /// After the call, VLAN protocol; the routing table before it, as all four bytes.
        pub h_vlan_proto | tbid: u16,
        /// After the call, VLAN tag.
        pub h_vlan_tci | h_vlan_TCI: u16,
        /// After the call, source hardware address; before it, the first four bytes are the mark.
        pub smac | mark: [u8; 6],
        /// After the call, destination hardware address.
        pub dmac: [u8; 6],
    }

    /// `struct bpf_redir_neigh`: next hop of `bpf_redirect_neigh`.
    #[doc(alias = "bpf_redir_neigh")]
    pub struct RedirNeigh in "bpf_redir_neigh" {
        /// Address family.
        pub nh_family: u32,
        /// Address; IPv4 in the first word.
        pub ipv6_nh | ipv4_nh: [u32; 4],
    }

    /// `struct bpf_tunnel_key`: key of a tunnel.
    #[doc(alias = "bpf_tunnel_key")]
    pub struct TunnelKey in "bpf_tunnel_key" {
        /// Tunnel.
        pub tunnel_id: u32,
        /// Remote address; IPv4 in the first word, host byte order.
        pub remote_ipv6 | remote_ipv4: [u32; 4],
        /// Type of service.
        pub tunnel_tos: u8,
        /// Time to live.
        pub tunnel_ttl: u8,
        /// Flags, network byte order.
        pub tunnel_flags | tunnel_ext: u16,
        /// IPv6 flow label.
        pub tunnel_label: u32,
        /// Local address; IPv4 in the first word, host byte order.
        pub local_ipv6 | local_ipv4: [u32; 4],
    }

    /// `struct bpf_xfrm_state`: a state of IPsec.
    #[doc(alias = "bpf_xfrm_state")]
    pub struct XfrmState in "bpf_xfrm_state" {
        /// Request.
        pub reqid: u32,
        /// Security parameter index, network byte order.
        pub spi: u32,
        /// Address family.
        pub family: u16,
        /// Padding.
        pub _ext | ext: u16,
        /// Remote address; IPv4 in the first word.
        pub remote_ipv6 | remote_ipv4: [u32; 4],
    }

    /// `struct bpf_stack_build_id`: a frame of a stack by build id.
    #[doc(alias = "bpf_stack_build_id")]
    pub struct StackBuildId in "bpf_stack_build_id" {
        /// See [`StackBuildIdStatus`](crate::consts::StackBuildIdStatus).
        pub status: i32,
        /// Build id of the binary.
        pub build_id: [u8; 20],
        /// Offset in the file, or address if there is no build id.
        pub offset | ip: u64,
    }

    /// `struct bpf_pidns_info`: process and thread in a namespace.
    #[doc(alias = "bpf_pidns_info")]
    pub struct PidnsInfo in "bpf_pidns_info" {
        /// Thread.
        pub pid: u32,
        /// Process.
        pub tgid: u32,
    }

    /// `struct btf_ptr`: what `bpf_snprintf_btf` prints.
    #[doc(alias = "btf_ptr")]
    pub struct BtfPtr in "btf_ptr" {
        /// Address of the value.
        pub ptr: u64,
        /// Its type in the kernel's BTF.
        pub type_id: u32,
        /// No flags exist.
        pub flags: u32,
    }

    /// `struct bpf_devmap_val`: value of a devmap.
    #[doc(alias = "bpf_devmap_val")]
    pub struct DevmapVal in "bpf_devmap_val" {
        /// The device.
        pub ifindex: u32,
        /// Descriptor of a program to run on writing, id on reading. Linux 5.8.
        pub bpf_prog | bpf_prog_fd | bpf_prog_id: u32,
    }

    /// `struct bpf_cpumap_val`: value of a cpumap.
    #[doc(alias = "bpf_cpumap_val")]
    pub struct CpumapVal in "bpf_cpumap_val" {
        /// Packets that the CPU's queue holds.
        pub qsize: u32,
        /// Descriptor of a program to run on writing, id on reading. Linux 5.9.
        pub bpf_prog | bpf_prog_fd | bpf_prog_id: u32,
    }

    /// `struct bpf_lpm_trie_key_hdr`: the head of a key of a prefix tree; the address follows.
    #[doc(alias = "bpf_lpm_trie_key")]
    pub struct LpmTrieKeyHdr in "bpf_lpm_trie_key_hdr" {
        /// Bits of the address that count.
        pub prefixlen: u32,
    }

    /// `struct bpf_cgroup_storage_key`: key of a cgroup storage map.
    #[doc(alias = "bpf_cgroup_storage_key")]
    pub struct CgroupStorageKey in "bpf_cgroup_storage_key" {
        /// Id of the cgroup.
        pub cgroup_inode_id: u64,
        /// Attach type of the program.
        pub attach_type: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// `struct bpf_insn_array_value`: value of an instruction array. Linux 6.19.
    #[doc(alias = "bpf_insn_array_value")]
    pub struct InsnArrayValue in "bpf_insn_array_value" {
        /// Instruction in the program as loaded.
        pub orig_off: u32,
        /// Instruction after the verifier's rewriting.
        pub xlated_off: u32,
        /// Byte of machine code.
        pub jitted_off: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// `struct bpf_spin_lock`: a lock in a map value.
    #[doc(alias = "bpf_spin_lock")]
    pub struct SpinLock in "bpf_spin_lock" {
        /// The kernel's.
        pub val: u32,
    }

    /// `struct bpf_timer`: a timer in a map value. Linux 5.15.
    #[doc(alias = "bpf_timer")]
    pub struct Timer in "bpf_timer" {
        /// The kernel's.
        pub __opaque: [u64; 2],
    }

    /// `struct bpf_dynptr`: a pointer with a length that is known at run time. Linux 5.19.
    #[doc(alias = "bpf_dynptr")]
    pub struct Dynptr in "bpf_dynptr" {
        /// The kernel's.
        pub __opaque: [u64; 2],
    }
}
