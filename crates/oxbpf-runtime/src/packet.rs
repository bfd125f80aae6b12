//! A packet in guest memory, and its two contexts.
//!
//! The fields that hold packet pointers are 32 bits wide in `struct xdp_md` and `struct __sk_buff`, while pointers have 64. The kernel
//! rewrites such loads; here the context is hidden from the program at these fields, so that a load of one asks for its value.

use oxbpf_uapi::Errno;
use oxbpf_vm::{MemError, Memory, Region, RegionSpec};

/// Bytes before the data, for `bpf_xdp_adjust_head` (`XDP_PACKET_HEADROOM`).
const HEADROOM: u64 = 256;
/// Bytes of the headroom that the kernel keeps for itself (`struct xdp_frame`).
const FRAME: u64 = 40;
/// Bytes from the start of the headroom to where the tail of a packet ends that fits into a page, as most drivers and test runs have it.
const PAGE_END: u64 = 4096 - 320;
/// Longest metadata before the data.
const MAX_META: u64 = 255;
/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: u64 = 14;
/// Longest packet that `bpf_skb_change_tail` and `bpf_skb_change_head` make (`BPF_SKB_MAX_LEN`).
const MAX_CHANGED: u64 = 4 * 4096 - 320;
/// Longest packet.
pub(crate) const MAX_LEN: usize = 64 << 10;
/// Bytes of `struct __sk_buff` before the first hidden field, `data`.
pub(crate) const SKB_VISIBLE: usize = 76;

/// Offsets in `struct __sk_buff`.
mod skb {
    pub(super) const LEN: usize = 0;
    pub(super) const PKT_TYPE: usize = 4;
    pub(super) const MARK: usize = 8;
    pub(super) const PROTOCOL: usize = 16;
    pub(super) const PRIORITY: usize = 32;
    pub(super) const INGRESS_IFINDEX: usize = 36;
    pub(super) const IFINDEX: usize = 40;
    pub(super) const TC_INDEX: usize = 44;
    pub(super) const CB: usize = 48;
    pub(super) const DATA: u64 = 76;
    pub(super) const DATA_END: u64 = 80;
    pub(super) const DATA_META: u64 = 140;
    pub(super) const TSTAMP: u64 = 152;
    pub(super) const WIRE_LEN: u64 = 160;
    pub(super) const GSO_SEGS: u64 = 164;
    pub(super) const GSO_SIZE: u64 = 176;
    pub(super) const END: u64 = 192;
}

/// One packet.
#[derive(Debug)]
pub(crate) struct Packet {
    region: Region,
    /// Where metadata, data and its end are in the region.
    meta: u64,
    start: u64,
    end: u64,
    /// Where the Ethernet header is, and the network header.
    mac: u64,
    network: u64,
    /// Bytes that the packet had when it came in; 0 where nobody counted.
    pub(crate) wire_len: u32,
    /// Interface that it is on.
    pub(crate) ifindex: u32,
    /// Interface that it came in by, as `struct __sk_buff` has it.
    pub(crate) ingress_ifindex: u32,
    /// EtherType in network order, of when it came in.
    protocol: u16,
    /// `PACKET_*`.
    pub(crate) pkt_type: u32,
    pub(crate) tc_index: u32,
    pub(crate) gso_segs: u32,
    pub(crate) gso_size: u32,
    pub(crate) mark: u32,
    pub(crate) priority: u32,
    pub(crate) cb: [u32; 5],
    /// Nanoseconds.
    pub(crate) tstamp: u64,
    /// Where `bpf_redirect` sends it.
    pub(crate) redirect: Option<u32>,
}

impl Packet {
    /// A buffer for packets.
    pub(crate) fn new(memory: &Memory, ifindex: u32) -> Result<Self, MemError> {
        let region = memory.alloc(RegionSpec::new(HEADROOM + MAX_LEN as u64, "packet"))?;
        Ok(Self {
            region,
            meta: HEADROOM,
            start: HEADROOM,
            end: HEADROOM,
            mac: HEADROOM,
            network: HEADROOM,
            wire_len: 0,
            ifindex,
            ingress_ifindex: ifindex,
            protocol: 0,
            pkt_type: 0,
            tc_index: 0,
            gso_segs: 0,
            gso_size: 0,
            mark: 0,
            priority: 0,
            cb: [0; 5],
            tstamp: 0,
            redirect: None,
        })
    }

