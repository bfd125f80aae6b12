//! Helper calls: who may call which, with what, and what they give.

use oxbpf_asm::Decoded;
use oxbpf_asm::Kind;
use oxbpf_uapi::helper::{Arg, ArgClass, HelperInfo, RetClass};
use oxbpf_uapi::{Errno, HelperId, MapType, ProgType};

use crate::flow::{Failure, Flow, MAX_STACK, check_leak, denied, reached, readable};
use crate::state::{Object, State, Value};

/// The helper that an instruction calls.
fn helper(d: &Decoded) -> (HelperId, Option<&'static HelperInfo>) {
    let id = HelperId(d.insn.imm as u32);
    (id, id.info().filter(|_| id != HelperId::UNSPEC))
}

/// What a helper call leaves in r0.
pub(crate) fn result(flow: &Flow<'_>, d: &Decoded, state: &State) -> Value {
    let (id, Some(info)) = helper(d) else { return Value::Unknown };
    let object = match info.ret.class {
        RetClass::Integer => return Value::Scalar(None),
        RetClass::Void => return Value::Uninit,
        RetClass::MapValue => {
            let Value::MapPtr(map) = state.get(1) else { return Value::Unknown };
            let Some(map_info) = flow.input.env.map(map) else { return Value::Unknown };
            match map_info.map_type {
                MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => Object::InnerMap,
                MapType::XSKMAP | MapType::SOCKMAP | MapType::SOCKHASH => Object::Sock,
                // Linux 6.16 knows that an element of an array is there if its index is a constant in range.
                MapType::ARRAY | MapType::PERCPU_ARRAY if id == HelperId::MAP_LOOKUP_ELEM => {
                    let key = match state.get(2) {
                        Value::Frame(Some(off)) => state.fill(off, 4).and_then(Value::known),
                        _ => None,
                    };
                    if key.is_some_and(|key| key < u64::from(map_info.max_entries)) {
                        return Value::Ptr(Object::MapValue(map), Some(0));
                    }
                    Object::MapValue(map)
                }
                _ => Object::MapValue(map),
            }
        }
        RetClass::RingbufMem | RetClass::DynptrMem => Object::Mem(d.index),
        RetClass::Socket | RetClass::TcpSock | RetClass::SockCommon => Object::Sock,
        RetClass::BtfId | RetClass::MemOrBtfId => Object::Btf,
        _ => return Value::Unknown,
    };
    if info.ret.or_null { Value::PtrOrNull(object, d.index) } else { Value::Ptr(object, None) }
}

/// Notes which ring buffer records a call takes or gives back.
pub(crate) fn hold_or_release(d: &Decoded, state: &mut State) {
    let (id, info) = helper(d);
    let calls_back = info.is_none_or(|info| info.args.iter().any(|arg| matches!(arg.class, ArgClass::Func)));
    match id {
        // Another function or the kernel's may give back what it is handed.
        _ if d.row.kind != Kind::CallHelper || calls_back => state.lose_sight(),
        HelperId::RINGBUF_RESERVE => state.hold(d.index),
        HelperId::RINGBUF_SUBMIT | HelperId::RINGBUF_DISCARD => match state.get(1) {
            Value::Ptr(Object::Mem(call), _) => state.release(call),
            _ => state.lose_sight(),
        },
        _ => {}
    }
}

/// Whether a helper call may change the program's frame.
pub(crate) fn may_write_frame(flow: &Flow<'_>, d: &Decoded, state: &State) -> bool {
    let (_, Some(info)) = helper(d) else { return true };
    (1..).zip(info.args_for(flow.input.prog_type)).any(|(reg, arg)| {
        let is_frame = matches!(state.get(reg), Value::Frame(_) | Value::Unknown);
        let only_reads = match arg.class {
            ArgClass::MapKey | ArgClass::MapValue | ArgClass::Mem | ArgClass::FixedSizeMem => {
                !arg.write && !arg.uninit
            }
            ArgClass::Ctx
            | ArgClass::ConstMapPtr
            | ArgClass::ConstSize
            | ArgClass::ConstSizeOrZero
            | ArgClass::ConstStr => true,
            _ => false,
        };
        is_frame && !only_reads
    })
}

