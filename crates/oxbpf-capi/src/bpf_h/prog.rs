//! Programs: attach without a link, query, run.

use core::ffi::c_int;

use super::attr::{One, ProgAttach, Query, RawTracepoint, StreamRead, TaskFdQuery, TestRun, Three, Two, cmd};
use crate::abi::{
    BpfProgAssocStructOpsOpts, BpfProgAttachOpts, BpfProgBindOpts, BpfProgDetachOpts, BpfProgQueryOpts,
    BpfProgStreamReadOpts, BpfRawTpOpts, BpfTestRunOpts, BpfTokenCreateOpts,
};
use crate::arg::{Put, Raw, Str};
use crate::fail::Fail;
use crate::opts::Opts;
use crate::ret::Int;
use crate::sys::{bpf, bpf_fd};

/// The neighbour is given by id. Linux 6.6.
const BY_ID: u32 = 1 << 5;

/// A neighbour by descriptor or id, with the flag for the latter.
pub(crate) fn neighbour(fd: u32, id: u32) -> Result<(u32, u32), Fail> {
    match (fd, id) {
        (fd, 0) => Ok((fd, 0)),
        (0, id) => Ok((id, BY_ID)),
        _ => Err(Fail::INVAL),
    }
}

fn attach(
    prog: c_int,
    target: c_int,
    attach_type: u32,
    opts: Opts<BpfProgAttachOpts>,
) -> Result<c_int, Fail> {
    type L = BpfProgAttachOpts;
    let opts = opts.check()?;
    let (relative, by_id) = neighbour(opt!(opts: L, relative_fd) as u32, opt!(opts: L, relative_id))?;
    let mut attr = ProgAttach {
        target_fd: target as u32,
        attach_bpf_fd: prog as u32,
        attach_type,
        attach_flags: opt!(opts: L, flags) | by_id,
        replace_bpf_fd: opt!(opts: L, replace_fd),
        relative,
        expected_revision: opt!(opts: L, expected_revision),
    };
    bpf(cmd::PROG_ATTACH, &mut attr)
}

fn detach(
    prog: c_int,
    target: c_int,
    attach_type: u32,
    opts: Opts<BpfProgDetachOpts>,
) -> Result<c_int, Fail> {
    type L = BpfProgDetachOpts;
    let opts = opts.check()?;
    let (relative, by_id) = neighbour(opt!(opts: L, relative_fd) as u32, opt!(opts: L, relative_id))?;
    let mut attr = ProgAttach {
        target_fd: target as u32,
        attach_bpf_fd: prog as u32,
        attach_type,
        attach_flags: opt!(opts: L, flags) | by_id,
        relative,
        expected_revision: opt!(opts: L, expected_revision),
        ..ProgAttach::default()
    };
    bpf(cmd::PROG_DETACH, &mut attr)
}

fn raw_tracepoint(prog: c_int, name: Str, cookie: u64) -> Result<c_int, Fail> {
    let mut attr = RawTracepoint { name: name.address(), prog_fd: prog as u32, pad: 0, cookie };
    bpf_fd(cmd::RAW_TRACEPOINT_OPEN, &mut attr)
}