    /// Fills the buffer with another packet.
    pub(crate) fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), MemError> {
        if bytes.len() > MAX_LEN {
            return Err(MemError::BadSize(bytes.len() as u64));
        }
        self.region.zero(0, HEADROOM)?;
        self.region.write(HEADROOM, bytes)?;
        (self.mark, self.priority, self.cb, self.redirect) = (0, 0, [0; 5], None);
        (self.pkt_type, self.tc_index) = (0, 0);
        (self.meta, self.start, self.end) = (HEADROOM, HEADROOM, HEADROOM + bytes.len() as u64);
        (self.mac, self.network) = (HEADROOM, HEADROOM + ETHERNET);
        self.wire_len = bytes.len() as u32;
        let ether_type = bytes.get(12..).and_then(<[u8]>::first_chunk);
        self.protocol = ether_type.map_or(0, |two| u16::from_ne_bytes(*two));
        self.show()
    }

    /// Sets where metadata, data and its end are, in bytes from where metadata may begin. `None` if they are no packet.
    pub(crate) fn set_bounds(&mut self, meta: u64, start: u64, end: u64) -> Option<()> {
        let whole = self.end - self.start;
        if meta != 0 || start > end || end > whole || start > MAX_META || start % 4 != 0 {
            return None;
        }
        (self.start, self.end) = (self.meta + start, self.meta + end);
        self.show().ok()
    }

    /// Where the data and its end are, in bytes from the metadata.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        (self.start - self.meta, self.end - self.meta)
    }

    /// Leaves the Ethernet header out of the data, as for programs that begin at the network header.
    pub(crate) fn pull_ethernet(&mut self) -> Option<()> {
        self.start = self.start.checked_add(ETHERNET).filter(|start| *start <= self.end)?;
        self.meta = self.start;
        self.show().ok()
    }

    /// Puts an Ethernet header of zeros back before the data.
    pub(crate) fn push_ethernet(&mut self) -> Option<()> {
        self.start = self.start.checked_sub(ETHERNET)?;
        self.meta = self.start;
        self.region.zero(self.start, ETHERNET).ok()?;
        self.show().ok()
    }

    /// The metadata and the packet's bytes.
    pub(crate) fn with_meta(&self) -> Vec<u8> {
        let mut out = vec![0; (self.end - self.meta) as usize];
        let read = self.region.read(self.meta, &mut out);
        debug_assert!(read.is_ok());
        out
    }

    /// Lets programs see the metadata and the data, and nothing else.
    fn show(&self) -> Result<(), MemError> {
        self.region.set_bounds(self.meta, self.end - self.meta)
    }

    /// The packet's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; self.len()];
        // Start and end are inside the region, since only this module moves them.
        let read = self.region.read(self.start, &mut out);
        debug_assert!(read.is_ok());
        out
    }

    /// Bytes of data.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Copies bytes at an offset from the Ethernet header, or from the network header; `None` if they are not there.
    pub(crate) fn read_header(&self, network: bool, offset: u64, out: &mut [u8]) -> Option<()> {
        let at = if network { self.network } else { self.mac }.checked_add(offset)?;
        let end = at.checked_add(out.len() as u64)?;
        if end > self.end {
            return None;
        }
        self.region.read(at, out).ok()
    }

    /// Copies `out.len()` bytes at an offset of the data; `None` if it is too short.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> Option<()> {
        let end = offset.checked_add(out.len() as u64)?;
        if end > self.end - self.start {
            return None;
        }
        self.region.read(self.start + offset, out).ok()
    }

    /// Overwrites bytes at an offset of the data; `None` if it is too short.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Option<()> {
        let end = offset.checked_add(bytes.len() as u64)?;
        if end > self.end - self.start {
            return None;
        }
        self.region.write(self.start + offset, bytes).ok()
    }

    /// Moves the start of the data by `delta` bytes; metadata goes with it. `None` if there is no room.
    pub(crate) fn adjust_head(&mut self, delta: i32) -> Option<()> {
        let meta_len = self.start - self.meta;
        let start = self.start.checked_add_signed(delta.into())?;
        let meta = start.checked_sub(meta_len)?;
        // An Ethernet header has to remain, as the kernel demands.
        if meta < FRAME || start > self.end.checked_sub(ETHERNET)? {
            return None;
        }
        let mut bytes = vec![0; meta_len as usize];
        self.region.read(self.meta, &mut bytes).ok()?;
        self.region.write(meta, &bytes).ok()?;
        (self.meta, self.start) = (meta, start);
        self.show().ok()
    }

    /// Moves the end of the data by `delta` bytes; what is gained is zero. `None` if there is no room.
    pub(crate) fn adjust_tail(&mut self, delta: i32) -> Option<()> {
        let end = self.end.checked_add_signed(delta.into())?;
        // A packet of more than a page has no room behind it.
        if end > PAGE_END.max(self.end) || end < self.start + ETHERNET {
            return None;
        }
        self.set_end(end)
    }

    fn set_end(&mut self, end: u64) -> Option<()> {
        if end > self.end {
            self.region.zero(self.end, end - self.end).ok()?;
        }
        self.end = end;
        self.show().ok()
    }

    /// Moves the start of the metadata by `delta` bytes.
    ///
    /// # Errors
    /// `EINVAL` if it would leave the headroom, `EACCES` for a length that metadata cannot have.
    pub(crate) fn adjust_meta(&mut self, delta: i32) -> Result<(), Errno> {
        let meta = self.meta.checked_add_signed(delta.into()).ok_or(Errno::EINVAL)?;
        let len = self.start.checked_sub(meta).filter(|_| meta >= FRAME).ok_or(Errno::EINVAL)?;
        if len > MAX_META || len % 4 != 0 {
            return Err(Errno::EACCES);
        }
        self.meta = meta;
        self.show().map_err(|_| Errno::EINVAL)
    }

    /// Makes the data `len` bytes long.
    pub(crate) fn change_tail(&mut self, len: u32) -> Option<()> {
        let len = u64::from(len);
        let min = self.network - self.start.min(self.network);
        if len < min || len > MAX_CHANGED {
            return None;
        }
        self.set_end(self.start + len)
    }

    /// Adds `delta` zero bytes before the data.
    pub(crate) fn change_head(&mut self, delta: u32) -> Option<()> {
        let (delta, len) = (u64::from(delta), self.end - self.start);
        if len + delta > MAX_CHANGED {
            return None;
        }
        let Some(start) = self.start.checked_sub(delta) else {
            // The kernel takes a larger buffer; here the data moves to the back of this one.
            let data = self.bytes();
            let headroom = HEADROOM + delta;
            self.region.write(headroom, &data).ok()?;
            self.move_headers(headroom as i64 - self.start as i64)?;
            (self.start, self.end) = (headroom, headroom + len);
            return self.change_head(delta as u32);
        };
        self.region.zero(start, delta).ok()?;
        (self.start, self.meta, self.mac) = (start, start, start);
        self.show().ok()
    }

    fn move_headers(&mut self, by: i64) -> Option<()> {
        (self.mac, self.network) = (self.mac.checked_add_signed(by)?, self.network.checked_add_signed(by)?);
        Some(())
    }

    /// `LD_ABS` and `LD_IND`: big-endian data at an offset, or from a header for offsets that say so.
    pub(crate) fn load(&self, offset: i32, size: u32) -> Option<u64> {
        /// `SKF_NET_OFF`, `SKF_LL_OFF`.
        const NETWORK: i32 = -0x10_0000;
        const LINK: i32 = -0x20_0000;
        let mut bytes = [0u8; 8];
        let out = bytes.get_mut(8 - size as usize..)?;
        match offset {
            0.. => self.read(offset as u64, out)?,
            NETWORK.. => self.read_header(true, (offset - NETWORK) as u64, out)?,
            LINK.. => self.read_header(false, (offset - LINK) as u64, out)?,
            _ => return None,
        }
        Some(u64::from_be_bytes(bytes))
    }

    /// A field of `struct xdp_md`, if `offset` and `size` name one.
    pub(crate) fn xdp_field(&self, offset: u64, size: u64) -> Option<u64> {
        let base = self.region.addr();
        match (offset, size) {
            (0, 4) => Some(base + self.start),
            (4, 4) => Some(base + self.end),
            (8, 4) => Some(base + self.meta),
            (12, 4) => Some(self.ifindex.into()),
            (16 | 20, 4) => Some(0),
            _ => None,
        }
    }

    /// The visible head of `struct __sk_buff`.
    pub(crate) fn skb_fields(&self) -> [u8; SKB_VISIBLE] {
        let mut out = [0; SKB_VISIBLE];
        let mut put = |at: usize, value: u32| {
            if let Some(field) = out.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_ne_bytes());
            }
        };
        put(skb::LEN, self.len() as u32);
        put(skb::MARK, self.mark);
        put(skb::PKT_TYPE, self.pkt_type);
        put(skb::PROTOCOL, self.protocol.into());
        put(skb::PRIORITY, self.priority);
        put(skb::INGRESS_IFINDEX, self.ingress_ifindex);
        put(skb::IFINDEX, self.ifindex);
        put(skb::TC_INDEX, self.tc_index);
        for (i, word) in self.cb.iter().enumerate() {
            put(skb::CB + 4 * i, *word);
        }
        out
    }

    /// Takes over what a program wrote to the visible head.
    pub(crate) fn set_skb_fields(&mut self, head: &[u8]) {
        let get =
            |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        self.mark = get(skb::MARK);
        self.priority = get(skb::PRIORITY);
        self.tc_index = get(skb::TC_INDEX);
        for (i, word) in self.cb.iter_mut().enumerate() {
            *word = get(skb::CB + 4 * i);
        }
    }

    /// A hidden field of `struct __sk_buff`.
    pub(crate) fn skb_field(&self, offset: u64, size: u64) -> Option<u64> {
        let base = self.region.addr();
        match (offset, size) {
            (skb::DATA, 4) => Some(base + self.start),
            (skb::DATA_END, 4) => Some(base + self.end),
            (skb::DATA_META, 4) => Some(base + self.meta),
            (skb::TSTAMP, 8) => Some(self.tstamp),
            (skb::WIRE_LEN, 4) => Some(self.wire_len.into()),
            (skb::GSO_SEGS, 4) => Some(self.gso_segs.into()),
            (skb::GSO_SIZE, 4) => Some(self.gso_size.into()),
            (offset, _) if offset >= SKB_VISIBLE as u64 && offset < skb::END => Some(0),
            _ => None,
        }
    }

    /// Writes a hidden field of `struct __sk_buff`; says whether it is one that can be written.
    pub(crate) fn set_skb_field(&mut self, offset: u64, size: u64, value: u64) -> bool {
        let is_tstamp = (offset, size) == (skb::TSTAMP, 8);
        if is_tstamp {
            self.tstamp = value;
        }
        is_tstamp
    }
}

