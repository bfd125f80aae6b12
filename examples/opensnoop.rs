//! Who opens which file, for five seconds: the library in one page.

use std::time::{Duration, Instant};

use oxbpf::buffer::RingBuffer;
use oxbpf::{ObjectBuilder, Result};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// `struct event` of `opensnoop.bpf.c`.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Event {
    pid: u32,
    uid: u32,
    ret: i32,
    flags: i32,
    comm: [u8; 16],
    fname: [u8; 128],
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

fn main() -> Result<()> {
    let mut open = ObjectBuilder::new().open_file("examples/opensnoop.bpf.o")?;
    open.set_global("targ_failed", &false)?;
    let object = open.load()?;
    let _links = object.attach()?;

    let events = object.map("events")?;
    let mut ring = RingBuffer::builder(object.kernel())
        .add(events.fd(), |sample| {
            if let Ok((e, _)) = Event::ref_from_prefix(sample) {
                println!("{:<8}{:<6}{:<4}{:<8x}{:<17}{}", e.pid, e.uid, e.ret, e.flags, text(&e.comm), text(&e.fname));
            }
        })?
        .build()?;

    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        ring.poll(Some(Duration::from_millis(100)))?;
    }
    Ok(())
}
