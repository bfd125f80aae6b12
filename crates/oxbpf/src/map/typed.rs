//! Maps with Rust types for keys and values.

use core::marker::PhantomData;
use std::collections::VecDeque;

use oxbpf_uapi::flags::UpdateFlags;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::batch::Batches;
use super::{Batch, OwnedMap};
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

/// A view of a map that has a `V` for each possible CPU under each `K`.
///
/// ```no_run
/// # fn f(object: oxbpf::Object) -> oxbpf::Result<()> {
/// let counts = object.map("counts")?;
/// let counts = counts.typed_per_cpu::<u32, u64>()?;
/// let all: u64 = counts.get(&0)?.unwrap_or_default().iter().sum();
/// println!("{all} on all CPUs");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypedPerCpuMap<'m, K, V> {
    map: &'m OwnedMap,
    types: PhantomData<fn(K) -> V>,
}

/// The CPU of `BPF_F_CPU` is in the upper half of the flags.
const CPU_SHIFT: u32 = 32;

/// Refuses types that have not the map's sizes.
fn check_sizes<K, V>(map: &OwnedMap) -> Result<()> {
    let sizes = [("key", size_of::<K>(), map.key_size()), ("value", size_of::<V>(), map.value_size())];
    match sizes.into_iter().find(|(_, have, want)| *have != *want as usize) {
        Some((what, have, want)) => {
            Err(map.refuse(format!("the {what} type has {have} bytes, the map's {what}s have {want}")))
        }
        None => Ok(()),
    }
}

impl<'m, K, V> TypedMap<'m, K, V> {
    pub(super) fn new(map: &'m OwnedMap) -> Result<Self> {
        if map.is_per_cpu() {
            return Err(map.refuse("the map has a value for each CPU: use typed_per_cpu".to_owned()));
        }
        check_sizes::<K, V>(map)?;
        Ok(Self { map, types: PhantomData })
    }

    /// The map.
    pub fn map(&self) -> &'m OwnedMap {
        self.map
    }
}

impl<'m, K: IntoBytes + FromBytes + Immutable, V: IntoBytes + FromBytes + Immutable> TypedMap<'m, K, V> {
    /// The value under `key`, `None` if absent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.get_with(key, UpdateFlags::empty())
    }

    /// The value under `key`, `None` if absent; with `LOCK` read under its spin lock, so that it is never torn.
    ///
    /// # Errors
    /// `EINVAL` for `LOCK` if the map's values have no lock.
    pub fn get_with(&self, key: &K, flags: UpdateFlags) -> Result<Option<V>> {
        let mut value = V::new_zeroed();
        let found = self.map.lookup_into(key.as_bytes(), value.as_mut_bytes(), flags)?;
        Ok(found.then_some(value))
    }

    /// Writes `value` under `key`, whether it is there or not.
    ///
    /// # Errors
    /// `E2BIG` if the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.insert_with(key, value, UpdateFlags::empty())
    }

    /// Writes `value` under `key` as the flags allow: only new ones, only those that are there, under the value's spin lock.
    ///
    /// # Errors
    /// `AlreadyExists` with `NOEXIST`, `NotFound` with `EXIST`; `E2BIG` if the map is full.
    pub fn insert_with(&self, key: &K, value: &V, flags: UpdateFlags) -> Result<()> {
        self.map.update(key.as_bytes(), value.as_bytes(), flags)
    }

    /// Removes the entry under `key`; `false` if there was none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key.as_bytes())
    }

    /// Removes the entry under `key` and gives its value, `None` if there was none. Hashes: Linux 5.14.
    ///
    /// # Errors
    /// `Unsupported` where the kernel or the map's type can't.
    pub fn take(&self, key: &K) -> Result<Option<V>> {
        let value = self.map.lookup_and_delete(key.as_bytes(), UpdateFlags::empty())?;
        value.map(|value| self.read(&value)).transpose()
    }

    /// All entries, read in large steps where the kernel can; see [`OwnedMap::batches`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> + use<'m, K, V> {
        let pair = |map: &OwnedMap, key: &[u8], value: &[u8]| {
            Ok((read_from(map, "key", key)?, read_from(map, "value", value)?))
        };
        Entries::new(self.map, pair)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + use<'m, K, V> {
        let map = self.map;
        map.keys().map(move |key| read_from(map, "key", &key?))
    }

    fn read(&self, value: &[u8]) -> Result<V> {
        read_from(self.map, "value", value)
    }
}

impl<'m, K, V> TypedPerCpuMap<'m, K, V> {
    pub(super) fn new(map: &'m OwnedMap) -> Result<Self> {
        if !map.is_per_cpu() {
            return Err(map.refuse(format!("{} has no value for each CPU", map.map_type())));
        }
        check_sizes::<K, V>(map)?;
        Ok(Self { map, types: PhantomData })
    }

    /// The map.
    pub fn map(&self) -> &'m OwnedMap {
        self.map
    }
}

