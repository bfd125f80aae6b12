//! The commands of bpf(2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use oxbpf_btf::Btf;
use oxbpf_kernel::{
    BtfLoad, Command, GetFdById, MapCreate, MapDeleteBatch, MapLookupBatch, MapLookupElem, MapUpdateBatch,
    MapUpdateElem, ObjectKind, ProgQuery, Reply, Target,
};
use oxbpf_uapi::{AttachType, Errno, MapType};

use crate::hooks::Hook;
use crate::iter::IterStream;
use crate::maps::{self, Map, MapParams, MapRef};
use crate::registry::{BtfObject, Object, btf_of, link_of, map_of, object_of, prog_of};
use crate::state::State;
use crate::{info, links, progs, test_run};

/// Runs a command.
pub(crate) fn command(state: &State, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
    match cmd {
        Command::MapCreate(req) => map_create(state, req),
        Command::MapLookupElem(req) => lookup(state, req, false).map(|()| Reply::Done),
        Command::MapLookupAndDeleteElem(req) => lookup(state, req, true).map(|()| Reply::Done),
        Command::MapUpdateElem(req) => {
            let map = map_of(req.map)?;
            map.check_user_write()?;
            update(state, map, req).map(|()| Reply::Done)
        }
        Command::MapDeleteElem(req) => {
            let map = map_of(req.map)?;
            map.check_user_write()?;
            check_key(map, req.key)?;
            map.ops.delete(req.key).map(|()| Reply::Done)
        }
        Command::MapGetNextKey(req) => {
            let map = map_of(req.map)?;
            map.check_user_read()?;
            map.ops.next_key(req.key, req.next_key).map(|()| Reply::Done)
        }
        Command::MapFreeze { map } => freeze(map_of(map)?),
        Command::MapLookupBatch(req) => lookup_batch(state, req, false),
        Command::MapLookupAndDeleteBatch(req) => lookup_batch(state, req, true),
        Command::MapUpdateBatch(req) => update_batch(state, req),
        Command::MapDeleteBatch(req) => delete_batch(req),
        Command::ProgLoad(req) => progs::load(state, req).map(Reply::Handle),
        Command::ObjPin(req) => {
            let object = object_of(req.object)?.clone();
            state.registry.pin(req.path, object).map(|()| Reply::Done)
        }
        Command::ObjGet(req) => Ok(Reply::Handle(state.registry.handle(state.registry.pinned(req.path)?))),
        Command::ProgTestRun(req) => test_run::run(state, req).map(|()| Reply::Done),
        Command::GetNextId { kind, start } => {
            state.registry.next_id(*kind, *start).map(|id| Reply::Value(id.into()))
        }
        Command::GetFdById(GetFdById { kind, id, .. }) => {
            Ok(Reply::Handle(state.registry.handle(state.registry.by_id(*kind, *id)?)))
        }
        Command::GetInfo(req) => info::fill(state, req).map(|len| Reply::Value(len as u64)),
        Command::ProgQuery(req) => query(state, req).map(|()| Reply::Done),
        Command::RawTracepointOpen(req) => links::raw_tracepoint_open(state, req).map(Reply::Handle),
        Command::BtfLoad(req) => btf_load(state, req),
        Command::LinkCreate(req) => links::create(state, req).map(Reply::Handle),
        Command::LinkUpdate(req) => links::update(state, req).map(|()| Reply::Done),
        Command::LinkDetach { link } => link_of(link)?.detach().map(|()| Reply::Done),
        Command::IterCreate { link, .. } => {
            let iter = IterStream::new(link_of(link)?.clone())?;
            Ok(Reply::Handle(state.registry.handle(Object::Iter(Arc::new(iter)))))
        }
        Command::EnableStats { kind: 0 } => {
            state.stats.store(true, Ordering::Relaxed);
            // The handle keeps statistics on in Linux; here they stay on.
            Ok(Reply::Handle(state.registry.handle(Object::Stats)))
        }
        Command::ProgBindMap(req) => {
            let (prog, map) = (prog_of(req.prog)?, map_of(req.map)?);
            prog.bound.lock().map_err(|_| Errno::EIO)?.push(map.clone());
            Ok(Reply::Done)
        }
        Command::ProgAttach(_)
        | Command::ProgDetach(_)
        | Command::EnableStats { .. }
        | Command::TaskFdQuery(_)
        | Command::TokenCreate { .. }
        | Command::StreamRead(_)
        | Command::AssocStructOps { .. } => {
            log::warn!("{}: not served by the embedded kernel", cmd.cmd());
            Err(Errno::EINVAL)
        }
    }
}

