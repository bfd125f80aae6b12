//! Objects: open, prepare, load, pin, close.

use core::ffi::c_int;
use core::mem::offset_of;
use core::sync::atomic::Ordering;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf::loader::GenHash;
use oxbpf::object::state::{Core, State};
use oxbpf::{Error, Frame, MapId, ObjectBuilder, ProgId};
use oxbpf_object::MapOrigin;
use oxbpf_uapi::AttachType;

use super::handler;
use crate::abi::{BpfObjectOpenOpts, BpfProgLoadOpts, GenLoaderOpts};
use crate::arg::{Ptr, Raw, Str, give_shared};
use crate::btf_h::Btf;
use crate::fail::Fail;
use crate::object::{LoaderRequest, Map, Object, Program, kernel, lock};
use crate::opts::{Given, Opts};
use crate::ret::{Int, Out, Val, Void};

/// `PATH_MAX`.
const PATH_LEN: usize = 4096;

/// What is opened.
enum Input<'a> {
    File(&'a Path),
    Memory(&'a [u8], String),
}

fn open(input: Input<'_>, opts: &Given<BpfObjectOpenOpts>) -> Result<Arc<Object>, Fail> {
    type L = BpfObjectOpenOpts;
    let log = (opt!(ptr opts: L, kernel_log_buf), opt!(opts: L, kernel_log_size));
    if log.1 > u32::MAX as usize || (log.1 != 0 && log.0.is_null()) {
        return Err(Fail::INVAL);
    }
    let mut builder = ObjectBuilder::new()
        .kernel(kernel().clone())
        .relaxed_maps(opt!(opts: L, relaxed_maps) != 0)
        .kernel_log_level(opt!(opts: L, kernel_log_level));
    if let Some(name) = opt!(str opts: L, object_name).opt()? {
        builder = builder.object_name(name);
    }
    if let Some(path) = opt!(str opts: L, pin_root_path).opt_path() {
        builder = builder.pin_root_path(path);
    }
    if let Some(text) = opt!(str opts: L, kconfig).c() {
        builder = builder.kconfig(text.to_string_lossy());
    }
    if let Some(path) = short_path(opt!(str opts: L, btf_custom_path))? {
        builder = builder.btf_custom_path(path);
    }
    if let Some(path) = short_path(opt!(str opts: L, bpf_token_path))? {
        builder = builder.bpf_token_path(path);
    }
    let handlers = handler::registered();
    for handler in &handlers {
        builder = builder.sec_handler(handler.as_loader());
    }
    let has_name = opt!(str opts: L, object_name).c().is_some();
    let opened = match input {
        Input::File(path) => builder.open_file(path)?,
        Input::Memory(bytes, _) if has_name => builder.open_memory(bytes.to_vec())?,
        Input::Memory(bytes, name) => builder.object_name(name).open_memory(bytes.to_vec())?,
    };
    let object = Object::new(opened.into_core(), &handlers, log);
    for program in &object.programs {
        let Some((call, handler)) = program.handler.as_ref().and_then(|h| Some((h.setup?, h))) else {
            continue;
        };
        let answer = call(program, handler.cookie);
        if answer < 0 {
            log::warn!("prog '{}': failed to initialize: {answer}", program.name.to_string_lossy());
            return Err(Fail(-answer));
        }
    }
    Ok(object)
}

fn short_path(text: Str) -> Result<Option<PathBuf>, Fail> {
    match text.opt_path() {
        Some(path) if path.as_os_str().len() >= PATH_LEN => Err(Fail::NAMETOOLONG),
        path => Ok(path.map(Path::to_owned)),
    }
}

impl Object {
    /// Puts what C wrote into first contents into the definitions.
    fn take_initial_values(&self, core: &mut Core) -> Result<(), Fail> {
        for map in &self.maps {
            let pages = lock(&map.pages);
            let origin = core.spec().maps.get(map.id.0 as usize).map(|m| m.origin);
            let (Some(pages), Some(origin)) = (pages.as_ref(), origin) else { continue };
            match origin {
                // The loader says what these are.
                MapOrigin::Kconfig => {}
                MapOrigin::StructOps => self.take_callbacks(core, map.id, pages.copy())?,
                _ => core.replace_initial_value(map.id, pages.copy())?,
            }
        }
        Ok(())
    }

    /// A struct_ops variable, in which C has addresses of programs as callbacks.
    fn take_callbacks(&self, core: &mut Core, map: MapId, mut data: Vec<u8>) -> Result<(), Fail> {
        for (member, offset) in core.struct_ops_callbacks(map) {
            let place = data.get_mut(offset..offset + size_of::<usize>()).ok_or(Fail::INVAL)?;
            let address = usize::from_ne_bytes(place.try_into().map_err(|_| Fail::INVAL)?);
            place.fill(0);
            let program = match address {
                0 => None,
                _ => Some(
                    self.programs.iter().find(|p| core::ptr::from_ref(*p).addr() == address).ok_or_else(
                        || {
                            log::warn!(
                                "struct_ops member {member}: what it points to is no program of the object"
                            );
                            Fail::INVAL
                        },
                    )?,
                ),
            };
            let mut map = core.map_at_mut(map).ok_or(Fail::INVAL)?;
            map.set_struct_ops_program(&member, program.map(|p| p.id))?;
        }
        Ok(core.replace_initial_value(map, data)?)
    }

    /// Puts maps where C has their first contents.
    fn share_memory(&self, core: &Core) {
        for map in &self.maps {
            let mut pages = lock(&map.pages);
            if pages.as_ref().is_some_and(|pages| !map.share(core, pages)) {
                *pages = None;
            }
        }
    }

    /// Prepares, or loads as well.
    fn advance(&self, to: State) -> Result<(), Fail> {
        let verb = if to == State::Loaded { "load" } else { "prepare" };
        let state = self.state();
        if state >= to {
            log::warn!("object '{}': {verb} can't be attempted twice", self.name.to_string_lossy());
            return Err(Fail::INVAL);
        }
        let result = self.advance_from(state, to);
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
            log::warn!("failed to {verb} object '{}'", self.path.to_string_lossy());
        }
        result
    }

    fn advance_from(&self, state: State, to: State) -> Result<(), Fail> {
        if let Some(request) = lock(&self.loader).as_mut() {
            return self.make_loader(request);
        }
        if state == State::Open {
            let mut core = self.write();
            self.take_initial_values(&mut core)?;
            core.prepare_in_place()?;
            self.share_memory(&core);
        }
        if to < State::Loaded {
            return Ok(());
        }
        self.call_prepare_handlers()?;
        let mut core = self.write();
        let loaded = core.load_in_place();
        match loaded {
            Ok(()) => {
                self.keep_logs(&core);
                Ok(())
            }
            Err(error) => Err(self.rejected(error)),
        }
    }

    /// Makes the load a program, and tells C where that is.
    fn make_loader(&self, request: &mut LoaderRequest) -> Result<(), Fail> {
        type L = GenLoaderOpts;
        let mut core = self.write();
        self.take_initial_values(&mut core)?;
        let gen_hash = if request.gen_hash { GenHash::ByKernel } else { GenHash::None };
        let program = core.gen_loader_in_place(gen_hash)?;
        let opts = request.opts;
        opts.write_pointer(offset_of!(L, data), program.data.as_ptr());
        opts.write(offset_of!(L, data_sz), program.data.len() as u32);
        opts.write_pointer(offset_of!(L, insns), program.insns.as_ptr());
        opts.write(offset_of!(L, insns_sz), program.insns.len() as u32);
        request.program = Some(program);
        Ok(())
    }

    /// Lets C's handlers change how their programs are loaded.
    fn call_prepare_handlers(&self) -> Result<(), Fail> {
        for program in &self.programs {
            let Some((call, handler)) = program.handler.as_ref().and_then(|h| Some((h.prepare?, h))) else {
                continue;
            };
            if !program.with(|p| Ok(p.autoload()))? {
                continue;
            }
            let mut opts = program.with(|p| {
                Ok(BpfProgLoadOpts {
                    sz: size_of::<BpfProgLoadOpts>(),
                    expected_attach_type: p.expected_attach_type().0,
                    prog_flags: p.prog_flags(),
                    log_level: p.log_level().unwrap_or(0),
                    ..BpfProgLoadOpts::default()
                })
            })?;
            let answer = call(program, (&raw mut opts).cast(), handler.cookie);
            if answer < 0 {
                log::warn!(
                    "prog '{}': failed to prepare load attributes: {answer}",
                    program.name.to_string_lossy()
                );
                return Err(Fail(-answer));
            }
            program.change(Fail::BUSY, |mut p| {
                p.set_expected_attach_type(AttachType(opts.expected_attach_type)).set_flags(opts.prog_flags);
                if opts.log_level != 0 {
                    p.set_log_level(opts.log_level);
                }
            })?;
        }
        Ok(())
    }

    /// Puts logs of programs that were loaded where C wants them.
    fn keep_logs(&self, core: &Core) {
        for (program, loaded) in self.programs.iter().zip((0..).map(|i| core.program_at(ProgId(i)))) {
            if let Some(log) = loaded.map(|p| p.log()).filter(|log| !log.is_empty()) {
                self.give_log(program, log, false);
            }
        }
    }

    /// A program's log into C's buffer, or to the print callback if there is none.
    fn give_log(&self, program: &Program, log: &str, is_failure: bool) {
        let (mut buffer, size) = match program.log_buffer() {
            (buffer, _) if buffer.is_null() => self.log,
            own => own,
        };
        match buffer.bytes_mut(size).filter(|out| !out.is_empty()) {
            Some(out) => {
                let len = log.len().min(out.len() - 1);
                let text = log.as_bytes().get(..len).unwrap_or_default();
                let (place, rest) = out.split_at_mut(len);
                place.copy_from_slice(text);
                if let Some(end) = rest.first_mut() {
                    *end = 0;
                }
            }
            None => {
                let level = if is_failure { log::Level::Warn } else { log::Level::Debug };
                let name = program.name.to_string_lossy();
                log::log!(level, "prog '{name}': -- BEGIN PROG LOAD LOG --\n{log}-- END PROG LOAD LOG --");
            }
        }
    }

    /// Says why a load failed, in the lines that tools look for.
    fn rejected(&self, error: Error) -> Fail {
        let fail = Fail(error.errno().0);
        let at = error.frames().find_map(|frame| match frame {
            Frame::Program { name, .. } => {
                self.programs.iter().find(|p| p.name.to_bytes() == name.as_bytes())
            }
            _ => None,
        });
        match at {
            Some(program) => {
                let name = program.name.to_string_lossy();
                let errno = error.errno();
                log::warn!("prog '{name}': BPF program load failed: -{errno:?}");
                match error.verifier_log() {
                    Some(log) => self.give_log(program, log.text(), true),
                    None => log::warn!("{error}"),
                }
                log::warn!("prog '{name}': failed to load: -{errno:?}");
            }
            None => log::warn!("{error}"),
        }
        fail
    }
}

