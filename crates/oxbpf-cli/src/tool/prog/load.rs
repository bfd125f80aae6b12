//! `prog load` and `loadall`: programs of an object file, loaded and given names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use oxbpf::link::interface_index;
use oxbpf::loader::LoadBy;
use oxbpf::{Object, ObjectBuilder, OpenObject, Program};
use oxbpf_kernel::{Kernel, MapFd};
use oxbpf_object::{SecDef, sec_def};
use oxbpf_uapi::flags::ProgLoadFlags;
use oxbpf_uapi::{MapType, ProgType};

use crate::sign::Signing;
use crate::tool::pin::{dir_for_pins, pin_at};
use crate::tool::select::Access;
use crate::tool::{Args, Tool};

pub(super) const USAGE: &str = "OBJ PATH [type TYPE] [map { idx IDX | name NAME } MAP]... \
     [{ offload_dev | xdpmeta_dev } NAME] [pinmaps MAP_DIR] [autoattach] [kernel_btf BTF_FILE]";
pub(super) const USAGE_ALL: &str = "OBJ DIR [OPTIONS of load]...";

/// How detailed the verifier's log is with `--debug`: all steps, and statistics.
const LOG_LEVEL: u32 = 1 | 2 | 4;

/// Which map of an object another one replaces.
enum Place {
    Index(usize),
    Name(String),
}

/// What the words behind the two paths say.
#[derive(Default)]
struct Wanted<'a> {
    prog_type: Option<&'static SecDef>,
    maps: Vec<(Place, MapFd)>,
    /// The interface that runs the programs itself.
    offload: u32,
    /// The interface whose metadata XDP programs read.
    xdpmeta: u32,
    pinmaps: Option<&'a Path>,
    autoattach: bool,
    kernel_btf: Option<&'a Path>,
}

/// `prog load OBJ PATH …`: the first program.
pub(super) fn load(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    load_with(tool, args, false)
}

/// `prog loadall OBJ DIR …`: all programs.
pub(super) fn loadall(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    load_with(tool, args, true)
}

fn load_with(tool: &mut Tool, args: &mut Args<'_>, is_all: bool) -> Result<()> {
    let file = args.path("OBJ")?;
    let path = args.path("PATH")?;
    let wanted = Wanted::read(tool, args)?;
    let kernel = tool.kernel();
    let signing = match (&tool.options.private_key, &tool.options.certificate) {
        (Some(key), Some(certificate)) if tool.options.sign => {
            Some(Signing::new(&kernel, key, certificate).context("failed to sign program")?)
        }
        _ => None,
    };
    let mut builder = ObjectBuilder::new().kernel(kernel).relaxed_maps(tool.options.relaxed_maps);
    if tool.options.debug {
        builder = builder.kernel_log_level(LOG_LEVEL);
    }
    if let Some(btf) = wanted.kernel_btf {
        builder = builder.btf_custom_path(btf);
    }
    let mut open =
        builder.open_file(file).with_context(|| format!("failed to open object file {}", file.display()))?;
    wanted.apply(&mut open)?;
    let loaded = match signing {
        Some(signing) => signing.load(open),
        None if tool.options.use_loader => open.load_by_program(&LoadBy::default()),
        None => open.load(),
    };
    let mut object = loaded.context("failed to load object file")?;
    let mut pinned = Vec::new();
    let result = pin(tool, &mut object, path, &wanted, is_all, &mut pinned);
    if result.is_err() {
        let kernel = tool.kernel();
        for path in pinned {
            kernel.unpin(&path).unwrap_or_else(|e| log::warn!("can't remove {}: {e}", path.display()));
        }
        object.undo_pins();
    }
    result?;
    tool.out.null();
    Ok(())
}

impl<'a> Wanted<'a> {
    fn read(tool: &mut Tool, args: &mut Args<'a>) -> Result<Self> {
        let kernel = tool.kernel();
        let mut wanted = Self::default();
        while !args.is_empty() {
            let words =
                ["type", "map", "dev", "offload_dev", "xdpmeta_dev", "pinmaps", "autoattach", "kernel_btf"];
            match args.one_of(&words)? {
                "type" if wanted.prog_type.is_some() => bail!("program type already specified"),
                "type" => wanted.prog_type = Some(named_type(args.text("TYPE")?)?),
                "map" => {
                    let place = match args.one_of(&["idx", "name"])? {
                        "idx" => Place::Index(args.number("IDX")?),
                        _ => Place::Name(args.text("NAME")?.to_owned()),
                    };
                    wanted.maps.push((place, MapFd(tool.map(args, Access::Write)?)));
                }
                "xdpmeta_dev" => device(&kernel, args, "xdpmeta_dev", &mut wanted.xdpmeta)?,
                "pinmaps" => wanted.pinmaps = Some(args.path("MAP_DIR")?),
                "autoattach" => wanted.autoattach = true,
                "kernel_btf" => wanted.kernel_btf = Some(args.path("BTF_FILE")?),
                // `dev` is the old name.
                _ => device(&kernel, args, "offload_dev", &mut wanted.offload)?,
            }
            if wanted.offload != 0 && wanted.xdpmeta != 0 {
                bail!("xdpmeta_dev and offload_dev are mutually exclusive");
            }
        }
        Ok(wanted)
    }

