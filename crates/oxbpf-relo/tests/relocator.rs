//! What relocations do to instructions, and what is said when they cannot be made.

use oxbpf_btf::{Btf, CoreRelo, CoreReloKind, TypeId, text};
use oxbpf_relo::{Outcome, POISON, Relocator, Target};
use oxbpf_uapi::Insn;

const INT: &str = "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n";

fn types(rest: &str) -> Btf {
    text::parse(&format!("{INT}{rest}")).unwrap()
}

fn relo(kind: CoreReloKind, type_id: u32, access_str: &str) -> CoreRelo<'_> {
    CoreRelo { insn_off: 0, type_id: TypeId(type_id), access_str, kind }
}

fn offset(access_str: &str) -> CoreRelo<'_> {
    relo(CoreReloKind::FIELD_BYTE_OFFSET, 2, access_str)
}

fn target(btf: &Btf) -> Vec<Target<'_>> {
    vec![Target { name: "vmlinux", btf }]
}

/// r1 = *(u32 *)(r2 + off)
fn load(off: i16) -> Insn {
    Insn::new(0x61, 1, 2, off, 0)
}

/// r1 = imm
fn mov(imm: i32) -> Insn {
    Insn::new(0xb7, 1, 0, 0, imm)
}

/// r1 = imm ll
fn mov64(imm: u64) -> [Insn; 2] {
    [Insn::new(0x18, 1, 0, 0, imm as i32), Insn::new(0, 0, 0, 0, (imm >> 32) as i32)]
}

/// A struct whose field `x` is at byte 4.
fn local() -> Btf {
    types("[2] STRUCT 's' size=8 vlen=1\n\t'x' type_id=1 bits_offset=32\n")
}

/// A struct whose field `x` is somewhere else.
fn with_x_at(byte: u32) -> Btf {
    types(&format!("[2] STRUCT 's' size={} vlen=1\n\t'x' type_id=1 bits_offset={}\n", byte + 4, byte * 8))
}

#[test]
fn loads_moves_and_64_bit_loads_get_the_new_number() {
    let (local, kernel) = (local(), with_x_at(64));
    let mut r = Relocator::new(&local, target(&kernel));
    let [a, b] = mov64(4);
    let mut insns = [load(4), mov(4), a, b];
    for at in [0, 1, 2] {
        let outcome = r.relocate(&mut insns, at, &offset("0:0")).unwrap();
        assert_eq!(outcome, Outcome::Patched { old: 4, new: 64, resized: None });
    }
    let [a, b] = mov64(64);
    assert_eq!(insns, [load(64), mov(64), a, b]);
}

#[test]
fn what_nothing_matches_becomes_a_call_that_the_verifier_refuses() {
    let (local, kernel) = (local(), types("[2] STRUCT 's' size=4 vlen=1\n\t'y' type_id=1 bits_offset=0\n"));
    let mut r = Relocator::new(&local, target(&kernel));
    let [a, b] = mov64(4);
    let mut insns = [load(4), a, b, mov(1)];
    assert_eq!(r.relocate(&mut insns, 0, &offset("0:0")).unwrap(), Outcome::Poisoned);
    assert_eq!(r.relocate(&mut insns, 1, &offset("0:0")).unwrap(), Outcome::Poisoned);
    let poison = Insn::new(0x85, 0, 0, 0, POISON);
    assert_eq!(insns, [poison, poison, poison, mov(1)]);
    let exists = relo(CoreReloKind::FIELD_EXISTS, 2, "0:0");
    assert_eq!(
        r.relocate(&mut insns, 3, &exists).unwrap(),
        Outcome::Patched { old: 1, new: 0, resized: None }
    );
    assert_eq!(insns[3], mov(0));
}