/// The path of a pin in a directory, dots replaced, which bpf file systems do not have in names.
fn pin_path(dir: &Path, name: &CString) -> Result<PathBuf, Fail> {
    let path = dir.join(name.to_string_lossy().as_ref());
    if path.as_os_str().len() >= PATH_LEN {
        return Err(Fail::NAMETOOLONG);
    }
    Ok(path)
}

/// As [`pin_path`], for maps, whose names have dots.
fn map_pin_path(dir: &Path, map: &Map) -> Result<PathBuf, Fail> {
    let path = pin_path(dir, &map.name)?;
    Ok(PathBuf::from(path.to_string_lossy().replace('.', "_")))
}

fn pin_maps(object: &Object, dir: Option<&Path>) -> Result<(), Fail> {
    if object.state() < State::Prepared {
        log::warn!("object not yet loaded; load it first");
        return Err(Fail::NOENT);
    }
    let mut done: Vec<&Map> = Vec::new();
    for map in &object.maps {
        if !map.with(|m| m.autocreate)? || (dir.is_none() && map.pin_path().is_none()) {
            continue;
        }
        let pinned = dir.map(|dir| map_pin_path(dir, map)).transpose().and_then(|path| map.pin(path));
        if let Err(fail) = pinned {
            for map in done.iter().rev() {
                let _ = map.unpin(None);
            }
            return Err(fail);
        }
        done.push(map);
    }
    Ok(())
}