fn map_create(state: &State, req: &MapCreate<'_>) -> Result<Reply, Errno> {
    let btf_id = req.btf.map(|btf| btf_of(btf)).transpose()?.map_or(0, |b| b.id);
    if btf_id == 0 && (req.btf_key_type_id != 0 || req.btf_value_type_id != 0) {
        return Err(Errno::EINVAL);
    }
    if !req.map_name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
        return Err(Errno::EINVAL);
    }
    let params = MapParams {
        map_type: req.map_type,
        key_size: req.key_size,
        value_size: req.value_size,
        max_entries: req.max_entries,
        map_flags: req.map_flags,
        map_extra: req.map_extra,
        name: req.map_name.chars().take(15).collect(),
        btf_id,
        btf_key_type_id: req.btf_key_type_id,
        btf_value_type_id: req.btf_value_type_id,
    };
    let inner = req.inner_map.map(|m| map_of(m)).transpose()?.map(|m| m.params.clone());
    let map = Map::create(state.registry.new_id(ObjectKind::Map), params, &state.map_env(), inner)?;
    Ok(Reply::Handle(state.registry.handle(Object::Map(Arc::new(map)))))
}

fn check_key(map: &Map, key: &[u8]) -> Result<(), Errno> {
    if key.len() == map.params.key_size as usize { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The part of a user's buffer that one value takes.
fn value_part<'b>(state: &State, map: &Map, value: &'b mut [u8]) -> Result<&'b mut [u8], Errno> {
    value.get_mut(..map.user_value_len(state.cpus)).ok_or(Errno::EINVAL)
}

fn lookup(state: &State, req: &mut MapLookupElem<'_>, remove: bool) -> Result<(), Errno> {
    let map = map_of(req.map)?;
    map.check_user_read()?;
    if req.flags & !maps::update::LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    check_key(map, req.key)?;
    let value = value_part(state, map, req.value)?;
    if !remove {
        return map.ops.read(req.key, value);
    }
    map.check_user_write()?;
    if !matches!(
        map.params.map_type,
        MapType::QUEUE
            | MapType::STACK
            | MapType::HASH
            | MapType::PERCPU_HASH
            | MapType::LRU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::STACK_TRACE
    ) {
        return Err(Errno::ENOTSUPP);
    }
    map.ops.take(req.key, value)
}

fn update(state: &State, map: &MapRef, req: &MapUpdateElem<'_>) -> Result<(), Errno> {
    check_key(map, req.key)?;
    let value = req.value.get(..map.user_value_len(state.cpus)).ok_or(Errno::EINVAL)?;
    map.user_writes.fetch_add(1, Ordering::Relaxed);
    if maps::holds_objects(map.params.map_type) {
        let number = value.try_into().map(i32::from_ne_bytes).map_err(|_| Errno::EINVAL)?;
        return map.ops.write_object(req.key, state.registry.by_number(number)?, req.flags);
    }
    map.ops.write(req.key, value, req.flags)
}

fn freeze(map: &Map) -> Result<Reply, Errno> {
    if map.params.map_type == MapType::STRUCT_OPS {
        return Err(Errno::ENOTSUPP);
    }
    if map.frozen.swap(true, Ordering::AcqRel) { Err(Errno::EBUSY) } else { Ok(Reply::Done) }
}

