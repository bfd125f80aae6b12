//! Ring buffers: samples of programs to C's callbacks.
//!
//! Each ring has a lock of its own, and none is held for all: C may consume rings on several threads, and its callbacks
//! may ask about the ring that they are called for.

use core::ffi::{c_int, c_void};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use oxbpf_kernel::{GetInfo, Handle, InfoBuffers, MapFd, PollSet, RingConsumer};
use oxbpf_uapi::MapType;
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::info::MapInfo;
use zerocopy::IntoBytes;

use crate::abi::{RingBufferOpts, UserRingBufferOpts};
use crate::arg::{Ptr, Raw, give};
use crate::fail::Fail;
use crate::fd;
use crate::libbpf_h::user_ring::UserRing;
use crate::object::{kernel, lock};
use crate::opts::Opts;
use crate::ret::{Int, Out, Val, Void};

/// `ring_buffer_sample_fn`.
pub type SampleFn = extern "C" fn(ctx: *mut c_void, data: *mut c_void, size: usize) -> c_int;

/// `struct ring`.
#[derive(Debug)]
pub struct Ring {
    consumer: Mutex<RingConsumer>,
    /// A second look at the same memory, for questions while a callback runs.
    view: Mutex<RingConsumer>,
    map: MapFd,
    /// The descriptor that C gave.
    number: c_int,
    callback: SampleFn,
    ctx: AtomicPtr<c_void>,
}

/// `struct ring_buffer`.
#[derive(Debug)]
pub struct RingBuffer {
    /// Boxed, since C keeps their addresses.
    rings: Mutex<Vec<&'static Ring>>,
    set: Mutex<PollSet>,
}

