//! Perf buffers: a ring for each CPU, to C's callbacks.

use core::ffi::{c_int, c_void};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use oxbpf_kernel::{Fact, Handle, MapFd, PerfRequest, PerfRingConsumer, PollSet};
use oxbpf_uapi::MapType;
use oxbpf_uapi::perf_event::{PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW, PERF_TYPE_SOFTWARE, PerfEventAttr};
use zerocopy::{FromZeros, IntoBytes};

use super::names::possible_cpus;
use super::ring::{epoll_fd, map_info, timeout};
use crate::abi::{PerfBufferOpts, PerfBufferRawOpts};
use crate::arg::{Ptr, Put, Raw, give};
use crate::fail::Fail;
use crate::fd;
use crate::object::{kernel, lock};
use crate::opts::Opts;
use crate::ret::{Int, Out, Val, Void};
use crate::sys::perf_event_open;

/// `perf_buffer_sample_fn`.
pub type SampleFn = extern "C" fn(ctx: *mut c_void, cpu: c_int, data: *mut c_void, size: u32);
/// `perf_buffer_lost_fn`.
pub type LostFn = extern "C" fn(ctx: *mut c_void, cpu: c_int, count: u64);
/// `perf_buffer_event_fn`.
pub type EventFn = extern "C" fn(ctx: *mut c_void, cpu: c_int, event: *mut c_void) -> c_int;

/// Types of records.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
/// What an event callback answers: no more of this ring, an error, go on.
const DONE: c_int = 0;
const ERROR: c_int = -1;
const CONTINUE: c_int = -2;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: u64 = 8;

/// Whom records go to.
#[derive(Clone, Copy, Debug)]
enum Callback {
    Parsed(Option<SampleFn>, Option<LostFn>),
    Raw(EventFn),
}

#[derive(Debug)]
struct CpuRing {
    cpu: c_int,
    map_key: c_int,
    event: Handle,
    consumer: Mutex<PerfRingConsumer>,
    start: AtomicPtr<u8>,
}

/// `struct perf_buffer`.
#[derive(Debug)]
pub struct PerfBuffer {
    map: MapFd,
    rings: Vec<CpuRing>,
    set: Mutex<PollSet>,
    callback: Callback,
    ctx: AtomicPtr<c_void>,
    /// Bytes of data of each ring.
    size: usize,
}

/// Numbers of a list such as `0-3,8`.
fn online_cpus() -> Result<Vec<c_int>, Fail> {
    let text = kernel().fact(Fact::OnlineCpus)?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<c_int>().map_err(|_| Fail::INVAL);
        cpus.extend(number(first)?..=number(last)?);
    }
    Ok(cpus)
}

impl PerfBuffer {
    fn new(
        map_fd: c_int,
        pages: usize,
        attr: Raw,
        cpus: Option<Vec<(c_int, c_int)>>,
        (callback, ctx): (Callback, Raw),
    ) -> Result<Self, Fail> {
        if !pages.is_power_of_two() {
            log::warn!("page count should be power of two, but is {pages}");
            return Err(Fail::INVAL);
        }
        let map = MapFd(fd::duplicate(map_fd)?);
        let info = map_info(&map, MapType::PERF_EVENT_ARRAY)?;
        let cpus = match cpus {
            Some(cpus) => cpus,
            None => {
                let mut limit = possible_cpus()?;
                if info.max_entries != 0 {
                    limit = limit.min(info.max_entries);
                }
                online_cpus()?.into_iter().filter(|cpu| (*cpu as u32) < limit).map(|cpu| (cpu, cpu)).collect()
            }
        };
        let size = pages.checked_mul(crate::memory::page_size()).ok_or(Fail::INVAL)?;
        let mut buffer = Self {
            map,
            rings: Vec::with_capacity(cpus.len()),
            set: Mutex::new(PollSet::new()),
            callback,
            ctx: AtomicPtr::new(ctx.pointer().cast()),
            size,
        };
        for (cpu, map_key) in cpus {
            // On an error `buffer` is dropped, which takes back the CPUs before.
            buffer.add(attr, cpu, map_key, pages)?;
        }
        let mut set = lock(&buffer.set);
        kernel().poll(&mut set, Some(Duration::ZERO))?;
        drop(set);
        Ok(buffer)
    }

