//! Buffers in event loops that are not theirs, and under load: tokio, a plain epoll loop, producers that never stop.
#![cfg(feature = "linux")]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oxbpf::OwnedProgram;
use oxbpf::buffer::{PerfBuffer, RingBuffer};
use oxbpf_kernel::{Kernel, MapCreate, MapFd, ProgLoad};
use oxbpf_uapi::insn::*;
use oxbpf_uapi::{HelperId, Insn, MapType, ProgType};
use rustix::event::epoll;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

fn map(kernel: &Kernel, map_type: MapType, size: u32, max_entries: u32) -> MapFd {
    let request = MapCreate {
        map_type,
        key_size: size,
        value_size: size,
        max_entries,
        map_name: "events",
        ..Default::default()
    };
    kernel.map_create(request).unwrap()
}

const fn mov(dst: u8, imm: i32) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
}

const fn mov_reg(dst: u8, src: u8) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
}

/// A program that writes its first argument as a sample of 8 bytes, and gives what the helper answered.
fn writer(kernel: &Kernel, map: &MapFd, helper: HelperId) -> OwnedProgram {
    let map_at = |dst| [Insn::new(BPF_LD | BPF_IMM | BPF_DW, dst, 1, 0, map.number()), Insn::default()];
    let address = [mov_reg(2, 10), Insn::new(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8)];
    let mut insns = vec![
        mov_reg(7, 1),
        Insn::new(BPF_LDX | BPF_MEM | BPF_DW, 6, 1, 0, 0),
        Insn::new(BPF_STX | BPF_MEM | BPF_DW, 10, 6, -8, 0),
    ];
    if helper == HelperId::RINGBUF_OUTPUT {
        insns.extend(map_at(1));
        insns.extend(address);
        insns.extend([mov(3, 8), mov(4, 0)]);
    } else {
        insns.extend(address);
        insns.extend([mov_reg(4, 2), mov_reg(1, 7)]);
        insns.extend(map_at(2));
        // BPF_F_CURRENT_CPU.
        insns.push(Insn::new(BPF_ALU | BPF_MOV | BPF_K, 3, 0, 0, -1));
        insns.push(mov(5, 8));
    }
    insns.push(Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, helper.0 as i32));
    insns.push(Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    let (prog, _) = kernel.prog_load(ProgLoad {
        prog_type: ProgType::RAW_TRACEPOINT,
        insns: &insns,
        license: "GPL",
        ..Default::default()
    });
    OwnedProgram::new(kernel, prog.unwrap())
}

/// Whether the sample was taken.
fn write(program: &OwnedProgram, number: u64) -> bool {
    let context = number.to_ne_bytes();
    program.test_run(|run| run.ctx_in = &context).unwrap().retval == 0
}

fn number(sample: &[u8]) -> u64 {
    *oxbpf::buffer::typed::<u64>(sample).unwrap()
}

#[allow(
    deprecated,
    reason = "what replaces it is unsafe, for types whose descriptor changes; that of an `OwnedFd` does not"
)]
fn watch(fd: OwnedFd) -> AsyncFd<OwnedFd> {
    AsyncFd::new(fd).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn tokio_waits_for_a_ring_buffer() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    let map = map(&kernel, MapType::RINGBUF, 0, 4096);
    let program = writer(&kernel, &map, HelperId::RINGBUF_OUTPUT);
    let (seen, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut ring = RingBuffer::builder(&kernel)
        .add(&map, |sample| {
            seen.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(number(sample), Ordering::Relaxed);
        })
        .and_then(|b| b.build())
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 1..=2000 {
                // A full ring says so; the consumer makes room.
                while !write(&program, i) {
                    std::thread::yield_now();
                }
            }
        });
        runtime().block_on(async {
            let fd = watch(ring.ready_fd().unwrap());
            let mut total = 0;
            while total < 2000 {
                let samples = fd.async_io(Interest::READABLE, |_| ring.try_consume()).await.unwrap();
                assert!(samples > 0);
                total += samples;
            }
            assert_eq!(total, 2000);
            // Nothing more comes, and nobody spins.
            let wait = fd.async_io(Interest::READABLE, |_| ring.try_consume());
            let over = tokio::time::timeout(Duration::from_millis(1), wait).await;
            assert!(over.is_err());
        });
    });
    drop(ring);
    assert_eq!((seen.into_inner(), sum.into_inner()), (2000, 2000 * 2001 / 2));
}

