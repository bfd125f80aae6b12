//! Perf buffers: a perf event array map with a ring for each CPU.

use core::fmt;
use core::ops::ControlFlow;
use std::time::Duration;

use oxbpf_kernel::{
    Fact, Handle, Kernel, MapFd, Mapping, PerfEventSpec, PerfRecord, PerfRequest, PerfRingConsumer, PollSet,
};
use oxbpf_uapi::perf_event::{PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW, PERF_TYPE_SOFTWARE};
use oxbpf_uapi::{Cmd, Errno, MapType};

use super::map_of_type;
use crate::error::{At, Error, Frame, Result};
use crate::link::cpu_list;

type SampleCallback<'cb> = Box<dyn FnMut(u32, &[u8]) + Send + 'cb>;
type LostCallback<'cb> = Box<dyn FnMut(u32, u64) + Send + 'cb>;
type RecordCallback<'cb> = Box<dyn FnMut(u32, &[u8]) -> ControlFlow<()> + Send + 'cb>;

/// Collects the options of a [`PerfBuffer`].
pub struct PerfBufferBuilder<'cb> {
    kernel: Kernel,
    map: MapFd,
    pages: usize,
    spec: PerfEventSpec<'cb>,
    cpus: Option<Vec<(u32, u32)>>,
    on_sample: SampleCallback<'cb>,
    on_lost: LostCallback<'cb>,
    on_record: Option<RecordCallback<'cb>>,
}

/// Reads a perf event array map.
///
/// Dropping it takes the events out of the map, so that programs can no longer write to it; samples that were
/// not consumed are lost.
///
/// ```no_run
/// # fn example(object: &oxbpf::Object) -> oxbpf::Result<()> {
/// use oxbpf::buffer::PerfBuffer;
///
/// let mut events = PerfBuffer::builder(object.kernel(), object.map("events")?.fd())
///     .pages(16)
///     .on_sample(|cpu, sample| println!("CPU {cpu}: {} bytes", sample.len()))
///     .on_lost(|cpu, count| eprintln!("CPU {cpu}: {count} lost"))
///     .build()?;
/// events.poll(None)?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "perf_buffer")]
pub struct PerfBuffer<'cb> {
    kernel: Kernel,
    map: MapFd,
    name: Frame,
    cpus: Vec<CpuRing>,
    set: PollSet,
    on_sample: SampleCallback<'cb>,
    on_lost: LostCallback<'cb>,
    on_record: Option<RecordCallback<'cb>>,
    lost: u64,
    /// Whether the kernel writes over the oldest records.
    overwrites: bool,
}

/// The event and ring of one CPU.
#[derive(Debug)]
struct CpuRing {
    cpu: u32,
    /// Where in the map the event is.
    map_key: u32,
    event: Handle,
    consumer: PerfRingConsumer,
}

impl<'cb> PerfBufferBuilder<'cb> {
    /// Pages of each CPU's ring, a power of two. Default: 64.
    #[must_use]
    pub fn pages(mut self, pages: usize) -> Self {
        self.pages = pages;
        self
    }

    /// Wakes the reader once in so many samples. Default: 1.
    #[must_use]
    pub fn sample_period(mut self, samples: u32) -> Self {
        self.spec.wakeup_events = samples.max(1);
        self
    }

    /// Keeps the newest samples of each CPU and writes over the oldest, where by default new ones find no room. They come the newest
    /// first, and the program's output stands still while they are read. Linux 4.7.
    #[must_use]
    pub fn overwritable(mut self) -> Self {
        self.spec.write_backward = true;
        self
    }

    /// Only these CPUs, as (CPU, key in the map). Default: the CPUs that are online, each under its own number.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<(u32, u32)>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Called with CPU and bytes of each sample. The kernel pads a sample: it may be up to 7 bytes longer
    /// than what the program wrote.
    #[must_use]
    pub fn on_sample(mut self, callback: impl FnMut(u32, &[u8]) + Send + 'cb) -> Self {
        self.on_sample = Box::new(callback);
        self
    }