    fn add(&mut self, attr: Raw, cpu: c_int, map_key: c_int, pages: usize) -> Result<(), Fail> {
        let event = fd::own(perf_event_open(attr, -1, cpu, -1, CLOSE_ON_EXEC).inspect_err(|fail| {
            log::warn!("failed to open perf buffer event on cpu #{cpu}: -{:?}", oxbpf_uapi::Errno(fail.0));
        })?)?;
        let consumer = PerfRingConsumer::map(kernel(), &event, pages).inspect_err(|errno| {
            log::warn!("failed to mmap perf buffer on cpu #{cpu}: -{errno:?}");
        })?;
        kernel().perf_event(PerfRequest::Enable(&event))?;
        kernel().map_update_elem(&self.map, &map_key.to_ne_bytes(), &event.number().to_ne_bytes(), 0)?;
        lock(&self.set).add(event.clone(), self.rings.len() as u64);
        let start = AtomicPtr::new(consumer.as_ptr());
        self.rings.push(CpuRing { cpu, map_key, event, consumer: Mutex::new(consumer), start });
        Ok(())
    }

    /// Hands the records of a ring to C.
    fn consume(&self, ring: &CpuRing) -> Result<(), Fail> {
        let mut consumer = match ring.consumer.try_lock() {
            Ok(consumer) => consumer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Fail::BUSY),
        };
        let ctx = self.ctx.load(Ordering::Relaxed);
        let mut last = CONTINUE;
        consumer.drain_bytes(&mut |record| {
            last = self.callback.call(ctx, ring.cpu, record);
            if last == CONTINUE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match last {
            CONTINUE | DONE => Ok(()),
            other => Err(Fail(other.saturating_neg())),
        }
    }
}

impl Callback {
    fn call(self, ctx: *mut c_void, cpu: c_int, record: &[u8]) -> c_int {
        let number =
            |at: usize| record.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
        match self {
            Self::Raw(callback) => return callback(ctx, cpu, record.as_ptr().cast_mut().cast()),
            Self::Parsed(sample, lost) => match number(0) {
                Some(SAMPLE) => {
                    let (Some(size), Some(data)) = (number(8), record.get(12..)) else { return ERROR };
                    if let Some(callback) = sample {
                        callback(ctx, cpu, data.as_ptr().cast_mut().cast(), size.min(data.len() as u32));
                    }
                }
                Some(LOST) => {
                    let count = record.get(16..24).and_then(|b| b.try_into().ok()).map(u64::from_ne_bytes);
                    let Some(count) = count else { return ERROR };
                    if let Some(callback) = lost {
                        callback(ctx, cpu, count);
                    }
                }
                kind => {
                    log::warn!("unknown perf sample type {}", kind.unwrap_or(0));
                    return ERROR;
                }
            },
        }
        CONTINUE
    }
}

impl Drop for PerfBuffer {
    fn drop(&mut self) {
        for ring in &self.rings {
            // The map may be gone, or C may have put something else there.
            let _ = kernel().map_delete_elem(&self.map, &ring.map_key.to_ne_bytes(), 0);
            let _ = kernel().perf_event(PerfRequest::Disable(&ring.event));
        }
    }
}

export! {
    /// Reads a perf event array, a ring for each CPU.
    fn perf_buffer__new(
        map_fd: c_int, page_cnt: usize, sample_cb: Option<SampleFn>, lost_cb: Option<LostFn>, ctx: Raw,
        opts: Opts<PerfBufferOpts>,
    ) -> Out<PerfBuffer> {
        let opts = opts.check()?;
        let mut attr = PerfEventAttr::new_zeroed();
        attr.size = size_of::<PerfEventAttr>() as u32;
        (attr.r#type, attr.config) = (PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT);
        attr.sample_type = PERF_SAMPLE_RAW;
        attr.wakeup_events = opt!(opts: PerfBufferOpts, sample_period).max(1);
        let memory = Raw::at(attr.as_mut_bytes().as_mut_ptr().expose_provenance());
        let callback = Callback::Parsed(sample_cb, lost_cb);
        PerfBuffer::new(map_fd, page_cnt, memory, None, (callback, ctx)).map(give)
    }

    /// Reads a perf event array with events of C's own.
    fn perf_buffer__new_raw(
        map_fd: c_int, page_cnt: usize, attr: Raw, event_cb: Option<EventFn>, ctx: Raw, opts: Opts<PerfBufferRawOpts>,
    ) -> Out<PerfBuffer> {
        type L = PerfBufferRawOpts;
        if attr.is_null() {
            return Err(Fail::INVAL);
        }
        let opts = opts.check()?;
        let (count, cpus, keys) = (opt!(opts: L, cpu_cnt), opt!(ptr opts: L, cpus), opt!(ptr opts: L, map_keys));
        let chosen = match usize::try_from(count) {
            Ok(count) if count > 0 => Some((0..count).map(|i| (cpus.read(4 * i), keys.read(4 * i))).collect()),
            _ => None,
        };
        let callback = event_cb.map_or(Callback::Parsed(None, None), Callback::Raw);
        PerfBuffer::new(map_fd, page_cnt, attr, chosen, (callback, ctx)).map(give)
    }

    /// Stops reading.
    fn perf_buffer__free(pb: Ptr<PerfBuffer>) -> Void {
        drop(pb.take());
        Ok(())
    }

    /// The descriptor to wait on.
    fn perf_buffer__epoll_fd(pb: Ptr<PerfBuffer>) -> Int {
        epoll_fd(&pb.get()?.set)
    }

    /// Waits for records and hands them to the callbacks; gives the number of rings that had some.
    fn perf_buffer__poll(pb: Ptr<PerfBuffer>, timeout_ms: c_int) -> Int {
        let buffer = pb.get()?;
        let ready = {
            let mut set = lock(&buffer.set);
            kernel().poll(&mut set, timeout(timeout_ms))?;
            set.ready().to_vec()
        };
        for ring in ready.iter().filter_map(|i| buffer.rings.get(*i as usize)) {
            buffer.consume(ring)?;
        }
        Ok(ready.len() as c_int)
    }

    /// Hands the records that there are to the callbacks.
    fn perf_buffer__consume(pb: Ptr<PerfBuffer>) -> Int {
        let buffer = pb.get()?;
        buffer.rings.iter().try_for_each(|ring| buffer.consume(ring))?;
        Ok(0)
    }

    /// Hands the records of one ring to the callbacks.
    fn perf_buffer__consume_buffer(pb: Ptr<PerfBuffer>, buf_idx: usize) -> Int {
        let buffer = pb.get()?;
        buffer.consume(buffer.rings.get(buf_idx).ok_or(Fail::INVAL)?)?;
        Ok(0)
    }

    /// The number of rings.
    fn perf_buffer__buffer_cnt(pb: Ptr<PerfBuffer>) -> Val<usize> {
        Ok(pb.get()?.rings.len())
    }

    /// The descriptor of a ring's event.
    fn perf_buffer__buffer_fd(pb: Ptr<PerfBuffer>, buf_idx: usize) -> Int {
        Ok(pb.get()?.rings.get(buf_idx).ok_or(Fail::INVAL)?.event.number())
    }

    /// The memory of a ring: its header page, and behind it the bytes of data that `buf_size` says.
    fn perf_buffer__buffer(pb: Ptr<PerfBuffer>, buf_idx: c_int, buf: Put<*mut u8>, buf_size: Put<usize>) -> Int {
        let buffer = pb.get()?;
        let i = usize::try_from(buf_idx).map_err(|_| Fail::INVAL)?;
        let ring = buffer.rings.get(i).ok_or(Fail::INVAL)?;
        buf.set(ring.start.load(Ordering::Relaxed));
        buf_size.set(buffer.size);
        Ok(0)
    }
}
