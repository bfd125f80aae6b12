//! Samples that programs of the running kernel write.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::Duration;

use oxbpf_kernel::{Kernel, MapCreate, MapFd, ProgTestRun};
use oxbpf_uapi::insn::{BPF_DW, BPF_MEM, BPF_STX};
use oxbpf_uapi::{HelperId, Insn, MapType, ProgType};

use crate::ErrorKind;
use crate::buffer::{PerfBuffer, RingBuffer};
use crate::link::tests::{
    EXIT, LoadAs, Probe, add, call, kernel, load_map, load_u64, mov, mov_reg, skip, store_u64,
};

const RAW_TRACEPOINT: LoadAs = LoadAs {
    prog_type: ProgType::RAW_TRACEPOINT,
    attach_type: oxbpf_uapi::AttachType(0),
    attach_btf_id: 0,
    flags: 0,
};

fn ring_map(kernel: &Kernel, bytes: u32) -> MapFd {
    let request = MapCreate {
        map_type: MapType::RINGBUF,
        max_entries: bytes,
        map_name: "events",
        ..MapCreate::default()
    };
    kernel.map_create(request).expect("a ring buffer map")
}

/// A program that writes its first argument as a sample of 8 bytes.
fn writer(kernel: &Kernel, map: &MapFd) -> Probe {
    Probe::load(kernel, RAW_TRACEPOINT, |_| {
        let mut insns = vec![load_u64(6, 1, 0), Insn::new(BPF_STX | BPF_MEM | BPF_DW, 10, 6, -8, 0)];
        insns.extend(load_map(1, map));
        insns.extend([
            mov_reg(2, 10),
            add(2, -8),
            mov(3, 8),
            mov(4, 0),
            call(HelperId::RINGBUF_OUTPUT),
            EXIT,
        ]);
        insns
    })
    .expect("loads")
}

/// Runs a raw tracepoint program with one argument; answers what it returned.
fn run(probe: &Probe, argument: u64) -> u32 {
    let attach = probe.attach();
    let mut request = ProgTestRun::new(attach.prog);
    let context = argument.to_ne_bytes();
    request.ctx_in = &context;
    probe.kernel.prog_test_run(request).expect("runs").retval
}

fn number(sample: &[u8]) -> u64 {
    u64::from_ne_bytes(sample.try_into().expect("8 bytes"))
}

#[test]
fn samples_arrive_in_order_across_the_end_of_the_ring() {
    let Some(kernel) = kernel() else { return };
    let map = ring_map(&kernel, 4096);
    let probe = writer(&kernel, &map);
    let seen = Mutex::new(Vec::new());
    let mut ring = RingBuffer::builder(&kernel)
        .add(&map, |sample| seen.lock().expect("one thread").push(number(sample)))
        .and_then(|builder| builder.build())
        .expect("a ring buffer");
    assert_eq!(ring.poll(Some(Duration::ZERO)).expect("polls"), 0);
    for round in 0..8_u64 {
        // 16 bytes a sample: 200 of them take 3,200 of the ring's 4,096 bytes.
        (0..200).for_each(|i| assert_eq!(run(&probe, round * 200 + i), 0));
        assert_eq!(ring.ring(0).expect("the ring").avail_data_size(), 3200);
        assert_eq!(ring.poll(None).expect("polls"), 200);
    }
    let one = ring.ring(0).expect("the ring");
    assert_eq!((one.size(), one.avail_data_size()), (4096, 0));
    assert_eq!((one.consumer_pos(), one.producer_pos()), (25_600, 25_600));
    assert!(ring.ring(1).is_none());
    drop(ring);
    assert_eq!(seen.into_inner().expect("one thread"), (0..1600).collect::<Vec<_>>());
}

#[test]
fn a_full_ring_refuses_samples_and_keeps_those_it_has() {
    let Some(kernel) = kernel() else { return };
    let map = ring_map(&kernel, 4096);
    let probe = writer(&kernel, &map);
    let accepted = (0..300).filter(|i| run(&probe, *i) == 0).count();
    assert_eq!(accepted, 255, "16 bytes each, and a full ring never fills its last byte");
    let mut ring =
        RingBuffer::builder(&kernel).add(&map, |_| {}).and_then(|b| b.build()).expect("a ring buffer");
    assert_eq!(ring.consume().expect("consumes"), accepted);
    assert_eq!(run(&probe, 1), 0);
}

