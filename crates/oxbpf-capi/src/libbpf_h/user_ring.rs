//! User ring buffers: samples that C writes by address.

use core::ffi::c_int;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use oxbpf_kernel::{MapFd, PollSet, Reservation, UserRingProducer};
use oxbpf_uapi::{Errno, MapType};

use super::ring::{map_info, timeout};
use crate::arg::Raw;
use crate::fail::Fail;
use crate::fd;
use crate::object::{kernel, lock};

/// `struct user_ring_buffer`.
#[derive(Debug)]
pub struct UserRing {
    map: MapFd,
    producer: UserRingProducer,
    /// What C is writing, by address.
    open: Mutex<HashMap<usize, Reservation>>,
}

impl UserRing {
    /// Writes the map of a descriptor.
    ///
    /// # Errors
    /// `EINVAL` for another type of map; the kernel's.
    pub fn new(map_fd: c_int) -> Result<Self, Fail> {
        let map = MapFd(fd::duplicate(map_fd)?);
        let info = map_info(&map, MapType::USER_RINGBUF)?;
        let producer = UserRingProducer::map(kernel(), &map, info.max_entries)?;
        Ok(Self { map, producer, open: Mutex::default() })
    }

    fn try_reserve(&self, size: u32) -> Result<*const u8, Errno> {
        let reservation = self.producer.reserve(size)?;
        let address = self.producer.sample_ptr(&reservation);
        lock(&self.open).insert(address.addr(), reservation);
        Ok(address.cast_const())
    }

    /// Room for a sample.
    ///
    /// # Errors
    /// `E2BIG` if the ring could never hold it, `ENOSPC` if there is no room now.
    pub fn reserve(&self, size: u32) -> Result<*const u8, Fail> {
        Ok(self.try_reserve(size)?)
    }

    /// Room for a sample, once the program has made it.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), when the time is over.
    pub fn reserve_blocking(&self, size: u32, ms: c_int) -> Result<*const u8, Fail> {
        let deadline = timeout(ms).and_then(|t| Instant::now().checked_add(t));
        let mut set = PollSet::new();
        set.add_writer((*self.map).clone(), 0);
        loop {
            match self.try_reserve(size) {
                Err(Errno::ENOSPC) => {}
                result => return Ok(result?),
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Errno::ENOSPC.into());
            }
            kernel().poll(&mut set, left)?;
        }
    }

    /// Lets the program have a sample, or takes it back.
    ///
    /// # Errors
    /// `EINVAL` for an address that is not a sample's.
    pub fn end(&self, sample: Raw, is_discarded: bool) -> Result<(), Fail> {
        let reservation = lock(&self.open).remove(&sample.pointer().addr()).ok_or(Fail::INVAL)?;
        if is_discarded {
            self.producer.discard(reservation);
        } else {
            self.producer.submit(reservation);
        }
        Ok(())
    }
}
