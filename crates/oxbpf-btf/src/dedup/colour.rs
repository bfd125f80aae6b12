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
        Colours {
            by_id: Vec::new(),
            declared: IdMap::default(),
            rounds: 0,
            limit: 1024 + 2 * u64::from(types.count()),
        }
    }

    pub(super) fn are_on(&self) -> bool {
        self.rounds > 0
    }

    fn of(&self, id: u32) -> u64 {
        self.by_id.get(id as usize).copied().unwrap_or_default()
    }

    /// What tells structs, unions and typedefs of the same shape apart.
    pub(super) fn parts(&self, rec: Rec<'_>) -> u64 {
        let mut h = Hash::new();
        match rec.kind() {
            kind::TYPEDEF => h.add_long(self.of(rec.target())),
            _ => rec.elems::<3>().iter().for_each(|[_, t, _]| h.add_long(self.of(t.get()))),
        }
        h.finish()
    }

    fn is_due(&self, wasted: u64) -> bool {
        wasted > self.limit && self.rounds < MOST_ROUNDS
    }

    fn deepen(&mut self, types: Types<'_>) {
        if self.rounds == 0 {
            self.by_id = vec![0; types.count() as usize];
            let fwds = (1..types.count()).filter(|id| types.is_fwd(*id));
            self.declared.extend(fwds.map(|id| (types.rec(id).name(), ())));
        }
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
        let rec_kind = rec.kind();
        match rec_kind {
            kind::ENUM | kind::ENUM64 => h.add(rec.name(), kind::ENUM),
            kind::FWD => h.add(rec.name(), rec.declares()),
            kind::STRUCT | kind::UNION => {
                h.add(rec.name(), rec_kind);
                if !self.declared.contains_key(&rec.name()) {
                    h.add(rec.info(), rec.target());
                    for [name, ty, offset] in rec.elems::<3>() {
                        h.add(name.get(), offset.get());
                        h.add_long(self.of(ty.get()));
                    }
                }
            }
            kind::INT => {
                h.add(rec.name(), rec.info());
                h.add(rec.target(), rec.word(3));
            }
            kind::FLOAT => {
                h.add(rec.name(), rec.info());
                h.add(rec.target(), 0);
            }
            kind::ARRAY => {
                h.add(rec.name(), rec.info());
                h.add(rec.target(), rec.word(5));
            }
            kind::FUNC_PROTO => {
                h.add(rec.name(), rec.info());
                h.add_long(self.of(rec.target()));
                for [name, ty] in rec.elems::<2>() {
                    h.add(name.get(), 0);
                    h.add_long(self.of(ty.get()));
                }
            }
            kind::PTR
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNC
            | kind::TYPE_TAG => {
                h.add(rec.name(), rec.info());
                h.add_long(self.of(rec.target()));
            }
            // Comparing these is an error, which is not to be hidden.
            _ => {}
        }
        h.finish()
    }
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
                super::structs::is_compared(rec.kind()).then(|| super::structs::hash(rec, Some(colours)))
            },
            |id, other| super::structs::is_equal(types.rec(id), types.rec(other), Some(colours)),
        );
    }
}