#[test]
fn consuming_can_stop_after_a_number_or_where_the_callback_says() {
    let Some(kernel) = kernel() else { return };
    let maps = [ring_map(&kernel, 4096), ring_map(&kernel, 4096)];
    for map in &maps {
        let probe = writer(&kernel, map);
        (0..10).for_each(|i| assert_eq!(run(&probe, i), 0));
    }
    let mut last = 0;
    let mut ring = RingBuffer::builder(&kernel)
        .add(&maps[0], |_| {})
        .and_then(|builder| {
            builder.add_until(&maps[1], |sample| {
                last = number(sample);
                if last == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        })
        .and_then(|builder| builder.build())
        .expect("a ring buffer");
    assert_eq!(ring.consume_n(3).expect("consumes"), 3);
    assert_eq!(ring.consume_n(8).expect("consumes"), 8, "seven of the first ring and one of the second");
    assert_eq!(ring.consume().expect("consumes"), 4, "the callback ended it at its fifth sample");
    assert_eq!(ring.ring(1).expect("the ring").consume_n(2).expect("consumes"), 2);
    assert_eq!(ring.poll(None).expect("polls"), 3);
    drop(ring);
    assert_eq!(last, 9);
}

#[test]
fn ready_fd_tells_a_reactor_that_there_is_something() {
    let Some(kernel) = kernel() else { return };
    let map = ring_map(&kernel, 4096);
    let probe = writer(&kernel, &map);
    let mut ring =
        RingBuffer::builder(&kernel).add(&map, |_| {}).and_then(|b| b.build()).expect("a ring buffer");
    let fd = ring.ready_fd().expect("a descriptor");
    let mut outer = oxbpf_kernel::PollSet::new();
    outer.add(oxbpf_kernel::Handle::from_fd(fd.as_fd().try_clone_to_owned().expect("a copy")), 5);
    assert_eq!(kernel.poll(&mut outer, Some(Duration::ZERO)), Ok(0));
    run(&probe, 1);
    assert_eq!(kernel.poll(&mut outer, None), Ok(1));
    assert_eq!(outer.ready(), [5]);
    assert_eq!(ring.consume().expect("consumes"), 1);
    assert_eq!(kernel.poll(&mut outer, Some(Duration::ZERO)), Ok(0));
}

#[test]
fn a_callback_that_panics_leaves_the_ring_usable() {
    let Some(kernel) = kernel() else { return };
    let map = ring_map(&kernel, 4096);
    let probe = writer(&kernel, &map);
    (0..3).for_each(|i| assert_eq!(run(&probe, i), 0));
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut ring = RingBuffer::builder(&kernel)
                .add(&map, |sample| assert_ne!(number(sample), 1, "this panic is part of the test"))
                .and_then(|b| b.build())
                .expect("a ring buffer");
            ring.consume()
        });
        thread.join()
    });
    assert!(result.is_err(), "the callback panicked");
    let mut seen = Vec::new();
    let mut ring = RingBuffer::builder(&kernel)
        .add(&map, |sample| seen.push(number(sample)))
        .and_then(|b| b.build())
        .expect("a ring buffer");
    ring.consume().expect("consumes");
    drop(ring);
    assert_eq!(seen, [1, 2], "the sample at which it panicked comes again");
}

#[test]
fn maps_of_other_types_are_refused_by_name() {
    let Some(kernel) = kernel() else { return };
    let array = kernel.map_create(MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        map_name: "numbers",
        ..MapCreate::default()
    });
    let array = array.expect("an array");
    let error = RingBuffer::builder(&kernel).add(&array, |_| {}).expect_err("no ring buffer");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("map `numbers`: a ring buffer reads "), "{error}");
    let error = PerfBuffer::builder(&kernel, &array).build().expect_err("no perf event array");
    assert!(error.to_string().starts_with("map `numbers`: a perf buffer reads "), "{error}");
    let error = RingBuffer::builder(&kernel).build().expect_err("no map at all");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn perf_map(kernel: &Kernel) -> MapFd {
    let request = MapCreate {
        map_type: MapType::PERF_EVENT_ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 256,
        map_name: "perf_events",
        ..MapCreate::default()
    };
    kernel.map_create(request).expect("a perf event array")
}

