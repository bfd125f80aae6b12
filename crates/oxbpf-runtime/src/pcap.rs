//! Packet captures: pcap and pcapng in, pcap out. Only what a packet source needs: Ethernet frames and their times.
//!
//! Formats: the libpcap file format, and pcapng's section header, interface, enhanced, simple and old packet blocks. Other blocks are
//! skipped. Either byte order is read; this machine's is written.

use std::io::{self, Read, Write};

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Nanoseconds since 1970.
    pub(crate) time_ns: u64,
    /// Bytes of the frame, cut where the capture cut it.
    pub(crate) data: Vec<u8>,
}

/// Longest packet or block that is taken for one.
const MAX_BLOCK: u32 = 16 << 20;
const ETHERNET: u32 = 1;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const SECTION: u32 = 0x0a0d_0d0a;

/// Reads a capture from a stream.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes read so far, for messages.
    offset: u64,
    form: Form,
    big_endian: bool,
}

#[derive(Debug)]
enum Form {
    Pcap {
        nanos: bool,
    },
    /// Nanoseconds a tick of each interface of the section, as a rate, and its link type.
    Pcapng {
        interfaces: Vec<(u64, u32)>,
    },
}

fn bad(offset: u64, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("offset {offset}: {what}"))
}

impl<R: Read> Reader<R> {
    /// Reads the head of a capture.
    ///
    /// # Errors
    /// If it is neither pcap nor pcapng, or its packets are no Ethernet frames.
    pub(crate) fn new(input: R) -> io::Result<Self> {
        let mut reader = Self { input, offset: 0, form: Form::Pcap { nanos: false }, big_endian: false };
        let magic = reader.bytes::<4>()?.ok_or_else(|| bad(0, "empty file"))?;
        let (little, big) = (u32::from_le_bytes(magic), u32::from_be_bytes(magic));
        if little == SECTION {
            reader.form = Form::Pcapng { interfaces: Vec::new() };
            reader.section()?;
            return Ok(reader);
        }
        let (magic, big_endian) = match (little, big) {
            (MAGIC_MICROS | MAGIC_NANOS, _) => (little, false),
            (_, MAGIC_MICROS | MAGIC_NANOS) => (big, true),
            _ => return Err(bad(0, "neither pcap nor pcapng")),
        };
        reader.big_endian = big_endian;
        reader.form = Form::Pcap { nanos: magic == MAGIC_NANOS };
        let head = reader.whole(20)?;
        let link = reader.word(&head, 16) & 0xffff;
        reader.require_ethernet(link)?;
        Ok(reader)
    }

    fn require_ethernet(&self, link: u32) -> io::Result<()> {
        let message = format!("link type {link}: only Ethernet (1) is served");
        if link == ETHERNET { Ok(()) } else { Err(bad(self.offset, message)) }
    }

    /// The next packet, `None` after the last.
    ///
    /// # Errors
    /// If the capture is cut or broken.
    pub(crate) fn next(&mut self) -> io::Result<Option<Captured>> {
        match &self.form {
            Form::Pcap { nanos } => {
                let scale = if *nanos { 1 } else { 1000 };
                self.next_pcap(scale)
            }
            Form::Pcapng { .. } => self.next_pcapng(),
        }
    }

    fn next_pcap(&mut self, scale: u64) -> io::Result<Option<Captured>> {
        let Some(head) = self.bytes::<16>()? else { return Ok(None) };
        let (secs, fraction) = (u64::from(self.word(&head, 0)), u64::from(self.word(&head, 4)));
        let len = self.word(&head, 8);
        let data = self.whole(len)?;
        Ok(Some(Captured { time_ns: secs * 1_000_000_000 + fraction * scale, data }))
    }