/// What a test run is given and gives as `struct __sk_buff`.
impl Packet {
    /// Takes over the fields that a caller may set.
    ///
    /// # Errors
    /// `EINVAL` if another one is not zero, or one has a value that no packet has; `ENODEV` for another interface; `E2BIG` for bytes that
    /// are no field.
    pub(crate) fn set_skb_context(&mut self, context: &[u8]) -> Result<(), Errno> {
        /// Fields that may be set, by offset and size.
        const FREE: &[(usize, usize)] = &[(8, 4), (32, 12), (48, 20), (152, 16), (176, 4), (184, 8)];
        let mut bytes = [0; skb::END as usize];
        let (known, rest) = context.split_at(context.len().min(bytes.len()));
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        for (to, from) in bytes.iter_mut().zip(known) {
            *to = *from;
        }
        let is_free = |i: usize| FREE.iter().any(|(at, len)| (*at..at + len).contains(&i));
        if bytes.iter().enumerate().any(|(i, byte)| *byte != 0 && !is_free(i)) {
            return Err(Errno::EINVAL);
        }
        let get = |at: u64| {
            bytes.get(at as usize..).and_then(<[u8]>::first_chunk).map_or(0, |b| u32::from_ne_bytes(*b))
        };
        let (ifindex, wire_len) = (get(skb::IFINDEX as u64), get(skb::WIRE_LEN));
        if ifindex > 1 {
            return Err(Errno::ENODEV);
        }
        let len = self.len() as u32;
        if wire_len != 0 && !(len..=64 << 10).contains(&wire_len) {
            return Err(Errno::EINVAL);
        }
        if get(skb::GSO_SEGS) > 0xffff {
            return Err(Errno::EINVAL);
        }
        self.set_skb_fields(&bytes);
        self.ingress_ifindex = get(skb::INGRESS_IFINDEX as u64);
        self.tstamp = u64::from(get(skb::TSTAMP)) | u64::from(get(skb::TSTAMP + 4)) << 32;
        self.wire_len = if wire_len == 0 { len } else { wire_len };
        (self.gso_segs, self.gso_size) = (get(skb::GSO_SEGS), get(skb::GSO_SIZE));
        Ok(())
    }

