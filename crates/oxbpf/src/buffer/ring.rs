//! Ring buffers: one or many maps, each with a callback.

use core::fmt;
use core::ops::ControlFlow;
use std::time::Duration;

use oxbpf_kernel::{Kernel, MapFd, PollSet, RingConsumer};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::{Errno, MapType};

use super::map_of_type;
use crate::error::{At, Error, Frame, Result};

type Callback<'cb> = Box<dyn FnMut(&[u8]) -> ControlFlow<()> + Send + 'cb>;

/// Collects the maps and callbacks of a [`RingBuffer`].
#[derive(Debug)]
pub struct RingBufferBuilder<'cb> {
    kernel: Kernel,
    rings: Vec<OneRing<'cb>>,
}

/// Reads ring buffer maps.
///
/// Dropping it unmaps the rings; samples that were not consumed stay in the maps for the next reader.
///
/// ```no_run
/// # fn example(object: &oxbpf::Object) -> oxbpf::Result<()> {
/// use oxbpf::buffer::RingBuffer;
///
/// let mut count = 0;
/// let mut events = RingBuffer::builder(object.kernel())
///     .add(object.map("events")?.fd(), |sample| {
///         count += 1;
///         println!("{} bytes", sample.len());
///     })?
///     .build()?;
/// events.poll(None)?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ring_buffer")]
pub struct RingBuffer<'cb> {
    kernel: Kernel,
    rings: Vec<OneRing<'cb>>,
    set: PollSet,
}

struct OneRing<'cb> {
    map: MapFd,
    name: Frame,
    consumer: RingConsumer,
    callback: Callback<'cb>,
}

impl<'cb> RingBufferBuilder<'cb> {
    /// Adds a map whose samples go to `callback`.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the map is no ring buffer; the kernel's when it is mapped.
    #[doc(alias = "ring_buffer__add")]
    pub fn add(self, map: &MapFd, mut callback: impl FnMut(&[u8]) + Send + 'cb) -> Result<Self> {
        self.add_until(map, move |sample| {
            callback(sample);
            ControlFlow::Continue(())
        })
    }

    /// Adds a map whose samples go to `callback`, which may end a [`poll`](RingBuffer::poll) or
    /// [`consume`](RingBuffer::consume) early by [`ControlFlow::Break`]. The sample that it broke at is consumed.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_until(
        mut self,
        map: &MapFd,
        callback: impl FnMut(&[u8]) -> ControlFlow<()> + Send + 'cb,
    ) -> Result<Self> {
        let (info, name) = map_of_type(&self.kernel, map, MapType::RINGBUF, "a ring buffer")?;
        let overwrites = info.map_flags & MapFlags::RB_OVERWRITE.bits() != 0;
        let consumer = RingConsumer::map(&self.kernel, map, info.max_entries)
            .and_then(|consumer| if overwrites { consumer.overwrites() } else { Ok(consumer) })
            .at(|| Frame::Syscall("mmap"))
            .at(|| name.clone())?;
        self.rings.push(OneRing { map: map.clone(), name, consumer, callback: Box::new(callback) });
        Ok(self)
    }

    /// Ready to read.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if no map was added.
    #[doc(alias = "ring_buffer__new")]
    pub fn build(self) -> Result<RingBuffer<'cb>> {
        if self.rings.is_empty() {
            return Err(Error::invalid_input("a ring buffer reads at least one map"));
        }
        let mut set = PollSet::new();
        for (i, ring) in self.rings.iter().enumerate() {
            set.add((*ring.map).clone(), i as u64);
        }
        Ok(RingBuffer { kernel: self.kernel, rings: self.rings, set })
    }
}

