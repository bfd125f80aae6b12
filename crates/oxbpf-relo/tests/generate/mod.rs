//! Pairs of BTF that differ as kernels do, and relocations from one to the other, from a seed.
//!
//! A [`World`] is a set of C declarations. The object's types are one printing of it, the target's are printings after
//! mutation: members moved, wrapped in anonymous structs, resized, renamed or dropped, enumerators changed, several
//! flavours of a type, types left to a module. Member names are unique within a struct and what is anonymous in it, as
//! in C.

use std::collections::HashMap;

use oxbpf_btf::{Btf, BtfBuilder, CoreReloKind, FuncLinkage, IntFlags, Type, TypeId};

/// Numbers that are the same in each run.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        for _ in 0..8 {
            rng.next();
        }
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }

    /// True in `percent` of 100.
    pub(crate) fn odds(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug)]
enum Ty {
    Void,
    Int(usize),
    Float,
    Ptr(Box<Ty>),
    /// Number of a struct or union, flavours included.
    Struct(usize),
    Anon(bool, Vec<Member>),
    Array(Box<Ty>, u32),
    Enum(usize),
    Typedef(usize),
    /// const, volatile or restrict.
    Qualified(usize, Box<Ty>),
    Proto(Vec<Ty>, Box<Ty>),
    Fwd(usize, bool),
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    ty: Ty,
    bits: u32,
}

#[derive(Clone, Debug)]
struct StructDef {
    name: String,
    is_union: bool,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct EnumDef {
    name: String,
    is_wide: bool,
    size: u32,
    values: Vec<(String, i64)>,
}

#[derive(Clone, Debug)]
struct World {
    structs: Vec<StructDef>,
    enums: Vec<EnumDef>,
    typedefs: Vec<(String, Ty)>,
}

const INTS: &[(&str, u32, u8)] = &[
    ("int", 4, 1),
    ("unsigned int", 4, 0),
    ("char", 1, 1),
    ("unsigned char", 1, 0),
    ("short", 2, 1),
    ("unsigned short", 2, 0),
    ("long", 8, 1),
    ("unsigned long", 8, 0),
    ("_Bool", 1, 4),
    ("signed char", 1, 3),
    ("__int128", 16, 1),
];

impl World {
    fn new(rng: &mut Rng) -> Self {
        let mut world = Self { structs: Vec::new(), enums: Vec::new(), typedefs: Vec::new() };
        for i in 0..2 + rng.below(2) {
            let is_wide = rng.odds(35);
            let size = if is_wide { 8 } else { [4, 4, 4, 1, 2][rng.below(5)] };
            let values = (0..1 + rng.below(4)).map(|v| (format!("E{i}_V{v}"), value(rng, is_wide))).collect();
            let name = if rng.odds(10) { String::new() } else { format!("e{i}") };
            world.enums.push(EnumDef { name, is_wide, size, values });
        }
        for i in 0..3 + rng.below(4) {
            let mut names = 0;
            let is_union = rng.odds(15);
            let members = world.members(rng, &mut names, 0);
            world.structs.push(StructDef { name: format!("s{i}"), is_union, members });
            if rng.odds(40) {
                let ty = world.ty(rng, 1);
                world.typedefs.push((format!("t{}", world.typedefs.len()), ty));
            }
        }
        let proto =
            Ty::Proto((0..rng.below(3)).map(|_| world.ty(rng, 1)).collect(), Box::new(world.ty(rng, 1)));
        world.typedefs.push(("fn_t".to_owned(), proto));
        world
    }

    fn members(&self, rng: &mut Rng, names: &mut usize, level: usize) -> Vec<Member> {
        let mut members = Vec::new();
        let count = 1 + rng.below(5);
        for i in 0..count {
            if level < 2 && rng.odds(15) {
                let inner = self.members(rng, names, level + 1);
                members.push(Member { name: String::new(), ty: Ty::Anon(rng.odds(40), inner), bits: 0 });
                continue;
            }
            let name = format!("m{names}");
            *names += 1;
            if rng.odds(20) {
                members.push(bit_field(rng, name));
                continue;
            }
            let mut ty = self.ty(rng, level);
            if i + 1 == count && level == 0 && rng.odds(25) {
                ty = Ty::Array(Box::new(self.sized(rng, level)), 0);
            }
            members.push(Member { name, ty, bits: 0 });
        }
        members
    }

