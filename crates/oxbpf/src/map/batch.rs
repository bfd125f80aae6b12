//! Many entries in one call (Linux 5.6).

use oxbpf_kernel::{Command, MapDeleteBatch, MapLookupBatch, MapUpdateBatch};
use oxbpf_uapi::Cmd;
use oxbpf_uapi::Errno;
use oxbpf_uapi::flags::UpdateFlags;

use super::OwnedMap;
use crate::error::{At, Error, Frame, Result};

/// Entries asked for at once, where the map is not smaller.
const BATCH: u32 = 4096;

impl OwnedMap {
    /// All entries, read in large steps: keys and values as [`lookup`](OwnedMap::lookup) gives them.
    ///
    /// # Errors
    /// `EOPNOTSUPP` or `EINVAL` where the kernel has no batches for the map's type; walk [`iter`](OwnedMap::iter) then.
    #[doc(alias = "bpf_map_lookup_batch")]
    pub fn lookup_batch(&self, flags: UpdateFlags) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.read_all(flags, false)
    }

    /// All entries, removed as they are read.
    ///
    /// # Errors
    /// As [`lookup_batch`](Self::lookup_batch).
    #[doc(alias = "bpf_map_lookup_and_delete_batch")]
    pub fn lookup_and_delete_batch(&self, flags: UpdateFlags) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.read_all(flags, true)
    }

    fn read_all(&self, flags: UpdateFlags, delete: bool) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let (key_len, value_len) = (self.key_size() as usize, self.value_buf_len()?);
        let mut room = self.max_entries().clamp(1, BATCH);
        // Hashes use the batch position as a 4-byte bucket number whatever the key's size.
        let position_len = key_len.max(4);
        let mut position: Option<Vec<u8>> = None;
        let mut out = Vec::new();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        loop {
            keys.resize(key_len.saturating_mul(room as usize), 0);
            values.resize(value_len.saturating_mul(room as usize), 0);
            let mut next = vec![0; position_len];
            let request = MapLookupBatch {
                map: &self.fd,
                in_batch: position.as_deref(),
                out_batch: &mut next,
                keys: &mut keys,
                values: &mut values,
                count: room,
                elem_flags: flags.bits(),
                flags: 0,
            };
            let mut command = match delete {
                false => Command::MapLookupBatch(request),
                true => Command::MapLookupAndDeleteBatch(request),
            };
            let result = self.kernel.bpf(&mut command);
            let cmd = command.cmd();
            let (Command::MapLookupBatch(done) | Command::MapLookupAndDeleteBatch(done)) = command else {
                return Err(Error::kernel(Errno::EPROTO).at(Frame::Command(cmd)).at(self.frame()));
            };
            let count = done.count as usize;
            let is_last = match result {
                Ok(_) => false,
                Err(Errno::ENOENT) => true,
                // A bucket of the hash has more entries than there is room for.
                Err(Errno::ENOSPC) if room < self.max_entries() => {
                    room = room.saturating_mul(2).min(self.max_entries());
                    continue;
                }
                Err(e) => return Err(Error::kernel(e).at(Frame::Command(cmd)).at(self.frame())),
            };
            let pairs = keys.chunks(key_len.max(1)).zip(values.chunks(value_len.max(1)));
            out.extend(pairs.take(count).map(|(k, v)| (k.to_vec(), v.to_vec())));
            if is_last || count == 0 {
                return Ok(out);
            }
            position = Some(next);
        }
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