impl<'cb> RingBuffer<'cb> {
    /// Starts to collect maps.
    pub fn builder(kernel: &Kernel) -> RingBufferBuilder<'cb> {
        RingBufferBuilder { kernel: kernel.clone(), rings: Vec::new() }
    }

    /// Waits until a ring has something, or for `timeout` (`None` waits without end), then hands all samples
    /// of the rings that have some to their callbacks. Returns how many samples that were, 0 after the time
    /// is over.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted) if a signal came first.
    #[doc(alias = "ring_buffer__poll")]
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<usize> {
        self.kernel.poll(&mut self.set, timeout).at(|| Frame::Step("wait for a ring buffer:"))?;
        let mut samples = 0;
        for token in self.set.ready() {
            let ring = usize::try_from(*token).ok().and_then(|i| self.rings.get_mut(i));
            let Some(ring) = ring else { continue };
            let (count, flow) = ring.consume(usize::MAX)?;
            samples += count;
            if flow.is_break() {
                break;
            }
        }
        Ok(samples)
    }

    /// Hands all samples that there are to the callbacks, and returns how many that were.
    ///
    /// # Errors
    /// `EBADMSG` if a ring's memory was damaged.
    #[doc(alias = "ring_buffer__consume")]
    pub fn consume(&mut self) -> Result<usize> {
        self.consume_n(usize::MAX)
    }

    /// Hands at most `max` samples to the callbacks, and returns how many that were.
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    #[doc(alias = "ring_buffer__consume_n")]
    pub fn consume_n(&mut self, max: usize) -> Result<usize> {
        let mut samples = 0;
        for ring in &mut self.rings {
            let (count, flow) = ring.consume(max - samples)?;
            samples += count;
            if flow.is_break() || samples >= max {
                break;
            }
        }
        Ok(samples)
    }

    /// As [`consume`](Self::consume), for runtimes that wait for a descriptor and try again: what tokio's `AsyncFd::async_io` and
    /// async-io's `Async::read_with` take.
    ///
    /// ```text
    /// let fd = tokio::io::unix::AsyncFd::new(ring.ready_fd()?)?;
    /// loop {
    ///     fd.async_io(Interest::READABLE, |_| ring.try_consume()).await?;
    /// }
    /// ```
    ///
    /// # Errors
    /// `WouldBlock` if there was no sample; those of [`consume`](Self::consume).
    pub fn try_consume(&mut self) -> std::io::Result<usize> {
        super::or_would_block(self.consume())
    }

    /// The ring of the map that was added as number `index`, from 0.
    #[doc(alias = "ring_buffer__ring")]
    pub fn ring(&mut self, index: usize) -> Option<Ring<'_, 'cb>> {
        self.rings.get_mut(index).map(Ring)
    }

    /// The rings in the order in which their maps were added.
    pub fn rings(&mut self) -> impl Iterator<Item = Ring<'_, 'cb>> {
        self.rings.iter_mut().map(Ring)
    }

    /// A descriptor that is readable when a ring has something, for a reactor. It may outlive the buffer.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a kernel whose objects are no file descriptors; `EMFILE`.
    #[cfg(unix)]
    #[doc(alias = "ring_buffer__epoll_fd")]
    pub fn ready_fd(&mut self) -> Result<std::os::fd::OwnedFd> {
        ready_fd(&self.kernel, &mut self.set)
    }
}

/// A copy of the descriptor on which a set waits.
#[cfg(unix)]
pub(super) fn ready_fd(kernel: &Kernel, set: &mut PollSet) -> Result<std::os::fd::OwnedFd> {
    // The back end makes it at the first wait.
    if set.reactor().is_none() {
        kernel.poll(set, Some(Duration::ZERO)).map_err(Error::kernel)?;
    }
    let fd = set.reactor().and_then(|(reactor, _)| reactor.fd());
    let fd = fd.ok_or_else(|| Error::unsupported("file descriptors to wait for events", ""))?;
    fd.try_clone_to_owned().map_err(|e| Error::kernel(Errno(e.raw_os_error().unwrap_or(Errno::EIO.0))))
}

impl OneRing<'_> {
    fn consume(&mut self, max: usize) -> Result<(usize, ControlFlow<()>)> {
        let callback = &mut self.callback;
        let mut flow = ControlFlow::Continue(());
        let count = self.consumer.drain(max, &mut |sample| {
            let next = callback(sample);
            if next.is_break() {
                flow = next;
            }
            next
        });
        if self.consumer.is_corrupt() {
            let message = "the ring's memory holds a record that no program wrote";
            return Err(Error::kernel(Errno::EBADMSG).with_message(message).at(self.name.clone()));
        }
        Ok((count, flow))
    }
}

/// One ring of a [`RingBuffer`].
#[doc(alias = "ring")]
pub struct Ring<'r, 'cb>(&'r mut OneRing<'cb>);

impl Ring<'_, '_> {
    /// The map.
    #[doc(alias = "ring__map_fd")]
    pub fn map(&self) -> &MapFd {
        &self.0.map
    }

    /// Bytes that the ring can hold.
    #[doc(alias = "ring__size")]
    pub fn size(&self) -> usize {
        self.0.consumer.size()
    }

    /// Bytes that wait to be consumed, headers included.
    #[doc(alias = "ring__avail_data_size")]
    pub fn avail_data_size(&self) -> usize {
        self.0.consumer.avail()
    }

    /// Bytes consumed since the map was made.
    #[doc(alias = "ring__consumer_pos")]
    pub fn consumer_pos(&self) -> u64 {
        self.0.consumer.consumer_pos()
    }

    /// Bytes produced since the map was made, records that are still being written included.
    #[doc(alias = "ring__producer_pos")]
    pub fn producer_pos(&self) -> u64 {
        self.0.consumer.producer_pos()
    }

    /// Hands all samples of this ring to its callback, and returns how many that were.
    ///
    /// # Errors
    /// As [`RingBuffer::consume`].
    #[doc(alias = "ring__consume")]
    pub fn consume(&mut self) -> Result<usize> {
        self.consume_n(usize::MAX)
    }

    /// Hands at most `max` samples of this ring to its callback, and returns how many that were.
    ///
    /// # Errors
    /// As [`RingBuffer::consume`].
    #[doc(alias = "ring__consume_n")]
    pub fn consume_n(&mut self, max: usize) -> Result<usize> {
        self.0.consume(max).map(|(count, _)| count)
    }
}

impl fmt::Debug for OneRing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("map", &self.map)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Ring<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RingBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingBuffer").field("rings", &self.rings).finish_non_exhaustive()
    }
}
