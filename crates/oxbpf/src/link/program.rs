//! The attach methods of [`Program`].

#[cfg(unix)]
use std::os::fd::AsFd;
use std::path::Path;

use oxbpf_btf::TypeId;
use oxbpf_kernel::{Handle, MapFd, Opening, ProgFd, SocketRole};
use oxbpf_uapi::flags::AttachFlags;
use oxbpf_uapi::{Errno, ProgType};

use super::attach::Attach;
use super::{
    AttachOpts, AttachPoint, IterOpts, KprobeMultiOpts, KprobeOpts, KprobeTarget, KsyscallOpts, Link,
    NetfilterOpts, Order, PerfEventBuilder, PerfEventOpts, Probes, RawTracepointOpts, Route, TcHook, TcOpts,
    TraceOpts, TracepointOpts, TracingMultiOpts, TracingMultiTarget, UprobeMultiOpts, UprobeOpts,
    UprobeTarget, UsdtOpts, XdpOpts, auto, kprobe, order, perf, point, route, socket, tc, tracepoint,
    tracing, tracing_multi, uprobe, usdt, usdt::UsdtMaps, xdp,
};
use crate::error::{At, Error, Frame, Result};
use crate::program::Program;

/// Attaching. Each method gives a [`Link`], which detaches when it is dropped; see [`crate::link`].
///
/// Errors say where in the way: program, target, command. Common to all are
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a program of another type or one that is not loaded, and
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the kernel lacks what an option needs.
#[allow(clippy::missing_errors_doc, reason = "said once, above; what is special stands with the method")]
impl Program<'_> {
    fn attaching(&self, attach: impl FnOnce(&Attach<'_>) -> Result<Link>) -> Result<Link> {
        let done = self.fd().and_then(|prog| {
            attach(&Attach {
                kernel: self.kernel(),
                features: self.features(),
                prog,
                prog_type: self.prog_type(),
                attach_type: self.expected_attach_type(),
            })
            .map_err(|e| e.at(self.frame()))
        });
        let link = done.map_err(|e| e.at(Frame::Step("attach")))?;
        log::debug!("attached program `{}`: {link:?}", self.name());
        Ok(link)
    }

    /// Attaches as the section name says.
    ///
    /// A section that can't say what to attach to is an error (`EOPNOTSUPP`) whose hint names the method, and
    /// the option of `oxbpf run`, that would.
    #[doc(alias = "bpf_program__attach")]
    pub fn attach(&self) -> Result<Link> {
        if let Some(handler) = self.handler() {
            let nothing = || {
                Error::invalid_input("the handler of its section attaches nothing")
                    .with_errno(Errno::EOPNOTSUPP)
                    .at(self.frame())
            };
            return handler.run_attach(self)?.ok_or_else(nothing);
        }
        self.attaching(|a| {
            let usdt = |file: &Path, probe: (&str, &str)| {
                usdt::attach(a, self.usdt_maps()?, file, probe, UsdtOpts::default())
            };
            auto::attach(a, self.spec(), usdt, self.attach_btf_obj().is_some())
        })
    }

    /// The maps that tell programs of the object where arguments of probes are.
    fn usdt_maps(&self) -> Result<UsdtMaps<'_>> {
        let map = |name| {
            let id = self.core.find_map(name).map_err(|_| {
                Error::not_found(format!("the object has no map `{name}`"))
                    .with_errno(Errno::ESRCH)
                    .with_hint("include usdt.bpf.h and call its functions")
            })?;
            let found = self.core.map(id).and_then(|(spec, row)| Some((spec, row.live.as_ref()?)));
            found.ok_or_else(|| {
                Error::invalid_input(format!("map `{name}` was not created: autocreate is off"))
            })
        };
        let (specs, (_, by_address)) = (map(usdt::SPECS)?, map(usdt::IDS_BY_ADDRESS)?);
        Ok(UsdtMaps {
            specs: specs.1.fd(),
            value_size: specs.1.value_size(),
            max_entries: specs.1.max_entries(),
            by_address: by_address.fd(),
            ids: &self.core.usdt,
        })
    }

    /// Attaches to all places of probe `provider:name` that `<sys/sdt.h>` left in a program or library. The object has to
    /// include `usdt.bpf.h`.
    ///
    /// A `binary` without `/` is searched for as [`resolve_path`](crate::syms::resolve_path) says.
    #[doc(alias = "bpf_program__attach_usdt")]
    pub fn attach_usdt(
        &self,
        binary: impl AsRef<Path>,
        provider: &str,
        name: &str,
        opts: UsdtOpts,
    ) -> Result<Link> {
        self.attaching(|a| usdt::attach(a, self.usdt_maps()?, binary.as_ref(), (provider, name), opts))
    }

    /// Attaches to many functions by BTF id: those that match a pattern of `*` and `?` (with `MODULE:` in front for those of
    /// the module that the program was loaded for), or those whose ids are given. Linux 7.2.
    #[doc(alias = "bpf_program__attach_tracing_multi")]
    pub fn attach_tracing_multi<'t>(
        &self,
        target: impl Into<TracingMultiTarget<'t>>,
        opts: TracingMultiOpts<'_>,
    ) -> Result<Link> {
        let is_for_module = self.attach_btf_obj().is_some();
        self.attaching(|a| tracing_multi::attach(a, is_for_module, target.into(), opts))
    }

    /// Attaches to the tracepoint `category/name`, such as "sched" and "sched_switch".
    #[doc(alias = "bpf_program__attach_tracepoint_opts")]
    pub fn attach_tracepoint(&self, category: &str, name: &str, opts: TracepointOpts) -> Result<Link> {
        self.attaching(|a| tracepoint::attach(a, category, name, opts))
    }

    /// Attaches to a tracepoint by its bare name, with its arguments as they are. Linux 4.17.
    #[doc(alias = "bpf_program__attach_raw_tracepoint_opts")]
    pub fn attach_raw_tracepoint(&self, name: &str, opts: RawTracepointOpts) -> Result<Link> {
        self.attaching(|a| tracepoint::attach_raw(a, name, opts))
    }

    /// Attaches to the function, tracepoint or hook that the program was loaded for by BTF id. Linux 5.5.
    #[doc(alias = "bpf_program__attach_trace_opts")]
    pub fn attach_trace(&self, opts: TraceOpts) -> Result<Link> {
        self.attaching(|a| tracing::attach(a, opts))
    }

    /// Attaches to the LSM hook that the program was loaded for. Linux 5.7.
    #[doc(alias = "bpf_program__attach_lsm")]
    pub fn attach_lsm(&self) -> Result<Link> {
        self.attach_trace(TraceOpts::default())
    }

    /// Puts the program over a function of another program: `target`'s function with that BTF id, or without
    /// a target the one that it was loaded for. Linux 5.6, other targets 5.10.
    #[doc(alias = "bpf_program__attach_freplace")]
    pub fn attach_freplace(&self, target: Option<(&ProgFd, TypeId)>) -> Result<Link> {
        self.attaching(|a| tracing::attach_freplace(a, target))
    }

    /// Makes the program an iterator, to be read by [`Link::iter`]. Linux 5.8.
    #[doc(alias = "bpf_program__attach_iter")]
    pub fn attach_iter(&self, opts: IterOpts<'_>) -> Result<Link> {
        self.attaching(|a| tracing::attach_iter(a, opts))
    }

    /// Attaches to a kernel function (`"vfs_read"`) or address (`0xffffffff81000000_u64`): at its start, an offset, or
    /// its return.
    #[doc(alias = "bpf_program__attach_kprobe_opts")]
    pub fn attach_kprobe<'t>(&self, target: impl Into<KprobeTarget<'t>>, opts: KprobeOpts) -> Result<Link> {
        self.attaching(|a| kprobe::attach(a, target, opts))
    }

    /// Attaches to the kernel's function for a system call, whatever this machine calls it.
    #[doc(alias = "bpf_program__attach_ksyscall")]
    pub fn attach_ksyscall(&self, syscall: &str, opts: KsyscallOpts) -> Result<Link> {
        self.attaching(|a| kprobe::attach_syscall(a, syscall, opts))
    }

    /// Attaches to all kernel functions whose names match a pattern of `*` and `?`. Linux 5.18.
    #[doc(alias = "bpf_program__attach_kprobe_multi_opts")]
    pub fn attach_kprobe_multi(&self, pattern: &str, opts: KprobeMultiOpts<'_>) -> Result<Link> {
        self.attaching(|a| kprobe::attach_multi(a, pattern, opts))
    }

    /// Attaches to kernel functions by names or addresses. Linux 5.18.
    #[doc(alias = "bpf_program__attach_kprobe_multi_opts")]
    pub fn attach_kprobe_multi_at(&self, probes: Probes<'_>, opts: KprobeMultiOpts<'_>) -> Result<Link> {
        self.attaching(|a| kprobe::attach_multi_at(a, probes, opts))
    }

    /// Attaches to a function (`"malloc"`, `"malloc@GLIBC_2.2.5"`) or a file offset (`0x1234_u64`) of a
    /// program or library.
    ///
    /// A `binary` without `/` is searched for as [`resolve_path`](crate::syms::resolve_path) says.
    #[doc(alias = "bpf_program__attach_uprobe_opts")]
    pub fn attach_uprobe<'t>(
        &self,
        binary: impl AsRef<Path>,
        target: impl Into<UprobeTarget<'t>>,
        opts: UprobeOpts,
    ) -> Result<Link> {
        self.attaching(|a| uprobe::attach(a, binary.as_ref(), target.into(), opts))
    }

    /// Attaches to all functions of a program or library whose names match a pattern of `*` and `?`. Linux 6.6.
    #[doc(alias = "bpf_program__attach_uprobe_multi")]
    pub fn attach_uprobe_multi(
        &self,
        binary: impl AsRef<Path>,
        pattern: &str,
        opts: UprobeMultiOpts<'_>,
    ) -> Result<Link> {
        self.attaching(|a| uprobe::attach_multi(a, binary.as_ref(), pattern, opts))
    }

    /// Attaches to several functions or offsets of a program or library. Linux 6.6.
    #[doc(alias = "bpf_program__attach_uprobe_multi")]
    pub fn attach_uprobe_multi_at(
        &self,
        binary: impl AsRef<Path>,
        targets: &[UprobeTarget<'_>],
        opts: UprobeMultiOpts<'_>,
    ) -> Result<Link> {
        self.attaching(|a| uprobe::attach_multi_at(a, binary.as_ref(), targets, opts))
    }

    /// Opens perf events, one for each CPU unless the builder says otherwise, and attaches to them all.
    pub fn attach_perf_event(&self, event: &PerfEventBuilder, opts: PerfEventOpts) -> Result<Link> {
        self.attaching(|a| perf::attach_each(a, event, opts))
    }

    /// Attaches to a perf event that is open, which the link owns from then on.
    #[doc(alias = "bpf_program__attach_perf_event_opts")]
    pub fn attach_perf_event_handle(&self, event: Handle, opts: PerfEventOpts) -> Result<Link> {
        self.attaching(|a| perf::attach(a, event, opts))
    }

    /// Attaches to a network interface, by index: by a link (Linux 5.9) or over netlink.
    #[doc(alias = "bpf_program__attach_xdp")]
    #[doc(alias = "bpf_xdp_attach")]
    pub fn attach_xdp(&self, ifindex: u32, opts: XdpOpts<'_>) -> Result<Link> {
        self.attaching(|a| xdp::attach(a, ifindex, opts))
    }

    /// Attaches to a network interface as a BPF filter over netlink, which every kernel has. Dropping the
    /// link removes the filter. A program for `SEC("action")` becomes the action of a filter that takes every packet.
    ///
    /// [`Link::tc_filter`] tells the filter's handle and priority.
    #[doc(alias = "bpf_tc_attach")]
    pub fn attach_tc(&self, hook: TcHook, opts: TcOpts) -> Result<Link> {
        self.attaching(|a| tc::attach(a, hook, opts))
    }

    /// Attaches to a network interface's list of TC programs, by a link. The program has to be loaded for tcx
    /// ingress or egress. Linux 6.6.
    #[doc(alias = "bpf_program__attach_tcx")]
    pub fn attach_tcx(&self, ifindex: u32, order: Order<'_>) -> Result<Link> {
        self.attaching(|a| order::attach_device(a, "attach_tcx", &order::TCX, ifindex, order))
    }

    /// Attaches to a netkit device, by a link. The program has to be loaded for netkit primary or peer. Linux 6.7.
    #[doc(alias = "bpf_program__attach_netkit")]
    pub fn attach_netkit(&self, ifindex: u32, order: Order<'_>) -> Result<Link> {
        self.attaching(|a| order::attach_device(a, "attach_netkit", &order::NETKIT, ifindex, order))
    }

    /// Attaches to a control group (of version 2) by its directory, by a link. Linux 5.7.
    #[doc(alias = "bpf_program__attach_cgroup_opts")]
    pub fn attach_cgroup(&self, cgroup: impl AsRef<Path>, order: Order<'_>) -> Result<Link> {
        self.attaching(|a| {
            at_path(a, Opening::Cgroup(cgroup.as_ref()), |h| order::attach_cgroup(a, h, order))
        })
    }

    /// Attaches to a control group without a link, as all kernels since 4.10 can. The attachment stays when
    /// the process ends without dropping the link.
    #[doc(alias = "bpf_prog_attach")]
    pub fn attach_cgroup_legacy(&self, cgroup: impl AsRef<Path>, flags: AttachFlags) -> Result<Link> {
        let opts = AttachOpts { flags, ..AttachOpts::default() };
        self.attaching(|a| point::attach(a, AttachPoint::Cgroup(cgroup.as_ref()), opts))
    }

    /// Attaches without a link, for the attach type that the program was loaded for: to a control group, a network
    /// interface, the caller's network namespace, a sockmap or an infrared device. The attachment stays when the
    /// process ends without dropping the link.
    #[doc(alias = "bpf_prog_attach_opts")]
    pub fn attach_without_link(&self, point: AttachPoint<'_>, opts: AttachOpts<'_>) -> Result<Link> {
        self.attaching(|a| point::attach(a, point, opts))
    }

    /// Filters what a socket receives: the program says how many bytes of each packet. Linux 3.19.
    ///
    /// The link keeps a duplicate of the descriptor, and with it the socket; [`Link::forget`] gives it up and leaves the
    /// program to the socket.
    #[cfg(unix)]
    #[doc(alias = "SO_ATTACH_BPF")]
    pub fn attach_socket(&self, socket: impl AsFd) -> Result<Link> {
        self.attach_to_socket(socket, SocketRole::Filter)
    }

    /// Picks the socket that receives a packet or connection among those that share a port. One program serves the whole
    /// group, of which `socket` is one. Linux 4.5.
    ///
    /// The link keeps a duplicate of the descriptor, as [`attach_socket`](Self::attach_socket) does.
    #[cfg(unix)]
    #[doc(alias = "SO_ATTACH_REUSEPORT_EBPF")]
    pub fn attach_reuseport(&self, socket: impl AsFd) -> Result<Link> {
        self.attach_to_socket(socket, SocketRole::Reuseport)
    }

    #[cfg(unix)]
    fn attach_to_socket(&self, socket: impl AsFd, role: SocketRole) -> Result<Link> {
        let duplicate = socket.as_fd().try_clone_to_owned().map_err(|e| {
            let errno = Errno(e.raw_os_error().unwrap_or(Errno::EMFILE.0));
            Error::kernel(errno).at(Frame::Syscall("dup"))
        });
        self.attaching(|a| socket::attach(a, Handle::from_fd(duplicate?), role))
    }

    /// Adds a route whose packets pass through the program: received ones (`lwt_in`), sent ones (`lwt_out`, `lwt_xmit`), or
    /// those of a segment (`lwt_seg6local`). Linux 4.10, segments 4.18.
    ///
    /// Dropping the link removes the route.
    pub fn attach_route(&self, route: Route) -> Result<Link> {
        self.attaching(|a| route::attach(a, route))
    }

    /// Attaches to an infrared receiver or transmitter, such as `/dev/lirc0`. Linux 4.18.
    ///
    /// The kernel has no links of this kind: the attachment stays when the process ends without dropping this one.
    pub fn attach_lirc(&self, device: impl AsRef<Path>) -> Result<Link> {
        let point = AttachPoint::Lirc(device.as_ref());
        self.attaching(|a| {
            a.expect_type("attach_lirc", &[ProgType::LIRC_MODE2])?;
            point::attach(a, point, AttachOpts::default())
        })
    }

    /// Attaches to a network namespace by its file, such as `/proc/self/ns/net`. Linux 5.8.
    #[doc(alias = "bpf_program__attach_netns")]
    pub fn attach_netns(&self, netns: impl AsRef<Path>) -> Result<Link> {
        self.attaching(|a| at_path(a, Opening::Netns(netns.as_ref()), |h| order::attach_netns(a, h)))
    }

    /// Attaches to a sockmap or sockhash, by a link where the kernel has those (Linux 6.10).
    #[doc(alias = "bpf_program__attach_sockmap")]
    pub fn attach_sockmap(&self, map: &MapFd) -> Result<Link> {
        self.attaching(|a| order::attach_sockmap(a, map))
    }

    /// Attaches to a netfilter hook of the network namespace of the caller. Linux 6.4.
    #[doc(alias = "bpf_program__attach_netfilter")]
    pub fn attach_netfilter(&self, opts: NetfilterOpts) -> Result<Link> {
        self.attaching(|a| tracing::attach_netfilter(a, opts))
    }
}

/// Opens what a path names and attaches to it.
fn at_path(a: &Attach<'_>, what: Opening<'_>, attach: impl FnOnce(&Handle) -> Result<Link>) -> Result<Link> {
    let frame = || match what {
        Opening::Cgroup(path) => Frame::Target(format!("control group `{}`", path.display())),
        Opening::Netns(path) => Frame::Target(format!("network namespace `{}`", path.display())),
        _ => Frame::Step("open"),
    };
    let handle = a.kernel.open(what).map_err(|e| Error::kernel(e).at(frame()))?;
    attach(&handle)
        .map_err(|e| match what {
            Opening::Cgroup(_) if e.errno() == Errno::EBADF => {
                e.with_message("it is no directory of a cgroup2 file system")
            }
            _ => e,
        })
        .at(frame)
}
