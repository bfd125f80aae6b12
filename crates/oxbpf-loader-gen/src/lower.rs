//! Commands in, the program that makes them and its data out.
//!
//! The program begins with the code that closes everything and gives the error back, so that every later branch to it leads backwards. Then
//! come the commands in their order, each as: addresses and descriptors that the request needs, the call, a branch away if it failed, a place
//! for the result. At the end the descriptors go into the context.

use core::mem::offset_of;

use oxbpf_uapi::attr::{BtfLoadAttr, MapCreateAttr, MapElemAttr, ProgLoadAttr};
use oxbpf_uapi::insn::*;
use oxbpf_uapi::{Cmd, Errno, HelperId};
use sha2::{Digest, Sha256};

use crate::attr::{Attr, field, len_to};
use crate::blob::Blob;
use crate::code::{CTX, Code, R0, R1, R2, R3, RESULT, STACK, Width};
use crate::context::{Layout, head};
use crate::error::GenError;
use crate::generator::{GenHash, GenOptions};
use crate::op::{Map, Op, Prog, Update, Value};
use crate::program::LoaderProgram;
use crate::step::Step;

/// Places for descriptors of maps in the array that instructions refer to, at least.
const MAP_SLOTS: usize = 64;
/// Places behind them, for modules that have functions.
const MODULE_SLOTS: usize = 256;
/// Programs that the stack has room for, as libbpf has it.
const PROGS: usize = 32;
/// The same at most: the stack has 512 bytes.
const MAX_PROGS: usize = (512 - 8) / 4;
/// The kernel's limit.
const MAX_INSNS: usize = 1_000_000;
/// Bytes of a `struct bpf_core_relo`.
const CORE_RELO: usize = 16;
/// Words of 8 bytes of a hash.
const HASH_WORDS: usize = 4;
/// Where in `struct bpf_map` the kernel tells programs whether only one program may use the map; before it is the hash.
const EXCL: i16 = 32;

/// Writes the program.
pub(crate) fn program(
    options: &GenOptions,
    ops: &[Op],
    maps: usize,
    progs: usize,
) -> Result<LoaderProgram, GenError> {
    if progs > MAX_PROGS {
        return Err(GenError::TooManyPrograms { count: progs, max: MAX_PROGS });
    }
    let max = Layout::max_maps(progs);
    if maps > max {
        return Err(GenError::TooManyMaps { count: maps, max });
    }
    let mut lower = Lower::new(options, Layout { maps, programs: progs }, ops);
    let hash_at = lower.begin();
    for op in ops {
        lower.code.keep_cleanup_near();
        lower.op(op)?;
    }
    lower.end();
    let Lower { mut code, blob, steps, .. } = lower;
    let is_little = blob.is_little();
    let data = blob.finish()?;
    if let Some(places) = hash_at {
        let hash = Sha256::digest(&data);
        for (at, word) in places.into_iter().zip(hash.chunks_exact(8)) {
            let word = word.first_chunk().copied().unwrap_or_default();
            code.set_imm64(at, if is_little { u64::from_le_bytes(word) } else { u64::from_be_bytes(word) });
        }
    }
    if code.len() > MAX_INSNS {
        return Err(GenError::CodeTooLong { count: code.len(), max: MAX_INSNS });
    }
    let insns = code.into_insns().into_iter().flat_map(|insn| insn.to_bytes(is_little)).collect();
    let names = |op: &Op| match op {
        Op::MapCreate(map) => map.index.map(|_| map.name.clone()),
        _ => None,
    };
    let maps = ops.iter().filter_map(names).collect();
    let programs = ops.iter().filter_map(|op| match op {
        Op::ProgLoad(prog) => Some(prog.name.clone()),
        _ => None,
    });
    Ok(LoaderProgram { insns, data, maps, programs: programs.collect(), steps, gen_hash: options.gen_hash })
}

/// A program that is being written.
#[derive(Debug)]
pub(crate) struct Lower<'g> {
    options: &'g GenOptions,
    pub(crate) code: Code,
    pub(crate) blob: Blob,
    layout: Layout,
    /// Array of descriptors in the blob: first of maps, then of modules.
    fd_array: u32,
    module_slots: usize,
    /// Programs that are loaded so far.
    loaded: usize,
    steps: Vec<Step>,
}

