//! Whether two type graphs are the same, and what that says about their parts.
//!
//! Two structs, unions or typedefs are equivalent if walking both side by side, member by member, finds the same
//! everywhere. Cycles end the walk by assuming that what is being compared is equivalent: a *hypothesis* from each type
//! of the canonical graph to the one of the candidate's graph that it was met with. Meeting it again with another one is
//! a contradiction, unless that one looks the same too: compilers emit some types twice within a unit. A declaration
//! matches the struct or union that it declares. What holds for the whole holds for the parts, so a success settles
//! structs on the way and finds definitions for declarations.
//!
//! The walk keeps its own stack, so depth costs memory in proportion to the types and no more.

use oxbpf_uapi::BtfKind;

use super::graph::{Types, kind};
use super::{Dedup, IdMap, UNSET};
use crate::{BtfError, fields};

/// How deep structs, arrays and prototypes may be nested for two types within one unit to be seen to be the same.
const SAME_DEPTH: u8 = 16;
/// Steps of one such comparison from which on results are remembered, since without it they can be too many.
const SAME_STEPS: u32 = 1000;
/// How many such results are kept at most.
const SAME_RESULTS: usize = 1 << 20;

/// The state of comparisons.
pub(super) struct Equiv {
    /// By canonical type: the candidate's type that it is assumed to be equivalent to.
    hypot: Vec<u32>,
    /// The canonical types that have a hypothesis, in the order in which they were met.
    met: Vec<u32>,
    stack: Vec<(u32, u32)>,
    /// Whether the equivalence takes a base's declaration to be a split type, which the base cannot express.
    needs_base_change: bool,
    /// Pairs compared so far.
    pub(super) steps: u64,
    /// For two types: the least depth at which they are known to be the same, the greatest at which they are not.
    same: IdMap<(u8, u8), u64>,
    same_steps: u32,
}

impl Equiv {
    pub(super) fn new(ids: usize) -> Equiv {
        Equiv {
            hypot: vec![UNSET; ids],
            met: Vec::new(),
            stack: Vec::new(),
            needs_base_change: false,
            steps: 0,
            same: IdMap::default(),
            same_steps: 0,
        }
    }

    fn clear(&mut self) {
        for id in self.met.drain(..) {
            if let Some(to) = self.hypot.get_mut(id as usize) {
                *to = UNSET;
            }
        }
        self.needs_base_change = false;
    }
}

impl Dedup<'_> {
    /// Whether `cand` is to be mapped to `canon`; if their graphs are equivalent, what follows is recorded.
    pub(super) fn matches(&mut self, cand: u32, canon: u32) -> Result<bool, BtfError> {
        self.equiv.clear();
        if !self.is_equiv(cand, canon)? {
            return Ok(false);
        }
        self.learn();
        Ok(!self.equiv.needs_base_change)
    }

    fn is_equiv(&mut self, cand: u32, canon: u32) -> Result<bool, BtfError> {
        let types = self.types;
        self.equiv.stack.clear();
        self.equiv.stack.push((cand, canon));
        while let Some((mut cand, mut canon)) = self.equiv.stack.pop() {
            // A chain of references is followed without the stack.
            loop {
                self.equiv.steps += 1;
                if self.resolve(cand) == self.resolve(canon) {
                    break;
                }
                canon = self.definition(canon);
                match self.equiv.hypot.get_mut(canon as usize) {
                    Some(hypot) if *hypot == UNSET => *hypot = cand,
                    Some(hypot) if *hypot == cand => break,
                    Some(hypot) => {
                        let hypot = *hypot;
                        self.equiv.same_steps = 0;
                        if self.equiv.is_same(types, hypot, cand, SAME_DEPTH)? {
                            break;
                        }
                        return Ok(false);
                    }
                    None => return Ok(false),
                }
                self.equiv.met.push(canon);
                let (a, b) = (types.rec(cand), types.rec(canon));
                if a.name() != b.name() {
                    return Ok(false);
                }
                let (a_kind, b_kind) = (a.kind(), b.kind());
                if a_kind != b_kind {
                    let fits = if a_kind == kind::FWD {
                        a.declares() == b_kind
                    } else {
                        b_kind == kind::FWD && b.declares() == a_kind
                    };
                    if fits && b_kind == kind::FWD && canon < types.start_id {
                        self.equiv.needs_base_change = true;
                    }
                    if fits {
                        break;
                    }
                    return Ok(false);
                }
                let same = match a_kind {
                    kind::INT => a.same_head_and_word(b),
                    kind::ENUM | kind::ENUM64 => a.compatible_enum(b),
                    kind::FWD | kind::FLOAT => a.same_head(b),
                    kind::CONST
                    | kind::VOLATILE
                    | kind::RESTRICT
                    | kind::PTR
                    | kind::TYPEDEF
                    | kind::FUNC
                    | kind::TYPE_TAG => {
                        if a.info() != b.info() {
                            return Ok(false);
                        }
                        (cand, canon) = (a.target(), b.target());
                        continue;
                    }
                    kind::ARRAY => {
                        let same = a.compatible_array(b);
                        self.push(a.word(3), b.word(3));
                        self.push(a.word(4), b.word(4));
                        same
                    }
                    kind::STRUCT | kind::UNION => {
                        // Compared while they are gone through: members are read once.
                        if !a.same_head(b) {
                            return Ok(false);
                        }
                        let mut same = true;
                        for ([n1, t1, o1], [n2, t2, o2]) in a.elems::<3>().iter().zip(b.elems::<3>()).rev() {
                            same &= n1.get() == n2.get() && o1.get() == o2.get();
                            self.push(t1.get(), t2.get());
                        }
                        same
                    }
                    kind::FUNC_PROTO => {
                        let same = a.compatible_proto(b);
                        for ([_, t1], [_, t2]) in a.elems::<2>().iter().zip(b.elems::<2>()).rev() {
                            self.push(t1.get(), t2.get());
                        }
                        self.push(a.target(), b.target());
                        same
                    }
                    _ => {
                        let why = "cannot be part of a struct, union or typedef";
                        return Err(BtfError::BadType { id: cand, kind: BtfKind(a_kind), why });
                    }
                };
                if !same {
                    return Ok(false);
                }
                break;
            }
        }
        Ok(true)
    }

    /// Puts a pair onto the stack, unless it needs no comparison.
    #[inline]
    fn push(&mut self, cand: u32, canon: u32) {
        if self.resolve(cand) != self.resolve(canon) {
            self.equiv.stack.push((cand, canon));
        }
    }

    /// The struct or union that a declaration is known to declare, else the type itself.
    #[inline]
    fn definition(&self, id: u32) -> u32 {
        if !self.types.is_fwd(id) {
            return id;
        }
        let to = self.resolve(id);
        if self.types.is_fwd(to) { id } else { to }
    }

    /// Records what the equivalence just found says about parts of the two graphs.
    fn learn(&mut self) {
        let is_composite = |k| matches!(k, kind::STRUCT | kind::UNION);
        let met = core::mem::take(&mut self.equiv.met);
        for &id in &met {
            let Some(&other) = self.equiv.hypot.get(id as usize) else { continue };
            let (cand, canon) = (self.resolve(other), self.resolve(id));
            let (cand_kind, canon_kind) = (self.types.kind(cand), self.types.kind(canon));
            if cand_kind != kind::FWD && canon_kind == kind::FWD {
                // A base's declaration too, though the base stays: split types that refer to it are to find the
                // definition.
                self.set(canon, cand);
            }
            if self.equiv.needs_base_change {
                continue;
            }
            if cand_kind == kind::FWD && canon_kind != kind::FWD {
                self.set(cand, canon);
            }
            // The canonical graph's own parts may not be settled yet; then this one has to wait.
            if is_composite(cand_kind)
                && canon_kind != kind::FWD
                && self.is_mapped(canon)
                && !self.is_mapped(cand)
            {
                self.set(cand, canon);
            }
        }
        self.equiv.met = met;
    }
}

