//! Names in a bpf file system.

use std::path::Path;

use oxbpf_kernel::{Handle, Kernel};
use oxbpf_uapi::{Cmd, Errno};

use super::state::Core;
use crate::error::{At, Error, Frame, Result};

/// Gives an object a name, making the directory that it is in if that is all that is missing.
pub(crate) fn pin(kernel: &Kernel, path: &Path, object: &Handle) -> Result<()> {
    let attempt = || kernel.obj_pin(path, object);
    let result = match (attempt(), path.parent()) {
        (Err(Errno::ENOENT), Some(dir)) if std::fs::create_dir(dir).is_ok() => attempt(),
        (result, _) => result,
    };
    result.at(|| Frame::Command(Cmd::OBJ_PIN)).at(|| Frame::Path(path.to_owned())).at(|| Frame::Step("pin"))
}

/// Removes a name.
fn unpin(kernel: &Kernel, path: &Path) -> Result<()> {
    kernel.unpin(path).at(|| Frame::Path(path.to_owned())).at(|| Frame::Step("unpin"))
}

impl Core {
    pub(crate) fn pin_maps(&mut self, dir: Option<&Path>) -> Result<()> {
        let mut done = Vec::new();
        for i in 0..self.maps.len() {
            match self.pin_map(i, dir) {
                Ok(true) => done.push(i),
                Ok(false) => {}
                Err(e) => {
                    for i in done {
                        self.unpin_map(i).unwrap_or_else(|e| log::warn!("{e}"));
                    }
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    /// Pins one map, where it has a place to be pinned and is not pinned yet.
    fn pin_map(&mut self, i: usize, dir: Option<&Path>) -> Result<bool> {
        let (Some(spec), Some(row)) = (self.spec.maps.get(i), self.maps.get_mut(i)) else { return Ok(false) };
        let Some(live) = row.live.as_ref().filter(|_| !row.is_pinned) else { return Ok(false) };
        let path = match (dir, &row.pin_path) {
            // Dots of section names have no place in names of pins.
            (Some(dir), _) => dir.join(spec.name.replace('.', "_")),
            (None, Some(path)) => path.clone(),
            (None, None) => return Ok(false),
        };
        pin(&self.kernel, &path, live.fd()).at(|| Frame::Map(spec.real_name.clone()))?;
        row.is_pinned = true;
        row.pin_path = Some(path);
        Ok(true)
    }

    fn unpin_map(&mut self, i: usize) -> Result<()> {
        let Some(row) = self.maps.get_mut(i).filter(|r| r.is_pinned) else { return Ok(()) };
        let Some(path) = &row.pin_path else { return Ok(()) };
        unpin(&self.kernel, path)?;
        row.is_pinned = false;
        Ok(())
    }

    pub(crate) fn unpin_maps(&mut self) -> Result<()> {
        let results: Vec<Result<()>> = (0..self.maps.len()).map(|i| self.unpin_map(i)).collect();
        results.into_iter().collect()
    }

    /// Uses the map that is pinned where this one wants to be, if there is one, and its shape is this one's.
    pub(super) fn reuse_pinned(&mut self, i: usize) -> Result<bool> {
        let (Some(spec), Some(row)) = (self.spec.maps.get(i), self.maps.get_mut(i)) else { return Ok(false) };
        let Some(path) = &row.pin_path else { return Ok(false) };
        let handle = match self.kernel.obj_get(path, 0) {
            Ok(handle) => handle,
            Err(Errno::ENOENT) => return Ok(false),
            Err(e) => return Err(e).at(|| Frame::Command(Cmd::OBJ_GET)).at(|| Frame::Path(path.clone())),
        };
        let fd = oxbpf_kernel::MapFd(handle);
        let shape = crate::map::MapShape::read(&self.kernel, &fd)?;
        // The kernel sets the flag of maps that programs may not write, whether it was asked for or not.
        let flags = |flags: u32| match spec.map_type {
            oxbpf_uapi::MapType::DEVMAP | oxbpf_uapi::MapType::DEVMAP_HASH => {
                flags & !oxbpf_uapi::flags::MapFlags::RDONLY_PROG.bits()
            }
            _ => flags,
        };
        let pairs = [
            ("type", u64::from(shape.map_type.0), u64::from(spec.map_type.0)),
            ("key size", shape.key_size.into(), spec.key_size.into()),
            ("value size", shape.value_size.into(), spec.value_size.into()),
            ("number of entries", shape.max_entries.into(), spec.max_entries.into()),
            ("flags", flags(shape.map_flags).into(), flags(spec.map_flags).into()),
            ("extra value", shape.map_extra, spec.map_extra),
        ];
        if let Some((what, have, want)) = pairs.into_iter().find(|(_, have, want)| have != want) {
            let why = format!("the map that is pinned there has {what} {have}, this one {want}");
            let hint = format!("remove {} if nothing uses it any more", path.display());
            return Err(Error::invalid_input(why).with_hint(hint).at(Frame::Path(path.clone())));
        }
        log::debug!("map '{}': uses the one that is pinned at {}", spec.real_name, path.display());
        row.reused = Some(fd);
        row.is_pinned = true;
        Ok(true)
    }

    /// Takes back the pins that this load has made.
    pub(crate) fn undo_pins(&mut self) {
        for row in self.maps.iter_mut().filter(|r| r.is_pinned_by_load) {
            if let Some(path) = &row.pin_path {
                unpin(&self.kernel, path).unwrap_or_else(|e| log::warn!("{e}"));
            }
            (row.is_pinned, row.is_pinned_by_load) = (false, false);
        }
    }
}
