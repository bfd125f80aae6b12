//! What a loader program is given and gives back: `struct bpf_loader_ctx` and, behind it, a descriptor for each map and program.
//!
//! | Bytes | What | Who writes |
//! | --- | --- | --- |
//! | 0..24 | size, flags, log level, log size, address of the log buffer | the runner |
//! | 16 each map | descriptor, entries to have instead of the object's, address of first contents | the program, the runner, the runner |
//! | 4 each program | descriptor | the program |

use oxbpf_kernel::{CtxBuffer, CtxData};

/// Bytes of `struct bpf_loader_ctx`.
const HEAD: usize = 24;
/// Bytes of `struct bpf_map_desc`.
const MAP: usize = 16;
/// Bytes of `struct bpf_prog_desc`.
const PROG: usize = 4;

/// Places in `struct bpf_loader_ctx`.
pub(crate) mod head {
    pub(crate) const FLAGS: i16 = 4;
    pub(crate) const LOG_LEVEL: i16 = 8;
    pub(crate) const LOG_SIZE: i16 = 12;
    pub(crate) const LOG_BUF: i16 = 16;
    /// Flag: addresses are the kernel's own (`BPF_SKEL_KERNEL`).
    pub(crate) const IN_KERNEL: i32 = 1;
}

/// The most that 16-bit offsets reach.
const MAX_LEN: usize = i16::MAX as usize;

/// Where in the context things of the `map`-th map and the `program`-th program are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) maps: usize,
    pub(crate) programs: usize,
}

impl Layout {
    /// The most maps that there can be with so many programs.
    pub(crate) fn max_maps(programs: usize) -> usize {
        (MAX_LEN - HEAD).saturating_sub(PROG * programs) / MAP
    }

    fn len(self) -> usize {
        HEAD + MAP * self.maps + PROG * self.programs
    }

    pub(crate) fn map_fd(self, map: usize) -> i16 {
        (HEAD + MAP * map) as i16
    }

    pub(crate) fn max_entries(self, map: usize) -> i16 {
        self.map_fd(map) + 4
    }

    pub(crate) fn initial_value(self, map: usize) -> i16 {
        self.map_fd(map) + 8
    }

    pub(crate) fn prog_fd(self, program: usize) -> i16 {
        (HEAD + MAP * self.maps + PROG * program) as i16
    }
}

/// What the runner may choose for a map. A program that was generated with a [hash](crate::GenHash) ignores it.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapInput<'a> {
    /// Entries to have instead of the object's.
    pub max_entries: Option<u32>,
    /// First contents of a data map instead of the object's; as long as the map's value.
    pub initial_value: Option<&'a [u8]>,
}

/// The context of a loader program, in this machine's byte order.
#[derive(Debug)]
pub struct Context {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Context {
    /// A context for a program that creates `maps` maps and loads `programs` programs.
    #[doc(alias = "bpf_loader_ctx")]
    pub fn new(maps: usize, programs: usize) -> Self {
        let layout = Layout { maps, programs };
        let mut context = Self { bytes: vec![0; layout.len()], layout };
        context.put(0, layout.len() as u32);
        context
    }

    /// The bytes, as `ctx_in` and `ctx_out` of a test run.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the bytes that the program left.
    pub fn set_bytes(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// Asks for the kernel's log of each command, of which the last one stays in the buffer.
    pub fn set_log<'a>(&mut self, level: u32, buffer: &'a mut [u8]) -> CtxBuffer<'a> {
        self.put(head::LOG_LEVEL as usize, level);
        self.put(head::LOG_SIZE as usize, u32::try_from(buffer.len()).unwrap_or(u32::MAX));
        CtxBuffer { offset: head::LOG_BUF as u32, data: CtxData::Output(buffer) }
    }

    /// Chooses for the `map`-th map.
    pub fn set_map<'a>(&mut self, map: usize, input: &MapInput<'a>) -> Option<CtxBuffer<'a>> {
        if map >= self.layout.maps {
            return None;
        }
        self.put(self.layout.max_entries(map) as usize, input.max_entries.unwrap_or(0));
        let offset = self.layout.initial_value(map) as u32;
        input.initial_value.map(|value| CtxBuffer { offset, data: CtxData::Input(value) })
    }

    /// Number of the `map`-th map's descriptor after a run; 0 if it was not created.
    pub fn map_fd(&self, map: usize) -> i32 {
        self.word(self.layout.map_fd(map.min(self.layout.maps)) as usize)
    }

    /// Number of the `program`-th program's descriptor after a run; 0 if it was not loaded.
    pub fn prog_fd(&self, program: usize) -> i32 {
        self.word(self.layout.prog_fd(program.min(self.layout.programs)) as usize)
    }

    fn word(&self, at: usize) -> i32 {
        let bytes = self.bytes.get(at..).and_then(|b| b.first_chunk());
        bytes.map_or(0, |b| i32::from_ne_bytes(*b))
    }

    fn put(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
            *place = value.to_ne_bytes();
        }
    }
}