#[test]
fn a_poisoned_instruction_is_explained_by_what_is_near_and_both_layouts() {
    let local = local();
    let explain = |rest: &str| {
        let kernel = types(rest);
        let e = Relocator::new(&local, target(&kernel)).explain(&offset("0:0"));
        (format!("{e}"), format!("{e:#}"))
    };
    let x = "<byte_off> [2] struct s.x (0:0 @ offset 4): ";
    let check = |rest: &str, expect: &str| assert_eq!(explain(rest).0, format!("{x}{expect}"));
    check("[2] STRUCT 'sx' size=4 vlen=0\n", "no target has a type 's' (near: 'sx')");
    check("", "no target has a type 's'");
    check(
        "[2] STRUCT 's' size=4 vlen=1\n\t'y' type_id=1 bits_offset=0\n[3] STRUCT 's___old' size=4 vlen=0\n",
        "struct s [2] of vmlinux has no member 'x' (near: 'y'); struct s___old [3] of vmlinux has no member 'x'",
    );
    check(
        "[2] STRUCT 's' size=4 vlen=1\n\t'in' type_id=3 bits_offset=0\n\
         [3] STRUCT 'inner' size=4 vlen=1\n\t'x' type_id=1 bits_offset=0\n",
        "struct s [2] of vmlinux has no member 'x' (it is in '.in.x')",
    );
    let (line, full) = explain(
        "[2] STRUCT 's' size=16 vlen=2\n\t'pad' type_id=1 bits_offset=0\n\t'x' type_id=3 bits_offset=64\n[3] PTR '(anon)' type_id=1\n",
    );
    assert_eq!(line, format!("{x}'x' of struct s [2] of vmlinux is int *, here int"));
    assert_eq!(
        full,
        format!(
            "{line}\n  struct s of the object, 8 bytes:\n  >      4  x: int\n  struct s of vmlinux, 16 bytes:\n         0  pad: int\n  >      8  x: int *"
        )
    );
}

#[test]
fn a_missing_enumerator_is_explained_by_the_nearest() {
    let with = |name: &str| {
        text::parse(&format!("[1] ENUM 'e' encoding=UNSIGNED size=4 vlen=1\n\t'{name}' val=1\n")).unwrap()
    };
    let (local, kernel) = (with("STATE_RUNNING"), with("STATE_RUNING"));
    let relo = relo(CoreReloKind::ENUMVAL_VALUE, 1, "0");
    assert_eq!(
        Relocator::new(&local, target(&kernel)).explain(&relo).to_string(),
        "<enumval_value> [1] enum e::STATE_RUNNING = 1: \
         enum e [1] of vmlinux has no enumerator 'STATE_RUNNING' (near: 'STATE_RUNING')"
    );
}

#[track_caller]
fn check_error(kernel: &Btf, relo: &CoreRelo<'_>, insns: &[Insn], expect: &str) {
    let local = local();
    let mut changed = insns.to_vec();
    let error = Relocator::new(&local, target(kernel)).relocate(&mut changed, 0, relo).unwrap_err();
    assert_eq!(error.to_string(), expect);
    assert_eq!(changed, insns, "an error leaves the instructions as they were");
}

#[test]
fn errors_name_instruction_and_access() {
    let kernel = with_x_at(64);
    let x = "instruction 0: <byte_off> [2] struct s.x (0:0 @ offset 4): ";
    check_error(
        &kernel,
        &offset("0:0"),
        &[load(8)],
        &format!("{x}the instruction holds 8, not 4 as the object's types say"),
    );
    check_error(
        &kernel,
        &offset("0:0"),
        &[Insn::new(0x95, 0, 0, 0, 0)],
        &format!("{x}opcode 0x95 is none that can be relocated"),
    );
    check_error(
        &kernel,
        &offset("0:0"),
        &[Insn::new(0x0f, 1, 2, 0, 0)],
        &format!("{x}opcode 0x0f has no immediate to relocate"),
    );
    check_error(&kernel, &offset("0:0"), &mov64(4)[..1], &format!("{x}there is no such instruction"));
    check_error(&kernel, &offset("0:0"), &[], &format!("{x}there is no such instruction"));
    check_error(
        &with_x_at(40_000),
        &offset("0:0"),
        &[load(4)],
        &format!("{x}offset 40000 is over the 32767 that a load or store can have"),
    );
    let bad = |access: &str, why: &str| {
        let expect = format!(
            "instruction 0: <byte_off> [2] s + {access}: access string \"{access}\" makes no sense for the type: {why}"
        );
        check_error(&kernel, &offset(access), &[load(4)], &expect);
    };
    bad("0:1", "there is no such member");
    bad("0:0:0", "it goes into what is neither a struct, a union nor an array");
    bad("", "it is not numbers between colons");
    bad("0:", "it is not numbers between colons");
    bad("0:-1", "it is not numbers between colons");
    let long = ["0"; 66].join(":");
    let error =
        Relocator::new(&local(), target(&kernel)).relocate(&mut [load(4)], 0, &offset(&long)).unwrap_err();
    assert!(error.to_string().ends_with("it has over 64 numbers"), "{error}");
    let unknown = relo(CoreReloKind(77), 2, "0:0");
    let error = Relocator::new(&local(), target(&kernel)).relocate(&mut [load(4)], 0, &unknown).unwrap_err();
    assert_eq!(error.errno(), oxbpf_uapi::Errno::EINVAL);
}