impl Flow<'_> {
    /// Checks a helper or kernel function call; gives how deep its arguments reach into the frame.
    pub(crate) fn check_call(&self, d: &Decoded, state: &State) -> Result<i32, Failure> {
        let invalid = |text: String| Err((Errno::EINVAL, text));
        if d.row.kind == Kind::CallKfunc {
            let id = d.insn.imm as u32;
            return self.input.env.kfunc(id, d.insn.off).map(|()| 0).map_err(|why| (Errno::EINVAL, why));
        }
        let (id, info) = helper(d);
        let Some(name) = id.c_name() else { return invalid(format!("invalid func unknown#{}", d.insn.imm)) };
        // An extension may call what the program may that it replaces a part of.
        let is_allowed = id.allowed_in(self.input.prog_type) || self.input.prog_type == ProgType::EXT;
        let Some(info) = info.filter(|_| is_allowed) else {
            return invalid(format!("program of this type cannot use helper {name}#{}", id.0));
        };
        if info.gpl_only && !self.input.is_gpl {
            return invalid("cannot call GPL-restricted function from non-GPL compatible program".to_owned());
        }
        if info.might_sleep && !self.input.is_sleepable {
            return invalid("helper call might sleep in a non-sleepable prog".to_owned());
        }
        self.input.env.helper(id).map_err(|why| (Errno::EINVAL, why))?;
        let mut deepest = 0;
        let args = info.args_for(self.input.prog_type);
        for (reg, arg) in (1..).zip(args) {
            readable(state, reg)?;
            check_arg(state.get(reg), reg, arg)?;
            let Value::Frame(Some(off)) = state.get(reg) else { continue };
            let size = match arg.class {
                ArgClass::Mem => state.get(reg + 1).known().unwrap_or(0),
                _ => arg.size.into(),
            };
            if off < -MAX_STACK || i64::try_from(size).map_or(true, |size| size > -i64::from(off)) {
                let how = if arg.uninit || arg.write { "write to" } else { "read from" };
                return invalid(format!("invalid {how} stack R{reg} off={off} size={size}"));
            }
            deepest = deepest.max(reached(off));
        }
        self.check_map(id, state)?;
        if id == HelperId::TAIL_CALL {
            check_leak(state, "tail_call")?;
        }
        Ok(deepest)
    }

    /// Checks that a map is of a type that the helper works on.
    fn check_map(&self, id: HelperId, state: &State) -> Result<(), Failure> {
        let Some((_, reg, types)) = MAP_TYPES.iter().find(|(helper, ..)| *helper == id) else {
            return Ok(());
        };
        let Value::MapPtr(map) = state.get(*reg) else { return Ok(()) };
        let Some(info) = self.input.env.map(map) else { return Ok(()) };
        if types.contains(&info.map_type) {
            return Ok(());
        }
        let name = id.c_name().unwrap_or("unknown");
        Err((Errno::EINVAL, format!("cannot pass map_type {} into func {name}#{}", info.map_type.0, id.0)))
    }
}

