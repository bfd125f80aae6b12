//! What is called on hostile bytes. Where a target takes several files, [`parts`] cuts them out of one input.

use std::sync::Arc;

use oxbpf::ObjectBuilder;
use oxbpf::link::{self, TcHook};
use oxbpf::loader::GenHash;
use oxbpf_btf::dump_data::{DumpDataOpts, dump_data};
use oxbpf_btf::sanitize::{SanitizeFeatures, sanitize};
use oxbpf_btf::{Btf, BtfBuilder, BtfExt, ByteOrder, Bytes, CDump, DeclOpts, TypeId, text, value};
use oxbpf_elf::usdt::{RegisterSet, SpecLayout, parse_args};
use oxbpf_elf::{ElfObject, ExecFile, find_member};
use oxbpf_kernel::{Kernel, Scripted};
use oxbpf_linker::Linker;
use oxbpf_relo::{MinBtf, relocate_only};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("btf", btf),
    ("btf_ext", btf_ext),
    ("btf_dedup", btf_dedup),
    ("btf_dump", btf_dump),
    ("btf_relocate", btf_relocate),
    ("core", core),
    ("elf", elf),
    ("exec", exec),
    ("link", link),
    ("loader", loader),
    ("netlink", netlink),
    ("object", object),
    ("usdt", usdt),
    ("zip", zip),
];

/// Looks functions and probes up in a user's program or library, by its tables of symbols, hashes and versions.
pub fn exec(data: &[u8]) {
    let Ok(exec) = ExecFile::parse(data, "program") else { return };
    let _ = (exec.build_id(), exec.interpreter(), exec.has_symbols(), exec.file_offset(0x1000));
    for name in ["main", "plain", "open_it@LIB_1.0", "open_it@@LIB_2.0", "none"] {
        if let Ok(func) = exec.func(name) {
            let _ = exec.file_offset(func.address);
        }
    }
    for func in exec.funcs_by_glob("*") {
        let _ = exec.func(func.name);
    }
    for note in exec.usdt_notes().unwrap_or_default() {
        for probe in exec.usdt_probes(note.provider, note.name).unwrap_or_default() {
            assert!(probe.file_offset < data.len() as u64, "a probe is in the file");
        }
    }
}

/// Reads the arguments of a probe as each machine writes them, and makes the records that programs read.
pub fn usdt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for registers in [
        RegisterSet::X86_64,
        RegisterSet::X86,
        RegisterSet::Arm64,
        RegisterSet::Arm,
        RegisterSet::S390x,
        RegisterSet::Riscv64,
        RegisterSet::Riscv32,
    ] {
        let Ok(args) = parse_args(&text, registers) else { continue };
        for layout in [SpecLayout::V1, SpecLayout::V2] {
            for is_big in [false, true] {
                let _ = layout.encode_for(&args, 7, is_big);
            }
        }
    }
}

/// Finds libraries in an archive.
pub fn zip(data: &[u8]) {
    for name in ["README", "lib/lib.so", "lib/packed.so", "none"] {
        let Ok(member) = find_member(data, name, "archive") else { continue };
        assert!(member.offset + member.data.len() <= data.len() as u64, "a member is in the archive");
        let _ = ExecFile::parse(member.data, name);
    }
}

/// Most replies that a target passes on: each list is read again for each place that another one names.
const MOST_REPLIES: usize = 64;

/// Reads what a kernel says about interfaces, their programs and filters. Each reply is its length as a little-endian half-word,
/// and its bytes.
pub fn netlink(data: &[u8]) {
    let mut replies = Vec::new();
    let mut rest = data;
    while let Some((len, more)) = rest.split_first_chunk().filter(|_| replies.len() < MOST_REPLIES) {
        let (reply, behind) = more.split_at(usize::from(u16::from_le_bytes(*len)).min(more.len()));
        replies.push(reply.to_vec());
        rest = behind;
    }
    let scripted = Scripted::new().on_netlink(move |_, each| {
        replies.iter().for_each(|reply| each(reply));
        Some(Ok(()))
    });
    let kernel = Kernel::new(scripted);
    for interface in link::interfaces(&kernel).unwrap_or_default() {
        let _ = link::query_xdp(&kernel, interface.index);
    }
    let _ = (link::query_xdp_features(&kernel, 1), link::tc_filters(&kernel, 1));
    let hook = TcHook::ingress(1);
    let _ = (hook.filters(&kernel), hook.query(&kernel, 3, 7));
}

/// Links three objects, in two orders; what comes out is an object.
pub fn link(data: &[u8]) {
    let [a, b, c] = parts(data);
    for order in [[a, b, c], [c, b, a]] {
        let mut linker = Linker::new();
        if order.iter().zip(["a", "b", "c"]).any(|(bytes, name)| linker.add(name, bytes).is_err()) {
            assert!(linker.finish().is_err(), "nothing comes out after an error");
            continue;
        }
        let Ok(linked) = linker.finish() else { continue };
        ElfObject::parse(&linked, "linked").expect("what was linked is read");
        let mut again = Linker::new();
        // Types that say something else than symbols do are found out when both are there.
        let _ = again.add("linked", &linked).is_ok_and(|()| again.finish().is_ok());
    }
}