    /// A type that a member can have.
    fn ty(&self, rng: &mut Rng, level: usize) -> Ty {
        match rng.below(12) {
            0 | 1 => Ty::Ptr(Box::new(match rng.below(5) {
                0 => Ty::Void,
                1 => Ty::Fwd(rng.below(6), rng.odds(50)),
                2 => Ty::Proto((0..rng.below(3)).map(|_| self.sized(rng, 2)).collect(), Box::new(Ty::Void)),
                _ => self.sized(rng, level + 1),
            })),
            2 | 3 => Ty::Array(Box::new(self.sized(rng, level + 1)), 1 + rng.below(5) as u32),
            4 => Ty::Qualified(rng.below(2), Box::new(self.sized(rng, level + 1))),
            _ => self.sized(rng, level),
        }
    }

    fn sized(&self, rng: &mut Rng, level: usize) -> Ty {
        match rng.below(10) {
            0 if !self.enums.is_empty() => Ty::Enum(rng.below(self.enums.len())),
            1 if level < 3 && !self.typedefs.is_empty() => {
                let i = rng.below(self.typedefs.len());
                if matches!(self.typedefs[i].1, Ty::Proto(..)) { Ty::Int(0) } else { Ty::Typedef(i) }
            }
            2 | 3 if level < 3 && !self.structs.is_empty() => Ty::Struct(rng.below(self.structs.len())),
            4 => Ty::Float,
            5 => Ty::Ptr(Box::new(Ty::Void)),
            6 if level < 2 => {
                let mut member = |i| Member { name: format!("a{i}"), ty: Ty::Int(rng.below(8)), bits: 0 };
                let members = (0..2).map(&mut member).collect();
                Ty::Anon(rng.odds(30), members)
            }
            _ => Ty::Int(rng.below(INTS.len())),
        }
    }

    /// The same declarations after some years of kernel development.
    fn mutate(&mut self, rng: &mut Rng, percent: usize) {
        let kept = self.clone();
        for s in &mut self.structs {
            if rng.odds(percent / 4) {
                s.is_union = !s.is_union;
            }
            mutate_members(&kept, rng, percent, &mut s.members);
            if rng.odds(percent / 8) {
                s.name.push_str("_gone");
            }
        }
        for e in &mut self.enums {
            if rng.odds(percent / 2) {
                e.is_wide = !e.is_wide;
                e.size = if e.is_wide { 8 } else { 4 };
            }
            for (name, v) in &mut e.values {
                if rng.odds(percent) {
                    *v = value(rng, e.is_wide);
                }
                if rng.odds(percent / 4) {
                    name.push_str(["_gone", "___2"][rng.below(2)]);
                }
            }
            if rng.odds(percent / 3) {
                e.values.reverse();
            }
        }
        for i in 0..self.typedefs.len() {
            if rng.odds(percent / 3) && !matches!(self.typedefs[i].1, Ty::Proto(..)) {
                let ty = Ty::Int(rng.below(INTS.len()));
                self.typedefs[i].1 = ty;
            }
        }
    }

