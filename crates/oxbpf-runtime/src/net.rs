//! Network interfaces of the embedded kernel, and packets from captures.

use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Runtime;
use crate::hooks::Hook;
use crate::invoke::{Context, Event, Runner};
use crate::packet::{MAX_LEN, Packet};
use crate::pcap::{Captured, Reader, Writer};

/// Names of interfaces; the index is the place, from 1.
#[derive(Debug)]
pub(crate) struct Interfaces(Mutex<Vec<String>>);

impl Default for Interfaces {
    fn default() -> Self {
        Self(Mutex::new(vec!["lo".to_owned()]))
    }
}

impl Interfaces {
    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Index of an interface, made if there is none of that name: what a capture holds came from somewhere.
    fn index_or_add(&self, name: &str) -> u32 {
        let mut names = self.names();
        let found = names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        found as u32 + 1
    }

    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.names().iter().position(|n| n == name).map(|i| i as u32 + 1)
    }

    pub(crate) fn name(&self, ifindex: u32) -> Option<String> {
        self.names().get((ifindex as usize).checked_sub(1)?).cloned()
    }
}

/// What became of the packets of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketStats {
    /// Packets in the capture.
    pub packets: u64,
    /// Packets that every program let through.
    pub passed: u64,
    /// Packets that a program dropped.
    pub dropped: u64,
    /// Packets that a program sent back or elsewhere.
    pub redirected: u64,
    /// Runs that ended in an error action (`XDP_ABORTED`).
    pub aborted: u64,
}

/// Why a capture could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcapError {
    /// Reading the capture.
    #[error("cannot read packets: {0}")]
    Read(#[source] std::io::Error),
    /// Writing the capture of what passed.
    #[error("cannot write packets: {0}")]
    Write(#[source] std::io::Error),
    /// Guest memory is full.
    #[error(transparent)]
    Memory(#[from] oxbpf_vm::MemError),
}

/// What a program said of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Drop,
    Redirect,
    Abort,
    /// The next program decides.
    Next,
}

impl Runtime {
    /// The interface of that name, made if there is none, so that programs can attach to it before packets come.
    pub fn add_interface(&self, name: &str) -> u32 {
        self.0.interfaces.index_or_add(name)
    }

    /// Sends every packet of a capture (pcap or pcapng, Ethernet) through the XDP and tc programs of an interface: XDP first, then tc
    /// ingress, then tc egress for what passed. What passes or is redirected goes to `output`, a pcap file.
    ///
    /// # Errors
    /// If the capture is broken or the output cannot be written; packets before that have been run.
    pub fn run_pcap(
        &self,
        input: impl Read,
        interface: &str,
        output: Option<&mut dyn Write>,
    ) -> Result<PacketStats, PcapError> {
        let state = &self.0;
        let ifindex = self.add_interface(interface);
        let mut reader = Reader::new(input).map_err(PcapError::Read)?;
        let mut writer = output.map(Writer::new).transpose().map_err(PcapError::Write)?;
        let mut runner = state.runner()?;
        let mut packet = Packet::new(&state.memory, ifindex)?;
        let mut stats = PacketStats::default();
        while let Some(captured) = reader.next().map_err(PcapError::Read)? {
            stats.packets += 1;
            if captured.data.len() > MAX_LEN {
                log::warn!("packet {}: {} bytes are too many, skipped", stats.packets, captured.data.len());
                continue;
            }
            packet.load_bytes(&captured.data)?;
            packet.tstamp = captured.time_ns;
            let verdict = self.receive(&mut runner, &mut packet, ifindex);
            match verdict {
                Verdict::Drop => stats.dropped += 1,
                Verdict::Abort => stats.aborted += 1,
                Verdict::Redirect => stats.redirected += 1,
                Verdict::Pass | Verdict::Next => stats.passed += 1,
            }
            if let (Some(writer), Verdict::Pass | Verdict::Next | Verdict::Redirect) = (&mut writer, verdict)
            {
                let out = Captured { time_ns: captured.time_ns, data: packet.bytes() };
                writer.write(&out).map_err(PcapError::Write)?;
            }
        }
        if let Some(writer) = writer {
            writer.finish().map_err(PcapError::Write)?;
        }
        Ok(stats)
    }

    fn receive(&self, runner: &mut Runner, packet: &mut Packet, ifindex: u32) -> Verdict {
        let state = &self.0;
        for attachment in state.hooks.at(&Hook::Xdp(ifindex)).iter().filter(|a| a.is_enabled()) {
            let event =
                Event { context: Context::Xdp(packet), cookie: attachment.cookie, ..Event::default() };
            match xdp_verdict(runner.run(state, &attachment.prog, event)) {
                Verdict::Pass => {}
                other => return other,
            }
        }
        for ingress in [true, false] {
            for attachment in state.hooks.at(&Hook::Tc { ifindex, ingress }).iter().filter(|a| a.is_enabled())
            {
                let event =
                    Event { context: Context::Skb(packet), cookie: attachment.cookie, ..Event::default() };
                match tc_verdict(runner.run(state, &attachment.prog, event)) {
                    Verdict::Next => {}
                    Verdict::Pass => break,
                    other => return other,
                }
            }
        }
        Verdict::Pass
    }
}

/// `enum xdp_action`; what is unknown counts as aborted.
fn xdp_verdict(value: u64) -> Verdict {
    match value as u32 {
        1 => Verdict::Drop,
        2 => Verdict::Pass,
        3 | 4 => Verdict::Redirect,
        _ => Verdict::Abort,
    }
}

/// `TC_ACT_*`; tcx takes only these and goes on to the next program otherwise.
fn tc_verdict(value: u64) -> Verdict {
    match value as u32 as i32 {
        0 => Verdict::Pass,
        2 => Verdict::Drop,
        7 => Verdict::Redirect,
        _ => Verdict::Next,
    }
}