/// How many types of one name in a chain a target goes through within a second. Deduplication compares each with each,
/// all along the chain, as libbpf's does.
pub fn longest_chain(target: &str) -> u32 {
    if target == "btf_dedup" { 300 } else { 20_000 }
}

/// Above this, only what a reader of one type would call is called: the input is big so that chains are deep, and going
/// through all of it is another test.
const BIG: usize = 1 << 20;

/// Reads, measures, looks up, checks, prints and rewrites.
pub fn btf(data: &[u8]) {
    let Ok(mut btf) = Btf::parse(data.to_vec()) else { return };
    let last = TypeId(btf.type_count() - 1);
    for id in [TypeId(1), last] {
        let _ = (btf.size_of(id), btf.align_of(id), btf.resolve(id), btf.c_name(id));
    }
    if data.len() > BIG {
        let _ = btf.validate();
        return;
    }
    for t in btf.types() {
        let _ = (btf.size_of(t.id()), btf.align_of(t.id()), btf.resolve(t.id()));
        // A name in C may take a thousand steps, whatever the number of types.
        if t.id().0 < 1000 {
            let _ = btf.c_name(t.id());
        }
        if !t.name().is_empty() {
            assert!(btf.find(t.name(), t.kind()).is_some_and(|id| id <= t.id()));
        }
    }
    let _ = (btf.find_all("int").count(), btf.find_essential("nested").count());
    btf.set_byte_order(ByteOrder::FOREIGN);
    if let Ok(swapped) = btf.to_bytes() {
        let back = Btf::parse(swapped.to_vec()).expect("swapped BTF is read");
        assert_eq!(back.raw(), btf.raw(), "swapping twice changes nothing");
    }
    btf.set_byte_order(ByteOrder::NATIVE);
    if btf.validate().is_err() {
        return;
    }
    let printed = text::print(&btf);
    if let Ok(again) = text::parse(&printed) {
        assert_eq!(again.type_count(), btf.type_count());
    }
    if let Ok(b) = BtfBuilder::from_btf(&btf) {
        assert_eq!(text::print(&b.finish().expect("what was valid stays so")), printed);
    }
    for features in FEATURES {
        if let Some(bytes) = sanitize(&btf, &features()) {
            Btf::parse(bytes).expect("sanitised BTF is read");
        }
    }
}

const FEATURES: &[fn() -> SanitizeFeatures] = &[
    || SanitizeFeatures::NONE,
    || SanitizeFeatures { func: false, ..SanitizeFeatures::ALL },
    || SanitizeFeatures { datasec: false, ..SanitizeFeatures::ALL },
    || SanitizeFeatures { enum64: false, layout: false, ..SanitizeFeatures::ALL },
];

/// Reads records, writes them in the other byte order.
pub fn btf_ext(data: &[u8]) {
    let [ext, types] = parts(data);
    let Ok(btf) = Btf::parse(types.to_vec()) else { return };
    let Ok(mut ext) = BtfExt::parse(ext.to_vec()) else { return };
    for sec in ext.func_infos(&btf).unwrap_or_default() {
        assert!(sec.for_program(0..64, 0).len() <= sec.raw.len());
    }
    for sec in ext.line_infos(&btf).unwrap_or_default() {
        assert!(sec.for_program(8..4096, 7).len() <= sec.raw.len());
    }
    let _ = ext.core_relos(&btf);
    ext.set_byte_order(ByteOrder::FOREIGN);
    let swapped = ext.to_bytes().to_vec();
    let back = BtfExt::parse(swapped).expect("swapped records are read");
    assert_eq!(back.raw(), ext.raw(), "swapping twice changes nothing");
}

/// Appends, deduplicates, reorders.
pub fn btf_dedup(data: &[u8]) {
    let Ok(btf) = Btf::parse(data.to_vec()) else { return };
    let mut b = BtfBuilder::new();
    if b.append_btf(&btf).is_err() || b.append_btf(&btf).is_err() {
        return;
    }
    if b.dedup().is_err() {
        return;
    }
    let once = b.to_bytes().expect("it was read from bytes");
    let Ok(again) = Btf::parse(once.clone()) else { return };
    let map: Vec<TypeId> = core::iter::once(0).chain((1..again.type_count()).rev()).map(TypeId).collect();
    if let Ok(mut b) = BtfBuilder::from_btf(&again) {
        let _ = b.permute(&map);
        let _ = b.finish();
    }
}