#[test]
fn tokio_waits_for_a_perf_buffer() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    let map = map(&kernel, MapType::PERF_EVENT_ARRAY, 4, 256);
    let program = writer(&kernel, &map, HelperId::PERF_EVENT_OUTPUT);
    let sum = AtomicU64::new(0);
    let mut buffer = PerfBuffer::builder(&kernel, &map)
        .pages(4)
        .on_sample(|_, sample| {
            sum.fetch_add(u64::from_ne_bytes(sample[..8].try_into().unwrap()), Ordering::Relaxed);
        })
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=100).for_each(|i| assert!(write(&program, i))));
        runtime().block_on(async {
            let fd = watch(buffer.ready_fd().unwrap());
            let mut total = 0;
            while total < 100 {
                total += fd.async_io(Interest::READABLE, |_| buffer.try_consume()).await.unwrap();
            }
        });
    });
    drop(buffer);
    assert_eq!(sum.into_inner(), 5050);
}

#[test]
fn an_epoll_loop_waits_for_several_buffers() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    let maps = [(); 2].map(|()| map(&kernel, MapType::RINGBUF, 0, 4096));
    let programs = maps.each_ref().map(|map| writer(&kernel, map, HelperId::RINGBUF_OUTPUT));
    let sums = [AtomicU64::new(0), AtomicU64::new(0)];
    let mut rings: Vec<RingBuffer<'_>> = maps
        .iter()
        .zip(&sums)
        .map(|(map, sum)| {
            let add = |sample: &[u8]| {
                sum.fetch_add(number(sample), Ordering::Relaxed);
            };
            RingBuffer::builder(&kernel).add(map, add).and_then(|b| b.build()).unwrap()
        })
        .collect();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let fds: Vec<_> = rings.iter_mut().map(|ring| ring.ready_fd().unwrap()).collect();
    for (fd, i) in fds.iter().zip(0..) {
        epoll::add(&set, fd, epoll::EventData::new_u64(i), epoll::EventFlags::IN).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=100).for_each(|i| assert!(write(&programs[i as usize % 2], i))));
        let mut total = 0;
        while total < 100 {
            let mut events = Vec::with_capacity(4);
            epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
            for event in &events {
                let ring = &mut rings[event.data.u64() as usize];
                // Another round may have taken what made it ready.
                total += ring.try_consume().unwrap_or(0);
            }
        }
    });
    drop(rings);
    assert_eq!(sums.map(AtomicU64::into_inner), [2550, 2500]);
}

/// Producers run the program as fast as they can, each with numbers of its own, into a ring that is much too small.
#[test]
fn a_ring_under_overload_loses_nothing_that_it_took() {
    if !testkit::require_bpf() {
        return;
    }
    let producers = 2u64;
    let each = if testkit::is_vm() { 30_000u64 } else { 150_000 };
    let kernel = oxbpf::kernel();
    let map = map(&kernel, MapType::RINGBUF, 0, 4096);
    let program = writer(&kernel, &map, HelperId::RINGBUF_OUTPUT);
    let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut seen, mut last, mut sum) = (0u64, vec![0u64; producers as usize], 0u64);
    let taken_sum = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let mut ring = RingBuffer::builder(&kernel)
        .add(&map, |sample| {
            let value = number(sample);
            let (producer, count) = ((value >> 32) as usize, value & 0xffff_ffff);
            assert!(count > last[producer], "the samples of a producer come in order, and once");
            last[producer] = count;
            seen += 1;
            sum = sum.wrapping_add(value);
        })
        .and_then(|b| b.build())
        .unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|producer| {
                let (program, taken, refused, taken_sum) = (&program, &taken, &refused, &taken_sum);
                scope.spawn(move || {
                    for count in 1..=each {
                        let value = producer << 32 | count;
                        if write(program, value) {
                            taken.fetch_add(1, Ordering::Relaxed);
                            taken_sum.fetch_add(value, Ordering::Relaxed);
                        } else {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            ring.poll(Some(Duration::from_millis(5))).unwrap();
        }
    });
    // What was committed before the end is there after it.
    ring.consume().unwrap();
    drop(ring);
    let (taken, refused) = (taken.into_inner(), refused.into_inner());
    assert_eq!(taken + refused, producers * each);
    assert_eq!(seen, taken, "{refused} were refused");
    assert_eq!(sum, taken_sum.into_inner());
}
