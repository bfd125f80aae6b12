//! Maps with Rust types for keys and values.

use core::marker::PhantomData;

use oxbpf_uapi::flags::UpdateFlags;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::OwnedMap;
use crate::error::{Error, Result};

/// A view of a map whose keys are `K` and values are `V`, bit for bit as the program has them.
///
/// ```no_run
/// # fn f(object: oxbpf::Object) -> oxbpf::Result<()> {
/// let counts = object.map("counts")?;
/// let counts = counts.typed::<u32, u64>()?;
/// counts.insert(&7, &1)?;
/// assert_eq!(counts.get(&7)?, Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypedMap<'m, K, V> {
    map: &'m OwnedMap,
    types: PhantomData<fn(K) -> V>,
}

impl<'m, K, V> TypedMap<'m, K, V> {
    pub(super) fn new(map: &'m OwnedMap) -> Result<Self> {
        let sizes = [("key", size_of::<K>(), map.key_size()), ("value", size_of::<V>(), map.value_size())];
        if map.is_per_cpu() {
            return Err(map.refuse("the map has a value for each CPU: use lookup_per_cpu".to_owned()));
        }
        for (what, have, want) in sizes {
            if have != want as usize {
                return Err(
                    map.refuse(format!("the {what} type has {have} bytes, the map's {what}s have {want}"))
                );
            }
        }
        Ok(Self { map, types: PhantomData })
    }

    /// The map.
    pub fn map(&self) -> &'m OwnedMap {
        self.map
    }
}

impl<K: IntoBytes + FromBytes + Immutable, V: IntoBytes + FromBytes + Immutable> TypedMap<'_, K, V> {
    /// The value under `key`, `None` if absent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        let mut value = V::new_zeroed();
        let found = self.map.lookup_into(key.as_bytes(), value.as_mut_bytes(), UpdateFlags::empty())?;
        Ok(found.then_some(value))
    }

    /// Writes `value` under `key`, whether it is there or not.
    ///
    /// # Errors
    /// `E2BIG` if the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.map.update(key.as_bytes(), value.as_bytes(), UpdateFlags::empty())
    }

    /// Removes the entry under `key`; `false` if there was none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key.as_bytes())
    }

    /// All entries; see [`OwnedMap::iter`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> + '_ {
        self.map.iter().map(|entry| {
            let (key, value) = entry?;
            match (K::read_from_bytes(&key), V::read_from_bytes(&value)) {
                (Ok(key), Ok(value)) => Ok((key, value)),
                _ => Err(Error::invalid_input("the entry has not the types' sizes").at(self.map.frame())),
            }
        })
    }
}