/// A program that writes `len` bytes, of which the first eight are its argument, to the ring of the CPU that
/// it runs on.
fn perf_writer(kernel: &Kernel, map: &MapFd, len: i32) -> Probe {
    let start = -(len + 7) / 8 * 8;
    Probe::load(kernel, RAW_TRACEPOINT, |_| {
        let mut insns = vec![mov_reg(7, 1), load_u64(6, 1, 0)];
        insns.extend((start / 8..0).map(|word| store_u64((word * 8) as i16, 0x0101_0101)));
        insns.push(Insn::new(BPF_STX | BPF_MEM | BPF_DW, 10, 6, start as i16, 0));
        insns.extend(load_map(2, map));
        // BPF_F_CURRENT_CPU: all ones in the lower half.
        insns.push(Insn::new(oxbpf_uapi::insn::BPF_ALU | oxbpf_uapi::insn::BPF_MOV, 3, 0, 0, -1));
        insns.extend([
            mov_reg(1, 7),
            mov_reg(4, 10),
            add(4, start),
            mov(5, len),
            call(HelperId::PERF_EVENT_OUTPUT),
            EXIT,
        ]);
        insns
    })
    .expect("loads")
}

#[test]
fn perf_samples_arrive_with_their_cpu_in_order() {
    let Some(kernel) = kernel() else { return };
    let map = perf_map(&kernel);
    let probe = perf_writer(&kernel, &map, 20);
    let seen = Mutex::new(Vec::new());
    let mut buffer = PerfBuffer::builder(&kernel, &map)
        .pages(1)
        .on_sample(|cpu, sample| seen.lock().expect("one thread").push((cpu, sample.to_vec())))
        .build()
        .expect("a perf buffer");
    assert_eq!(buffer.poll(Some(Duration::ZERO)).expect("polls"), 0);
    assert!(buffer.buffer_count() >= 1);
    for round in 0..20_u64 {
        // 40 bytes a record: 50 of them take 2,000 of a ring's 4,096 bytes.
        (0..50).for_each(|i| assert_eq!(run_on_cpu_0(&probe, round * 50 + i), 0));
        let mut samples = 0;
        while samples < 50 {
            samples += buffer.poll(None).expect("polls");
        }
    }
    assert_eq!(buffer.lost(), 0);
    drop(buffer);
    let seen = seen.into_inner().expect("one thread");
    let numbers: Vec<u64> = seen.iter().map(|(_, data)| number(&data[..8])).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert!(seen.iter().all(|(cpu, data)| *cpu == 0
        && data.len() >= 20
        && data[8..20] == [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]));
}

/// Runs a raw tracepoint program on the first CPU.
fn run_on_cpu_0(probe: &Probe, argument: u64) -> u32 {
    let attach = probe.attach();
    let mut request = ProgTestRun::new(attach.prog);
    let context = argument.to_ne_bytes();
    (request.ctx_in, request.flags) = (&context, oxbpf_uapi::flags::TestRunFlags::RUN_ON_CPU.bits());
    probe.kernel.prog_test_run(request).expect("runs").retval
}