/// Helpers that work on some map types only: the register that has the map, and the types.
const MAP_TYPES: &[(HelperId, u8, &[MapType])] = &[
    (HelperId::TAIL_CALL, 2, &[MapType::PROG_ARRAY]),
    (HelperId::PERF_EVENT_READ, 1, &[MapType::PERF_EVENT_ARRAY]),
    (HelperId::PERF_EVENT_READ_VALUE, 1, &[MapType::PERF_EVENT_ARRAY]),
    (HelperId::PERF_EVENT_OUTPUT, 2, &[MapType::PERF_EVENT_ARRAY]),
    (HelperId::SKB_OUTPUT, 2, &[MapType::PERF_EVENT_ARRAY]),
    (HelperId::XDP_OUTPUT, 2, &[MapType::PERF_EVENT_ARRAY]),
    (HelperId::GET_STACKID, 2, &[MapType::STACK_TRACE]),
    (HelperId::RINGBUF_OUTPUT, 1, &[MapType::RINGBUF]),
    (HelperId::RINGBUF_RESERVE, 1, &[MapType::RINGBUF]),
    (HelperId::RINGBUF_QUERY, 1, &[MapType::RINGBUF]),
    (HelperId::RINGBUF_RESERVE_DYNPTR, 1, &[MapType::RINGBUF]),
    (HelperId::USER_RINGBUF_DRAIN, 1, &[MapType::USER_RINGBUF]),
    (HelperId::MAP_PUSH_ELEM, 1, &[MapType::QUEUE, MapType::STACK, MapType::BLOOM_FILTER]),
    (HelperId::MAP_POP_ELEM, 1, &[MapType::QUEUE, MapType::STACK]),
    (HelperId::MAP_PEEK_ELEM, 1, &[MapType::QUEUE, MapType::STACK, MapType::BLOOM_FILTER]),
    (
        HelperId::MAP_LOOKUP_PERCPU_ELEM,
        1,
        &[MapType::PERCPU_ARRAY, MapType::PERCPU_HASH, MapType::LRU_PERCPU_HASH],
    ),
    (HelperId::REDIRECT_MAP, 1, &[MapType::DEVMAP, MapType::DEVMAP_HASH, MapType::CPUMAP, MapType::XSKMAP]),
    (HelperId::SK_REDIRECT_MAP, 2, &[MapType::SOCKMAP]),
    (HelperId::MSG_REDIRECT_MAP, 2, &[MapType::SOCKMAP]),
    (HelperId::SOCK_MAP_UPDATE, 2, &[MapType::SOCKMAP]),
    (HelperId::SK_REDIRECT_HASH, 2, &[MapType::SOCKHASH]),
    (HelperId::MSG_REDIRECT_HASH, 2, &[MapType::SOCKHASH]),
    (HelperId::SOCK_HASH_UPDATE, 2, &[MapType::SOCKHASH]),
    (HelperId::SK_STORAGE_GET, 1, &[MapType::SK_STORAGE]),
    (HelperId::SK_STORAGE_DELETE, 1, &[MapType::SK_STORAGE]),
    (HelperId::INODE_STORAGE_GET, 1, &[MapType::INODE_STORAGE]),
    (HelperId::INODE_STORAGE_DELETE, 1, &[MapType::INODE_STORAGE]),
    (HelperId::TASK_STORAGE_GET, 1, &[MapType::TASK_STORAGE]),
    (HelperId::TASK_STORAGE_DELETE, 1, &[MapType::TASK_STORAGE]),
    (HelperId::CGRP_STORAGE_GET, 1, &[MapType::CGRP_STORAGE]),
    (HelperId::CGRP_STORAGE_DELETE, 1, &[MapType::CGRP_STORAGE]),
];

/// What the kernel lists for arguments that are memory.
const MEMORY: &str = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";

/// Refuses what an argument certainly is not.
fn check_arg(value: Value, reg: u8, arg: &Arg) -> Result<(), Failure> {
    let is_null = value.known() == Some(0);
    let (fits, expected) = match arg.class {
        ArgClass::Ctx => (value == Value::Ctx || (arg.or_null && is_null), "ctx"),
        ArgClass::ConstMapPtr => {
            (matches!(value, Value::MapPtr(_) | Value::Ptr(Object::InnerMap, _)), "map_ptr")
        }
        ArgClass::Func => (matches!(value, Value::Func(_)), "func"),
        ArgClass::MapKey | ArgClass::MapValue | ArgClass::Mem | ArgClass::FixedSizeMem => {
            (matches!(value, Value::Frame(_) | Value::Ptr(..)) || (arg.or_null && is_null), MEMORY)
        }
        ArgClass::RingbufMem => (matches!(value, Value::Ptr(Object::Mem(_), _)), "ringbuf_mem"),
        ArgClass::ConstSize
        | ArgClass::ConstSizeOrZero
        | ArgClass::ConstAllocSizeOrZero
        | ArgClass::Scalar => (matches!(value, Value::Scalar(_)), "scalar"),
        _ => return Ok(()),
    };
    if fits || value == Value::Unknown {
        return Ok(());
    }
    // The kernel reads a constant 0 as a null pointer where one is allowed, and memory of size 0 may be null.
    if is_null && matches!(arg.class, ArgClass::Mem) {
        return Ok(());
    }
    denied(format!("R{reg} type={value} expected={expected}"))
}