impl Equiv {
    /// Whether two types of one unit are the same, looking no deeper than `depth`. Elements of arrays are not looked
    /// at, as in libbpf.
    fn is_same(&mut self, types: Types<'_>, id1: u32, id2: u32, depth: u8) -> Result<bool, BtfError> {
        let (mut id1, mut id2) = (id1, id2);
        let mut hops = 0;
        let (a, b) = loop {
            self.same_steps = self.same_steps.saturating_add(1);
            self.steps += 1;
            let (a, b) = (types.rec(id1), types.rec(id2));
            if depth == 0 || a.kind() != b.kind() {
                return Ok(false);
            }
            match a.kind() {
                kind::CONST
                | kind::VOLATILE
                | kind::RESTRICT
                | kind::PTR
                | kind::TYPEDEF
                | kind::FUNC
                | kind::TYPE_TAG => {
                    if a.info() != b.info() || a.name() != b.name() {
                        return Ok(false);
                    }
                    (id1, id2) = (a.target(), b.target());
                    hops += 1;
                    if hops > types.count() {
                        return Err(BtfError::TooDeep { id: id1 });
                    }
                }
                _ => break (a, b),
            }
        };
        match a.kind() {
            0 => return Ok(true),
            kind::INT => return Ok(a.same_head_and_word(b)),
            kind::ENUM | kind::ENUM64 => return Ok(a.compatible_enum(b)),
            kind::FWD | kind::FLOAT => return Ok(a.same_head(b)),
            kind::ARRAY => return Ok(a.compatible_array(b)),
            kind::STRUCT | kind::UNION if a.same_shape(b) => {}
            kind::FUNC_PROTO if a.compatible_proto(b) => {}
            _ => return Ok(false),
        }
        let pair = u64::from(id1) << 32 | u64::from(id2);
        let remembers = self.same_steps > SAME_STEPS;
        if remembers {
            match self.same.get(&pair) {
                Some((same, _)) if depth >= *same => return Ok(true),
                Some((_, differ)) if depth <= *differ => return Ok(false),
                _ => {}
            }
        }
        let mut all = true;
        for word in fields::id_words(a.info()) {
            let (x, y) = (a.word(word), b.word(word));
            if x != y && !self.is_same(types, x, y, depth - 1)? {
                all = false;
                break;
            }
        }
        if remembers {
            if self.same.len() >= SAME_RESULTS {
                self.same.clear();
            }
            // Looking deeper can only find more to be the same.
            let known = self.same.entry(pair).or_insert((u8::MAX, 0));
            if all { known.0 = known.0.min(depth) } else { known.1 = known.1.max(depth) }
        }
        Ok(all)
    }
}