    /// Called with CPU and number of samples that found no room. Default: they are counted
    /// ([`PerfBuffer::lost`]).
    #[must_use]
    pub fn on_lost(mut self, callback: impl FnMut(u32, u64) + Send + 'cb) -> Self {
        self.on_lost = Box::new(callback);
        self
    }

    /// Opens events as `spec` describes them, which must write what BPF programs give ([`PERF_COUNT_SW_BPF_OUTPUT`]), and hands
    /// each record to `callback` as the kernel wrote it, header included: for samples with a time or a CPU, say. Callbacks for
    /// samples and lost ones are not called then. A callback that breaks ends the reading of its ring for now.
    #[must_use]
    #[doc(alias = "perf_buffer__new_raw")]
    pub fn raw(
        mut self,
        spec: PerfEventSpec<'cb>,
        callback: impl FnMut(u32, &[u8]) -> ControlFlow<()> + Send + 'cb,
    ) -> Self {
        self.spec = spec;
        self.on_record = Some(Box::new(callback));
        self
    }

    /// Opens an event for each CPU, maps its ring and puts it into the map.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the map is no perf event array or the pages are no
    /// power of two; `EPERM` if the rings are more memory than the user may lock. Everything is undone.
    #[doc(alias = "perf_buffer__new")]
    pub fn build(self) -> Result<PerfBuffer<'cb>> {
        if !self.pages.is_power_of_two() {
            return Err(Error::invalid_input(format!(
                "a perf buffer of {} pages: not a power of two",
                self.pages
            )));
        }
        let (info, name) = map_of_type(&self.kernel, &self.map, MapType::PERF_EVENT_ARRAY, "a perf buffer")?;
        let cpus = match self.cpus {
            Some(cpus) => cpus,
            None => {
                let online = cpu_list(&self.kernel, Fact::OnlineCpus).map_err(|e| e.at(name.clone()))?;
                online.into_iter().filter(|cpu| *cpu < info.max_entries).map(|cpu| (cpu, cpu)).collect()
            }
        };
        if cpus.is_empty() {
            return Err(Error::invalid_input("no CPU to read from").at(name));
        }
        let mut buffer = PerfBuffer {
            kernel: self.kernel,
            map: self.map,
            name: name.clone(),
            cpus: Vec::with_capacity(cpus.len()),
            set: PollSet::new(),
            on_sample: self.on_sample,
            on_lost: self.on_lost,
            on_record: self.on_record,
            lost: 0,
            overwrites: self.spec.write_backward,
        };
        for (cpu, map_key) in cpus {
            // On an error `buffer` is dropped, which takes back the CPUs before.
            buffer.add_cpu(cpu, map_key, self.pages, self.spec.clone()).map_err(|e| e.at(name.clone()))?;
        }
        Ok(buffer)
    }
}