    /// A second type of the same name but for its flavour.
    fn add_flavour(&mut self, rng: &mut Rng, percent: usize) {
        let kept = self.clone();
        if rng.odds(70) {
            let mut s = self.structs[rng.below(self.structs.len())].clone();
            mutate_members(&kept, rng, percent, &mut s.members);
            s.name.push_str(["___old", "___2", "", "___x___y"][rng.below(4)]);
            self.structs.push(s);
        } else {
            let mut e = self.enums[rng.below(self.enums.len())].clone();
            if rng.odds(50) {
                for (_, v) in &mut e.values {
                    *v = value(rng, e.is_wide);
                }
            }
            if !e.name.is_empty() {
                e.name.push_str(["___old", ""][rng.below(2)]);
            }
            self.enums.push(e);
        }
    }
}

fn value(rng: &mut Rng, is_wide: bool) -> i64 {
    match (is_wide, rng.below(4)) {
        (_, 0) => rng.below(10) as i64,
        (_, 1) => -(rng.below(1000) as i64),
        (false, _) => rng.below(u32::MAX as usize) as i64,
        (true, _) => rng.next() as i64,
    }
}

fn bit_field(rng: &mut Rng, name: String) -> Member {
    let int = rng.below(8);
    let bits = 1 + rng.below(INTS[int].1 as usize * 8) as u32;
    Member { name, ty: Ty::Int(int), bits }
}

fn mutate_members(world: &World, rng: &mut Rng, percent: usize, members: &mut Vec<Member>) {
    for m in members.iter_mut() {
        if let Ty::Anon(_, inner) = &mut m.ty {
            if m.name.is_empty() {
                mutate_members(world, rng, percent, inner);
                continue;
            }
        }
        if rng.odds(percent / 2) {
            match rng.below(5) {
                0 => *m = bit_field(rng, m.name.clone()),
                1 => m.name.push_str("_gone"),
                2 => (m.ty, m.bits) = (world.sized(rng, 3), 0),
                // The compiler's favourite: an integer that grew or lost its sign.
                _ => match &mut m.ty {
                    Ty::Int(i) if m.bits == 0 => *i = rng.below(INTS.len()),
                    Ty::Array(_, n) if *n > 0 => *n = rng.below(6) as u32,
                    Ty::Qualified(q, _) => *q = (*q + 1) % 3,
                    _ if m.bits == 0 => {
                        let inner = m.ty.clone();
                        if !matches!(inner, Ty::Void) {
                            m.ty = Ty::Qualified(0, Box::new(inner));
                        }
                    }
                    _ => {}
                },
            }
        }
    }
    if rng.odds(percent) {
        let at = rng.below(members.len() + 1);
        let pad = Member { name: format!("pad{}", rng.below(1 << 20)), ty: Ty::Int(rng.below(8)), bits: 0 };
        members.insert(at, pad);
    }
    let has_flexible_end = matches!(members.last().map(|m| &m.ty), Some(Ty::Array(_, 0)));
    if rng.odds(percent / 2) && members.len() > 1 && !has_flexible_end {
        let at = rng.below(members.len() - 1);
        members.swap(at, at + 1);
    }
    if rng.odds(percent / 2) && !has_flexible_end {
        let at = rng.below(members.len());
        let inner = members.drain(at..).collect();
        members.push(Member { name: String::new(), ty: Ty::Anon(rng.odds(30), inner), bits: 0 });
    }
    if rng.odds(percent / 6) && members.len() > 1 {
        members.remove(rng.below(members.len()));
    }
}

/// One type in the making.
#[derive(Clone, Debug)]
enum Rec {
    Int(usize),
    Float,
    Ref(&'static str, u32),
    Composite { name: String, is_union: bool, size: u32, members: Vec<(String, u32, u32, u32)> },
    Array(u32, u32),
    Enum(EnumDef),
    Typedef(String, u32),
    Proto(Vec<u32>, u32),
    Fwd(String, bool),
}

struct Printer<'w> {
    world: &'w World,
    recs: Vec<Rec>,
    known: HashMap<String, u32>,
}

impl Printer<'_> {
    fn push(&mut self, rec: Rec) -> u32 {
        self.recs.push(rec);
        self.recs.len() as u32
    }

    fn put(&mut self, ty: &Ty) -> u32 {
        let key = format!("{ty:?}");
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = match ty {
            Ty::Void => return 0,
            Ty::Int(i) => self.push(Rec::Int(*i)),
            Ty::Float => self.push(Rec::Float),
            Ty::Fwd(i, is_union) => self.push(Rec::Fwd(format!("s{i}"), *is_union)),
            Ty::Enum(i) => {
                let e = self.world.enums[*i].clone();
                self.push(Rec::Enum(e))
            }
            Ty::Struct(i) => {
                let s = &self.world.structs[*i];
                return self.composite(key, &s.name, s.is_union, &s.members);
            }
            Ty::Anon(is_union, members) => return self.composite(key, "", *is_union, members),
            Ty::Typedef(i) => {
                let (name, ty) = &self.world.typedefs[*i];
                let id = self.push(Rec::Typedef(name.clone(), 0));
                self.known.insert(key, id);
                let to = self.put(ty);
                self.recs[id as usize - 1] = Rec::Typedef(name.clone(), to);
                return id;
            }
            Ty::Ptr(to) => {
                let id = self.push(Rec::Ref("ptr", 0));
                self.known.insert(key, id);
                let to = self.put(to);
                self.recs[id as usize - 1] = Rec::Ref("ptr", to);
                return id;
            }
            Ty::Qualified(q, to) => {
                let to = self.put(to);
                self.push(Rec::Ref(["const", "volatile", "restrict"][*q], to))
            }
            Ty::Array(of, n) => {
                let of = self.put(of);
                self.push(Rec::Array(of, *n))
            }
            Ty::Proto(params, ret) => {
                let params = params.iter().map(|p| self.put(p)).collect();
                let ret = self.put(ret);
                self.push(Rec::Proto(params, ret))
            }
        };
        self.known.insert(key, id);
        id
    }