export! {
    /// Attaches a program without a link.
    fn bpf_prog_attach(prog_fd: c_int, attachable_fd: c_int, attach_type: u32, flags: u32) -> Int {
        let mut attr = ProgAttach {
            target_fd: attachable_fd as u32,
            attach_bpf_fd: prog_fd as u32,
            attach_type,
            attach_flags: flags,
            ..ProgAttach::default()
        };
        bpf(cmd::PROG_ATTACH, &mut attr)
    }

    /// Attaches a program without a link, with options.
    fn bpf_prog_attach_opts(prog_fd: c_int, target: c_int, attach_type: u32, opts: Opts<BpfProgAttachOpts>) -> Int {
        attach(prog_fd, target, attach_type, opts)
    }

    /// Detaches whatever is attached without a link.
    fn bpf_prog_detach(attachable_fd: c_int, attach_type: u32) -> Int {
        detach(0, attachable_fd, attach_type, Opts::none())
    }

    /// Detaches a program that was attached without a link.
    fn bpf_prog_detach2(prog_fd: c_int, attachable_fd: c_int, attach_type: u32) -> Int {
        detach(prog_fd, attachable_fd, attach_type, Opts::none())
    }

    /// Detaches a program that was attached without a link, with options.
    fn bpf_prog_detach_opts(prog_fd: c_int, target: c_int, attach_type: u32, opts: Opts<BpfProgDetachOpts>) -> Int {
        detach(prog_fd, target, attach_type, opts)
    }

    /// The programs at an attach point.
    fn bpf_prog_query(
        target_fd: c_int, attach_type: u32, query_flags: u32, attach_flags: Put<u32>, prog_ids: Raw, prog_cnt: Put<u32>,
    ) -> Int {
        let mut attr = Query {
            target_fd: target_fd as u32,
            attach_type,
            query_flags,
            prog_ids: prog_ids.address(),
            count: prog_cnt.get().ok_or(Fail::INVAL)?,
            ..Query::default()
        };
        let result = bpf(cmd::PROG_QUERY, &mut attr);
        attach_flags.set(attr.attach_flags);
        prog_cnt.set(attr.count);
        result
    }

    /// The programs and links at an attach point.
    fn bpf_prog_query_opts(target: c_int, attach_type: u32, opts: Opts<BpfProgQueryOpts>) -> Int {
        type L = BpfProgQueryOpts;
        let opts = opts.check()?;
        let mut attr = Query {
            target_fd: target as u32,
            attach_type,
            query_flags: opt!(opts: L, query_flags),
            count: opt!(opts: L, count),
            prog_ids: opt!(ptr opts: L, prog_ids).address(),
            prog_attach_flags: opt!(ptr opts: L, prog_attach_flags).address(),
            link_ids: opt!(ptr opts: L, link_ids).address(),
            link_attach_flags: opt!(ptr opts: L, link_attach_flags).address(),
            ..Query::default()
        };
        let result = bpf(cmd::PROG_QUERY, &mut attr);
        put_opt!(opts: L, attach_flags = attr.attach_flags);
        put_opt!(opts: L, revision = attr.revision);
        put_opt!(opts: L, count = attr.count);
        result
    }

    /// Runs a program on data and context.
    fn bpf_prog_test_run_opts(prog_fd: c_int, opts: Opts<BpfTestRunOpts>) -> Int {
        type L = BpfTestRunOpts;
        let opts = opts.check()?;
        let mut attr = TestRun {
            prog_fd: prog_fd as u32,
            data_size_in: opt!(opts: L, data_size_in),
            data_size_out: opt!(opts: L, data_size_out),
            data_in: opt!(ptr opts: L, data_in).address(),
            data_out: opt!(ptr opts: L, data_out).address(),
            repeat: opt!(opts: L, repeat) as u32,
            duration: opt!(opts: L, duration),
            ctx_size_in: opt!(opts: L, ctx_size_in),
            ctx_size_out: opt!(opts: L, ctx_size_out),
            ctx_in: opt!(ptr opts: L, ctx_in).address(),
            ctx_out: opt!(ptr opts: L, ctx_out).address(),
            flags: opt!(opts: L, flags),
            cpu: opt!(opts: L, cpu),
            batch_size: opt!(opts: L, batch_size),
            ..TestRun::default()
        };
        let result = bpf(cmd::PROG_TEST_RUN, &mut attr);
        put_opt!(opts: L, data_size_out = attr.data_size_out);
        put_opt!(opts: L, ctx_size_out = attr.ctx_size_out);
        put_opt!(opts: L, duration = attr.duration);
        put_opt!(opts: L, retval = attr.retval);
        result
    }

    /// Attaches a program to a raw tracepoint, or where its BTF says.
    fn bpf_raw_tracepoint_open(name: Str, prog_fd: c_int) -> Int {
        raw_tracepoint(prog_fd, name, 0)
    }

    /// Attaches a program to a raw tracepoint, with options.
    fn bpf_raw_tracepoint_open_opts(prog_fd: c_int, opts: Opts<BpfRawTpOpts>) -> Int {
        let opts = opts.check()?;
        raw_tracepoint(prog_fd, opt!(str opts: BpfRawTpOpts, tp_name), opt!(opts: BpfRawTpOpts, cookie))
    }

    /// What a descriptor of a process has to do with BPF.
    fn bpf_task_fd_query(
        pid: c_int, fd: c_int, flags: u32, buf: Raw, buf_len: Put<u32>, prog_id: Put<u32>, fd_type: Put<u32>,
        probe_offset: Put<u64>, probe_addr: Put<u64>,
    ) -> Int {
        let mut attr = TaskFdQuery {
            pid: pid as u32,
            fd: fd as u32,
            flags,
            buf_len: buf_len.get().ok_or(Fail::INVAL)?,
            buf: buf.address(),
            ..TaskFdQuery::default()
        };
        let result = bpf(cmd::TASK_FD_QUERY, &mut attr);
        buf_len.set(attr.buf_len);
        prog_id.set(attr.prog_id);
        fd_type.set(attr.fd_type);
        probe_offset.set(attr.probe_offset);
        probe_addr.set(attr.probe_addr);
        result
    }

    /// Counts run time and runs as long as the descriptor that this gives is open.
    fn bpf_enable_stats(stats_type: u32) -> Int {
        bpf_fd(cmd::ENABLE_STATS, &mut One { value: stats_type })
    }

    /// Keeps a map for as long as a program lives.
    fn bpf_prog_bind_map(prog_fd: c_int, map_fd: c_int, opts: Opts<BpfProgBindOpts>) -> Int {
        let opts = opts.check()?;
        let flags = opt!(opts: BpfProgBindOpts, flags);
        bpf(cmd::PROG_BIND_MAP, &mut Three { first: prog_fd as u32, second: map_fd as u32, flags })
    }

    /// Gets a token of a bpf file system.
    fn bpf_token_create(bpffs_fd: c_int, opts: Opts<BpfTokenCreateOpts>) -> Int {
        let opts = opts.check()?;
        let flags = opt!(opts: BpfTokenCreateOpts, flags);
        bpf_fd(cmd::TOKEN_CREATE, &mut Two { first: flags, second: bpffs_fd as u32 })
    }

    /// Reads what a program wrote to a stream; gives the bytes read.
    fn bpf_prog_stream_read(
        prog_fd: c_int, stream_id: u32, buf: Raw, buf_len: u32, opts: Opts<BpfProgStreamReadOpts>,
    ) -> Int {
        opts.check()?;
        let mut attr = StreamRead {
            stream_buf: buf.address(),
            stream_buf_len: buf_len,
            stream_id,
            prog_fd: prog_fd as u32,
            pad: 0,
        };
        bpf(cmd::PROG_STREAM_READ_BY_FD, &mut attr)
    }

    /// Ties a program to a struct_ops map.
    fn bpf_prog_assoc_struct_ops(prog_fd: c_int, map_fd: c_int, opts: Opts<BpfProgAssocStructOpsOpts>) -> Int {
        let opts = opts.check()?;
        let flags = opt!(opts: BpfProgAssocStructOpsOpts, flags);
        bpf(cmd::PROG_ASSOC_STRUCT_OPS, &mut Three { first: map_fd as u32, second: prog_fd as u32, flags })
    }
}