impl<'cb> PerfBuffer<'cb> {
    /// Starts with the defaults: all CPUs that are online, 64 pages each, samples ignored.
    pub fn builder(kernel: &Kernel, map: &MapFd) -> PerfBufferBuilder<'cb> {
        PerfBufferBuilder {
            kernel: kernel.clone(),
            map: map.clone(),
            pages: 64,
            spec: PerfEventSpec {
                kind: PERF_TYPE_SOFTWARE,
                config: PERF_COUNT_SW_BPF_OUTPUT,
                sample_type: PERF_SAMPLE_RAW,
                wakeup_events: 1,
                ..PerfEventSpec::default()
            },
            cpus: None,
            on_sample: Box::new(|_, _| {}),
            on_lost: Box::new(|_, _| {}),
            on_record: None,
        }
    }

    fn add_cpu(&mut self, cpu: u32, map_key: u32, pages: usize, spec: PerfEventSpec<'_>) -> Result<()> {
        let kernel = &self.kernel;
        let on_cpu = || Frame::Target(format!("CPU {cpu}"));
        let cpu_number =
            i32::try_from(cpu).map_err(|_| Error::invalid_input(format!("there is no CPU {cpu}")))?;
        let open = PerfRequest::Open { spec, pid: -1, cpu: cpu_number, group: None };
        let event = kernel
            .perf_event(open)
            .and_then(|reply| reply.handle())
            .at(|| Frame::Syscall("perf_event_open"))
            .at(on_cpu)?;
        let map = if self.overwrites { PerfRingConsumer::map_overwritable } else { PerfRingConsumer::map };
        let consumer = map(kernel, &event, pages).map_err(|e| {
            let error = Error::kernel(e).at(Frame::Syscall("mmap")).at(on_cpu());
            match e {
                Errno::EPERM => error.with_hint("use fewer pages, or raise kernel.perf_event_mlock_kb"),
                _ => error,
            }
        })?;
        kernel
            .perf_event(PerfRequest::Enable(&event))
            .at(|| Frame::Syscall("PERF_EVENT_IOC_ENABLE"))
            .at(on_cpu)?;
        let (key, value) = (map_key.to_ne_bytes(), event.number().to_ne_bytes());
        kernel
            .map_update_elem(&self.map, &key, &value, 0)
            .at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM))
            .at(on_cpu)?;
        self.set.add(event.clone(), self.cpus.len() as u64);
        self.cpus.push(CpuRing { cpu, map_key, event, consumer });
        Ok(())
    }

    /// Waits until a CPU's ring has something, or for `timeout` (`None` waits without end), then hands all records of
    /// the rings that have some to the callbacks. Returns how many samples that were.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted) if a signal came first.
    #[doc(alias = "perf_buffer__poll")]
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<usize> {
        self.kernel.poll(&mut self.set, timeout).at(|| Frame::Step("wait for a perf buffer:"))?;
        let ready: Vec<usize> = self.set.ready().iter().filter_map(|t| usize::try_from(*t).ok()).collect();
        ready.into_iter().map(|index| self.consume_buffer(index)).sum()
    }

    /// Hands all records that there are to the callbacks, and returns how many samples that were.
    ///
    /// # Errors
    /// `EBADMSG` if a ring's memory was damaged.
    #[doc(alias = "perf_buffer__consume")]
    pub fn consume(&mut self) -> Result<usize> {
        (0..self.cpus.len()).map(|index| self.consume_buffer(index)).sum()
    }

    /// Hands all records of one ring, by its place among the CPUs from 0, to the callbacks, and returns how
    /// many samples that were; with [`raw`](PerfBufferBuilder::raw), how many records.
    ///
    /// # Errors
    /// `EINVAL` if there is no such ring, `EBADMSG` if its memory was damaged.
    #[doc(alias = "perf_buffer__consume_buffer")]
    pub fn consume_buffer(&mut self, index: usize) -> Result<usize> {
        let Some(ring) = self.cpus.get_mut(index) else {
            return Err(Error::invalid_input(format!("there is no ring {index}")).at(self.name.clone()));
        };
        let (cpu, mut samples) = (ring.cpu, 0);
        let paused = match self.overwrites {
            true => Some(Paused::new(&self.kernel, &ring.event).at(|| self.name.clone())?),
            false => None,
        };
        if let Some(callback) = &mut self.on_record {
            samples =
                ring.consumer.drain_bytes(&mut |record| callback(cpu, record)).at(|| self.name.clone())?;
            drop(paused);
            return self.checked(index, samples);
        }
        let drained = ring.consumer.drain(&mut |record| {
            match record {
                PerfRecord::Sample(data) => {
                    samples += 1;
                    (self.on_sample)(cpu, data);
                }
                PerfRecord::Lost(count) => {
                    self.lost = self.lost.saturating_add(count);
                    (self.on_lost)(cpu, count);
                }
                PerfRecord::Other { kind, .. } => {
                    log::debug!("perf buffer: a record of type {kind} on CPU {cpu}")
                }
            }
            ControlFlow::Continue(())
        });
        drop(paused);
        drained.at(|| self.name.clone())?;
        self.checked(index, samples)
    }

    /// `samples`, unless the ring they came from is damaged.
    fn checked(&self, index: usize, samples: usize) -> Result<usize> {
        if self.cpus.get(index).is_some_and(|ring| ring.consumer.is_corrupt()) {
            let message = "the ring's memory holds a record that no kernel wrote";
            return Err(Error::kernel(Errno::EBADMSG).with_message(message).at(self.name.clone()));
        }
        Ok(samples)
    }

    /// Samples that found no room, as far as their count was read.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Rings there are, one a CPU.
    #[doc(alias = "perf_buffer__buffer_cnt")]
    pub fn buffer_count(&self) -> usize {
        self.cpus.len()
    }

    /// The CPU and perf event of a ring, by its place from 0.
    #[doc(alias = "perf_buffer__buffer_fd")]
    pub fn buffer(&self, index: usize) -> Option<(u32, &Handle)> {
        self.cpus.get(index).map(|ring| (ring.cpu, &ring.event))
    }

    /// The memory of a ring, by its place from 0: a page with the kernel's and the reader's position, and the data.
    #[doc(alias = "perf_buffer__buffer")]
    pub fn mapping(&self, index: usize) -> Option<&Mapping> {
        self.cpus.get(index).map(|ring| ring.consumer.mapping())
    }

    /// As [`consume`](Self::consume), for runtimes that wait for a descriptor and try again; see
    /// [`RingBuffer::try_consume`](super::RingBuffer::try_consume).
    ///
    /// # Errors
    /// `WouldBlock` if there was no sample; those of [`consume`](Self::consume).
    pub fn try_consume(&mut self) -> std::io::Result<usize> {
        super::or_would_block(self.consume())
    }

    /// A descriptor that is readable when a ring has something, for a reactor. It may outlive the buffer.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a kernel whose objects are no file descriptors; `EMFILE`.
    #[cfg(unix)]
    #[doc(alias = "perf_buffer__epoll_fd")]
    pub fn ready_fd(&mut self) -> Result<std::os::fd::OwnedFd> {
        super::ring::ready_fd(&self.kernel, &mut self.set)
    }
}