    fn composite(&mut self, key: String, name: &str, is_union: bool, members: &[Member]) -> u32 {
        let placeholder = Rec::Composite { name: name.to_owned(), is_union, size: 0, members: Vec::new() };
        let id = self.push(placeholder);
        self.known.insert(key, id);
        let (mut bit, mut size, mut align) = (0u32, 0u32, 1u32);
        let mut placed = Vec::new();
        for m in members {
            let ty = self.put(&m.ty);
            let (len, al) = self.layout(&m.ty);
            align = align.max(al);
            let width = if m.bits > 0 { m.bits } else { len * 8 };
            if is_union {
                bit = 0;
            } else if m.bits == 0 {
                bit = bit.next_multiple_of(al * 8);
            } else if bit / (len * 8) != (bit + m.bits - 1) / (len * 8) {
                bit = bit.next_multiple_of(len * 8);
            }
            placed.push((m.name.clone(), ty, bit, m.bits));
            bit += width;
            size = size.max(bit.div_ceil(8));
        }
        let size = size.next_multiple_of(align);
        self.recs[id as usize - 1] =
            Rec::Composite { name: name.to_owned(), is_union, size, members: placed };
        id
    }

    /// Size and alignment. Structs contain only structs with lower numbers, so it ends.
    fn layout(&self, ty: &Ty) -> (u32, u32) {
        match ty {
            Ty::Void | Ty::Fwd(..) | Ty::Proto(..) => (0, 1),
            Ty::Int(i) => (INTS[*i].1, INTS[*i].1),
            Ty::Float | Ty::Ptr(_) => (8, 8),
            Ty::Enum(i) => (self.world.enums[*i].size, self.world.enums[*i].size),
            Ty::Typedef(i) => self.layout(&self.world.typedefs[*i].1),
            Ty::Qualified(_, to) => self.layout(to),
            Ty::Array(of, n) => {
                let (len, align) = self.layout(of);
                (len * n, align)
            }
            Ty::Struct(i) => {
                let s = &self.world.structs[*i];
                self.composite_layout(s.is_union, &s.members)
            }
            Ty::Anon(is_union, members) => self.composite_layout(*is_union, members),
        }
    }

    fn composite_layout(&self, is_union: bool, members: &[Member]) -> (u32, u32) {
        let (mut bit, mut size, mut align) = (0u32, 0u32, 1u32);
        for m in members {
            let (len, al) = self.layout(&m.ty);
            align = align.max(al);
            if is_union {
                bit = 0;
            } else if m.bits == 0 {
                bit = bit.next_multiple_of(al * 8);
            } else if bit / (len * 8) != (bit + m.bits - 1) / (len * 8) {
                bit = bit.next_multiple_of(len * 8);
            }
            bit += if m.bits > 0 { m.bits } else { len * 8 };
            size = size.max(bit.div_ceil(8));
        }
        (size.next_multiple_of(align), align)
    }

