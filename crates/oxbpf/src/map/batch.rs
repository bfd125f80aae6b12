//! Many entries in one call (Linux 5.6).

use oxbpf_kernel::{Command, MapDeleteBatch, MapLookupBatch, MapUpdateBatch};
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::map_type::MapOps;
use oxbpf_uapi::{Cmd, Errno};

use super::OwnedMap;
use crate::error::{At, Error, Frame, Result};

/// Bytes of keys and values that are asked for at once, where the map is not smaller.
const STEP: usize = 256 << 10;

/// What a kernel says that has no batches for a map's type, or none at all.
const NO_BATCHES: [Errno; 3] = [Errno::EINVAL, Errno::EOPNOTSUPP, Errno::ENOTSUPP];

/// All entries of a map, in large steps: [`next`](Self::next) gives some of them, until there are no more.
///
/// The memory that it takes does not depend on the size of the map.
#[derive(Debug)]
pub struct Batches<'m> {
    map: &'m OwnedMap,
    flags: UpdateFlags,
    /// Whether entries are removed as they are read.
    removes: bool,
    /// Entries that there is room for.
    room: usize,
    value_len: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Entries that are in the buffers.
    count: usize,
    place: Place,
}

/// How far a walk has come.
#[derive(Debug)]
enum Place {
    Start,
    /// The kernel's note of the place.
    Batch(Vec<u8>),
    /// One by one: the kernel has no batches for the map.
    Single(Walk),
    End,
}

/// The key that comes next, if it is known, and how many more may come.
#[derive(Debug)]
struct Walk {
    last: Option<Vec<u8>>,
    left: u64,
}

/// Some entries of a map.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'b> {
    /// The keys, one after the other.
    pub keys: &'b [u8],
    /// The values, one after the other, each of [`value_buf_len`](OwnedMap::value_buf_len) bytes.
    pub values: &'b [u8],
    key_len: usize,
    value_len: usize,
}

impl<'b> Batch<'b> {
    /// Keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + use<'b> {
        self.keys.chunks_exact(self.key_len.max(1)).zip(self.values.chunks_exact(self.value_len.max(1)))
    }
}

impl<'m> Batches<'m> {
    fn new(map: &'m OwnedMap, flags: UpdateFlags, removes: bool) -> Result<Self> {
        let value_len = map.value_buf_len()?;
        let entry = map.key_size() as usize + value_len;
        let room = (STEP / entry.max(1)).clamp(1, map.max_entries().max(1) as usize);
        let has_batches = map.map_type().allows(MapOps::LOOKUP_BATCH);
        let place = if has_batches { Place::Start } else { Place::Single(Walk::new(map)) };
        Ok(Self {
            map,
            flags,
            removes,
            room,
            value_len,
            keys: Vec::new(),
            values: Vec::new(),
            count: 0,
            place,
        })
    }

    /// The next entries, `None` when there are no more.
    ///
    /// # Errors
    /// The kernel's. What was given before stays read and, if it is being removed, removed.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<Batch<'_>>> {
        self.count = 0;
        while self.count == 0 {
            match core::mem::replace(&mut self.place, Place::End) {
                Place::End => return Ok(None),
                Place::Start => self.ask(None)?,
                Place::Batch(position) => self.ask(Some(&position))?,
                Place::Single(walk) => self.walk(walk)?,
            }
        }
        let key_len = self.map.key_size() as usize;
        Ok(Some(Batch {
            keys: self.keys.get(..self.count * key_len).unwrap_or_default(),
            values: self.values.get(..self.count * self.value_len).unwrap_or_default(),
            key_len,
            value_len: self.value_len,
        }))
    }

    /// Reads entries from `position` on with one command.
    fn ask(&mut self, position: Option<&[u8]>) -> Result<()> {
        let key_len = self.map.key_size() as usize;
        let limit = self.map.max_entries().max(1) as usize;
        loop {
            self.keys.resize(key_len.saturating_mul(self.room), 0);
            self.values.resize(self.value_len.saturating_mul(self.room), 0);
            // Hashes use the position as a 4-byte bucket number whatever the key's size.
            let mut next = vec![0; key_len.max(4)];
            let request = MapLookupBatch {
                map: &self.map.fd,
                in_batch: position,
                out_batch: &mut next,
                keys: &mut self.keys,
                values: &mut self.values,
                count: self.room as u32,
                elem_flags: self.flags.bits(),
                flags: 0,
            };
            let mut command = match self.removes {
                false => Command::MapLookupBatch(request),
                true => Command::MapLookupAndDeleteBatch(request),
            };
            let result = self.map.kernel.bpf(&mut command);
            let cmd = command.cmd();
            let count = match command {
                Command::MapLookupBatch(done) | Command::MapLookupAndDeleteBatch(done) => done.count as usize,
                _ => 0,
            };
            let fail = |e| Err(Error::kernel(e).at(Frame::Command(cmd)).at(self.map.frame()));
            match result {
                Ok(_) | Err(Errno::ENOENT) if count > self.room => return fail(Errno::EPROTO),
                Ok(_) if count > 0 => self.place = Place::Batch(next),
                // The last ones, or none.
                Ok(_) | Err(Errno::ENOENT) => {}
                // A bucket of the hash has more entries than there is room for.
                Err(Errno::ENOSPC) if self.room < limit => {
                    self.room = self.room.saturating_mul(2).min(limit);
                    continue;
                }
                Err(e) if position.is_none() && NO_BATCHES.contains(&e) => {
                    self.place = Place::Single(Walk::new(self.map));
                    return Ok(());
                }
                Err(e) => return fail(e),
            }
            self.count = count;
            return Ok(());
        }
    }

    /// Reads entries one by one.
    fn walk(&mut self, mut walk: Walk) -> Result<()> {
        self.keys.clear();
        self.values.clear();
        let mut value = vec![0; self.value_len];
        while self.count < self.room && walk.left > 0 {
            walk.left -= 1;
            let Some(key) = self.map.next_key(walk.last.as_deref())? else { return Ok(()) };
            // An entry may vanish in between; maps of references have empty places.
            if self.map.lookup_into(&key, &mut value, self.flags)? {
                self.keys.extend_from_slice(&key);
                self.values.extend_from_slice(&value);
                self.count += 1;
            }
            if self.removes {
                self.map.delete(&key)?;
            } else {
                walk.last = Some(key);
            }
        }
        if walk.left > 0 {
            self.place = Place::Single(walk);
        }
        Ok(())
    }
}

