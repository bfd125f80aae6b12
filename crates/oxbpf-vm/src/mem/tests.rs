use super::*;

fn memory() -> Memory {
    Memory::new(1 << 20).unwrap()
}

fn message(result: Result<impl fmt::Debug, Fault>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn regions_start_as_zeros_also_when_used_again() {
    let memory = memory();
    for len in [8, CLEAR_BY_HAND + 1] {
        for _ in 0..300 {
            let region = memory.alloc(RegionSpec::new(len, "x")).unwrap();
            let mut bytes = vec![1; len as usize];
            memory.read(region.addr(), &mut bytes).unwrap();
            assert!(bytes.iter().all(|b| *b == 0));
            bytes.fill(0xff);
            memory.write(region.addr(), &bytes).unwrap();
        }
    }
}

#[test]
fn integers_of_every_size_and_alignment_read_back() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(64, "x")).unwrap();
    for size in [1u32, 2, 4, 8] {
        for shift in 0..16 {
            let (addr, value) = (region.addr() + shift, 0xf1e2_d3c4_b5a6_9788);
            memory.zero(region.addr(), 64).unwrap();
            memory.write_uint(addr, size, value).unwrap();
            let mask = u64::MAX >> (64 - 8 * size);
            assert_eq!(memory.read_uint(addr, size).unwrap(), value & mask, "{size} at {shift}");
            let mut bytes = [0; 32];
            memory.read(region.addr(), &mut bytes).unwrap();
            let whole = value & mask;
            let native: Vec<u8> = match size {
                1 => vec![whole as u8],
                2 => (whole as u16).to_ne_bytes().to_vec(),
                4 => (whole as u32).to_ne_bytes().to_vec(),
                _ => whole.to_ne_bytes().to_vec(),
            };
            let at = shift as usize;
            assert_eq!(bytes[at..at + size as usize], native);
            assert!(bytes[..at].iter().chain(&bytes[at + size as usize..]).all(|b| *b == 0));
        }
    }
}

#[test]
fn faults_name_the_object_and_the_distance() {
    let memory = memory();
    let page = memory.page_size();
    let array = memory.alloc(RegionSpec::array(4, 16, 8, "map value \"counts\"")).unwrap();
    let consts = memory.alloc(RegionSpec::new(page, "map value \".rodata\"").rights(Rights::Read)).unwrap();
    let a = array.addr();
    assert_eq!(message(memory.read_uint(0, 8)), "read of 8 bytes at 0x0: null pointer");
    assert_eq!(message(memory.read_uint(24, 4)), "read of 4 bytes at 0x18: null pointer");
    assert_eq!(
        message(memory.read_uint(0x7fff_1234_5678, 1)),
        "read of 1 byte at 0x7fff12345678: no object there"
    );
    assert_eq!(
        message(memory.write_uint(a + 26, 4, 0)),
        "write of 4 bytes, 2 past the end of map value \"counts\" (8 bytes)"
    );
    assert_eq!(
        message(memory.read(a + 4, &mut [0; 8])),
        "read of 8 bytes at offset 4 runs past the end of map value \"counts\" (8 bytes)"
    );
    assert_eq!(
        message(memory.read_uint(a + 64, 1)),
        "read of 1 byte, 8 past the end of map value \"counts\" (8 bytes)"
    );
    assert_eq!(
        message(memory.read_uint(consts.addr() - 4, 4)),
        format!("read of 4 bytes, 4 before the start of map value \".rodata\" ({page} bytes)")
    );
    let addr = consts.addr() + 8;
    assert_eq!(
        message(memory.write_uint(addr, 4, 1)),
        format!("write of 4 bytes at {addr:#x}: map value \".rodata\" is read-only")
    );
    assert_eq!(memory.read_uint(addr, 4), Ok(0));
    let stale = array.addr();
    drop(array);
    assert!(memory.read_uint(stale, 8).is_err());
}

#[test]
fn no_access_outside_of_a_region_works_whatever_the_address() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(100, "x")).unwrap();
    let (start, end) = (region.addr(), region.addr() + 100);
    let edges =
        [0, 1, 7, 8, 4095, 4096, u64::MAX, u64::MAX - 7, Memory::BASE, Memory::BASE + (1 << 20), 1 << 63];
    let near = (0..24).flat_map(|d| [start.wrapping_sub(d), end.wrapping_sub(d), end + d]);
    for addr in near.chain(edges) {
        for size in [1, 2, 4, 8] {
            let inside = addr >= start && addr <= end - u64::from(size);
            assert_eq!(memory.read_uint(addr, size).is_ok(), inside, "{size} at {addr:#x}");
            assert_eq!(memory.write_uint(addr, size, 0).is_ok(), inside);
            assert_eq!(
                memory.atomic(addr, size, AtomicOp::Add, 0, 0).is_ok(),
                inside && size >= 4 && addr % u64::from(size) == 0
            );
        }
    }
}