impl<'g> Lower<'g> {
    fn new(options: &'g GenOptions, layout: Layout, ops: &[Op]) -> Self {
        let bytes: usize = ops.iter().map(Op::len).sum();
        let mut blob = Blob::new(options.is_little_endian, bytes + 4096);
        let fd_array = blob.add_zeroes(4 * (layout.maps.max(MAP_SLOTS) + MODULE_SLOTS));
        let code = Code::with_capacity(64 + 64 * ops.len());
        Self { options, code, blob, layout, fd_array, module_slots: 0, loaded: 0, steps: Vec::new() }
    }

    /// Bytes of the stack that are in use.
    fn stack(&self) -> i16 {
        (8 + 4 * self.layout.programs.max(PROGS)) as i16
    }

    fn btf_fd(&self) -> i16 {
        -self.stack()
    }

    fn inner_map_fd(&self) -> i16 {
        4 - self.stack()
    }

    fn prog_fd(&self, index: usize) -> i16 {
        8 + 4 * index as i16 - self.stack()
    }

    /// Where in the blob a place of the array of descriptors is.
    pub(crate) fn slot_at(&self, index: usize) -> u32 {
        self.fd_array + 4 * index as u32
    }

    /// A place for the descriptor of a module.
    pub(crate) fn take_slot(&mut self) -> Result<usize, GenError> {
        let slot = if self.module_slots < MODULE_SLOTS {
            self.module_slots += 1;
            self.layout.maps.max(MAP_SLOTS) + self.module_slots - 1
        } else {
            let at = self.blob.add_zeroes(4);
            (at - self.fd_array) as usize / 4
        };
        let max = i16::MAX as usize;
        if slot > max { Err(GenError::TooManyFunctions { max }) } else { Ok(slot) }
    }

    pub(crate) fn release_slot(&mut self, slot: usize) {
        if slot < self.layout.maps.max(MAP_SLOTS) + MODULE_SLOTS {
            self.module_slots = self.module_slots.saturating_sub(1);
        }
    }

    /// What comes before the commands. Gives the places of the words of the hash, if there is one to compare.
    fn begin(&mut self) -> Option<[usize; HASH_WORDS]> {
        let stack = self.stack();
        self.code.mov(CTX, R1);
        self.code.mov(R1, STACK);
        self.code.alu_imm(BPF_ADD, R1, -i32::from(stack));
        self.code.mov_imm(R2, stack.into());
        self.code.mov_imm(R3, 0);
        // Reading from nowhere fails and leaves zeroes.
        self.code.call(HelperId::PROBE_READ_KERNEL);
        let to_commands = self.code.jump_imm(BPF_JA, 0, 0, 0);
        self.code.mark_cleanup();
        for at in (0..8 + 4 * self.layout.programs as i16).step_by(4) {
            self.code.load(Width::Word, R1, STACK, at - stack);
            self.code.jump_imm(BPF_JSLE, R1, 0, 1);
            self.code.call(HelperId::SYS_CLOSE);
        }
        for map in 0..self.layout.maps {
            self.code.close_in_blob(self.slot_at(map));
        }
        self.code.mov(R0, RESULT);
        self.code.exit();
        self.code.land(to_commands);
        (self.options.gen_hash == GenHash::ByProgram).then(|| self.compare_hash())
    }

    /// Refuses to go on if the blob is not what the program was signed with, or if others could write to it.
    fn compare_hash(&mut self) -> [usize; HASH_WORDS] {
        let code = &mut self.code;
        code.imm64(R1, BPF_PSEUDO_MAP_IDX, 0, 0);
        code.load(Width::Word, R2, R1, EXCL);
        code.mov_imm(RESULT, -Errno::EINVAL.0);
        code.fail_unless_imm(R2, 1);
        [0, 1, 2, 3].map(|word: i16| {
            code.imm64(R1, BPF_PSEUDO_MAP_IDX, 0, 0);
            code.load(Width::Long, R2, R1, 8 * word);
            let at = code.imm64(R3, 0, 0, 0);
            code.mov_imm(RESULT, -Errno::EINVAL.0);
            code.fail_unless_same(R2, R3);
            at
        })
    }