    /// Makes an object what the words say.
    fn apply(&self, open: &mut OpenObject) -> Result<()> {
        let programs: Vec<_> = open.programs().map(|(id, _)| id).collect();
        for id in programs {
            let mut program = open.program_at_mut(id).context("no such program")?;
            if let Some(def) = self.prog_type {
                program.set_type(def.prog_type).set_expected_attach_type(def.attach_type);
            }
            if program.spec().prog_type == ProgType::XDP && self.xdpmeta != 0 {
                program.set_flags(ProgLoadFlags::XDP_DEV_BOUND_ONLY.bits()).set_ifindex(self.xdpmeta);
            } else {
                program.set_ifindex(self.offload);
            }
        }
        let maps: Vec<_> = open.maps().map(|(id, name)| (id, name.to_owned())).collect();
        let mut replaced = Vec::new();
        for (place, fd) in &self.maps {
            let index = match place {
                Place::Index(index) => Some(*index).filter(|i| *i < maps.len()),
                Place::Name(name) => maps.iter().position(|(_, n)| n == name),
            };
            let index = index.ok_or_else(|| match place {
                Place::Index(index) => anyhow!("map idx '{index}' not used"),
                Place::Name(name) => anyhow!("unable to find map '{name}'"),
            })?;
            if replaced.contains(&index) {
                bail!("replacement for map idx {index} specified more than once");
            }
            replaced.push(index);
            if let Some((id, _)) = maps.get(index) {
                let mut map = open.map_at_mut(*id).context("no such map")?;
                map.reuse_fd(fd.clone()).context("unable to set up map reuse")?;
            }
        }
        for (id, _) in maps.iter().filter(|_| self.offload != 0) {
            let mut map = open.map_at_mut(*id).context("no such map")?;
            if map.spec().map_type != MapType::PERF_EVENT_ARRAY {
                map.set_ifindex(self.offload);
            }
        }
        Ok(())
    }
}

/// What `SEC("word")` or `SEC("word/…")` would mean.
fn named_type(word: &str) -> Result<&'static SecDef> {
    let found = sec_def::find(word).or_else(|| sec_def::find(&format!("{word}/")));
    found.ok_or_else(|| match sec_def::suggest(word) {
        Some(like) => anyhow!("unknown program type '{word}'; is '{like}' meant?"),
        None => anyhow!("unknown program type '{word}'"),
    })
}

fn device(kernel: &Kernel, args: &mut Args<'_>, what: &str, index: &mut u32) -> Result<()> {
    if *index != 0 {
        bail!("{what} already specified");
    }
    let name = args.text("NAME")?;
    *index = interface_index(kernel, name).with_context(|| format!("unrecognized netdevice '{name}'"))?;
    Ok(())
}

/// Gives names to what was loaded; `pinned` gets those that were given, also on an error.
fn pin(
    tool: &mut Tool,
    object: &mut Object,
    path: &Path,
    wanted: &Wanted<'_>,
    is_all: bool,
    pinned: &mut Vec<PathBuf>,
) -> Result<()> {
    if is_all {
        dir_for_pins(tool, path)?;
        for program in object.programs().filter(Program::is_loaded) {
            let path = path.join(program.name());
            pin_program(tool, &program, &path, wanted.autoattach)
                .with_context(|| format!("failed to pin program {}", program.name()))?;
            pinned.push(path);
        }
    } else {
        let program = object.programs().next().context("object file doesn't contain any bpf program")?;
        pin_program(tool, &program, path, wanted.autoattach)
            .with_context(|| format!("failed to pin program {}", program.sec_name()))?;
        pinned.push(path.to_owned());
    }
    if let Some(dir) = wanted.pinmaps {
        dir_for_pins(tool, dir)?;
        object.pin_maps(Some(dir)).context("failed to pin all maps")?;
    }
    Ok(())
}

/// Pins a program, or if it is to be attached and can be, its link.
fn pin_program(tool: &mut Tool, program: &Program<'_>, path: &Path, attach: bool) -> Result<()> {
    let attached = if attach { program.attach().map(Some) } else { Ok(None) };
    match attached {
        Ok(Some(mut link)) => pin_at(tool, path, |_| Ok(link.pin(path)?)),
        Ok(None) => pin_at(tool, path, |_| Ok(program.pin(path)?)),
        Err(e) => {
            let name = program.name();
            log::warn!("program {name} does not support autoattach, falling back to pinning: {e}");
            pin_at(tool, path, |_| Ok(program.pin(path)?))
        }
    }
}