#[test]
fn visible_bounds_move_with_a_packet() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(512, "packet")).unwrap();
    region.set_bounds(256, 60).unwrap();
    let data = region.addr() + 256;
    assert_eq!(memory.write_uint(data + 52, 8, 1), Ok(()));
    assert_eq!(
        message(memory.read_uint(data - 2, 2)),
        "read of 2 bytes, 2 before the start of packet (60 bytes)"
    );
    assert_eq!(
        message(memory.read_uint(data + 60, 1)),
        "read of 1 byte, 0 past the end of packet (60 bytes)"
    );
    assert!(region.set_bounds(500, 13).is_err());
    assert!(region.set_bounds(u64::MAX, 2).is_err());
    region.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_ring_shows_its_data_twice_and_only_what_is_granted() {
    let memory = memory();
    let page = memory.page_size();
    let ring = memory.alloc_ring(2 * page, page, "ring record").unwrap();
    ring.write(2 * page + page - 4, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let mut start = [0; 4];
    ring.read(2 * page, &mut start).unwrap();
    assert_eq!(start, [5, 6, 7, 8]);

    let record = 2 * page + page - 16;
    assert!(memory.read_uint(ring.addr() + record, 8).is_err());
    ring.grant(record, 24).unwrap();
    assert_eq!(memory.write_uint(ring.addr() + record + 16, 8, 9), Ok(()));
    assert_eq!(ring.load_uint(2 * page, 8).unwrap(), 9);
    assert_eq!(
        message(memory.write_uint(ring.addr() + record + 20, 8, 9)),
        "write of 8 bytes at offset 20 runs past the end of ring record (24 bytes)"
    );
    assert_eq!(ring.revoke(record), Some(24));
    assert!(memory.read_uint(ring.addr() + record, 8).is_err());
}

#[test]
fn pages_of_a_ring_are_zeros_for_the_next_object() {
    let memory = Memory::new(0).unwrap();
    let page = memory.page_size();
    for _ in 0..40 {
        let ring = memory.alloc_ring(2 * page, 2 * page, "ring").unwrap();
        ring.write(2 * page, &vec![7; 4 * page as usize]).unwrap();
        drop(ring);
        let plain = memory.alloc(RegionSpec::new(6 * page, "plain")).unwrap();
        let mut bytes = vec![1; 6 * page as usize];
        memory.read(plain.addr(), &mut bytes).unwrap();
        assert!(bytes.iter().all(|b| *b == 0));
        plain.write(0, &[1]).unwrap();
    }
}

#[test]
fn a_view_shares_bytes_and_outlives_the_region() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(4096, "x")).unwrap();
    let view = region.view(8, 64, Prot::ReadWrite).unwrap();
    memory.write_uint(region.addr() + 16, 8, 42).unwrap();
    assert_eq!(view.load_u64(8, Ordering::Acquire), Ok(42));
    let addr = region.addr();
    drop(region);
    drop(memory.clone());
    view.store_u64(8, 43, Ordering::Release).unwrap();
    assert_eq!(memory.read_uint(addr + 16, 8), Ok(43));
    drop(view);
    assert!(memory.read_uint(addr + 16, 8).is_err());
}

#[test]
fn a_full_memory_says_so() {
    let memory = Memory::new(0).unwrap();
    let page = memory.page_size();
    let error = memory.alloc(RegionSpec::new(20 * page, "x")).unwrap_err().to_string();
    assert_eq!(error, format!("no room for {} bytes of guest memory (limit {})", 20 * page, 16 * page));
    assert!(memory.alloc(RegionSpec::array(u64::MAX, 8, 8, "x")).is_err());
    assert!(memory.alloc(RegionSpec::new(0, "x")).is_err());
}

#[test]
fn strings_end_at_nul_or_the_limit() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(8, "x")).unwrap();
    memory.write(region.addr(), b"abc\0efgh").unwrap();
    assert_eq!(memory.read_cstr(region.addr(), 64).unwrap(), b"abc");
    assert_eq!(memory.read_cstr(region.addr() + 4, 4).unwrap(), b"efgh");
    assert!(memory.read_cstr(region.addr() + 4, 5).is_err());
}

#[test]
fn atomics_of_many_threads_lose_nothing() {
    let memory = memory();
    let region = memory.alloc(RegionSpec::new(16, "x")).unwrap();
    let addr = region.addr();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..10_000 {
                    memory.atomic(addr, 8, AtomicOp::Add, 1, 0).unwrap();
                    memory.atomic(addr + 8, 4, AtomicOp::Xor, 1, 0).unwrap();
                }
            });
        }
    });
    assert_eq!(memory.read_uint(addr, 8), Ok(40_000));
    assert_eq!(memory.read_uint(addr + 8, 8), Ok(0));
}

#[test]
fn regions_come_and_go_on_many_threads() {
    let memory = memory();
    std::thread::scope(|s| {
        for t in 0..4u64 {
            let memory = &memory;
            s.spawn(move || {
                for i in 0..500u64 {
                    let region = memory.alloc(RegionSpec::new(8 + 4096 * (i % 3), "x")).unwrap();
                    memory.write_uint(region.addr(), 8, t << 32 | i).unwrap();
                    assert_eq!(memory.read_uint(region.addr(), 8), Ok(t << 32 | i));
                }
            });
        }
    });
}
