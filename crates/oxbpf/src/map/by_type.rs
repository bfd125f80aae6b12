//! What only some types of maps can: queues, filters, references to other objects, values that belong to objects, prefixes.
//!
//! | Map type | Methods |
//! | --- | --- |
//! | queue, stack | [`push`](OwnedMap::push), [`peek`](OwnedMap::peek), [`pop`](OwnedMap::pop) |
//! | bloom filter | [`push`](OwnedMap::push), [`contains`](OwnedMap::contains) |
//! | array and hash of maps | [`update_ref`](OwnedMap::update_ref) with a map, [`lookup_map`](OwnedMap::lookup_map) |
//! | program array, perf event array, cgroup array, xskmap | [`update_ref`](OwnedMap::update_ref) with a program, event, cgroup or socket |
//! | sockmap, sockhash, reuseport array | [`update_ref`](OwnedMap::update_ref) with a socket; a look-up gives its cookie |
//! | socket, inode, task and cgroup storage | [`lookup_of`](OwnedMap::lookup_of), [`update_of`](OwnedMap::update_of), [`delete_of`](OwnedMap::delete_of) |
//! | LPM trie | [`prefix_key`] makes its keys |
//! | devmap, cpumap | [`DevmapVal`](oxbpf_uapi::ctx::DevmapVal) and [`CpumapVal`](oxbpf_uapi::ctx::CpumapVal) as values, typed or as bytes |

use oxbpf_kernel::Handle;
use oxbpf_uapi::ctx::LpmTrieKeyHdr;
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::map_type::{KeyRule, ValueRule};
use zerocopy::IntoBytes;

use super::OwnedMap;
use crate::error::{Error, Result};

/// The key of an LPM trie: an address of which the first `prefix_len` bits count.
///
/// ```
/// use std::net::Ipv4Addr;
///
/// let key = oxbpf::map::prefix_key(16, &Ipv4Addr::new(192, 168, 0, 0).octets())?;
/// assert_eq!(key.len(), 8);
/// # Ok::<(), oxbpf::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` if the address has fewer bits.
#[doc(alias = "bpf_lpm_trie_key")]
pub fn prefix_key(prefix_len: u32, address: &[u8]) -> Result<Vec<u8>> {
    if prefix_len as usize > address.len().saturating_mul(8) {
        let why = format!("a prefix of {prefix_len} bits, of an address of {} bytes", address.len());
        return Err(Error::invalid_input(why));
    }
    let head = LpmTrieKeyHdr { prefixlen: prefix_len };
    Ok([head.as_bytes(), address].concat())
}

impl OwnedMap {
    /// Adds a value to a queue or stack, or to the set of a bloom filter. With `EXIST` a full queue or stack drops its oldest value.
    ///
    /// # Errors
    /// `InvalidInput` if the map has keys or the length of the value is wrong; `E2BIG` if a queue or stack is full.
    pub fn push(&self, value: &[u8], flags: UpdateFlags) -> Result<()> {
        self.check_keyless()?;
        self.update(&[], value, flags)
    }

    /// The value that [`pop`](Self::pop) would give, `None` if there is none.
    ///
    /// # Errors
    /// `InvalidInput` if the map has keys.
    pub fn peek(&self) -> Result<Option<Vec<u8>>> {
        self.check_keyless()?;
        self.lookup(&[], UpdateFlags::empty())
    }

    /// Takes the oldest value of a queue, the newest of a stack; `None` if there is none. Linux 4.20.
    ///
    /// # Errors
    /// `InvalidInput` if the map has keys.
    pub fn pop(&self) -> Result<Option<Vec<u8>>> {
        self.check_keyless()?;
        self.lookup_and_delete(&[], UpdateFlags::empty())
    }

    /// Whether a value was surely not added to a bloom filter (`false`), or probably was. Linux 5.16.
    ///
    /// # Errors
    /// `InvalidInput` if the map has keys or the length of the value is wrong.
    pub fn contains(&self, value: &[u8]) -> Result<bool> {
        self.check_keyless()?;
        // The kernel reads the value where it writes those of other maps.
        let mut value = value.to_vec();
        self.lookup_into(&[], &mut value, UpdateFlags::empty())
    }

    fn check_keyless(&self) -> Result<()> {
        if self.key_size() == 0 {
            return Ok(());
        }
        Err(self.refuse(format!("{} has keys", self.map_type())))
    }

    /// Puts a reference to another object under `key`: a map, program, perf event, cgroup or socket, as the type of the map says.
    ///
    /// # Errors
    /// `InvalidInput` if the map holds no references; the kernel's if it wants another kind of object.
    pub fn update_ref(&self, key: &[u8], object: &Handle, flags: UpdateFlags) -> Result<()> {
        let number = object.number();
        match (self.value_rule(), self.value_size()) {
            // Sockets may have 8 bytes, so that their cookies can be read.
            (Some(ValueRule::Socket), 8) => self.update(key, &(number as u64).to_ne_bytes(), flags),
            (Some(ValueRule::Fd | ValueRule::Socket), _) => self.update(key, &number.to_ne_bytes(), flags),
            _ => Err(self.refuse(format!("{} holds no references", self.map_type()))),
        }
    }

    /// Opens the map under `key` of an array or hash of maps, `None` if there is none.
    ///
    /// # Errors
    /// `InvalidInput` if the map holds no maps; `PermissionDenied` without CAP_SYS_ADMIN.
    pub fn lookup_map(&self, key: &[u8]) -> Result<Option<OwnedMap>> {
        if !self.map_type().holds_maps() {
            return Err(self.refuse(format!("{} holds no maps", self.map_type())));
        }
        let Some(id) = self.lookup(key, UpdateFlags::empty())? else { return Ok(None) };
        let id = id.first_chunk().map_or(0, |id| u32::from_ne_bytes(*id));
        // Empty places of an array have no id.
        if id == 0 { Ok(None) } else { Self::open_id(&self.kernel, id).map(Some) }
    }

    /// The value that belongs to a socket, process, inode or cgroup in a storage map, `None` if it has none.
    ///
    /// # Errors
    /// `InvalidInput` if the map is no storage; the kernel's if `owner` is an object of another kind.
    pub fn lookup_of(&self, owner: &Handle, flags: UpdateFlags) -> Result<Option<Vec<u8>>> {
        self.lookup(&self.owner_key(owner)?, flags)
    }

    /// Sets the value that belongs to a socket, process, inode or cgroup in a storage map. It goes when its owner goes.
    ///
    /// # Errors
    /// As [`lookup_of`](Self::lookup_of).
    pub fn update_of(&self, owner: &Handle, value: &[u8], flags: UpdateFlags) -> Result<()> {
        self.update(&self.owner_key(owner)?, value, flags)
    }

    /// Removes the value that belongs to a socket, process, inode or cgroup in a storage map; `false` if it had none.
    ///
    /// # Errors
    /// As [`lookup_of`](Self::lookup_of).
    pub fn delete_of(&self, owner: &Handle) -> Result<bool> {
        self.delete(&self.owner_key(owner)?)
    }

    fn owner_key(&self, owner: &Handle) -> Result<[u8; 4]> {
        match self.map_type().info().map(|info| info.key) {
            Some(KeyRule::Fd) => Ok(owner.number().to_ne_bytes()),
            _ => Err(self.refuse(format!("values of {} belong to no objects", self.map_type()))),
        }
    }

    pub(super) fn value_rule(&self) -> Option<ValueRule> {
        self.map_type().info().map(|info| info.value)
    }
}
