//! Telling types apart without comparing them: colours that equivalent types share.
//!
//! Many types may have the same name and shape and still differ deeper down. Comparing each with all that came before is
//! quadratic, and so is walking the same large graph again for every struct from which one difference can be reached.
//! So once comparisons that fail have cost more than a pass over everything would, each type gets a colour: a hash of
//! its own words and of its parts' colours, made deeper round by round. Types of different colours cannot be equivalent,
//! whatever the comparison assumes on its way, so they are kept in different lists and never meet.
//!
//! That holds because a colour leaves out all that a comparison may forgive: the contents of structs that are somewhere
//! only declared, those of enumerations, and the elements of arrays (which the second look at twins within a unit skips).

use super::graph::{Rec, Types, kind};
use super::{Dedup, Hash, IdMap};

/// Rounds after which deeper colours are given up.
const MOST_ROUNDS: u32 = 256;
/// How many pointers and modifiers in a row a first look goes through.
const NEAR: usize = 4;

/// Colours of all types, as deep as it has paid so far.
pub(super) struct Colours {
    by_id: Vec<u64>,
    /// Names of forward declarations.
    declared: IdMap<()>,
    rounds: u32,
    /// Failed steps after which the next rounds are due.
    limit: u64,
}

impl Colours {
    pub(super) fn new(types: Types<'_>) -> Self {
        let fwds = (1..types.count()).filter(|id| types.is_fwd(*id));
        Colours {
            by_id: Vec::new(),
            declared: fwds.map(|id| (types.rec(id).name(), ())).collect(),
            rounds: 0,
            limit: 1024 + 2 * u64::from(types.count()),
        }
    }

    fn of(&self, id: u32) -> u64 {
        self.by_id.get(id as usize).copied().unwrap_or_default()
    }

    /// What tells structs, unions and typedefs of the same shape apart.
    ///
    /// A kernel has thousands of anonymous unions of the same two members, so those get a first look at the types of
    /// their members from the start.
    #[inline]
    pub(super) fn parts(&self, types: Types<'_>, rec: Rec<'_>) -> u64 {
        if self.rounds == 0 && rec.name() != 0 {
            return 0;
        }
        let mut h = Hash::new();
        let of = |id| if self.rounds > 0 { self.of(id) } else { self.near(types, id) };
        match rec.kind() {
            kind::TYPEDEF => h.add_long(of(rec.target())),
            _ => rec.elems::<3>().iter().for_each(|[_, t, _]| h.add_long(of(t.get()))),
        }
        h.finish()
    }

    /// The colour of a type of which only the first few words are looked at.
    fn near(&self, types: Types<'_>, mut id: u32) -> u64 {
        let mut h = Hash::new();
        for _ in 0..NEAR {
            let rec = types.rec(id);
            self.add_own(rec, &mut h);
            if !is_reference(rec.kind()) {
                break;
            }
            id = rec.target();
        }
        h.finish()
    }

    fn is_due(&self, wasted: u64) -> bool {
        wasted > self.limit && self.rounds < MOST_ROUNDS
    }

    fn deepen(&mut self, types: Types<'_>) {
        let more = self.rounds.max(4);
        for _ in 0..more {
            self.by_id = (0..types.count()).map(|id| self.next(types.rec(id))).collect();
        }
        self.rounds += more;
        // Twice as many rounds are made when comparisons have cost twice as much again.
        self.limit += u64::from(self.rounds) * 2 * u64::from(types.count());
    }

    /// A type's colour one round deeper.
    fn next(&self, rec: Rec<'_>) -> u64 {
        let mut h = Hash::new();
        self.add_own(rec, &mut h);
        match rec.kind() {
            kind::STRUCT | kind::UNION if self.is_visible(rec) => {
                for [name, ty, offset] in rec.elems::<3>() {
                    h.add(name.get(), offset.get());
                    h.add_long(self.of(ty.get()));
                }
            }
            kind::FUNC_PROTO => {
                h.add_long(self.of(rec.target()));
                for [name, ty] in rec.elems::<2>() {
                    h.add(name.get(), 0);
                    h.add_long(self.of(ty.get()));
                }
            }
            kind if is_reference(kind) => h.add_long(self.of(rec.target())),
            _ => {}
        }
        h.finish()
    }

    /// Whether a struct is never taken to be one of another shape, as can happen through a declaration.
    fn is_visible(&self, rec: Rec<'_>) -> bool {
        !self.declared.contains_key(&rec.name())
    }

    /// What a type has of its own.
    fn add_own(&self, rec: Rec<'_>, h: &mut Hash) {
        match rec.kind() {
            kind::ENUM | kind::ENUM64 => h.add(rec.name(), kind::ENUM),
            kind::FWD => h.add(rec.name(), rec.declares()),
            kind @ (kind::STRUCT | kind::UNION) => {
                h.add(rec.name(), kind);
                if self.is_visible(rec) {
                    h.add(rec.info(), rec.target());
                }
            }
            kind @ (kind::INT | kind::FLOAT | kind::ARRAY) => {
                h.add(rec.name(), rec.info());
                let word = match kind {
                    kind::INT => rec.word(3),
                    kind::ARRAY => rec.word(5),
                    _ => 0,
                };
                h.add(rec.target(), word);
            }
            kind if is_reference(kind) || kind == kind::FUNC_PROTO => h.add(rec.name(), rec.info()),
            // Comparing others is an error, which is not to be hidden.
            _ => {}
        }
    }
}

/// Whether a type of this kind refers to one type and has no other contents that a comparison looks at.
fn is_reference(kind: u32) -> bool {
    use kind::{CONST, FUNC, PTR, RESTRICT, TYPE_TAG, TYPEDEF, VOLATILE};
    matches!(kind, PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | TYPE_TAG)
}

impl Dedup<'_> {
    /// Counts steps of comparisons that failed, and tells more types apart if there were many.
    pub(super) fn waste(&mut self, steps: u64) {
        self.wasted += steps;
        if !self.colours.is_due(self.wasted) {
            return;
        }
        let types = self.types;
        self.colours.deepen(types);
        let colours = &self.colours;
        self.table.split_lists(
            |id| {
                let rec = types.rec(id);
                super::structs::is_compared(rec.kind()).then(|| super::structs::hash(types, rec, colours))
            },
            |id, other| super::structs::is_equal(types, types.rec(id), types.rec(other), colours),
        );
    }
}
