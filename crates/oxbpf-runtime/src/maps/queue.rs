//! Queues and stacks: values without keys.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_uapi::{Errno, MapType};

use super::{MapEnv, MapOps, MapParams, flags, update};

#[derive(Debug)]
struct Queue {
    params: MapParams,
    values: Mutex<VecDeque<Box<[u8]>>>,
}

pub(super) fn create(
    p: &MapParams,
    _env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    p.allow_flags(flags::ACCESS | flags::PROG_ACCESS)?;
    if p.max_entries == 0 || p.key_size != 0 || p.value_size == 0 {
        return Err(Errno::EINVAL);
    }
    if p.value_size > 4 << 20 {
        return Err(Errno::E2BIG);
    }
    Ok(Box::new(Queue { params: p.clone(), values: Mutex::default() }))
}

impl Queue {
    fn values(&self) -> MutexGuard<'_, VecDeque<Box<[u8]>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MapOps for Queue {
    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        // BPF_EXIST means here: make room by dropping the oldest.
        if flags & update::NOEXIST != 0 || flags > update::EXIST {
            return Err(Errno::EINVAL);
        }
        let mut values = self.values();
        if values.len() >= self.params.max_entries as usize {
            if flags & update::EXIST == 0 {
                return Err(Errno::E2BIG);
            }
            values.pop_front();
        }
        values.push_back(value.into());
        Ok(())
    }

    fn pop(&self, out: &mut [u8], remove: bool) -> Result<(), Errno> {
        let is_stack = self.params.map_type == MapType::STACK;
        let mut values = self.values();
        let value = if is_stack { values.back() } else { values.front() };
        let Some(value) = value else {
            out.fill(0);
            return Err(Errno::ENOENT);
        };
        out.get_mut(..value.len()).ok_or(Errno::EINVAL)?.copy_from_slice(value);
        if remove {
            if is_stack {
                values.pop_back()
            } else {
                values.pop_front()
            };
        }
        Ok(())
    }

    fn read(&self, _key: &[u8], out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        self.pop(out, false)
    }

    fn write(&self, _key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.push(value, flags)
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn take(&self, _key: &[u8], out: &mut [u8], flags: u64) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        self.pop(out, true)
    }
}
