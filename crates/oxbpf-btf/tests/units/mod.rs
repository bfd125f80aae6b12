//! Seeded units: BTF as a compiler might emit it for a source file, with few names, so that much of it collides.

use oxbpf_btf::{Btf, BtfBuilder, IntFlags, TypeId, VarLinkage};
use oxbpf_uapi::BtfKind;
use oxbpf_uapi::consts::FuncLinkage;
use std::sync::Arc;

/// Numbers that are the same in every run.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n.max(1))) as u32
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T], or: T) -> T {
        all.get(self.below(all.len() as u32) as usize).copied().unwrap_or(or)
    }
}

/// How often each kind comes up.
const MIX: &[BtfKind] = &[
    BtfKind::INT,
    BtfKind::INT,
    BtfKind::PTR,
    BtfKind::PTR,
    BtfKind::PTR,
    BtfKind::ARRAY,
    BtfKind::STRUCT,
    BtfKind::STRUCT,
    BtfKind::STRUCT,
    BtfKind::STRUCT,
    BtfKind::UNION,
    BtfKind::ENUM,
    BtfKind::ENUM,
    BtfKind::ENUM64,
    BtfKind::ENUM64,
    BtfKind::FWD,
    BtfKind::FWD,
    BtfKind::FWD,
    BtfKind::TYPEDEF,
    BtfKind::TYPEDEF,
    BtfKind::VOLATILE,
    BtfKind::CONST,
    BtfKind::RESTRICT,
    BtfKind::FUNC,
    BtfKind::FUNC_PROTO,
    BtfKind::FUNC_PROTO,
    BtfKind::VAR,
    BtfKind::DATASEC,
    BtfKind::FLOAT,
    BtfKind::DECL_TAG,
    BtfKind::TYPE_TAG,
];

/// What a unit may refer to.
struct Targets {
    /// Types that end a chain of references, wherever they are.
    ends: Vec<TypeId>,
    /// All that a member may have as its type.
    any: Vec<TypeId>,
    protos: Vec<TypeId>,
    vars: Vec<TypeId>,
    /// One more than the base's last id.
    base: u32,
}

impl Targets {
    /// A type for a reference: an earlier one or an end, so that no cycle is without a struct.
    fn reference(&self, r: &mut Rng, below: TypeId) -> TypeId {
        if self.base > 1 && r.one_in(4) {
            return TypeId(r.below(self.base));
        }
        let earlier: Vec<TypeId> = self.any.iter().copied().take_while(|id| *id < below).collect();
        match r.below(12) {
            0 => TypeId::VOID,
            n if n % 2 == 0 => r.of(&self.ends, TypeId::VOID),
            _ => r.of(&earlier, TypeId::VOID),
        }
    }

    fn member(&self, r: &mut Rng) -> TypeId {
        if self.base > 1 && r.one_in(4) { TypeId(r.below(self.base)) } else { r.of(&self.any, TypeId::VOID) }
    }
}

/// Appends a unit of `n` types whose names are among `names` ones.
pub(crate) fn add_unit(b: &mut BtfBuilder, r: &mut Rng, n: u32, names: u32, base: u32) {
    let first = b.type_count();
    let kinds: Vec<BtfKind> = (0..n).map(|_| r.of(MIX, BtfKind::INT)).collect();
    let ids = |wanted: &dyn Fn(BtfKind) -> bool| -> Vec<TypeId> {
        let ids = (first..).zip(&kinds).filter(|(_, k)| wanted(**k));
        ids.map(|(id, _)| TypeId(id)).collect()
    };
    let is_end = |k| {
        use BtfKind as K;
        matches!(k, K::INT | K::STRUCT | K::UNION | K::ENUM | K::ENUM64 | K::FWD | K::FLOAT)
    };
    let is_type = |k| !matches!(k, BtfKind::FUNC | BtfKind::VAR | BtfKind::DATASEC | BtfKind::DECL_TAG);
    let targets = Targets {
        ends: ids(&is_end),
        any: ids(&is_type),
        protos: ids(&|k| k == BtfKind::FUNC_PROTO),
        vars: ids(&|k| k == BtfKind::VAR),
        base,
    };
    for kind in kinds {
        let name = format!("n{}", r.below(names));
        add_type(b, r, kind, &name, &targets);
    }
}