#[test]
fn candidates_that_disagree_are_an_error() {
    let kernel = types(
        "[2] STRUCT 's' size=8 vlen=1\n\t'x' type_id=1 bits_offset=0\n\
         [3] STRUCT 's___2' size=8 vlen=1\n\t'x' type_id=1 bits_offset=32\n",
    );
    let expect = "instruction 0: <byte_off> [2] struct s.x (0:0 @ offset 4): \
                  ambiguous: bit offset 0 of [2] and bit offset 32 of [3] in the target";
    check_error(&kernel, &offset("0:0"), &[load(4)], expect);
}

#[test]
fn modules_are_searched_only_for_types_that_the_kernel_lacks() {
    let local = types(
        "[2] STRUCT 's' size=8 vlen=1\n\t'x' type_id=1 bits_offset=32\n\
         [3] STRUCT 'm' size=8 vlen=1\n\t'x' type_id=1 bits_offset=0\n",
    );
    let kernel = std::sync::Arc::new(with_x_at(16));
    let mut b = oxbpf_btf::BtfBuilder::new_split(kernel.clone());
    for (name, at) in [("s", 24), ("m", 48)] {
        b.add_struct(name, at + 4).unwrap();
        b.add_field("x", TypeId(1), at * 8, 0).unwrap();
    }
    let module = b.finish().unwrap();
    let loaded = std::cell::Cell::new(0);
    let modules = || {
        loaded.set(loaded.get() + 1);
        vec![Target { name: "driver", btf: &module }]
    };
    let mut r = Relocator::new(&local, target(&kernel)).with_modules(modules);
    let mut insns = [load(4), load(0), load(0)];
    r.relocate(&mut insns, 0, &offset("0:0")).unwrap();
    assert_eq!((insns[0], loaded.get()), (load(16), 0));
    let in_module = relo(CoreReloKind::FIELD_BYTE_OFFSET, 3, "0:0");
    r.relocate(&mut insns, 1, &in_module).unwrap();
    r.relocate(&mut insns, 2, &in_module).unwrap();
    assert_eq!((insns[1], insns[2], loaded.get()), (load(48), load(48), 1));
}

/// Structs that each have two anonymous members of the next one: 2^60 paths.
fn entangled(name: &str) -> Btf {
    let mut rest = format!("[2] STRUCT '{name}' size=4 vlen=2\n");
    for i in 3..63 {
        rest.push_str(&format!(
            "\t'(anon)' type_id={i} bits_offset=0\n\t'(anon)' type_id={i} bits_offset=0\n"
        ));
        rest.push_str(&format!("[{i}] STRUCT '(anon)' size=4 vlen=2\n"));
    }
    rest.push_str("\t'y' type_id=1 bits_offset=0\n\t'z' type_id=1 bits_offset=0\n");
    types(&rest)
}