/// Position of a batch: the last key that was given out, in as many bytes as user space keeps for one.
fn lookup_batch(state: &State, req: &mut MapLookupBatch<'_>, remove: bool) -> Result<Reply, Errno> {
    let map = map_of(req.map)?;
    map.check_user_read()?;
    let room = req.count as usize;
    req.count = 0;
    let key_len = map.params.key_size as usize;
    let value_len = map.user_value_len(state.cpus);
    let mut last = match req.in_batch {
        Some(position) => Some(position.get(..key_len).ok_or(Errno::EINVAL)?.to_vec()),
        None => None,
    };
    let mut taken = Vec::new();
    let mut result = Ok(Reply::Done);
    for i in 0..room {
        let mut key = vec![0; key_len];
        match map.ops.next_key(last.as_deref(), &mut key) {
            Ok(()) => {}
            Err(e) => {
                result = Err(e);
                break;
            }
        }
        let value = req.values.get_mut(i * value_len..(i + 1) * value_len).ok_or(Errno::EFAULT)?;
        if map.ops.read(&key, value).is_ok() {
            req.keys.get_mut(i * key_len..(i + 1) * key_len).ok_or(Errno::EFAULT)?.copy_from_slice(&key);
            req.count += 1;
        }
        taken.push(key.clone());
        last = Some(key);
    }
    if let Some(position) = last {
        req.out_batch.get_mut(..key_len).ok_or(Errno::EFAULT)?.copy_from_slice(&position);
    }
    if remove {
        for key in taken {
            map.ops.delete(&key)?;
        }
    }
    result
}

fn update_batch(state: &State, req: &mut MapUpdateBatch<'_>) -> Result<Reply, Errno> {
    let map = map_of(req.map)?;
    map.check_user_write()?;
    let (key_len, value_len) = (map.params.key_size as usize, map.user_value_len(state.cpus));
    let total = std::mem::take(&mut req.count) as usize;
    for i in 0..total {
        let key = req.keys.get(i * key_len..(i + 1) * key_len).ok_or(Errno::EFAULT)?;
        let value = req.values.get(i * value_len..(i + 1) * value_len).ok_or(Errno::EFAULT)?;
        update(state, map, &MapUpdateElem { map: req.map, key, value, flags: req.elem_flags })?;
        req.count += 1;
    }
    Ok(Reply::Done)
}

fn delete_batch(req: &mut MapDeleteBatch<'_>) -> Result<Reply, Errno> {
    let map = map_of(req.map)?;
    map.check_user_write()?;
    let key_len = map.params.key_size as usize;
    let total = std::mem::take(&mut req.count) as usize;
    for i in 0..total {
        map.ops.delete(req.keys.get(i * key_len..(i + 1) * key_len).ok_or(Errno::EFAULT)?)?;
        req.count += 1;
    }
    Ok(Reply::Done)
}

fn btf_load(state: &State, req: &mut BtfLoad<'_>) -> Result<Reply, Errno> {
    let parsed = Btf::parse(req.btf.to_vec()).and_then(|btf| btf.validate().map(|()| btf));
    match parsed {
        Ok(btf) if !btf.is_foreign_endian() => {
            let id = state.registry.new_id(ObjectKind::Btf);
            let object = Object::Btf(Arc::new(BtfObject { id, btf, name: "" }));
            Ok(Reply::Handle(state.registry.handle(object)))
        }
        Ok(_) => Err(Errno::EINVAL),
        Err(error) => {
            if let Some(log) = &mut req.log {
                progs::write_log(log, &format!("{error}\n"));
            }
            Err(error.errno())
        }
    }
}

fn query(state: &State, req: &mut ProgQuery<'_>) -> Result<(), Errno> {
    let hook = match (req.attach_type, req.target) {
        (AttachType::XDP, Target::Ifindex(ifindex)) => Hook::Xdp(ifindex),
        (AttachType::TCX_INGRESS, Target::Ifindex(ifindex)) => Hook::Tc { ifindex, ingress: true },
        (AttachType::TCX_EGRESS, Target::Ifindex(ifindex)) => Hook::Tc { ifindex, ingress: false },
        _ => return Err(Errno::EINVAL),
    };
    let attached = state.hooks.at(&hook);
    req.count = attached.len() as u32;
    req.revision = state.hooks.generation();
    for (id, attachment) in req.prog_ids.iter_mut().zip(&attached) {
        *id = attachment.prog.id;
    }
    Ok(())
}