    fn emit(&self, b: &mut BtfBuilder, start: u32) {
        let id = |id: u32| TypeId(if id == 0 { 0 } else { id + start - 1 });
        for rec in &self.recs {
            match rec {
                Rec::Int(i) => {
                    let (name, size, flags) = INTS[*i];
                    b.add_int(name, size, IntFlags(flags)).unwrap();
                }
                Rec::Float => drop(b.add_float("double", 8).unwrap()),
                Rec::Ref("ptr", to) => drop(b.add_ptr(id(*to)).unwrap()),
                Rec::Ref("const", to) => drop(b.add_const(id(*to)).unwrap()),
                Rec::Ref("volatile", to) => drop(b.add_volatile(id(*to)).unwrap()),
                Rec::Ref(_, to) => drop(b.add_restrict(id(*to)).unwrap()),
                Rec::Composite { name, is_union, size, members } => {
                    if *is_union { b.add_union(name, *size) } else { b.add_struct(name, *size) }.unwrap();
                    for (name, ty, bit, width) in members {
                        b.add_field(name, id(*ty), *bit, *width).unwrap();
                    }
                }
                Rec::Array(of, n) => drop(b.add_array(TypeId(start), id(*of), *n).unwrap()),
                Rec::Enum(e) if e.is_wide => {
                    let signed = e.values.iter().any(|v| v.1 < 0);
                    b.add_enum64(&e.name, e.size, signed).unwrap();
                    for (name, v) in &e.values {
                        b.add_enum64_value(name, *v as u64).unwrap();
                    }
                }
                Rec::Enum(e) => {
                    b.add_enum(&e.name, e.size).unwrap();
                    for (name, v) in &e.values {
                        let v = (*v).clamp(i64::from(i32::MIN), i64::from(u32::MAX));
                        b.add_enum_value(name, v).unwrap();
                    }
                }
                Rec::Typedef(name, to) => drop(b.add_typedef(name, id(*to)).unwrap()),
                Rec::Proto(params, ret) => {
                    b.add_func_proto(id(*ret)).unwrap();
                    for p in params {
                        b.add_func_param("p", id(*p)).unwrap();
                    }
                }
                Rec::Fwd(name, is_union) => drop(b.add_fwd(name, *is_union).unwrap()),
            }
        }
    }
}

/// The declarations as BTF in a random order, appended to `b`; of the structs only those that are `part` of it.
fn print(world: &World, b: &mut BtfBuilder, rng: &mut Rng, part: impl Fn(usize) -> bool) {
    let start = b.type_count();
    let mut p = Printer { world, recs: Vec::new(), known: HashMap::new() };
    p.put(&Ty::Int(0));
    let mut roots: Vec<Ty> = (0..world.structs.len()).filter(|i| part(*i)).map(Ty::Struct).collect();
    roots.extend((0..world.enums.len()).map(Ty::Enum));
    roots.extend((0..world.typedefs.len()).map(Ty::Typedef));
    while !roots.is_empty() {
        let ty = roots.swap_remove(rng.below(roots.len()));
        p.put(&ty);
    }
    p.emit(b, start);
    if rng.odds(30) {
        let proto = b.add_func_proto(TypeId::VOID).unwrap();
        b.add_func("s0", FuncLinkage::GLOBAL, proto).unwrap();
    }
}

/// A relocation and the instruction that it is for, the latter without the number that the compiler puts in.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) type_id: TypeId,
    pub(crate) kind: CoreReloKind,
    pub(crate) access: String,
    pub(crate) code: u8,
    /// 1: the size of the access is not the field's. 2: the instruction holds another number.
    pub(crate) flags: u8,
}

/// One case: an object's types, a kernel's, perhaps a module's, and relocations in order.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) local: Btf,
    pub(crate) target: std::sync::Arc<Btf>,
    pub(crate) module: Option<Btf>,
    pub(crate) sites: Vec<Site>,
}

/// Case number `seed`.
pub(crate) fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let rng = &mut rng;
    let world = World::new(rng);
    let percent = [0, 10, 30, 60][rng.below(4)];
    let mut own = world.clone();
    own.mutate(rng, percent / 3);
    for s in &mut own.structs {
        if rng.odds(10) {
            s.name.push_str("___mine");
        }
    }
    let mut theirs = world;
    theirs.mutate(rng, percent);
    for _ in 0..rng.below(4) {
        let percent = if rng.odds(50) { percent } else { 0 };
        theirs.add_flavour(rng, percent);
    }
    let mut b = BtfBuilder::new();
    print(&own, &mut b, rng, |_| true);
    // The strings of accesses, as a compiler would leave them here.
    let sites = sites(&b, rng);
    for s in &sites {
        b.add_str(&s.access).unwrap();
    }
    let local = b.finish().unwrap();
    let has_module = rng.odds(25);
    let of_module = rng.next();
    let in_module = |i: usize| has_module && of_module >> (i % 64) & 3 == 0;
    let mut b = BtfBuilder::new();
    print(&theirs, &mut b, rng, |i| !in_module(i));
    let target = std::sync::Arc::new(b.finish().unwrap());
    let module = has_module.then(|| {
        let mut b = BtfBuilder::new_split(target.clone());
        print(&theirs, &mut b, rng, in_module);
        b.finish().unwrap()
    });
    Case { local, target, module, sites }
}