#[test]
fn types_made_to_take_forever_are_given_up() {
    let (local, kernel) = (local(), entangled("s"));
    let mut r = Relocator::new(&local, target(&kernel));
    let error = r.relocate(&mut [load(4)], 0, &offset("0:0")).unwrap_err();
    assert!(error.to_string().ends_with("the types are nested too deep"), "{error}");
    let mut r = Relocator::new(&kernel, target(&kernel));
    let matches = relo(CoreReloKind::TYPE_MATCHES, 2, "0");
    let error = r.relocate(&mut [mov(1)], 0, &matches).unwrap_err();
    assert!(error.to_string().ends_with("the types are nested too deep"), "{error}");
}

/// Numbers that are the same in each run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn broken_types_give_errors_and_no_panics() {
    let mut rng = Rng(0xc0de);
    let data = |name: &str| {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
    };
    let sound: Vec<Vec<u8>> = ["moved.btf", "flavours.btf", "kinds.btf"].iter().map(|n| data(n)).collect();
    let spec = oxbpf_object::open(data("accesses.o"), &oxbpf_object::OpenOptions::new("accesses")).unwrap();
    let good = spec.btf.clone().unwrap();
    let records = oxbpf_object::ExtRecords::new(&spec).unwrap();
    let codes: Vec<_> = (0..spec.programs.len() as u32)
        .map(|i| oxbpf_object::assemble(&spec, oxbpf_object::ProgId(i)).unwrap())
        .collect();
    let mut outcomes = [0; 3];
    for round in 0..300 {
        let mut bytes = sound[round % sound.len()].clone();
        let mut own = good.raw().to_vec();
        for _ in 0..1 + rng.below(12) {
            // The header stays sound, so that most mutants are parsed.
            let at = 24 + rng.below(bytes.len() - 24);
            bytes[at] = [0, 1, 2, 0x7f, 0xff, rng.below(256) as u8][rng.below(6)];
            let at = 24 + rng.below(own.len() - 24);
            own[at] = rng.below(256) as u8;
        }
        let (Ok(kernel), local) = (Btf::parse(bytes), Btf::parse(own)) else { continue };
        let local = if round % 2 == 0 { &*good } else { local.as_ref().unwrap_or(&good) };
        let mut r = Relocator::new(local, target(&kernel));
        for code in &codes {
            let mut insns = code.insns.clone();
            for reloc in &code.core_relocs {
                let relo = records.core_relo(reloc).unwrap();
                match r.relocate(&mut insns, reloc.insn as usize, relo) {
                    Ok(Outcome::Patched { .. }) => outcomes[0] += 1,
                    Ok(Outcome::Poisoned) => outcomes[1] += format!("{:#}", r.explain(relo)).len().min(1),
                    Err(e) => outcomes[2] += e.to_string().len().min(1),
                }
            }
        }
    }
    assert!(outcomes.iter().all(|n| *n > 250), "{outcomes:?}");
}

#[test]
fn bit_fields_are_shifted_as_the_objects_byte_order_wants() {
    let text = format!("{INT}[2] STRUCT 's' size=4 vlen=1\n\t'x' type_id=1 bits_offset=3 bitfield_size=5\n");
    let native = text::parse(&text).unwrap();
    let swapped = text::parse(&text).unwrap().with_byte_order(oxbpf_btf::ByteOrder::FOREIGN);
    let foreign = Btf::parse(swapped.to_bytes().unwrap().into_owned()).unwrap();
    let shift = |local: &Btf, kernel: &Btf| {
        let mut insns = [mov(0)];
        let left = relo(CoreReloKind::FIELD_LSHIFT_U64, 2, "0:0");
        Relocator::new(local, target(kernel)).relocate(&mut insns, 0, &left).unwrap();
        insns[0].imm
    };
    // 64 - (3 + 5) bits are above the field in a little-endian load, (8 - 4) * 8 + 3 in a big-endian one.
    let (own, other) = if cfg!(target_endian = "little") { (56, 35) } else { (35, 56) };
    // The types' own byte order does not matter.
    for kernel in [&native, &foreign] {
        assert_eq!((shift(&native, kernel), shift(&foreign, kernel)), (own, other));
    }
}