fn add_type(b: &mut BtfBuilder, r: &mut Rng, kind: BtfKind, name: &str, targets: &Targets) {
    let id = TypeId(b.type_count());
    let to = targets.reference(r, id);
    let unnamed = if r.one_in(4) { "" } else { name };
    match kind {
        BtfKind::INT => drop(b.add_int(name, 1 << r.below(3), IntFlags(r.below(2) as u8)).unwrap()),
        BtfKind::FLOAT => drop(b.add_float(name, 4 << r.below(2)).unwrap()),
        BtfKind::FWD => drop(b.add_fwd(name, r.one_in(3)).unwrap()),
        BtfKind::PTR => drop(b.add_ptr(to).unwrap()),
        BtfKind::TYPEDEF => drop(b.add_typedef(name, to).unwrap()),
        BtfKind::VOLATILE => drop(b.add_volatile(to).unwrap()),
        BtfKind::CONST => drop(b.add_const(to).unwrap()),
        BtfKind::RESTRICT => drop(b.add_restrict(to).unwrap()),
        BtfKind::TYPE_TAG if r.one_in(2) => drop(b.add_type_tag("tag", to).unwrap()),
        BtfKind::TYPE_TAG => drop(b.add_type_attr("tag", to).unwrap()),
        BtfKind::DECL_TAG => {
            let (to, at) = (targets.member(r), r.below(2) as i32 - 1);
            let tag =
                if r.one_in(2) { b.add_decl_tag("tag", to, at) } else { b.add_decl_attr("tag", to, at) };
            tag.unwrap();
        }
        BtfKind::ARRAY => {
            let index = targets.reference(r, id);
            b.add_array(index, to, 1 + r.below(2)).unwrap();
        }
        BtfKind::STRUCT | BtfKind::UNION => {
            let is_struct = kind == BtfKind::STRUCT;
            if is_struct { b.add_struct(unnamed, 8) } else { b.add_union(unnamed, 8) }.unwrap();
            for i in 0..r.below(4) {
                let (name, ty) = (["a", "b"][r.below(2) as usize], targets.member(r));
                let width = if r.one_in(20) { 3 } else { 0 };
                b.add_field(name, ty, if is_struct { 32 * i } else { 0 }, width).unwrap();
            }
        }
        BtfKind::ENUM => {
            b.add_enum(unnamed, if r.one_in(4) { 8 } else { 4 }).unwrap();
            for _ in 0..r.below(3) {
                let value = i64::from(r.below(2)) - i64::from(r.one_in(5));
                b.add_enum_value(["v", "w"][r.below(2) as usize], value).unwrap();
            }
        }
        BtfKind::ENUM64 => {
            b.add_enum64(unnamed, 8, r.one_in(2)).unwrap();
            for _ in 0..r.below(3) {
                let value = u64::from(r.below(2)) << 33;
                b.add_enum64_value(["v", "w"][r.below(2) as usize], value).unwrap();
            }
        }
        BtfKind::FUNC => match targets.protos.is_empty() {
            true => drop(b.add_ptr(TypeId::VOID).unwrap()),
            false => {
                let proto = r.of(&targets.protos, TypeId::VOID);
                b.add_func(name, FuncLinkage(r.below(2)), proto).unwrap();
            }
        },
        BtfKind::FUNC_PROTO => {
            b.add_func_proto(to).unwrap();
            for i in 0..r.below(3) {
                let ty = targets.reference(r, id);
                b.add_func_param(["a", "b", ""][i as usize], ty).unwrap();
            }
        }
        BtfKind::VAR => drop(b.add_var(name, VarLinkage(r.below(2)), to).unwrap()),
        _ => {
            b.add_datasec(name, 16).unwrap();
            for _ in 0..r.below(3) {
                if !targets.vars.is_empty() {
                    b.add_datasec_var(r.of(&targets.vars, TypeId::VOID), 0, 4).unwrap();
                }
            }
        }
    }
}

/// Units of a program, some of them the same as others or nearly so.
pub(crate) fn program(r: &mut Rng, base: Option<&Arc<Btf>>) -> Vec<Btf> {
    let (count, names) = (1 + r.below(4), 1 + r.below(6));
    let large = r.one_in(20);
    let size = 3 + r.below(if large { 400 } else { 30 });
    let start = base.map_or(1, |b| b.type_count());
    let mut seeds: Vec<(u64, u32)> = Vec::new();
    let mut units = Vec::new();
    for _ in 0..count {
        let new = (r.next(), 1 + r.below(size));
        let (seed, n) = if r.one_in(2) { r.of(&seeds, new) } else { new };
        seeds.push((seed, n));
        let mut b = base.map_or_else(BtfBuilder::new, |b| BtfBuilder::new_split(b.clone()));
        add_unit(&mut b, &mut Rng::new(seed), n, names, start);
        if r.one_in(3) {
            add_unit(&mut b, r, 3, names, start);
        }
        units.push(b.finish().unwrap());
    }
    units
}