/// An event whose ring the kernel does not write to.
struct Paused<'k>(&'k Kernel, &'k Handle);

impl<'k> Paused<'k> {
    fn new(kernel: &'k Kernel, event: &'k Handle) -> Result<Self> {
        let pause = PerfRequest::Pause { event, is_paused: true };
        kernel.perf_event(pause).at(|| Frame::Syscall("PERF_EVENT_IOC_PAUSE_OUTPUT"))?;
        Ok(Self(kernel, event))
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.perf_event(PerfRequest::Pause { event: self.1, is_paused: false }) {
            log::warn!("perf buffer: a ring stays paused: {error}");
        }
    }
}

impl Drop for PerfBuffer<'_> {
    fn drop(&mut self) {
        for ring in &self.cpus {
            if let Err(error) = self.kernel.map_delete_elem(&self.map, &ring.map_key.to_ne_bytes(), 0) {
                log::debug!("perf buffer: CPU {}: the event stays in the map: {error}", ring.cpu);
            }
            if let Err(error) = self.kernel.perf_event(PerfRequest::Disable(&ring.event)) {
                log::debug!("perf buffer: CPU {}: the event stays enabled: {error}", ring.cpu);
            }
        }
    }
}

impl fmt::Debug for PerfBufferBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerfBufferBuilder")
            .field("map", &self.map)
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PerfBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerfBuffer").field("map", &self.map).field("cpus", &self.cpus).finish_non_exhaustive()
    }
}