fn unpin_maps(object: &Object, dir: Option<&Path>) -> Result<(), Fail> {
    for map in &object.maps {
        let path = dir.map(|dir| map_pin_path(dir, map)).transpose()?;
        if path.is_some() || map.pin_path().is_some() {
            map.unpin(path)?;
        }
    }
    Ok(())
}

fn pin_programs(object: &Object, dir: &Path) -> Result<(), Fail> {
    if object.state() < State::Loaded {
        log::warn!("object not yet loaded; load it first");
        return Err(Fail::NOENT);
    }
    let mut done: Vec<PathBuf> = Vec::new();
    for program in &object.programs {
        let pinned = pin_path(dir, &program.name).and_then(|path| {
            program.with(|p| Ok(p.pin(&path)?))?;
            Ok(path)
        });
        match pinned {
            Ok(path) => done.push(path),
            Err(fail) => {
                for path in done.iter().rev() {
                    let _ = std::fs::remove_file(path);
                }
                return Err(fail);
            }
        }
    }
    Ok(())
}

fn unpin_programs(object: &Object, dir: &Path) -> Result<(), Fail> {
    object.programs.iter().try_for_each(|p| Ok(std::fs::remove_file(pin_path(dir, &p.name)?)?))
}

export! {
    /// Opens an object file with default options.
    fn bpf_object__open(path: Str) -> Out<Object> {
        open(Input::File(path.path()?), &Opts::none().check()?).map(give_shared)
    }

    /// Opens an object file.
    fn bpf_object__open_file(path: Str, opts: Opts<BpfObjectOpenOpts>) -> Out<Object> {
        let path = path.path()?;
        log::debug!("loading {}", path.display());
        open(Input::File(path), &opts.check()?).map(give_shared)
    }

    /// Opens an object in memory, which is copied.
    fn bpf_object__open_mem(obj_buf: Raw, obj_buf_sz: usize, opts: Opts<BpfObjectOpenOpts>) -> Out<Object> {
        let bytes = obj_buf.bytes(obj_buf_sz).filter(|b| !b.is_empty()).ok_or(Fail::INVAL)?;
        let name = format!("{:x}-{obj_buf_sz:x}", obj_buf.address());
        open(Input::Memory(bytes, name), &opts.check()?).map(give_shared)
    }

    /// Loading will make a program that loads the object, whose bytes the options tell and which live as long as the object.
    fn bpf_object__gen_loader(obj: Ptr<Object>, opts: Opts<GenLoaderOpts>) -> Int {
        type L = GenLoaderOpts;
        let object = obj.opt().ok_or(Fail(libc::EFAULT))?;
        let opts = opts.check()?;
        if !opts.has(offset_of!(L, insns_sz) + size_of::<u32>()) {
            return Err(Fail::INVAL);
        }
        let gen_hash = opt!(opts: L, gen_hash) != 0;
        *lock(&object.loader) = Some(LoaderRequest { opts: opts.memory(), gen_hash, program: None });
        Ok(0)
    }

    /// Creates maps and relocates programs.
    fn bpf_object__prepare(obj: Ptr<Object>) -> Int {
        obj.get()?.advance(State::Prepared).map(|()| 0)
    }

    /// Creates maps and loads programs.
    fn bpf_object__load(obj: Ptr<Object>) -> Int {
        obj.get()?.advance(State::Loaded).map(|()| 0)
    }

    /// Releases the object; what is pinned or attached stays.
    fn bpf_object__close(obj: Ptr<Object>) -> Void {
        drop(obj.take_shared());
        Ok(())
    }

    /// The object's name.
    fn bpf_object__name(obj: Ptr<Object>) -> Out<i8> {
        Ok(obj.get()?.name.as_ptr().cast())
    }

    /// The version that the object says it is for.
    fn bpf_object__kversion(obj: Ptr<Object>) -> Val<u32> {
        let core = obj.get()?.read();
        match core.spec().kern_version {
            0 => Ok(core.running_version()?),
            version => Ok(version),
        }
    }

    /// Sets the version that programs are loaded for.
    fn bpf_object__set_kversion(obj: Ptr<Object>, kern_version: u32) -> Int {
        let object = obj.get()?;
        if object.state() >= State::Loaded {
            return Err(Fail::INVAL);
        }
        object.write().set_kern_version(kern_version);
        Ok(0)
    }

    /// The object's types, which live as long as it.
    fn bpf_object__btf(obj: Ptr<Object>) -> Out<Btf> {
        Ok(obj.get()?.btf().map_or(core::ptr::null(), core::ptr::from_ref))
    }

    /// The descriptor of the object's types, −1 if the kernel has none.
    fn bpf_object__btf_fd(obj: Ptr<Object>) -> Int {
        let object = obj.get()?;
        let core = object.read();
        Ok(core.btf_fd().map_or(-1, |fd| fd.number()))
    }

    /// The descriptor of the BPF token, −1 if there is none.
    fn bpf_object__token_fd(obj: Ptr<Object>) -> Int {
        let object = obj.get()?;
        let core = object.read();
        Ok(core.token().map_or(-1, |fd| fd.number()))
    }

    /// The program of that function name.
    fn bpf_object__find_program_by_name(obj: Ptr<Object>, name: Str) -> Out<Program> {
        let (object, name) = (obj.get()?, name.c().ok_or(Fail::INVAL)?);
        object.programs.iter().find(|p| p.name.as_c_str() == name).map(core::ptr::from_ref).ok_or(Fail::NOENT)
    }

    /// The map of that name: what C calls it, or a data section.
    fn bpf_object__find_map_by_name(obj: Ptr<Object>, name: Str) -> Out<Map> {
        find_map(obj.get()?, name).map(core::ptr::from_ref)
    }

    /// The descriptor of the map of that name.
    fn bpf_object__find_map_fd_by_name(obj: Ptr<Object>, name: Str) -> Int {
        find_map(obj.get()?, name).map_err(|_| Fail::INVAL)?.fd()
    }

    /// The program after one, the first for null.
    fn bpf_object__next_program(obj: Ptr<Object>, prog: Ptr<Program>) -> Out<Program> {
        beside_program(obj, prog, 1)
    }

    /// The program before one, the last for null.
    fn bpf_object__prev_program(obj: Ptr<Object>, prog: Ptr<Program>) -> Out<Program> {
        beside_program(obj, prog, -1)
    }

    /// The map after one, the first for null.
    fn bpf_object__next_map(obj: Ptr<Object>, map: Ptr<Map>) -> Out<Map> {
        beside_map(obj, map, 1)
    }

    /// The map before one, the last for null.
    fn bpf_object__prev_map(obj: Ptr<Object>, map: Ptr<Map>) -> Out<Map> {
        beside_map(obj, map, -1)
    }

    /// Pins maps in a directory, or without one those that have a pin path.
    fn bpf_object__pin_maps(obj: Ptr<Object>, path: Str) -> Int {
        pin_maps(obj.opt().ok_or(Fail::NOENT)?, path.opt_path()).map(|()| 0)
    }

    /// Removes the pins of maps.
    fn bpf_object__unpin_maps(obj: Ptr<Object>, path: Str) -> Int {
        unpin_maps(obj.opt().ok_or(Fail::NOENT)?, path.opt_path()).map(|()| 0)
    }

    /// Pins programs in a directory.
    fn bpf_object__pin_programs(obj: Ptr<Object>, path: Str) -> Int {
        pin_programs(obj.opt().ok_or(Fail::NOENT)?, path.path()?).map(|()| 0)
    }

    /// Removes the pins of programs.
    fn bpf_object__unpin_programs(obj: Ptr<Object>, path: Str) -> Int {
        unpin_programs(obj.opt().ok_or(Fail::NOENT)?, path.path()?).map(|()| 0)
    }

    /// Pins maps and programs.
    fn bpf_object__pin(object: Ptr<Object>, path: Str) -> Int {
        let object = object.opt().ok_or(Fail::NOENT)?;
        pin_maps(object, path.opt_path())?;
        let pinned = path.path().and_then(|path| pin_programs(object, path));
        if pinned.is_err() {
            let _ = unpin_maps(object, path.opt_path());
        }
        pinned.map(|()| 0)
    }

    /// Removes the pins of maps and programs.
    fn bpf_object__unpin(object: Ptr<Object>, path: Str) -> Int {
        let object = object.opt().ok_or(Fail::NOENT)?;
        unpin_programs(object, path.path()?)?;
        unpin_maps(object, path.opt_path()).map(|()| 0 as c_int)
    }
}