impl<'m, K: IntoBytes + FromBytes + Immutable, V: IntoBytes + FromBytes + Immutable>
    TypedPerCpuMap<'m, K, V>
{
    /// The values under `key`, one for each possible CPU; `None` if absent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>> {
        let values = self.map.lookup(key.as_bytes(), UpdateFlags::empty())?;
        values.map(|values| split(self.map, &values)).transpose()
    }

    /// The value of one CPU under `key`, `None` if absent. Linux 7.0.
    ///
    /// # Errors
    /// `EINVAL` on older kernels; `ERANGE` if there is no such CPU.
    pub fn get_on(&self, key: &K, cpu: u32) -> Result<Option<V>> {
        let mut value = V::new_zeroed();
        let found = self.map.lookup_into(key.as_bytes(), value.as_mut_bytes(), on(cpu))?;
        Ok(found.then_some(value))
    }

    /// Writes one value for each possible CPU under `key`.
    ///
    /// # Errors
    /// `InvalidInput` if there are not as many values as possible CPUs.
    pub fn insert(&self, key: &K, values: &[V], flags: UpdateFlags) -> Result<()> {
        let values: Vec<&[u8]> = values.iter().map(IntoBytes::as_bytes).collect();
        self.map.update_per_cpu(key.as_bytes(), &values, flags)
    }

    /// Writes the value of one CPU under `key`. Linux 7.0.
    ///
    /// # Errors
    /// As [`get_on`](Self::get_on).
    pub fn insert_on(&self, key: &K, cpu: u32, value: &V) -> Result<()> {
        self.map.update(key.as_bytes(), value.as_bytes(), on(cpu))
    }

    /// Writes the same value for all CPUs under `key`, in one value on kernels that can (Linux 7.0).
    ///
    /// # Errors
    /// `E2BIG` if the map is full.
    pub fn insert_all(&self, key: &K, value: &V) -> Result<()> {
        match self.map.update(key.as_bytes(), value.as_bytes(), UpdateFlags::ALL_CPUS) {
            Err(e) if e.errno() == oxbpf_uapi::Errno::EINVAL => {
                let one = (self.map.value_size() as usize).next_multiple_of(8).max(8);
                let cpus = self.map.value_buf_len()? / one;
                self.map.update_per_cpu(key.as_bytes(), &vec![value.as_bytes(); cpus], UpdateFlags::empty())
            }
            result => result,
        }
    }

    /// Removes the entry under `key`; `false` if there was none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key.as_bytes())
    }

    /// All entries, read in large steps where the kernel can; see [`OwnedMap::batches`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, Vec<V>)>> + use<'m, K, V> {
        Entries::new(self.map, |map, key, values| Ok((read_from(map, "key", key)?, split(map, values)?)))
    }
}

fn on(cpu: u32) -> UpdateFlags {
    UpdateFlags::from_bits_retain(UpdateFlags::CPU.bits() | u64::from(cpu) << CPU_SHIFT)
}

/// The values of all CPUs, without the padding.
fn split<V: FromBytes>(map: &OwnedMap, values: &[u8]) -> Result<Vec<V>> {
    let step = size_of::<V>().next_multiple_of(8).max(8);
    let each = values.chunks_exact(step).map(|one| one.get(..size_of::<V>()).unwrap_or_default());
    each.map(|one| read_from(map, "value", one)).collect()
}

fn read_from<T: FromBytes>(map: &OwnedMap, what: &str, bytes: &[u8]) -> Result<T> {
    let wrong = |_| Error::invalid_input(format!("the {what} has {} bytes", bytes.len())).at(map.frame());
    T::read_from_bytes(bytes).map_err(wrong)
}

/// Makes a value of an entry's key and value.
type Make<T> = fn(&OwnedMap, &[u8], &[u8]) -> Result<T>;

/// Entries as values of their own, read a step at a time.
struct Entries<'m, T> {
    map: &'m OwnedMap,
    make: Make<T>,
    /// `None` before the first step.
    batches: Option<Batches<'m>>,
    ready: VecDeque<Result<T>>,
    is_over: bool,
}

impl<'m, T> Entries<'m, T> {
    fn new(map: &'m OwnedMap, make: Make<T>) -> Self {
        Self { map, make, batches: None, ready: VecDeque::new(), is_over: false }
    }

    /// Reads the next step; `false` after the last.
    fn step(&mut self) -> Result<bool> {
        let batches = match &mut self.batches {
            Some(batches) => batches,
            none => none.insert(self.map.batches(UpdateFlags::empty())?),
        };
        let Some(batch) = batches.next()? else { return Ok(false) };
        let make = |(key, value)| (self.make)(self.map, key, value);
        self.ready.extend(Batch::iter(&batch).map(make));
        Ok(true)
    }
}

impl<T> Iterator for Entries<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.is_over {
            match self.step() {
                Ok(more) => self.is_over = !more,
                Err(e) => {
                    self.is_over = true;
                    return Some(Err(e));
                }
            }
        }
        self.ready.pop_front()
    }
}