/// Prints types and values.
pub fn btf_dump(data: &[u8]) {
    let Ok(btf) = Btf::parse(data.to_vec()) else { return };
    let value = [0x5a; 400];
    let opts = DumpDataOpts { emit_zeroes: true, ..Default::default() };
    let count = btf.type_count();
    // A dump of one type may take milliseconds, whatever the number of types.
    let few = if data.len() > BIG { 1 } else { 100 };
    let last = count.saturating_sub(few).max(1 + few);
    for id in (1..count.min(1 + few)).chain(last..count).map(TypeId) {
        let mut out = String::new();
        let _ = dump_data(&btf, id, &value, &opts, &mut out);
        assert!(out.len() < 1 << 20, "text of {} bytes", out.len());
        let _ = value::decode(&btf, id, &value);
    }
    let mut out = Vec::new();
    let mut dump = CDump::new(&btf);
    for id in (1..count).map(TypeId) {
        // What is refused once does not make later types fail, unless the budget is spent.
        let _ = dump.dump_type(id, &mut out);
        let _ = dump.emit_type_decl(id, DeclOpts { field_name: "name", ..DeclOpts::default() }, &mut out);
    }
}

/// Distils and relocates.
pub fn btf_relocate(data: &[u8]) {
    let [base, split, new] = parts(data);
    let (Ok(base), Ok(new)) = (Btf::parse(base.to_vec()), Btf::parse(new.to_vec())) else { return };
    let new = Arc::new(new);
    let Ok(split) = Btf::parse_split(split.to_vec(), Arc::new(base)) else { return };
    let _ = split.relocate(&new);
    if let Ok((_, split)) = split.distill_base() {
        let _ = split.relocate(&new).map(|btf| btf.validate());
    }
}

/// Relocates an object against types, explains what has no match, and cuts the types down.
pub fn core(data: &[u8]) {
    let [object, target] = parts(data);
    let Ok(target) = Btf::parse(target.to_vec()) else { return };
    if let Ok(done) = relocate_only(object, "fuzzed", &target) {
        assert_eq!(done.bytes.len(), object.len());
        for p in done.poisoned.iter().take(20) {
            assert!(format!("{:#}", p.why).len() < 1 << 20);
        }
    }
    let Ok(elf) = ElfObject::parse(object, "fuzzed") else { return };
    let (Some(btf), Some(ext)) = (elf.section_by_name(".BTF"), elf.section_by_name(".BTF.ext")) else {
        return;
    };
    let (Ok(btf), Ok(ext)) = (Btf::parse(btf.data.to_vec()), BtfExt::parse(ext.data.to_vec())) else {
        return;
    };
    let mut min = MinBtf::new(&target);
    if min.add_object(&btf, &ext).is_ok() {
        let _ = min.build().map(|b| b.finish());
    }
}

/// Reads objects and user programs.
pub fn elf(data: &[u8]) {
    if let Ok(elf) = ElfObject::parse(data, "object") {
        for section in elf.sections() {
            let _ = elf.relocations(section);
        }
        for symbol in elf.symbols() {
            let _ = (elf.section_of(symbol), elf.symbol_label(symbol));
        }
    }
    if let Ok(exec) = ExecFile::parse(data, "program") {
        let _ = (exec.build_id(), exec.interpreter(), exec.file_offset(0x1000), exec.func("main"));
        let _ = exec.funcs_by_glob("*a*");
    }
}

/// Opens objects.
pub fn object(data: &[u8]) {
    let _ = oxbpf_object::open(Bytes::from(data.to_vec()), &oxbpf_object::OpenOptions::new("fuzzed"));
}

/// Makes a loader program of an object, without a kernel to ask.
pub fn loader(data: &[u8]) {
    let open = || {
        let kernel = Kernel::new(Scripted::new());
        ObjectBuilder::new().kernel(kernel).open_memory(data.to_vec())
    };
    for hash in [GenHash::None, GenHash::ByProgram] {
        let Ok(object) = open() else { return };
        // A few bytes of a section header ask for gigabytes of zeroes, and hashing these takes what it takes.
        let data: usize = object.spec().maps.iter().map(|m| m.data.len()).sum();
        if data > BIG && hash != GenHash::None {
            continue;
        }
        let Ok(program) = object.gen_loader(hash) else { continue };
        assert!(program.insns.len() % 8 == 0 && program.data.len() % 8 == 0);
        assert_eq!(program.failed_step(&program.data), program.steps.first(), "nothing is begun yet");
    }
}

/// Cuts an input into files: for each but the last its length as a little-endian word, then all of them.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let (mut lens, mut rest) = data.split_at(data.len().min(4 * (N - 1)));
    core::array::from_fn(|i| {
        let Some((len, more)) = lens.split_first_chunk().filter(|_| i + 1 < N) else {
            return core::mem::take(&mut rest);
        };
        lens = more;
        let (part, behind) = rest.split_at((u32::from_le_bytes(*len) as usize).min(rest.len()));
        rest = behind;
        part
    })
}

/// Joins files for [`parts`].
pub fn join(files: &[&[u8]]) -> Vec<u8> {
    let lens = files.iter().take(files.len() - 1).flat_map(|f| (f.len() as u32).to_le_bytes());
    lens.chain(files.iter().flat_map(|f| f.iter().copied())).collect()
}