    /// The rest of a section header block, after its type.
    fn section(&mut self) -> io::Result<()> {
        let head = self.whole(8)?;
        let magic = head.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        self.big_endian = match magic {
            0x1a2b_3c4d => false,
            0x4d3c_2b1a => true,
            _ => return Err(bad(self.offset, "section header without its byte-order magic")),
        };
        let len = self.word(&head, 0);
        let rest = len.checked_sub(12).filter(|_| len % 4 == 0);
        self.whole(rest.ok_or_else(|| bad(self.offset, "section header too short"))?)?;
        self.form = Form::Pcapng { interfaces: Vec::new() };
        Ok(())
    }

    fn next_pcapng(&mut self) -> io::Result<Option<Captured>> {
        loop {
            let Some(kind) = self.bytes::<4>()? else { return Ok(None) };
            let kind = self.word(&kind, 0);
            if kind == SECTION {
                self.section()?;
                continue;
            }
            let len = self.whole(4)?;
            let len = self.word(&len, 0);
            let body = len.checked_sub(12).filter(|_| len % 4 == 0);
            let block = self.whole(body.ok_or_else(|| bad(self.offset, "block too short"))?)?;
            self.whole(4)?;
            match kind {
                1 => self.interface(&block)?,
                2 | 6 => return self.packet(&block, kind == 2).map(Some),
                3 => {
                    let len = self.word(&block, 0) as usize;
                    let data = block.get(4..).unwrap_or_default();
                    let data = data.get(..len.min(data.len())).unwrap_or_default().to_vec();
                    return Ok(Some(Captured { time_ns: 0, data }));
                }
                _ => {}
            }
        }
    }

    fn interface(&mut self, block: &[u8]) -> io::Result<()> {
        let link = self.half(block, 0);
        let mut ticks = 1_000_000;
        let mut at = 8;
        // Options: number, length, value padded to 4 bytes.
        while at + 4 <= block.len() {
            let (number, len) = (self.half(block, at), self.half(block, at + 2) as usize);
            if number == 9 {
                let resolution = block.get(at + 4).copied().unwrap_or(6);
                let power = u32::from(resolution & 0x7f);
                let base: u64 = if resolution & 0x80 != 0 { 2 } else { 10 };
                ticks = base
                    .checked_pow(power)
                    .ok_or_else(|| bad(self.offset, "time resolution out of range"))?;
            }
            at += 4 + len.next_multiple_of(4);
        }
        self.require_ethernet(link)?;
        if let Form::Pcapng { interfaces } = &mut self.form {
            interfaces.push((ticks, link));
        }
        Ok(())
    }

    fn packet(&mut self, block: &[u8], is_old: bool) -> io::Result<Captured> {
        let interface = if is_old { self.half(block, 0) } else { self.word(block, 0) } as usize;
        let Form::Pcapng { interfaces } = &self.form else {
            return Err(bad(self.offset, "packet block in pcap"));
        };
        let &(ticks, _) =
            interfaces.get(interface).ok_or_else(|| bad(self.offset, "packet of an unknown interface"))?;
        let stamp = u64::from(self.word(block, 4)) << 32 | u64::from(self.word(block, 8));
        let len = self.word(block, 12) as usize;
        let data = block.get(20..).and_then(|d| d.get(..len));
        let data = data.ok_or_else(|| bad(self.offset, "packet longer than its block"))?.to_vec();
        let nanos = u128::from(stamp) * 1_000_000_000 / u128::from(ticks);
        Ok(Captured { time_ns: u64::try_from(nanos).unwrap_or(u64::MAX), data })
    }

    fn word(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn half(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).unwrap_or_default();
        if self.big_endian { u16::from_be_bytes(bytes).into() } else { u16::from_le_bytes(bytes).into() }
    }

    /// `N` bytes, `None` at the end of the file.
    fn bytes<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut out = [0; N];
        let mut have = 0;
        while let Some(room) = out.get_mut(have..).filter(|r| !r.is_empty()) {
            match self.input.read(room) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(bad(self.offset, "the file ends in the middle of a record")),
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.offset += N as u64;
        Ok(Some(out))
    }

