//! The BPF ring buffer in shared memory: pages, positions and record headers.
//!
//! A ring buffer descriptor maps as: one page with the consumer's position, writable; one page with the producer's
//! position, read-only; then the data pages twice in a row, read-only, so that a record that wraps is contiguous.
//! User ring buffers swap the rights. Positions are `u64` byte counts that never wrap; the place in the data is the
//! position modulo the data size, a power of two.
//!
//! Each record is an 8-byte header (`u32` length and bits, `u32` page offset that readers ignore) and its data, and
//! takes a multiple of 8 bytes.
//!
//! Source: `include/uapi/linux/bpf.h` and `kernel/bpf/ringbuf.c` of Linux 7.2.

/// Set in a record's length while its writer is not done.
#[doc(alias = "BPF_RINGBUF_BUSY_BIT")]
pub const BUSY_BIT: u32 = 1 << 31;
/// Set in a record's length if the reader shall skip it.
#[doc(alias = "BPF_RINGBUF_DISCARD_BIT")]
pub const DISCARD_BIT: u32 = 1 << 30;
/// The bits of the first word that are the record's length in bytes, header not counted.
pub const LEN_MASK: u32 = !(BUSY_BIT | DISCARD_BIT);
/// Bytes of a record's header.
#[doc(alias = "BPF_RINGBUF_HDR_SZ")]
pub const HEADER_LEN: usize = 8;

/// `bpf_ringbuf_query`: bytes not yet read.
#[doc(alias = "BPF_RB_AVAIL_DATA")]
pub const AVAIL_DATA: u64 = 0;
/// `bpf_ringbuf_query`: bytes of the ring.
#[doc(alias = "BPF_RB_RING_SIZE")]
pub const RING_SIZE: u64 = 1;
/// `bpf_ringbuf_query`: the consumer's position.
#[doc(alias = "BPF_RB_CONS_POS")]
pub const CONS_POS: u64 = 2;
/// `bpf_ringbuf_query`: the producer's position.
#[doc(alias = "BPF_RB_PROD_POS")]
pub const PROD_POS: u64 = 3;
/// `bpf_ringbuf_query`: position of the oldest record in overwrite mode. Linux 6.19.
#[doc(alias = "BPF_RB_OVERWRITE_POS")]
pub const OVERWRITE_POS: u64 = 4;

/// Bytes that a record with `len` bytes of data takes.
pub const fn record_len(len: u32) -> u64 {
    (len as u64 + HEADER_LEN as u64).next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_take_a_multiple_of_eight_bytes() {
        assert_eq!([0, 1, 8, 9].map(record_len), [8, 16, 16, 24]);
        assert_eq!(record_len(u32::MAX), (1 << 32) + 8);
    }
}