#[test]
fn perf_samples_without_room_are_counted() {
    let Some(kernel) = kernel() else { return };
    let map = perf_map(&kernel);
    let probe = perf_writer(&kernel, &map, 20);
    let lost = Cell::new(0);
    let lost = Mutex::new(lost);
    let mut buffer = PerfBuffer::builder(&kernel, &map)
        .pages(1)
        .cpus([(0, 0)])
        .on_lost(|_, count| lost.lock().expect("one thread").set(count))
        .build()
        .expect("a perf buffer");
    let written = (0..200).filter(|i| run_on_cpu_0(&probe, *i) == 0).count();
    assert!(written < 200, "the ring is full");
    assert_eq!(buffer.consume().expect("consumes"), written);
    // The count comes with the first record that finds room again.
    assert_eq!(run_on_cpu_0(&probe, 1), 0);
    assert_eq!(buffer.consume().expect("consumes"), 1);
    assert_eq!(buffer.lost(), 200 - written as u64);
    drop(buffer);
    assert_eq!(lost.lock().expect("one thread").get(), 200 - written as u64);
    // Nothing is in the map any more.
    assert_ne!(run_on_cpu_0(&probe, 1), 0);
}

#[test]
fn a_perf_buffer_may_keep_the_newest_samples() {
    let Some(kernel) = kernel() else { return };
    let map = perf_map(&kernel);
    let probe = perf_writer(&kernel, &map, 20);
    let seen = Mutex::new(Vec::new());
    let mut buffer = PerfBuffer::builder(&kernel, &map)
        .pages(1)
        .cpus([(0, 0)])
        .overwritable()
        .on_sample(|_, sample| seen.lock().expect("one thread").push(number(&sample[..8])))
        .build()
        .expect("a perf buffer");
    // 32 bytes a record: 128 of them fit in 4,096.
    (0..500).for_each(|i| assert_eq!(run_on_cpu_0(&probe, i), 0, "there is always room"));
    assert_eq!(buffer.consume().expect("consumes"), 128);
    assert_eq!(buffer.consume().expect("consumes"), 0);
    (500..503).for_each(|i| assert_eq!(run_on_cpu_0(&probe, i), 0, "output goes on"));
    assert_eq!(buffer.consume().expect("consumes"), 3);
    assert!(buffer.mapping(0).is_some_and(|m| m.len() == 4096 * 2) && buffer.mapping(1).is_none());
    drop(buffer);
    let expect: Vec<u64> = (372..500).rev().chain((500..503).rev()).collect();
    assert_eq!(seen.into_inner().expect("one thread"), expect);
}

#[test]
fn all_records_of_other_events_arrive_and_may_end_a_round() {
    let Some(kernel) = kernel() else { return };
    let map = perf_map(&kernel);
    let probe = perf_writer(&kernel, &map, 20);
    let spec = oxbpf_kernel::PerfEventSpec {
        kind: oxbpf_uapi::perf_event::PERF_TYPE_SOFTWARE,
        config: oxbpf_uapi::perf_event::PERF_COUNT_SW_BPF_OUTPUT,
        sample_type: oxbpf_uapi::perf_event::PERF_SAMPLE_RAW,
        wakeup_events: 2,
        ..Default::default()
    };
    let mut seen = 0;
    let mut buffer = PerfBuffer::builder(&kernel, &map)
        .pages(1)
        .cpus([(0, 0)])
        .raw(spec, |cpu, record| {
            // A header whose type is that of samples.
            assert!(cpu == 0 && record[..4] == 9u32.to_ne_bytes());
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .build()
        .expect("a perf buffer");
    assert_eq!(run_on_cpu_0(&probe, 1), 0);
    assert_eq!(buffer.poll(Some(Duration::ZERO)).expect("polls"), 0, "it is woken for the second one");
    assert_eq!(run_on_cpu_0(&probe, 2), 0);
    assert_eq!(run_on_cpu_0(&probe, 3), 0);
    assert_eq!(buffer.poll(None).expect("polls"), 2);
    assert_eq!(buffer.try_consume().expect("one is left"), 1);
    let nothing = buffer.try_consume().expect_err("nothing is left");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn perf_buffers_have_a_power_of_two_of_pages() {
    let Some(kernel) = kernel() else { return };
    let map = perf_map(&kernel);
    for pages in [0, 3] {
        let error = PerfBuffer::builder(&kernel, &map).pages(pages).build().expect_err("no power of two");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let missing = PerfBuffer::builder(&kernel, &map).cpus([(4000, 0)]).build();
    if missing.is_ok() {
        skip("the machine has 4,000 CPUs");
    }
}