    fn whole(&mut self, len: u32) -> io::Result<Vec<u8>> {
        if len > MAX_BLOCK {
            return Err(bad(self.offset, format!("a record of {len} bytes")));
        }
        // Grows as bytes arrive, so a length that lies costs nothing.
        let mut out = Vec::new();
        self.input.by_ref().take(len.into()).read_to_end(&mut out)?;
        if out.len() < len as usize {
            return Err(bad(self.offset, "the file ends in the middle of a record"));
        }
        self.offset += u64::from(len);
        Ok(out)
    }
}

/// Writes a pcap file with times in nanoseconds.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    ///
    /// # Errors
    /// As the stream.
    pub(crate) fn new(mut output: W) -> io::Result<Self> {
        let mut head = MAGIC_NANOS.to_ne_bytes().to_vec();
        head.extend_from_slice(&2u16.to_ne_bytes());
        head.extend_from_slice(&4u16.to_ne_bytes());
        head.extend_from_slice(&[0; 8]);
        head.extend_from_slice(&0x4_0000u32.to_ne_bytes());
        head.extend_from_slice(&ETHERNET.to_ne_bytes());
        output.write_all(&head)?;
        Ok(Self { output })
    }

    /// Appends a packet.
    ///
    /// # Errors
    /// As the stream.
    pub(crate) fn write(&mut self, packet: &Captured) -> io::Result<()> {
        let len = packet.data.len() as u32;
        let secs = (packet.time_ns / 1_000_000_000) as u32;
        for word in [secs, (packet.time_ns % 1_000_000_000) as u32, len, len] {
            self.output.write_all(&word.to_ne_bytes())?;
        }
        self.output.write_all(&packet.data)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// As the stream.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> io::Result<Vec<Captured>> {
        let mut reader = Reader::new(bytes)?;
        let mut found = Vec::new();
        while let Some(packet) = reader.next()? {
            found.push(packet);
        }
        Ok(found)
    }

    #[test]
    fn what_is_written_reads_back() {
        let packets = [
            Captured { time_ns: 1_700_000_000_123_456_789, data: vec![1; 60] },
            Captured { time_ns: 0, data: vec![] },
        ];
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        packets.iter().for_each(|p| writer.write(p).unwrap());
        writer.finish().unwrap();
        assert_eq!(all(&bytes).unwrap(), packets);
    }

    #[test]
    fn pcapng_blocks_are_read_in_either_byte_order() {
        for big in [false, true] {
            let w = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
            let h = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
            let mut file = Vec::new();
            file.extend(SECTION.to_le_bytes());
            file.extend(w(28));
            file.extend(w(0x1a2b_3c4d));
            file.extend([0; 12]);
            file.extend(w(28));
            // An interface with nanosecond stamps.
            file.extend(w(1));
            file.extend(w(32));
            file.extend(h(1));
            file.extend([0; 6]);
            file.extend(h(9));
            file.extend(h(1));
            file.extend([9, 0, 0, 0]);
            file.extend([0; 4]);
            file.extend(w(32));
            // A block that nobody knows.
            file.extend(w(0x77));
            file.extend(w(12));
            file.extend(w(12));
            file.extend(w(6));
            file.extend(w(36));
            file.extend([w(0), w(0), w(77), w(3), w(3)].concat());
            file.extend([9, 8, 7, 0]);
            file.extend(w(36));
            assert_eq!(all(&file).unwrap(), [Captured { time_ns: 77, data: vec![9, 8, 7] }]);
        }
    }

    #[test]
    fn broken_files_say_where() {
        let message = |bytes: &[u8]| all(bytes).unwrap_err().to_string();
        assert_eq!(message(b""), "offset 0: empty file");
        assert_eq!(message(b"\x7fELF1234"), "offset 0: neither pcap nor pcapng");
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).unwrap().write(&Captured { time_ns: 0, data: vec![0; 9] }).unwrap();
        bytes.pop();
        assert_eq!(message(&bytes), "offset 40: the file ends in the middle of a record");
        bytes.splice(32..36, [0xff; 4]);
        assert_eq!(message(&bytes), "offset 40: a record of 4294967295 bytes");
    }
}