/// Opens the object of a skeleton, under the skeleton's name unless the options have one.
///
/// # Errors
/// As opening.
pub fn open_skeleton(
    bytes: &[u8],
    name: Option<&str>,
    opts: Opts<BpfObjectOpenOpts>,
) -> Result<Arc<Object>, Fail> {
    open(Input::Memory(bytes, name.unwrap_or("object").to_owned()), &opts.check()?)
}

/// Loads an object.
///
/// # Errors
/// As loading.
pub fn advance_to_loaded(object: &Object) -> Result<(), Fail> {
    object.advance(State::Loaded)
}

/// The map of a name. Data maps go by their sections too.
pub fn find_map(object: &Object, name: Str) -> Result<&Map, Fail> {
    let name = name.c().ok_or(Fail::INVAL)?;
    if let (b".", Some(rest)) = (name.to_bytes().get(..1).unwrap_or_default(), name.to_str().ok()) {
        let core = object.read();
        let is_data = |m: &&oxbpf_object::MapSpec| !matches!(m.origin, MapOrigin::Btf | MapOrigin::StructOps);
        let found = core.spec().maps.iter().position(|m| is_data(&m) && m.real_name == rest);
        if let Some(map) = found.and_then(|i| object.maps.get(i)) {
            return Ok(map);
        }
    }
    object.maps.iter().find(|m| m.name.as_c_str() == name).ok_or(Fail::NOENT)
}

fn beside_program(obj: Ptr<Object>, prog: Ptr<Program>, step: i32) -> Result<*const Program, Fail> {
    let object = obj.get()?;
    let from = prog.opt();
    if from.is_some_and(|p| !p.is_of(object)) {
        log::warn!("error: program handler doesn't match object");
        return Err(Fail::INVAL);
    }
    Ok(object.program_beside(from.map(|p| p.id), step).map_or(core::ptr::null(), core::ptr::from_ref))
}

fn beside_map(obj: Ptr<Object>, map: Ptr<Map>, step: i32) -> Result<*const Map, Fail> {
    let object = obj.get()?;
    let from = map.opt();
    if from.is_some_and(|m| !m.is_of(object) || m.is_inner()) {
        log::warn!("error: map handler doesn't belong to object");
        return Err(Fail::INVAL);
    }
    Ok(object.map_beside(from.map(|m| m.id), step).map_or(core::ptr::null(), core::ptr::from_ref))
}
