//! The commands of bpf(2).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{BtfLoad, Command, GetFdById, MapCreate, ObjectKind, ProgQuery, Reply, Target};
use oxbpf_uapi::{AttachType, Errno, MapType};

use crate::hooks::Hook;
use crate::iter::IterStream;
use crate::maps::{self, Map, MapParams};
use crate::registry::{Access, BtfObject, Object, btf_of, link_of, map_of, object_of, prog_of};
use crate::state::State;
use crate::{elements, info, links, progs, test_run};

/// Runs a command.
pub(crate) fn command(state: &State, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
    match cmd {
        Command::MapCreate(req) => map_create(state, req),
        Command::MapLookupElem(req) => elements::lookup(state, req).map(|()| Reply::Done),
        Command::MapLookupAndDeleteElem(req) => elements::take(state, req).map(|()| Reply::Done),
        Command::MapUpdateElem(req) => elements::update(state, req).map(|()| Reply::Done),
        Command::MapDeleteElem(req) => elements::delete(req).map(|()| Reply::Done),
        Command::MapGetNextKey(req) => elements::next_key(req).map(|()| Reply::Done),
        Command::MapFreeze { map } => elements::freeze(map).map(|()| Reply::Done),
        Command::MapLookupBatch(req) => elements::lookup_batch(state, req, false).map(|()| Reply::Done),
        Command::MapLookupAndDeleteBatch(req) => {
            elements::lookup_batch(state, req, true).map(|()| Reply::Done)
        }
        Command::MapUpdateBatch(req) => elements::update_batch(state, req).map(|()| Reply::Done),
        Command::MapDeleteBatch(req) => elements::delete_batch(req).map(|()| Reply::Done),
        Command::ProgLoad(req) => progs::load(state, req).map(Reply::Handle),
        Command::ObjPin(req) => {
            if req.file_flags != 0 {
                return Err(Errno::EINVAL);
            }
            let object = object_of(req.object)?.clone();
            state.registry.pin(req.path, object).map(|()| Reply::Done)
        }
        Command::ObjGet(req) => {
            let (object, access) = (state.registry.pinned(req.path), open_access(req.file_flags)?);
            let object = object?;
            if matches!(object, Object::Link(_)) && access != Access::FULL {
                return Err(Errno::EINVAL);
            }
            Ok(Reply::Handle(state.registry.handle_for(object, access)))
        }
        Command::ProgTestRun(req) => test_run::run(state, req).map(|()| Reply::Done),
        Command::GetNextId { kind, start } => {
            state.registry.next_id(*kind, *start).map(|id| Reply::Value(id.into()))
        }
        Command::GetFdById(GetFdById { kind, id, open_flags, .. }) => {
            // Only maps can be opened for less than everything.
            if *kind != ObjectKind::Map && *open_flags != 0 {
                return Err(Errno::EINVAL);
            }
            let access = open_access(*open_flags)?;
            Ok(Reply::Handle(state.registry.handle_for(state.registry.by_id(*kind, *id)?, access)))
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
            if req.flags != 0 {
                return Err(Errno::EINVAL);
            }
            let mut bound = prog.bound.lock().unwrap_or_else(PoisonError::into_inner);
            if !prog.maps.iter().chain(bound.iter()).any(|m| m.id == map.id) {
                bound.push(map.clone());
            }
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

/// What the flags of opening an object again leave to do by the handle.
fn open_access(flags: u32) -> Result<Access, Errno> {
    if flags & !(maps::flags::RDONLY | maps::flags::WRONLY) != 0 {
        return Err(Errno::EINVAL);
    }
    Access::of_flags(flags)
}

fn map_create(state: &State, req: &MapCreate<'_>) -> Result<Reply, Errno> {
    if !maps::served().any(|t| t == req.map_type) {
        let served: Vec<_> = maps::served().filter_map(MapType::short_name).collect();
        let served = served.join(", ");
        log::warn!("{} is not served by the embedded kernel; it has {served}", req.map_type);
        return Err(Errno::EINVAL);
    }
    // Values of kernel structs belong to struct_ops maps, numbers beside the parameters to types that are not served, and no device takes
    // maps.
    if req.btf_vmlinux_value_type_id != 0 || req.map_extra != 0 || req.map_ifindex != 0 {
        return Err(Errno::EINVAL);
    }
    // A map that is for one program only must not be open to others.
    if !req.excl_prog_hash.is_empty() {
        return Err(Errno::EINVAL);
    }
    // Memory has one node.
    if req.map_flags & maps::flags::NUMA_NODE != 0 && req.numa_node != 0 {
        return Err(Errno::EINVAL);
    }
    let btf = req.btf.map(|btf| btf_of(btf)).transpose()?;
    let btf_id = btf.map_or(0, |b| b.id);
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
        lock: btf.and_then(|b| maps::lock_offset(&b.btf, TypeId(req.btf_value_type_id))),
    };
    let inner = req.inner_map.filter(|_| params.map_type.holds_maps());
    let inner = inner.map(|m| map_of(m)).transpose()?.map(|m| m.params.clone());
    let access = Access::of_flags(params.map_flags)?;
    let map = Map::create(state.registry.new_id(ObjectKind::Map), params, &state.map_env(), inner)?;
    Ok(Reply::Handle(state.registry.handle_for(Object::Map(Arc::new(map)), access)))
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