    /// Notes that a command comes next.
    fn step(&mut self, cmd: Cmd, name: &str, begun: Option<u32>, done: Option<u32>) -> &mut Step {
        self.steps.push(Step { cmd, name: name.to_owned(), names: Vec::new(), begun, done });
        // It was just pushed.
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// Name of a map that was created.
    fn map_name(&self, index: usize) -> String {
        let slot = Some(self.slot_at(index));
        let found = self.steps.iter().find(|s| s.cmd == Cmd::MAP_CREATE && s.done == slot);
        found.map(|s| s.name.clone()).unwrap_or_default()
    }

    fn op(&mut self, op: &Op) -> Result<(), GenError> {
        match op {
            Op::BtfLoad(btf) => self.btf_load(btf),
            Op::MapCreate(map) => self.map_create(map),
            Op::MapUpdate(update) => self.map_update(update),
            Op::MapFreeze { map } => self.map_freeze(*map),
            Op::ProgLoad(prog) => return self.prog_load(prog),
        }
        Ok(())
    }

    /// Gives the descriptors to the runner.
    fn end(&mut self) {
        self.code.close_on_stack(self.btf_fd());
        for i in 0..self.layout.programs {
            self.code.copy_stack_to_ctx(self.layout.prog_fd(i), self.prog_fd(i));
        }
        for i in 0..self.layout.maps {
            self.code.copy_blob_to_ctx(self.layout.map_fd(i), self.slot_at(i));
        }
        self.code.mov_imm(R0, 0);
        self.code.exit();
    }

    fn log_from_ctx(&mut self, level: u32, size: u32, buf: u32) {
        self.code.copy_ctx_to_blob(Width::Word, level, head::LOG_LEVEL);
        self.code.copy_ctx_to_blob(Width::Word, size, head::LOG_SIZE);
        self.code.copy_ctx_to_blob(Width::Long, buf, head::LOG_BUF);
    }

    fn btf_load(&mut self, btf: &[u8]) {
        let data = self.blob.add(btf);
        let mut attr = Attr::new(&self.blob, len_to!(BtfLoadAttr, btf_log_level: 4));
        attr.word(field!(BtfLoadAttr, btf_size), btf.len() as u32);
        let (at, len) = attr.add_to(&mut self.blob);
        self.log_from_ctx(
            at + field!(BtfLoadAttr, btf_log_level),
            at + field!(BtfLoadAttr, btf_log_size),
            at + field!(BtfLoadAttr, btf_log_buf),
        );
        self.step(Cmd::BTF_LOAD, "", Some(at + field!(BtfLoadAttr, btf)), None);
        self.code.point(at + field!(BtfLoadAttr, btf), data);
        self.code.bpf(Cmd::BTF_LOAD, (at, len));
        self.code.fail_if_negative();
        self.code.store(Width::Word, STACK, self.btf_fd(), RESULT);
    }

    fn map_create(&mut self, map: &Map) {
        let mut attr = Attr::new(&self.blob, len_to!(MapCreateAttr, map_extra: 8));
        attr.word(field!(MapCreateAttr, map_type), map.map_type.0)
            .word(field!(MapCreateAttr, key_size), map.key_size)
            .word(field!(MapCreateAttr, value_size), map.value_size)
            .word(field!(MapCreateAttr, max_entries), map.max_entries)
            .word(field!(MapCreateAttr, map_flags), map.map_flags)
            .word(field!(MapCreateAttr, numa_node), map.numa_node)
            .name(field!(MapCreateAttr, map_name), &map.name)
            .word(field!(MapCreateAttr, map_ifindex), map.ifindex)
            .word(field!(MapCreateAttr, btf_key_type_id), map.btf_key_type_id)
            .word(field!(MapCreateAttr, btf_value_type_id), map.btf_value_type_id)
            .long(field!(MapCreateAttr, map_extra), map.map_extra);
        let (at, len) = attr.add_to(&mut self.blob);
        let is_typed = map.btf_value_type_id != 0;
        let begun = is_typed.then_some(at + field!(MapCreateAttr, btf_fd));
        self.step(Cmd::MAP_CREATE, &map.name, begun, map.index.map(|index| self.slot_at(index)));
        if is_typed {
            self.code.copy_stack_to_blob(at + field!(MapCreateAttr, btf_fd), self.btf_fd());
        }
        if map.has_inner {
            self.code.copy_stack_to_blob(at + field!(MapCreateAttr, inner_map_fd), self.inner_map_fd());
        }
        if let Some(index) = map.index.filter(|_| self.options.gen_hash == GenHash::None) {
            let entries = at + field!(MapCreateAttr, max_entries);
            self.code.copy_ctx_to_blob_if_set(Width::Word, entries, self.layout.max_entries(index));
        }
        self.code.bpf(Cmd::MAP_CREATE, (at, len));
        self.code.fail_if_negative();
        match map.index {
            None => self.code.store(Width::Word, STACK, self.inner_map_fd(), RESULT),
            Some(index) => {
                let slot = self.slot_at(index);
                self.code.blob_address(R1, slot);
                self.code.store(Width::Word, R1, 0, RESULT);
            }
        }
        if map.has_inner {
            self.code.close_on_stack(self.inner_map_fd());
        }
    }

    fn map_update(&mut self, update: &Update) {
        // Numbers of 4 bytes, as arrays have, are keys in the target's byte order.
        let key = match <[u8; 4]>::try_from(update.key.as_slice()) {
            Ok(key) => self.blob.word(u32::from_ne_bytes(key)).to_vec(),
            Err(_) => update.key.clone(),
        };
        let mut attr = Attr::new(&self.blob, len_to!(MapElemAttr, flags: 8));
        attr.long(field!(MapElemAttr, flags), update.flags);
        let (value, key) = match &update.value {
            Value::Data(data) | Value::Fixed(data) => {
                let value = self.blob.add(data);
                (value, self.blob.add(&key))
            }
            Value::Zeroes(len) => {
                let value = self.blob.add_zeroes(*len);
                (value, self.blob.add(&key))
            }
            Value::Map(inner) => (self.slot_at(*inner), self.blob.add(&key)),
            Value::Prog(_) => (self.blob.add_zeroes(4), self.blob.add(&key)),
        };
        match &update.value {
            Value::Data(data) if self.options.gen_hash == GenHash::None => {
                self.read_initial_value(update.map, value, data.len());
            }
            Value::Zeroes(len) if self.options.gen_hash == GenHash::None => {
                self.read_initial_value(update.map, value, *len);
            }
            Value::Prog(prog) => {
                let prog = self.prog_fd(*prog);
                self.code.copy_stack_to_blob(value, prog);
            }
            _ => {}
        }
        let (at, len) = attr.add_to(&mut self.blob);
        let name = self.map_name(update.map);
        self.step(Cmd::MAP_UPDATE_ELEM, &name, Some(at + field!(MapElemAttr, map_fd)), None);
        self.code.copy_blob(Width::Word, at + field!(MapElemAttr, map_fd), self.slot_at(update.map));
        self.code.point(at + field!(MapElemAttr, key), key);
        self.code.point(at + field!(MapElemAttr, value), value);
        self.code.bpf(Cmd::MAP_UPDATE_ELEM, (at, len));
        self.code.fail_if_negative();
    }

    /// Takes the first contents of a data map from where the runner says, if it does.
    fn read_initial_value(&mut self, map: usize, value: u32, len: usize) {
        let code = &mut self.code;
        code.load(Width::Long, R3, CTX, self.layout.initial_value(map));
        let is_unset = code.jump_imm(BPF_JEQ, R3, 0, 0);
        code.blob_address(R1, value);
        code.mov_imm(R2, len as i32);
        code.load(Width::Word, R0, CTX, head::FLAGS);
        let in_kernel = code.jump_imm(BPF_JSET, R0, head::IN_KERNEL, 0);
        code.call(HelperId::COPY_FROM_USER);
        let is_done = code.jump_imm(BPF_JA, 0, 0, 0);
        code.land(in_kernel);
        code.call(HelperId::PROBE_READ_KERNEL);
        code.land(is_unset);
        code.land(is_done);
    }

    fn map_freeze(&mut self, map: usize) {
        let attr = Attr::new(&self.blob, len_to!(MapElemAttr, map_fd: 4));
        let (at, len) = attr.add_to(&mut self.blob);
        let name = self.map_name(map);
        self.step(Cmd::MAP_FREEZE, &name, Some(at + field!(MapElemAttr, map_fd)), None);
        self.code.copy_blob(Width::Word, at + field!(MapElemAttr, map_fd), self.slot_at(map));
        self.code.bpf(Cmd::MAP_FREEZE, (at, len));
        self.code.fail_if_negative();
    }

    fn prog_load(&mut self, prog: &Prog) -> Result<(), GenError> {
        let (license, _) = self.blob.add_text(&prog.license);
        let insns = self.blob.add_insns(&prog.insns);
        let func_info = self.blob.add_words(&prog.func_info);
        let line_info = self.blob.add_words(&prog.line_info);
        let core_relos = self.blob.add_words(&prog.core_relos);
        let (at, len) = self.prog_attr(prog).add_to(&mut self.blob);
        let step = self.step(Cmd::PROG_LOAD, &prog.name, Some(at + field!(ProgLoadAttr, license)), None);
        let strong = prog.symbols.iter().filter(|s| !s.is_weak).map(|s| s.name.clone());
        step.names = prog.attach.iter().map(|(name, _)| name.clone()).chain(strong).collect();
        step.names.dedup();
        for (field, data) in [
            (field!(ProgLoadAttr, license), license),
            (field!(ProgLoadAttr, insns), insns),
            (field!(ProgLoadAttr, func_info), func_info),
            (field!(ProgLoadAttr, line_info), line_info),
            (field!(ProgLoadAttr, core_relos), core_relos),
            (field!(ProgLoadAttr, fd_array), self.fd_array),
        ] {
            self.code.point(at + field, data);
        }
        self.log_from_ctx(
            at + field!(ProgLoadAttr, log_level),
            at + field!(ProgLoadAttr, log_size),
            at + field!(ProgLoadAttr, log_buf),
        );
        self.code.copy_stack_to_blob(at + field!(ProgLoadAttr, prog_btf_fd), self.btf_fd());
        if let Some((name, kind)) = &prog.attach {
            self.find_by_name(name, *kind);
            self.code.fail_if_negative();
            self.code.blob_address(R0, at);
            self.code.store(Width::Word, R0, field!(ProgLoadAttr, attach_btf_id) as i16, RESULT);
            self.code.alu_imm(BPF_RSH, RESULT, 32);
            self.code.store(Width::Word, R0, field!(ProgLoadAttr, attach_prog_fd) as i16, RESULT);
        }
        let known = self.symbols(prog, insns)?;
        self.code.bpf(Cmd::PROG_LOAD, (at, len));
        // Whatever became of the program: it has references of its own now, or needs none.
        self.close_modules(&known);
        if prog.attach.is_some() {
            self.code.close_in_blob(at + field!(ProgLoadAttr, attach_prog_fd));
        }
        self.code.keep_cleanup_near();
        self.code.fail_if_negative();
        self.code.store(Width::Word, STACK, self.prog_fd(self.loaded), RESULT);
        self.loaded += 1;
        Ok(())
    }

    fn prog_attr(&self, prog: &Prog) -> Attr {
        let count = |bytes: &[u8], size: u32| (bytes.len() as u32).checked_div(size).unwrap_or(0);
        let mut attr = Attr::new(&self.blob, offset_of!(ProgLoadAttr, core_relo_rec_size) + 4);
        attr.word(field!(ProgLoadAttr, prog_type), prog.prog_type.0)
            .word(field!(ProgLoadAttr, insn_cnt), prog.insns.len() as u32)
            .word(field!(ProgLoadAttr, prog_flags), prog.flags)
            .name(field!(ProgLoadAttr, prog_name), &prog.name)
            .word(field!(ProgLoadAttr, prog_ifindex), prog.ifindex)
            .word(field!(ProgLoadAttr, expected_attach_type), prog.attach_type.0)
            .word(field!(ProgLoadAttr, func_info_rec_size), prog.func_info_rec_size)
            .word(field!(ProgLoadAttr, func_info_cnt), count(&prog.func_info, prog.func_info_rec_size))
            .word(field!(ProgLoadAttr, line_info_rec_size), prog.line_info_rec_size)
            .word(field!(ProgLoadAttr, line_info_cnt), count(&prog.line_info, prog.line_info_rec_size))
            .word(field!(ProgLoadAttr, core_relo_cnt), (prog.core_relos.len() / CORE_RELO) as u32)
            .word(field!(ProgLoadAttr, core_relo_rec_size), CORE_RELO as u32);
        if prog.attach.is_some() {
            // Replaced by what is found; libbpf has a 1 here, and so its blobs are the same.
            attr.word(field!(ProgLoadAttr, attach_btf_id), 1);
        }
        attr
    }
}

impl Op {
    /// About how many bytes of data it takes.
    fn len(&self) -> usize {
        match self {
            Self::BtfLoad(btf) => btf.len() + 64,
            Self::MapCreate(_) => 80,
            Self::MapUpdate(update) => match &update.value {
                Value::Data(data) | Value::Fixed(data) => data.len() + 64,
                Value::Zeroes(len) => len + 64,
                Value::Map(_) | Value::Prog(_) => 64,
            },
            Self::MapFreeze { .. } => 8,
            Self::ProgLoad(prog) => {
                8 * prog.insns.len()
                    + prog.func_info.len()
                    + prog.line_info.len()
                    + prog.core_relos.len()
                    + 256
            }
        }
    }
}
