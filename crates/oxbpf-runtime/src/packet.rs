//! A packet in guest memory, and its two contexts.
//!
//! The fields that hold packet pointers are 32 bits wide in `struct xdp_md` and `struct __sk_buff`, while pointers have 64. The kernel
//! rewrites such loads; here the context is hidden from the program at these fields, so that a load of one asks for its value.

use oxbpf_vm::{MemError, Memory, Region, RegionSpec};

/// Bytes before the data, for `bpf_xdp_adjust_head` (`XDP_PACKET_HEADROOM`).
const HEADROOM: u64 = 256;
/// Bytes after the longest packet, for `bpf_xdp_adjust_tail`.
const TAILROOM: u64 = 320;
/// Longest packet.
pub(crate) const MAX_LEN: usize = 64 << 10;
/// Bytes of `struct __sk_buff` before the first hidden field, `data`.
pub(crate) const SKB_VISIBLE: usize = 76;

/// Offsets in `struct __sk_buff`.
mod skb {
    pub(super) const LEN: usize = 0;
    pub(super) const MARK: usize = 8;
    pub(super) const PROTOCOL: usize = 16;
    pub(super) const PRIORITY: usize = 32;
    pub(super) const INGRESS_IFINDEX: usize = 36;
    pub(super) const IFINDEX: usize = 40;
    pub(super) const CB: usize = 48;
    pub(super) const DATA: u64 = 76;
    pub(super) const DATA_END: u64 = 80;
    pub(super) const DATA_META: u64 = 140;
    pub(super) const TSTAMP: u64 = 152;
    pub(super) const WIRE_LEN: u64 = 160;
    pub(super) const GSO_SEGS: u64 = 164;
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
    /// Interface that it came in by.
    pub(crate) ifindex: u32,
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
        let region = memory.alloc(RegionSpec::new(HEADROOM + MAX_LEN as u64 + TAILROOM, "packet"))?;
        let (mark, priority, cb, tstamp, redirect) = (0, 0, [0; 5], 0, None);
        Ok(Self {
            region,
            meta: HEADROOM,
            start: HEADROOM,
            end: HEADROOM,
            ifindex,
            mark,
            priority,
            cb,
            tstamp,
            redirect,
        })
    }

    /// Fills the buffer with another packet.
    pub(crate) fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), MemError> {
        if bytes.len() > MAX_LEN {
            return Err(MemError::BadSize(bytes.len() as u64));
        }
        self.region.write(HEADROOM, bytes)?;
        (self.mark, self.priority, self.cb, self.redirect) = (0, 0, [0; 5], None);
        (self.meta, self.start, self.end) = (HEADROOM, HEADROOM, HEADROOM + bytes.len() as u64);
        self.show()
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

    /// Guest address of the data.
    pub(crate) fn data(&self) -> u64 {
        self.region.addr() + self.start
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
        if start > self.end.checked_sub(14)? {
            return None;
        }
        (self.meta, self.start) = (meta, start);
        self.show().ok()
    }

    /// Moves the end of the data by `delta` bytes; what is gained is zero. `None` if there is no room.
    pub(crate) fn adjust_tail(&mut self, delta: i32) -> Option<()> {
        let end = self.end.checked_add_signed(delta.into())?;
        if end > self.region.len() || end < self.start + 14 {
            return None;
        }
        if end > self.end {
            self.region.zero(self.end, end - self.end).ok()?;
        }
        self.end = end;
        self.show().ok()
    }

    /// Moves the start of the metadata by `delta` bytes. `None` if it would not be a multiple of 4 up to 32 bytes.
    pub(crate) fn adjust_meta(&mut self, delta: i32) -> Option<()> {
        let meta = self.meta.checked_add_signed(delta.into())?;
        let len = self.start.checked_sub(meta)?;
        if len > 32 || len % 4 != 0 {
            return None;
        }
        self.meta = meta;
        self.show().ok()
    }

    /// Makes the data `len` bytes long.
    pub(crate) fn change_tail(&mut self, len: u32) -> Option<()> {
        let delta = i64::from(len) - i64::try_from(self.len()).ok()?;
        self.adjust_tail(i32::try_from(delta).ok()?)
    }

    /// Adds `delta` zero bytes before the data.
    pub(crate) fn change_head(&mut self, delta: u32) -> Option<()> {
        let delta = i32::try_from(delta).ok()?;
        self.adjust_head(-delta)?;
        self.region.zero(self.start, u64::from(delta.unsigned_abs())).ok()
    }

    /// `LD_ABS` and `LD_IND`: big-endian data at an offset.
    pub(crate) fn load(&self, offset: i32, size: u32) -> Option<u64> {
        let mut bytes = [0u8; 8];
        let out = bytes.get_mut(8 - size as usize..)?;
        self.read(u64::try_from(offset).ok()?, out)?;
        Some(u64::from_be_bytes(bytes))
    }

    /// EtherType, in network order as the kernel keeps it.
    fn protocol(&self) -> u32 {
        let mut bytes = [0; 2];
        self.read(12, &mut bytes).map_or(0, |()| u16::from_ne_bytes(bytes).into())
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
        put(skb::PROTOCOL, self.protocol());
        put(skb::PRIORITY, self.priority);
        put(skb::INGRESS_IFINDEX, self.ifindex);
        put(skb::IFINDEX, self.ifindex);
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
            (skb::WIRE_LEN, 4) => Some(self.len() as u64),
            (skb::GSO_SEGS, 4) => Some(1),
            (offset, _) if offset >= SKB_VISIBLE as u64 && offset < skb::END => Some(0),
            _ => None,
        }
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
        assert_eq!(p.xdp_field(0, 4), Some(p.data()));
        assert_eq!(p.xdp_field(4, 4), Some(p.data() + 20));
        assert_eq!(p.xdp_field(0, 8), None);
        assert_eq!(p.skb_field(80, 4), Some(p.data() + 20));
    }

    #[test]
    fn packet_loads_are_big_endian() {
        let p = packet(&[0, 1, 2, 3]);
        assert_eq!(p.load(1, 2), Some(0x0102));
        assert_eq!(p.load(2, 4), None);
    }
}
