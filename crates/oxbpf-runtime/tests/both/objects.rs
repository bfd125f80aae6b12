//! Objects: maps that hold programs and maps, pins, ids, and what a kernel says about each.

use std::path::PathBuf;

use oxbpf_kernel::{
    Command, GetInfo, Handle, InfoBuffers, Kernel, MapCreate, MapFd, ObjectKind, PerfEventSpec, PerfRequest,
    ProgBindMap, ProgFd,
};
use oxbpf_uapi::info::{MapInfo, ProgInfo};
use oxbpf_uapi::{Errno, MapType, ProgType};
use zerocopy::{FromZeros, IntoBytes};

use crate::create::{TYPES, good};
use crate::elements::Subject;
use crate::run::load;
use crate::{Random, Transcript, both, hex};

const NOTHING: &str = "r0 = 0\nexit";

/// The id that a kernel gave an object.
fn id(kernel: &Kernel, object: &Handle) -> u32 {
    let mut info = [0u32; 40];
    let req = GetInfo { object, info: info.as_mut_slice().as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(req).unwrap();
    // Maps and programs have theirs after the type.
    info[1]
}

/// What user space may try to put into a map of objects, by name.
fn candidates(kernel: &Kernel) -> Vec<(&'static str, Handle)> {
    let map = |req| kernel.map_create(req).unwrap().0;
    let array = good(MapType::ARRAY);
    let prog = |prog_type, text| load(kernel, prog_type, text).unwrap().0;
    let other_context = "r0 = *(u32 *)(r1 + 0)\nexit";
    let spec =
        PerfEventSpec { kind: 1, config: 10, sample_type: 1 << 10, sample_period: 1, ..Default::default() };
    let open = PerfRequest::Open { spec, pid: -1, cpu: 0, group: None };
    vec![
        ("an array", map(array)),
        ("another array", map(MapCreate { map_name: "n", ..array })),
        ("a longer array", map(MapCreate { max_entries: 9, ..array })),
        ("an array of wider values", map(MapCreate { value_size: 16, ..array })),
        ("an array for programs to read", map(MapCreate { map_flags: 0x80, ..array })),
        ("an array of another kind", map(good(MapType::PERCPU_ARRAY))),
        ("a hash table", map(good(MapType::HASH))),
        ("a longer hash table", map(MapCreate { max_entries: 100, ..good(MapType::HASH) })),
        ("a ring", map(good(MapType::RINGBUF))),
        ("a raw tracepoint", prog(ProgType::RAW_TRACEPOINT, NOTHING)),
        ("another raw tracepoint", prog(ProgType::RAW_TRACEPOINT, NOTHING)),
        ("a socket filter", prog(ProgType::SOCKET_FILTER, other_context)),
        ("a classifier", prog(ProgType::SCHED_CLS, other_context)),
        ("an event", kernel.perf_event(open).unwrap().handle().unwrap()),
    ]
}

fn name_of(kernel: &Kernel, all: &[(&'static str, Handle)], of_progs: bool, value: &[u8]) -> String {
    let wanted = u32::from_ne_bytes(value.try_into().unwrap());
    // Programs and maps have ids of their own.
    let is_prog = |name: &str| ["tracepoint", "filter", "classifier"].iter().any(|word| name.contains(word));
    let mut kind = all.iter().filter(|(name, _)| *name != "an event" && is_prog(name) == of_progs);
    let found = kind.find(|(_, object)| id(kernel, object) == wanted);
    found.map_or_else(|| "nothing known".to_owned(), |(name, _)| (*name).to_owned())
}

fn hold(kernel: &Kernel, t: &mut Transcript, req: MapCreate<'_>, all: &[(&'static str, Handle)]) {
    let subject = Subject::new(kernel, req);
    let (map, mut random) = (&subject.map, Random(11));
    // Linux waits for running programs at each change of a map of maps.
    for _ in 0..if req.inner_map.is_some() { 80 } else { 600 } {
        let key = subject.key(&mut random);
        match random.below(8) {
            0..4 => {
                let at = random.below(all.len() + 2);
                let (name, number) = match all.get(at) {
                    Some((name, object)) => (*name, object.number()),
                    None if at == all.len() => ("no descriptor", -1),
                    None => ("a closed descriptor", 99_999),
                };
                let flags = random.pick(&[0, 0, 0, 0, 0, 1, 2, 3, 4, 8]);
                let result = kernel.map_update_elem(map, &key, &number.to_ne_bytes(), flags);
                t.say(format_args!("put {name} at {} {flags:#x}", hex(&key)), result);
            }
            4 => {
                let mut value = [0; 4];
                let result = kernel.map_lookup_elem(map, &key, &mut value, 0);
                t.say(
                    format_args!("get {}", hex(&key)),
                    result.map(|()| name_of(kernel, all, req.map_type == MapType::PROG_ARRAY, &value)),
                );
            }
            5 => t.say(format_args!("delete {}", hex(&key)), kernel.map_delete_elem(map, &key, 0)),
            6 => {
                let result = kernel.map_lookup_and_delete_elem(map, &key, &mut [0; 4], 0);
                t.say(format_args!("take {}", hex(&key)), result);
            }
            _ => t.say("keys", subject.keys()),
        }
    }
}

#[test]
fn maps_of_objects_take_what_the_kernels_take() {
    both(|kernel, t| {
        let all = candidates(kernel);
        for map_type in [MapType::PROG_ARRAY, MapType::PERF_EVENT_ARRAY] {
            t.say("type", map_type);
            hold(kernel, t, good(map_type), &all);
        }
        for (name, inner) in
            all.iter().filter(|(name, _)| ["an array", "a hash table", "a ring"].contains(name))
        {
            let inner = MapFd(inner.clone());
            for map_type in [MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS] {
                t.say("type", (map_type, name));
                hold(kernel, t, MapCreate { inner_map: Some(&inner), ..good(map_type) }, &all);
            }
        }
        let growing = MapCreate { map_flags: 0x1000, ..good(MapType::ARRAY) };
        let growing = kernel.map_create(growing).unwrap();
        let outer = kernel
            .map_create(MapCreate { inner_map: Some(&growing), ..good(MapType::ARRAY_OF_MAPS) })
            .unwrap();
        for max_entries in [1, 8, 100] {
            for map_flags in [0, 0x1000] {
                let inner = MapCreate { max_entries, map_flags, ..good(MapType::ARRAY) };
                let inner = kernel.map_create(inner).unwrap();
                let result = kernel.map_update_elem(&outer, &[0; 4], &inner.number().to_ne_bytes(), 0);
                t.say(format_args!("any size: {max_entries} {map_flags:#x}"), result);
            }
        }
    });
}

/// What a kernel says about a map, but ids.
fn map_info(kernel: &Kernel, map: &MapFd) -> (Result<usize, Errno>, String) {
    let mut info = MapInfo::new_zeroed();
    let len = kernel.get_info(GetInfo { object: map, info: info.as_mut_bytes(), buffers: InfoBuffers::None });
    let name = String::from_utf8_lossy(&info.name).trim_end_matches('\0').to_owned();
    let said = format!(
        "{} {} {} {} {:#x} `{name}` {} {} {} {} {} {} {} {} {} {}",
        info.r#type,
        info.key_size,
        info.value_size,
        info.max_entries,
        info.map_flags,
        info.ifindex,
        info.btf_vmlinux_value_type_id,
        info.netns_dev,
        info.netns_ino,
        info.btf_id != 0,
        info.btf_key_type_id,
        info.btf_value_type_id,
        info.btf_vmlinux_id,
        info.map_extra,
        info.hash_size,
    );
    (len, said)
}

#[test]
fn maps_are_described_alike() {
    both(|kernel, t| {
        let inner = kernel.map_create(good(MapType::ARRAY)).unwrap();
        for map_type in TYPES {
            let holds_maps = matches!(*map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
            for map_name in ["", "short", "of.just_15_char", "a_name_of_more_characters"] {
                let inner_map = holds_maps.then_some(&inner);
                let map = kernel.map_create(MapCreate { map_name, inner_map, ..good(*map_type) }).unwrap();
                t.say(map_type, map_info(kernel, &map));
            }
        }
        for map_flags in [0x400, 0x480, 8, 16, 0x80, 0x100, 0x1000, 4] {
            let map = kernel.map_create(MapCreate { map_flags, ..good(MapType::ARRAY) }).unwrap();
            t.say(format_args!("flags {map_flags:#x}"), map_info(kernel, &map));
            t.say("frozen", (kernel.map_freeze(&map), map_info(kernel, &map)));
        }
        for len in [0, 1, 7, 40, 87, 88, 96, 104, 200] {
            let mut info = vec![0; len];
            let result =
                kernel.get_info(GetInfo { object: &inner, info: &mut info, buffers: InfoBuffers::None });
            // Newer kernels have more fields.
            t.say(format_args!("room for {len}"), result.map(|said| said.min(96)));
        }
    });
}

fn prog_info(kernel: &Kernel, prog: &ProgFd, maps: &[&MapFd]) -> String {
    let (mut info, mut ids) = (ProgInfo::new_zeroed(), [0; 8]);
    let buffers = InfoBuffers::Prog {
        xlated_insns: &mut [],
        jited_insns: &mut [],
        map_ids: &mut ids,
        jited_ksyms: &mut [],
        jited_func_lens: &mut [],
        func_info: &mut [],
        line_info: &mut [],
        jited_line_info: &mut [],
        prog_tags: &mut [],
    };
    kernel.get_info(GetInfo { object: prog, info: info.as_mut_bytes(), buffers }).unwrap();
    let known: Vec<_> =
        maps.iter().map(|map| ids[..info.nr_map_ids as usize].contains(&id(kernel, map))).collect();
    let name = String::from_utf8_lossy(&info.name).trim_end_matches('\0').to_owned();
    format!(
        "{} `{name}` gpl {} maps {} {known:?} uid {} ifindex {} btf {} {} {} func {} {} line {} {} runs {} {}",
        info.r#type,
        info.gpl_compatible,
        info.nr_map_ids,
        info.created_by_uid,
        info.ifindex,
        info.btf_id != 0,
        info.attach_btf_obj_id,
        info.attach_btf_id,
        info.nr_func_info,
        info.func_info_rec_size,
        info.nr_line_info,
        info.line_info_rec_size,
        info.run_cnt,
        info.recursion_misses,
    )
}

#[test]
fn programs_are_described_alike() {
    both(|kernel, t| {
        let map = kernel.map_create(good(MapType::ARRAY)).unwrap();
        let other = kernel.map_create(good(MapType::HASH)).unwrap();
        let (one, two) = (map.number(), other.number());
        let texts = [
            NOTHING.to_owned(),
            format!("r1 = map[fd:{one}]\nr0 = 0\nexit"),
            format!("r1 = map[fd:{one}]\nr2 = map[fd:{two}]\nr3 = map[fd:{one}]\nr0 = 0\nexit"),
            "call f\nexit\nf: r0 = 2\nexit".to_owned(),
        ];
        for (prog_type, text) in [ProgType::RAW_TRACEPOINT, ProgType::XDP, ProgType::SCHED_CLS]
            .iter()
            .flat_map(|prog_type| texts.iter().map(move |text| (*prog_type, text)))
        {
            let prog = load(kernel, prog_type, text).unwrap();
            t.say("program", prog_info(kernel, &prog, &[&map, &other]));
            let mut bind = Command::ProgBindMap(ProgBindMap { prog: &prog, map: &other, flags: 0 });
            t.say("bind", kernel.bpf(&mut bind).map(drop));
            t.say("bind again", kernel.bpf(&mut bind).map(drop));
            let mut bad = Command::ProgBindMap(ProgBindMap { prog: &prog, map: &map, flags: 1 });
            t.say("bind with flags", kernel.bpf(&mut bad).map(drop));
            let said = prog_info(kernel, &prog, &[&map, &other]);
            t.say("after", said.split(" maps ").nth(1).unwrap().to_owned());
        }
    });
}

#[test]
fn ids_find_objects_while_they_live() {
    both(|kernel, t| {
        let map = kernel.map_create(good(MapType::HASH)).unwrap();
        let prog = load(kernel, ProgType::RAW_TRACEPOINT, NOTHING).unwrap();
        for (kind, handle) in [(ObjectKind::Map, &map.0), (ObjectKind::Prog, &prog.0)] {
            let id = id(kernel, handle);
            let again = kernel.get_fd_by_id(kind, id);
            t.say("by id", again.as_ref().map(|again| crate::objects::id(kernel, again) == id));
            t.say("id 0", kernel.get_fd_by_id(kind, 0).map(drop));
            t.say("no such id", kernel.get_fd_by_id(kind, u32::MAX).map(drop));
            t.say("listed", kernel.get_next_id(kind, id - 1).map(|next| next == Some(id)));
            t.say("beyond", kernel.get_next_id(kind, u32::MAX - 1));
            t.say("the very last", kernel.get_next_id(kind, u32::MAX));
            let mut flags =
                Command::GetFdById(oxbpf_kernel::GetFdById { kind, id, open_flags: 3, token: None });
            t.say("flags", kernel.bpf(&mut flags).map(drop));
            for open_flags in [8, 16, 24, 32] {
                let req = oxbpf_kernel::GetFdById { kind, id, open_flags, token: None };
                let opened = kernel.bpf(&mut Command::GetFdById(req)).and_then(oxbpf_kernel::Reply::handle);
                t.say(format_args!("opened with {open_flags}"), opened.as_ref().map(drop));
                if let (Ok(handle), ObjectKind::Map) = (opened, kind) {
                    let map = MapFd(handle);
                    t.say("write", kernel.map_update_elem(&map, &[1; 4], &[2; 8], 0));
                    t.say("read", kernel.map_lookup_elem(&map, &[1; 4], &mut [0; 8], 0));
                }
            }
        }
    });
}

#[test]
fn pins_keep_objects() {
    let Some(dir) = testkit::bpffs() else { return };
    both(|kernel, t| {
        let path = |name: &str| -> PathBuf { dir.path().join(format!("{}-{name}", kernel.name())) };
        let prog = load(kernel, ProgType::RAW_TRACEPOINT, NOTHING).unwrap();
        let map = kernel.map_create(good(MapType::HASH)).unwrap();
        let number = id(kernel, &map);
        t.say("pin", kernel.obj_pin(&path("map"), &map));
        t.say("pin twice", kernel.obj_pin(&path("map"), &map));
        t.say("pin elsewhere", kernel.obj_pin(&path("other"), &map));
        t.say("pin a program", kernel.obj_pin(&path("prog"), &prog));
        t.say("no such pin", kernel.obj_get(&path("none"), 0).map(drop));
        t.say("update", kernel.map_update_elem(&map, &[1; 4], &[2; 8], 0));
        drop(map);
        let map = kernel.obj_get(&path("map"), 0).map(MapFd).unwrap();
        t.say("the same", id(kernel, &map) == number);
        let mut value = [0; 8];
        t.say("its element", (kernel.map_lookup_elem(&map, &[1; 4], &mut value, 0), value));
        t.say("bad flags", kernel.obj_get(&path("map"), 1).map(drop));
        let read_only = kernel.obj_get(&path("map"), 8).map(MapFd).unwrap();
        t.say("write by a read-only handle", kernel.map_update_elem(&read_only, &[1; 4], &[3; 8], 0));
        t.say("read by it", kernel.map_lookup_elem(&read_only, &[1; 4], &mut value, 0));
        let write_only = kernel.obj_get(&path("map"), 16).map(MapFd).unwrap();
        t.say("write by a write-only handle", kernel.map_update_elem(&write_only, &[1; 4], &[3; 8], 0));
        t.say("read by it", kernel.map_lookup_elem(&write_only, &[1; 4], &mut value, 0));
        for name in ["map", "map", "other", "prog", "none"] {
            t.say(format_args!("unpin {name}"), kernel.unpin(&path(name)));
        }
        drop((map, read_only, write_only));
        t.say("gone", kernel.get_fd_by_id(ObjectKind::Map, number).map(drop));
    });
}