const KINDS: [CoreReloKind; 13] = [
    CoreReloKind::FIELD_BYTE_OFFSET,
    CoreReloKind::FIELD_BYTE_SIZE,
    CoreReloKind::FIELD_EXISTS,
    CoreReloKind::FIELD_SIGNED,
    CoreReloKind::FIELD_LSHIFT_U64,
    CoreReloKind::FIELD_RSHIFT_U64,
    CoreReloKind::TYPE_ID_LOCAL,
    CoreReloKind::TYPE_ID_TARGET,
    CoreReloKind::TYPE_EXISTS,
    CoreReloKind::TYPE_SIZE,
    CoreReloKind::ENUMVAL_EXISTS,
    CoreReloKind::ENUMVAL_VALUE,
    CoreReloKind::TYPE_MATCHES,
];

fn sites(b: &BtfBuilder, rng: &mut Rng) -> Vec<Site> {
    let btf = Btf::parse(b.to_bytes().unwrap()).unwrap();
    let wanted = |t: &oxbpf_btf::TypeRef<'_>| !t.name().is_empty() || t.id().0 % 7 == 0;
    let ids: Vec<TypeId> = btf.types().filter(wanted).map(|t| t.id()).collect();
    let of = |is: fn(&Type<'_>) -> bool| -> Vec<TypeId> {
        ids.iter().copied().filter(|id| btf.resolve_ref(*id).is_ok_and(|t| is(&t.view()))).collect()
    };
    let composites = of(|t| matches!(t, Type::Struct(_) | Type::Union(_)));
    let enums = of(|t| matches!(t, Type::Enum(_) | Type::Enum64(_)));
    let mut sites = Vec::new();
    for _ in 0..24 {
        let kind = if rng.odds(40) { KINDS[rng.below(3)] } else { KINDS[rng.below(13)] };
        let pool = match kind.0 {
            0..=5 => &composites,
            10 | 11 => &enums,
            _ => &ids,
        };
        let pool = if pool.is_empty() || rng.odds(3) { &ids } else { pool };
        let type_id = pool[rng.below(pool.len())];
        let access = match kind.0 {
            0..=5 => walk(&btf, rng, type_id),
            10 | 11 => rng.below(5).to_string(),
            _ => "0".to_owned(),
        };
        let access = if rng.odds(2) { format!("{access}:{}", rng.below(4)) } else { access };
        let code = match kind {
            CoreReloKind::FIELD_BYTE_OFFSET => [0x61, 0x61, 0x61, 0x63, 0x62, 0x07, 0xb7, 0x18][rng.below(8)],
            CoreReloKind::ENUMVAL_VALUE | CoreReloKind::TYPE_ID_TARGET | CoreReloKind::TYPE_ID_LOCAL => {
                [0xb7, 0x18, 0x18, 0x18][rng.below(4)]
            }
            _ => {
                [0xb7, 0xb7, 0xb7, 0xb4, 0x18, 0x61, 0x0f, 0x05][if rng.odds(92) { 0 } else { rng.below(8) }]
            }
        };
        let flags = u8::from(rng.odds(3)) | u8::from(rng.odds(2)) << 1;
        sites.push(Site { type_id, kind, access, code, flags });
    }
    sites
}

/// A path into a type.
fn walk(btf: &Btf, rng: &mut Rng, root: TypeId) -> String {
    let mut path = if rng.odds(90) { "0".to_owned() } else { rng.below(3).to_string() };
    let mut at = root;
    for _ in 0..6 {
        let Ok(t) = btf.resolve_ref(at) else { break };
        let n = match t.view() {
            Type::Struct(c) | Type::Union(c) if !c.is_empty() => {
                let n = rng.below(c.len());
                at = c.member(n).unwrap().type_id;
                n
            }
            Type::Array { elem, nelems, .. } => {
                at = elem;
                rng.below(nelems as usize + 1)
            }
            _ => break,
        };
        path.push_str(&format!(":{n}"));
        if rng.odds(if t.name().is_empty() { 5 } else { 35 }) {
            break;
        }
    }
    path
}