    /// The context that was given, with the fields that are told anew.
    pub(crate) fn skb_context(&self, context: &[u8]) -> Vec<u8> {
        let mut out = context.to_vec();
        out.resize(skb::END as usize, 0);
        let mut put = |at: usize, value: &[u8]| {
            if let Some(field) = out.get_mut(at..at + value.len()) {
                field.copy_from_slice(value);
            }
        };
        put(skb::MARK, &self.mark.to_ne_bytes());
        put(skb::PRIORITY, &self.priority.to_ne_bytes());
        put(skb::INGRESS_IFINDEX, &self.ingress_ifindex.to_ne_bytes());
        put(skb::IFINDEX, &self.ifindex.to_ne_bytes());
        for (i, word) in self.cb.iter().enumerate() {
            put(skb::CB + 4 * i, &word.to_ne_bytes());
        }
        put(skb::TSTAMP as usize, &self.tstamp.to_ne_bytes());
        put(skb::WIRE_LEN as usize, &self.wire_len.to_ne_bytes());
        put(skb::GSO_SEGS as usize, &self.gso_segs.to_ne_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: &[u8]) -> Packet {
        let memory = Memory::new(1 << 20).unwrap();
        let mut packet = Packet::new(&memory, 1).unwrap();
        packet.load_bytes(bytes).unwrap();
        packet
    }

    #[test]
    fn head_and_tail_move_within_the_room() {
        let mut p = packet(&[7; 60]);
        p.adjust_head(-4).unwrap();
        assert_eq!(p.len(), 64);
        assert_eq!(p.adjust_head(-1000), None);
        assert_eq!(p.adjust_head(60), None);
        p.adjust_tail(4).unwrap();
        assert_eq!(p.bytes().get(64..), Some(&[0; 4][..]));
        assert_eq!(p.adjust_tail(-1000), None);
    }

    #[test]
    fn pointers_in_the_context_are_whole() {
        let p = packet(&[1; 20]);
        let data = p.region.addr() + HEADROOM;
        assert_eq!(p.xdp_field(0, 4), Some(data));
        assert_eq!(p.xdp_field(4, 4), Some(data + 20));
        assert_eq!(p.xdp_field(0, 8), None);
        assert_eq!(p.skb_field(80, 4), Some(data + 20));
    }

    #[test]
    fn packet_loads_are_big_endian() {
        let p = packet(&[0, 1, 2, 3]);
        assert_eq!(p.load(1, 2), Some(0x0102));
        assert_eq!(p.load(2, 4), None);
    }
}