/// What a map is, if it is of that type.
pub(super) fn map_info(map: &MapFd, wanted: MapType) -> Result<MapInfo, Fail> {
    let mut info = MapInfo::default();
    let request = GetInfo { object: map, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel().get_info(request)?;
    if info.r#type != wanted {
        log::warn!("map of descriptor {} is a {} map, not {wanted}", map.number(), info.r#type);
        return Err(Fail::INVAL);
    }
    Ok(info)
}

/// A timeout in milliseconds; a negative one has no end.
pub(super) fn timeout(ms: c_int) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

impl Ring {
    fn new(map_fd: c_int, callback: SampleFn, ctx: *mut c_void) -> Result<Self, Fail> {
        let map = MapFd(fd::duplicate(map_fd)?);
        let info = map_info(&map, MapType::RINGBUF)?;
        let overwrites = info.map_flags & MapFlags::RB_OVERWRITE.bits() != 0;
        let consumer = || {
            let consumer = RingConsumer::map(kernel(), &map, info.max_entries)?;
            if overwrites { consumer.overwrites() } else { Ok(consumer) }
        };
        let (consumer, view) = (Mutex::new(consumer()?), Mutex::new(consumer()?));
        Ok(Self { consumer, view, number: map_fd, callback, ctx: AtomicPtr::new(ctx), map })
    }

    /// Hands at most `max` samples to C. The number that it got, or the negative answer of the callback.
    fn consume(&self, max: usize) -> Result<c_int, Fail> {
        let mut consumer = match self.consumer.try_lock() {
            Ok(consumer) => consumer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Its callback asks for more, or another thread is at it.
            Err(TryLockError::WouldBlock) => return Err(Fail::BUSY),
        };
        let ctx = self.ctx.load(Ordering::Relaxed);
        let mut answer = 0;
        let count = consumer.drain(max, &mut |sample| {
            answer = (self.callback)(ctx, sample.as_ptr().cast_mut().cast(), sample.len());
            if answer < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match answer {
            answer if answer < 0 => Err(Fail(answer.saturating_neg())),
            _ if consumer.is_corrupt() => Err(Fail(libc::EBADMSG)),
            _ => Ok(c_int::try_from(count).unwrap_or(c_int::MAX)),
        }
    }

    fn view<T>(&self, get: impl FnOnce(&RingConsumer) -> T) -> T {
        get(&lock(&self.view))
    }
}

impl RingBuffer {
    fn add(&self, ring: Ring) -> Result<(), Fail> {
        let handle: Handle = (*ring.map).clone();
        let mut rings = lock(&self.rings);
        let mut set = lock(&self.set);
        set.add(handle, rings.len() as u64);
        rings.push(Box::leak(Box::new(ring)));
        // So that the descriptor to wait on knows the ring.
        kernel().poll(&mut set, Some(Duration::ZERO))?;
        Ok(())
    }

    fn ring(&self, i: usize) -> Option<&'static Ring> {
        lock(&self.rings).get(i).copied()
    }

    fn rings(&self) -> Vec<&'static Ring> {
        lock(&self.rings).clone()
    }

    /// Hands at most `max` samples of all rings to C.
    fn consume(&self, max: usize) -> Result<c_int, Fail> {
        let mut total = 0usize;
        for ring in self.rings() {
            total += ring.consume(max - total)? as usize;
            if total >= max {
                break;
            }
        }
        Ok(c_int::try_from(total).unwrap_or(c_int::MAX))
    }

    fn poll(&self, ms: c_int) -> Result<c_int, Fail> {
        let ready = {
            let mut set = lock(&self.set);
            kernel().poll(&mut set, timeout(ms))?;
            match set.ready() {
                [] => return Ok(0),
                // The usual case, without an allocation.
                [one] => {
                    let one = *one;
                    drop(set);
                    return self.ring(one as usize).map_or(Ok(0), |ring| ring.consume(usize::MAX));
                }
                many => many.to_vec(),
            }
        };
        let mut total = 0;
        for ring in ready.into_iter().filter_map(|i| self.ring(i as usize)) {
            total = ring.consume(usize::MAX)?.saturating_add(total);
        }
        Ok(total)
    }
}

/// The descriptor that a set waits on.
pub(super) fn epoll_fd(set: &Mutex<PollSet>) -> Result<c_int, Fail> {
    let set = lock(set);
    set.reactor().map(|(reactor, _)| reactor.number()).ok_or(Fail::INVAL)
}

export! {
    /// Reads a ring buffer map.
    fn ring_buffer__new(
        map_fd: c_int, sample_cb: Option<SampleFn>, ctx: Raw, opts: Opts<RingBufferOpts>,
    ) -> Out<RingBuffer> {
        opts.check()?;
        let callback = sample_cb.ok_or(Fail::INVAL)?;
        let buffer = RingBuffer { rings: Mutex::new(Vec::new()), set: Mutex::new(PollSet::new()) };
        buffer.add(Ring::new(map_fd, callback, ctx.pointer().cast())?)?;
        Ok(give(buffer))
    }

    /// Reads another map as well.
    fn ring_buffer__add(rb: Ptr<RingBuffer>, map_fd: c_int, sample_cb: Option<SampleFn>, ctx: Raw) -> Int {
        let callback = sample_cb.ok_or(Fail::INVAL)?;
        rb.get()?.add(Ring::new(map_fd, callback, ctx.pointer().cast())?)?;
        Ok(0)
    }

    /// Stops reading.
    fn ring_buffer__free(rb: Ptr<RingBuffer>) -> Void {
        if let Some(buffer) = rb.take() {
            for ring in buffer.rings() {
                drop(Ptr::given(ring).take());
            }
        }
        Ok(())
    }

    /// Waits for samples and hands them to the callbacks; gives how many that were.
    fn ring_buffer__poll(rb: Ptr<RingBuffer>, timeout_ms: c_int) -> Int {
        rb.get()?.poll(timeout_ms)
    }

    /// Hands the samples that there are to the callbacks; gives how many that were.
    fn ring_buffer__consume(rb: Ptr<RingBuffer>) -> Int {
        rb.get()?.consume(usize::MAX)
    }

    /// Hands at most `n` samples to the callbacks; gives how many that were.
    fn ring_buffer__consume_n(rb: Ptr<RingBuffer>, n: usize) -> Int {
        rb.get()?.consume(n)
    }

    /// The descriptor to wait on.
    fn ring_buffer__epoll_fd(rb: Ptr<RingBuffer>) -> Int {
        epoll_fd(&rb.get()?.set)
    }

    /// The ring of the map that was added as number `idx`.
    fn ring_buffer__ring(rb: Ptr<RingBuffer>, idx: u32) -> Out<Ring> {
        let ring = rb.get()?.ring(idx as usize).ok_or(Fail::RANGE)?;
        Ok(core::ptr::from_ref(ring))
    }

    /// Bytes consumed.
    fn ring__consumer_pos(r: Ptr<Ring>) -> Val<usize> {
        Ok(r.get()?.view(RingConsumer::consumer_pos) as usize)
    }

    /// Bytes produced.
    fn ring__producer_pos(r: Ptr<Ring>) -> Val<usize> {
        Ok(r.get()?.view(RingConsumer::producer_pos) as usize)
    }

    /// Bytes that wait to be consumed.
    fn ring__avail_data_size(r: Ptr<Ring>) -> Val<usize> {
        Ok(r.get()?.view(RingConsumer::avail))
    }

    /// Bytes that the ring holds.
    fn ring__size(r: Ptr<Ring>) -> Val<usize> {
        Ok(r.get()?.view(RingConsumer::size))
    }

    /// The map's descriptor.
    fn ring__map_fd(r: Ptr<Ring>) -> Int {
        Ok(r.get()?.number)
    }

    /// Hands the samples of the ring to its callback.
    fn ring__consume(r: Ptr<Ring>) -> Int {
        r.get()?.consume(usize::MAX)
    }

    /// Hands at most `n` samples of the ring to its callback.
    fn ring__consume_n(r: Ptr<Ring>, n: usize) -> Int {
        r.get()?.consume(n)
    }

    /// Writes a user ring buffer map.
    fn user_ring_buffer__new(map_fd: c_int, opts: Opts<UserRingBufferOpts>) -> Out<UserRing> {
        opts.check()?;
        Ok(give(UserRing::new(map_fd)?))
    }

    /// Stops writing.
    fn user_ring_buffer__free(rb: Ptr<UserRing>) -> Void {
        drop(rb.take());
        Ok(())
    }

    /// Makes room for a sample.
    fn user_ring_buffer__reserve(rb: Ptr<UserRing>, size: u32) -> Out<u8> {
        rb.get()?.reserve(size)
    }

    /// Makes room for a sample, waiting for the program to make it.
    fn user_ring_buffer__reserve_blocking(rb: Ptr<UserRing>, size: u32, timeout_ms: c_int) -> Out<u8> {
        rb.get()?.reserve_blocking(size, timeout_ms)
    }

    /// Lets the program have a sample.
    fn user_ring_buffer__submit(rb: Ptr<UserRing>, sample: Raw) -> Void {
        rb.get()?.end(sample, false)
    }

    /// Gives the room of a sample back.
    fn user_ring_buffer__discard(rb: Ptr<UserRing>, sample: Raw) -> Void {
        rb.get()?.end(sample, true)
    }
}