impl Walk {
    fn new(map: &OwnedMap) -> Self {
        Self { last: None, left: map.walk_limit() }
    }
}

impl OwnedMap {
    /// All entries, read in large steps with one command each where the kernel can (Linux 5.6), else one by one.
    ///
    /// Entries that are added or removed meanwhile may be missed, or met twice.
    ///
    /// ```no_run
    /// # fn sum(map: &oxbpf::OwnedMap) -> oxbpf::Result<u64> {
    /// let mut sum = 0;
    /// let mut batches = map.batches(Default::default())?;
    /// while let Some(batch) = batches.next()? {
    ///     for (_key, value) in batch.iter() {
    ///         sum += value.iter().map(|b| u64::from(*b)).sum::<u64>();
    ///     }
    /// }
    /// # Ok(sum)
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the system does not tell the number of CPUs, for per-CPU maps.
    #[doc(alias = "bpf_map_lookup_batch")]
    pub fn batches(&self, flags: UpdateFlags) -> Result<Batches<'_>> {
        Batches::new(self, flags, false)
    }

    /// As [`batches`](Self::batches), and entries are removed as they are read: what was given is gone from the map, what was not is
    /// still there.
    ///
    /// # Errors
    /// As [`batches`](Self::batches).
    #[doc(alias = "bpf_map_lookup_and_delete_batch")]
    pub fn drain(&self, flags: UpdateFlags) -> Result<Batches<'_>> {
        Batches::new(self, flags, true)
    }

    /// Writes entries: `keys` and `values` one after the other, as many of each. Gives how many were written.
    ///
    /// # Errors
    /// `InvalidInput` if the lengths do not fit one another; the kernel's for the first entry that failed.
    #[doc(alias = "bpf_map_update_batch")]
    pub fn update_batch(&self, keys: &[u8], values: &[u8], flags: UpdateFlags) -> Result<u32> {
        let count = self.count_of("key", keys.len(), self.key_size() as usize)?;
        if self.count_of("value", values.len(), self.value_buf_len()?)? != count {
            return Err(self.refuse("there are not as many values as keys".to_owned()));
        }
        let request =
            MapUpdateBatch { map: &self.fd, keys, values, count, elem_flags: flags.bits(), flags: 0 };
        let mut command = Command::MapUpdateBatch(request);
        self.kernel.bpf(&mut command).at(|| Frame::Command(Cmd::MAP_UPDATE_BATCH)).at(|| self.frame())?;
        Ok(if let Command::MapUpdateBatch(done) = command { done.count } else { 0 })
    }

    /// Removes entries by their keys, one after the other. Gives how many were removed.
    ///
    /// # Errors
    /// `InvalidInput` if `keys` is not a number of whole keys; the kernel's for the first that failed.
    #[doc(alias = "bpf_map_delete_batch")]
    pub fn delete_batch(&self, keys: &[u8]) -> Result<u32> {
        let count = self.count_of("key", keys.len(), self.key_size() as usize)?;
        let request = MapDeleteBatch { map: &self.fd, keys, count, elem_flags: 0, flags: 0 };
        let mut command = Command::MapDeleteBatch(request);
        self.kernel.bpf(&mut command).at(|| Frame::Command(Cmd::MAP_DELETE_BATCH)).at(|| self.frame())?;
        Ok(if let Command::MapDeleteBatch(done) = command { done.count } else { 0 })
    }

    fn count_of(&self, what: &str, len: usize, size: usize) -> Result<u32> {
        let whole = size != 0 && len % size == 0;
        let count = len.checked_div(size).and_then(|n| u32::try_from(n).ok()).filter(|_| whole);
        count.ok_or_else(|| self.refuse(format!("{len} bytes are not whole {what}s of {size} bytes")))
    }
}
