//! Operations on single entries.

use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::{Cmd, Errno};

use super::OwnedMap;
use crate::error::{At, Error, ErrorKind, Frame, Result};

impl OwnedMap {
    /// Looks `key` up and gives its value, `None` if absent.
    ///
    /// `key` has [`key_size`](OwnedMap::key_size) bytes. The value has [`value_buf_len`](OwnedMap::value_buf_len) bytes: for per-CPU maps
    /// one value for each *possible* CPU, each padded to 8 bytes; see [`lookup_per_cpu`](OwnedMap::lookup_per_cpu). With `CPU` or `ALL_CPUS`
    /// (Linux 7.0) calls move a single value.
    ///
    /// # Errors
    /// `InvalidInput` if the length of the key is wrong, before any call. Linux 3.19.
    #[doc(alias = "bpf_map__lookup_elem")]
    pub fn lookup(&self, key: &[u8], flags: UpdateFlags) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_len_for(flags)?];
        Ok(self.lookup_into(key, &mut value, flags)?.then_some(value))
    }

    /// Looks `key` up and copies the value into `value`; `false` if absent. As [`lookup`](Self::lookup) without an allocation.
    ///
    /// # Errors
    /// `InvalidInput` if a length is wrong, before any call.
    #[doc(alias = "bpf_map_lookup_elem")]
    pub fn lookup_into(&self, key: &[u8], value: &mut [u8], flags: UpdateFlags) -> Result<bool> {
        self.check_key(key)?;
        self.check_value(value.len(), flags)?;
        let result = self.kernel.map_lookup_elem(&self.fd, key, value, flags.bits());
        self.found(result, Cmd::MAP_LOOKUP_ELEM)
    }

    /// Looks `key` up in a per-CPU map and gives one value for each possible CPU, without the padding.
    ///
    /// # Errors
    /// `InvalidInput` if the map is not per-CPU or the length of the key is wrong.
    pub fn lookup_per_cpu(&self, key: &[u8], flags: UpdateFlags) -> Result<Option<Vec<Vec<u8>>>> {
        if !self.shape.is_per_cpu() {
            return Err(self.refuse(format!("{} has no value for each CPU", self.map_type())));
        }
        let size = self.value_size() as usize;
        let step = size.next_multiple_of(8).max(8);
        let values = self.lookup(key, flags)?;
        Ok(values.map(|all| {
            all.chunks_exact(step).map(|one| one.get(..size).unwrap_or_default().to_vec()).collect()
        }))
    }

    /// Looks `key` up, gives its value and removes the entry in one step, `None` if absent. Queues and stacks (Linux 4.20), hashes (5.14).
    ///
    /// # Errors
    /// `InvalidInput` if the length of the key is wrong.
    #[doc(alias = "bpf_map__lookup_and_delete_elem")]
    pub fn lookup_and_delete(&self, key: &[u8], flags: UpdateFlags) -> Result<Option<Vec<u8>>> {
        self.check_key(key)?;
        let mut value = vec![0; self.value_buf_len()?];
        let result = self.kernel.map_lookup_and_delete_elem(&self.fd, key, &mut value, flags.bits());
        Ok(self.found(result, Cmd::MAP_LOOKUP_AND_DELETE_ELEM)?.then_some(value))
    }

    /// Writes `value` under `key`, creating or replacing the entry as `flags` allow.
    ///
    /// Lengths are as for [`lookup`](Self::lookup). Maps that hold references to other objects take their number; see
    /// [`update_ref`](Self::update_ref).
    ///
    /// # Errors
    /// `InvalidInput` if a length is wrong; `AlreadyExists` with `NOEXIST`, `NotFound` with `EXIST`; `E2BIG` if the map is full.
    #[doc(alias = "bpf_map__update_elem")]
    pub fn update(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<()> {
        self.check_key(key)?;
        self.check_value(value.len(), flags)?;
        let result = self.kernel.map_update_elem(&self.fd, key, value, flags.bits());
        result.at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM)).at(|| self.frame())
    }

    /// Writes one value for each possible CPU under `key` of a per-CPU map.
    ///
    /// # Errors
    /// `InvalidInput` if the number or the length of the values is wrong, or the map is not per-CPU.
    pub fn update_per_cpu(&self, key: &[u8], values: &[impl AsRef<[u8]>], flags: UpdateFlags) -> Result<()> {
        if !self.shape.is_per_cpu() {
            return Err(self.refuse(format!("{} has no value for each CPU", self.map_type())));
        }
        let step = (self.value_size() as usize).next_multiple_of(8);
        let mut all = Vec::with_capacity(step.saturating_mul(values.len()));
        for value in values {
            let value = value.as_ref();
            if value.len() != self.value_size() as usize {
                let (have, want) = (value.len(), self.value_size());
                return Err(self.refuse(format!("a value has {have} bytes, the map's have {want}")));
            }
            all.extend_from_slice(value);
            all.resize(all.len().next_multiple_of(8), 0);
        }
        self.update(key, &all, flags)
    }

    /// Removes the entry under `key`; `false` if there was none.
    ///
    /// # Errors
    /// `InvalidInput` if the length of the key is wrong; `EINVAL` for arrays, whose entries can't be removed.
    #[doc(alias = "bpf_map__delete_elem")]
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.check_key(key)?;
        let result = self.kernel.map_delete_elem(&self.fd, key, 0);
        self.found(result, Cmd::MAP_DELETE_ELEM)
    }

    /// The key that follows `key` in the map's own order, the first for `None`; `None` after the last. A key that is gone starts over.
    ///
    /// # Errors
    /// `InvalidInput` if the length of the key is wrong.
    #[doc(alias = "bpf_map__get_next_key")]
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        if let Some(key) = key {
            self.check_key(key)?;
        }
        let mut next = vec![0; self.key_size() as usize];
        let result = self.kernel.map_get_next_key(&self.fd, key, &mut next);
        Ok(self.found(result, Cmd::MAP_GET_NEXT_KEY)?.then_some(next))
    }

    /// All keys. Entries that are added or removed meanwhile may be missed or make the walk start over.
    pub fn keys(&self) -> Keys<'_> {
        Keys { map: self, last: None, done: false, left: self.walk_limit() }
    }

    /// All entries, as [`keys`](Self::keys) with a look-up each; entries that vanish in between are left out.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + '_ {
        self.keys().filter_map(|key| match key {
            Ok(key) => match self.lookup(&key, UpdateFlags::empty()) {
                Ok(Some(value)) => Some(Ok((key, value))),
                Ok(None) => None,
                Err(e) => Some(Err(e)),
            },
            Err(e) => Some(Err(e)),
        })
    }

    /// Bytes of what a look-up gives and an update takes: the value size, or for per-CPU maps the value size rounded up to 8 times the number
    /// of possible CPUs.
    ///
    /// # Errors
    /// If the system does not tell the number of CPUs.
    pub fn value_buf_len(&self) -> Result<usize> {
        self.shape.value_buf_len(&self.kernel)
    }

    /// Whether there is one value for each possible CPU.
    pub fn is_per_cpu(&self) -> bool {
        self.shape.is_per_cpu()
    }

    /// A hash that loses keys while it is walked may send the walk back to its start for ever; this many steps are surely enough.
    pub(super) fn walk_limit(&self) -> u64 {
        u64::from(self.max_entries()).saturating_mul(4).saturating_add(64)
    }

    pub(super) fn check_key(&self, key: &[u8]) -> Result<()> {
        let (have, want) = (key.len(), self.key_size() as usize);
        if have == want {
            Ok(())
        } else {
            Err(self.refuse(format!("the key has {have} bytes, the map's have {want}")))
        }
    }

    /// Bytes of what a call with `flags` moves: one value if they name a CPU or all of them.
    fn value_len_for(&self, flags: UpdateFlags) -> Result<usize> {
        match flags.intersects(UpdateFlags::CPU | UpdateFlags::ALL_CPUS) {
            true => Ok(self.value_size() as usize),
            false => self.value_buf_len(),
        }
    }

    fn check_value(&self, have: usize, flags: UpdateFlags) -> Result<()> {
        let want = self.value_len_for(flags)?;
        if have == want {
            return Ok(());
        }
        Err(self.refuse(format!("the value has {have} bytes, the map's have {want}")))
    }

    pub(super) fn refuse(&self, why: String) -> Error {
        Error::invalid_input(why).at(self.frame())
    }

    fn found(&self, result: Result<(), Errno>, cmd: Cmd) -> Result<bool> {
        match result {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(Errno::EOPNOTSUPP | Errno::ENOTSUPP) => {
                let kind = ErrorKind::Unsupported { feature: "this operation on the map's type", since: "" };
                Err(Error::kernel(Errno::EOPNOTSUPP).with_kind(kind).at(Frame::Command(cmd)).at(self.frame()))
            }
            Err(e) => Err(Error::kernel(e).at(Frame::Command(cmd)).at(self.frame())),
        }
    }
}

/// Iterator over the keys of a map.
#[derive(Debug)]
pub struct Keys<'m> {
    map: &'m OwnedMap,
    last: Option<Vec<u8>>,
    done: bool,
    left: u64,
}

impl Iterator for Keys<'_> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.left == 0 {
            return None;
        }
        self.left -= 1;
        match self.map.next_key(self.last.as_deref()) {
            Ok(Some(key)) => {
                self.last = Some(key.clone());
                Some(Ok(key))
            }
            Ok(None) => {
                self.done = true;
                None
            }
            Err(e) => {
                self.done = true;
                Some(Err(e))
            }
        }
    }
}
