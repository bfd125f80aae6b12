//! Bytes of a type section in, the offset of each type out.
//!
//! Where a type ends depends on its kind and element count, so each type has to be read before the next one is found: one
//! chain of loads, in which the processor mostly waits. A large section is therefore read in lanes, pieces that follow one
//! another and are gone through at the same time. Where a lane begins is a guess, the first place behind a multiple of its
//! length that looks like some types in a row. The guess is known to be right when the lane before it ends there: then the
//! first lane's start, which is certain, makes all of them certain. Otherwise, and for kinds that are not known, types are
//! read one by one as everything is that is small.

use crate::BtfError;
use crate::fields::KINDS;
use crate::raw::{LayoutTable, MAX_VLEN, TYPE_LEN, refers, u32_at};

/// What the scan over the types found.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// Offset in the type section of each type.
    pub(crate) offsets: Vec<u32>,
    /// The first type of a kind above the known ones, as (id, kind).
    pub(crate) unknown: Option<(u32, u32)>,
}

/// Finds where each type begins. The first has id `start_id`; name offsets must be below `str_end`.
///
/// Also checks name offsets and single references of all types, since both words are at hand here; elements are
/// checked when they are read.
pub(crate) fn scan_types(
    types: &[u8],
    layout: LayoutTable<'_>,
    start_id: u32,
    str_end: u32,
) -> Result<Offsets, BtfError> {
    let mut scan = Scan {
        types,
        layout,
        start_id,
        // A kernel's types take 25 bytes on average, so this is nearly always enough; small types make it grow.
        offsets: Vec::with_capacity(types.len() / 20 + 1),
        unknown: None,
        highest: Highest::default(),
    };
    let mut lanes = (types.len() > WINDOW).then(Lanes::new);
    let mut off = 0usize;
    while off.saturating_add(TYPE_LEN) <= types.len() {
        let window = lanes.as_mut().and_then(|lanes| lanes.read(&mut scan, off, str_end));
        off = match window {
            Some(end) => end,
            None => scan.one_by_one(off, off.saturating_add(WINDOW))?,
        };
    }
    scan.finish(off, str_end)
}

/// What the scan has to know of a kind, in one word so that one load gives it: bytes of a type without its elements, bytes
/// of an element, and the two flags below.
#[derive(Clone, Copy)]
struct KindRow(u32);

const IS_UNKNOWN: u32 = 1 << 30;
/// The third word is an id. The highest bit, for the sake of [`KindRow::id_mask`].
const REFERS: u32 = 1 << 31;

/// By the highest byte of the info word, which is the kind and the kind flag.
static ROWS: [KindRow; 256] = {
    let mut rows = [KindRow(TYPE_LEN as u32 | IS_UNKNOWN); 256];
    let mut kind = 1;
    while kind < KINDS.len() {
        let k = KINDS[kind];
        let refers = if k.refers() { REFERS } else { 0 };
        let row = KindRow((TYPE_LEN as u32 + 4 * k.fixed as u32) | (4 * k.elem as u32) << 8 | refers);
        rows[kind] = row;
        rows[kind | 0x80] = row;
        kind += 1;
    }
    rows
};

impl KindRow {
    #[inline(always)]
    fn of(info: u32) -> Self {
        ROWS[(info >> 24) as u8 as usize]
    }

    /// Bytes of a type with this info word.
    #[inline(always)]
    fn len(self, info: u32) -> usize {
        (self.0 & 0xff) as usize + (info & MAX_VLEN) as usize * ((self.0 >> 8) & 0xff) as usize
    }

    /// All ones if the third word is an id, else 0.
    #[inline(always)]
    fn id_mask(self) -> u32 {
        (self.0 as i32 >> 31) as u32
    }

    fn is_known(self) -> bool {
        self.0 & IS_UNKNOWN == 0
    }
}

/// The three words that a type begins with.
struct Head {
    name: u32,
    info: u32,
    third: u32,
}

impl Head {
    #[inline(always)]
    fn at(types: &[u8], off: usize) -> Option<Self> {
        let [n0, n1, n2, n3, i0, i1, i2, i3, t0, t1, t2, t3] =
            *types.get(off..)?.first_chunk::<TYPE_LEN>()?;
        Some(Self {
            name: u32::from_ne_bytes([n0, n1, n2, n3]),
            info: u32::from_ne_bytes([i0, i1, i2, i3]),
            third: u32::from_ne_bytes([t0, t1, t2, t3]),
        })
    }
}

/// The largest words of their sort; what is too large is looked for only if they are.
#[derive(Clone, Copy, Default)]
struct Highest {
    name: u32,
    reference: u32,
}

impl Highest {
    #[inline(always)]
    fn add(&mut self, head: &Head, row: KindRow) {
        self.name = self.name.max(head.name);
        self.reference = self.reference.max(head.third & row.id_mask());
    }

    fn join(&mut self, other: Self) {
        self.name = self.name.max(other.name);
        self.reference = self.reference.max(other.reference);
    }
}

struct Scan<'b> {
    types: &'b [u8],
    layout: LayoutTable<'b>,
    start_id: u32,
    offsets: Vec<u32>,
    unknown: Option<(u32, u32)>,
    highest: Highest,
}

impl Scan<'_> {
    /// Reads the types that begin between `off` and `limit`, and gives where the last one ends.
    fn one_by_one(&mut self, mut off: usize, limit: usize) -> Result<usize, BtfError> {
        while off < limit {
            let Some(head) = Head::at(self.types, off) else { break };
            // Only the last type can run past the end; that is noticed when all are read.
            self.offsets.push(off as u32);
            let row = KindRow::of(head.info);
            if row.is_known() {
                self.highest.add(&head, row);
                off += row.len(head.info);
            } else {
                off = self.unknown_end(off, &head)?;
            }
        }
        Ok(off)
    }

    /// Where a type of a kind that is not known ends, which the layout section tells.
    #[cold]
    fn unknown_end(&mut self, off: usize, head: &Head) -> Result<usize, BtfError> {
        let kind = (head.info >> 24) & 0x7f;
        let id = self.start_id.saturating_add(self.offsets.len() as u32 - 1);
        let row = self.layout.row(kind).ok_or(BtfError::UnknownKind { id, offset: off as u32, kind })?;
        self.highest.name = self.highest.name.max(head.name);
        self.unknown.get_or_insert((id, kind));
        let elems = ((head.info & MAX_VLEN) as usize).saturating_mul(row.elem as usize);
        Ok(off.saturating_add(TYPE_LEN + row.info as usize).saturating_add(elems))
    }

    /// Checks that the types end where the section does, `off` being the end of the last, and what they refer to.
    fn finish(mut self, off: usize, str_end: u32) -> Result<Offsets, BtfError> {
        let (types, offsets) = (self.types, &mut self.offsets);
        let last_id = self.start_id.saturating_add((offsets.len() as u32).saturating_sub(1));
        if off != types.len() {
            let (id, offset) = match offsets.last() {
                Some(last) if off > types.len() => (last_id, *last),
                _ => (self.start_id.saturating_add(offsets.len() as u32), off as u32),
            };
            let need = if off > types.len() { off as u64 - u64::from(offset) } else { TYPE_LEN as u64 };
            let have = types.len() as u64 - u64::from(offset);
            return Err(BtfError::Truncated { id, offset, need, have });
        }
        if offsets.len() < offsets.capacity() / 2 {
            offsets.shrink_to_fit();
        }
        if self.highest.name >= str_end.max(1) || (!offsets.is_empty() && self.highest.reference > last_id) {
            return Err(first_bad_word(types, offsets, self.start_id, last_id, str_end));
        }
        Ok(Offsets { offsets: self.offsets, unknown: self.unknown })
    }
}

/// Chains that are followed at once: enough to hide the loads, few enough for the registers.
const LANES: usize = 3;
/// Bytes of a lane.
const STRETCH: usize = 16 << 10;
/// Bytes that are read in lanes at a time. What they find stays in the nearest cache until it is put together.
const WINDOW: usize = LANES * STRETCH;
/// The most types that begin in a lane, and one.
const MOST: usize = STRETCH / TYPE_LEN + 2;
/// How many types in a row a lane's start has to look like. Words that are not the second of a type, names, ids and sizes,
/// have no kind in their highest byte but by chance.
const ROW: usize = 3;

/// Offsets that each lane found.
struct Lanes(Box<[[u32; MOST]; LANES]>);

impl Lanes {
    fn new() -> Self {
        Self(Box::new([[0; MOST]; LANES]))
    }

    /// Adds the types that begin in the window at `from` and gives where the last one ends; `None` if they have to be read one
    /// by one.
    fn read(&mut self, scan: &mut Scan<'_>, from: usize, str_end: u32) -> Option<usize> {
        let types = scan.types;
        // So every type that begins in the window has its head in the section.
        if types.len().checked_sub(WINDOW + TYPE_LEN)? < from {
            return None;
        }
        let starts = starts(types, from, str_end)?;
        let mut limits = [from + WINDOW; LANES];
        limits.iter_mut().zip(starts.iter().skip(1)).for_each(|(limit, next)| *limit = *next);

        let (mut highest, mut rows) = (Highest::default(), 0);
        let mut step = |off: &mut usize, slot: &mut u32| {
            let head = Head::at(types, *off)?;
            let row = KindRow::of(head.info);
            *slot = *off as u32;
            highest.add(&head, row);
            rows |= row.0;
            *off += row.len(head.info);
            Some(())
        };
        let mut offs = starts;
        let mut common = 0;
        while common < MOST && offs.iter().zip(&limits).all(|(off, limit)| off < limit) {
            for (off, found) in offs.iter_mut().zip(self.0.iter_mut()) {
                step(off, &mut found[common])?;
            }
            common += 1;
        }
        let mut counts = [common; LANES];
        for (((off, limit), found), count) in
            offs.iter_mut().zip(&limits).zip(self.0.iter_mut()).zip(&mut counts)
        {
            while *off < *limit {
                step(off, found.get_mut(*count)?)?;
                *count += 1;
            }
        }
        let is_chain = offs.iter().zip(starts.iter().skip(1)).all(|(end, next)| end == next);
        if !is_chain || rows & IS_UNKNOWN != 0 {
            return None;
        }
        scan.highest.join(highest);
        for (found, count) in self.0.iter().zip(counts) {
            scan.offsets.extend_from_slice(found.get(..count)?);
        }
        offs.last().copied()
    }
}

/// Where the lanes of the window at `from` begin: there, and at guesses.
fn starts(types: &[u8], from: usize, str_end: u32) -> Option<[usize; LANES]> {
    let mut starts = [from; LANES];
    for (i, start) in starts.iter_mut().enumerate().skip(1) {
        let nominal = from + i * STRETCH;
        let mut places = (nominal..nominal + STRETCH).step_by(4);
        *start = places.find(|&off| looks_like_types(types, off, str_end))?;
    }
    Some(starts)
}

/// Whether some types in a row could begin here.
fn looks_like_types(types: &[u8], mut off: usize, str_end: u32) -> bool {
    (0..ROW).all(|_| {
        let Some(head) = Head::at(types, off) else { return false };
        let row = KindRow::of(head.info);
        off += row.len(head.info);
        row.is_known() && head.name < str_end
    })
}

/// Names the first type with a bad name offset or reference, given that there is one.
#[cold]
fn first_bad_word(types: &[u8], offsets: &[u32], start_id: u32, last_id: u32, str_end: u32) -> BtfError {
    for (id, &off) in (start_id..).zip(offsets) {
        let word = |i: usize| u32_at(types, off as usize + i).unwrap_or_default();
        let (name_off, kind, target) = (word(0), (word(4) >> 24) & 0x7f, word(8));
        if name_off >= str_end.max(1) {
            return BtfError::BadStringOffset { offset: name_off, size: str_end };
        }
        if refers(kind) && target > last_id {
            return BtfError::BadReference { id, target };
        }
    }
    BtfError::BadSection { section: "type", off: 0, len: types.len() as u32, why: "is inconsistent" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STR_END: u32 = 1000;
    const PTR: u32 = 2 << 24;
    const ENUM64: u32 = 19 << 24;

    /// Both ways must find the same, or the same error. Returns how many windows were read in lanes.
    fn check(words: &[u32], layout: &[u8]) -> usize {
        let types: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let layout = LayoutTable(layout);
        let new = || Scan {
            types: &types,
            layout,
            start_id: 1,
            offsets: Vec::new(),
            unknown: None,
            highest: Highest::default(),
        };
        let mut scan = new();
        let simple = scan.one_by_one(0, usize::MAX).and_then(|off| scan.finish(off, STR_END));
        let found = scan_types(&types, layout, 1, STR_END);
        match (&simple, &found) {
            (Ok(a), Ok(b)) => assert_eq!((&a.offsets, a.unknown), (&b.offsets, b.unknown)),
            (a, b) => assert_eq!(format!("{a:?}"), format!("{b:?}")),
        }
        let offsets = simple.map_or_else(|_| vec![0], |s| s.offsets);
        let (mut lanes, mut scan) = (Lanes::new(), new());
        let windows =
            offsets.iter().filter(|off| **off as usize / WINDOW > 0).fold(vec![0], |mut from, off| {
                if *off as usize - from[from.len() - 1] >= WINDOW {
                    from.push(*off as usize);
                }
                from
            });
        windows.iter().filter(|from| lanes.read(&mut scan, **from, STR_END).is_some()).count()
    }

    /// Types of all kinds that refer to lower ids, with up to `most` elements each, in about `len` words.
    fn some_types(seed: u64, len: usize, most: u32) -> Vec<u32> {
        let mut state = seed;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) as u32) % below
        };
        let (mut words, mut id) = (Vec::new(), 1);
        while words.len() < len {
            let kind = 1 + random(19);
            let KindRow(row) = KindRow::of(kind << 24);
            let vlen = if row >> 8 & 0xff == 0 { 0 } else { random(most) };
            let info = kind << 24 | vlen | random(2) << 31;
            words.extend([random(STR_END), info, random(id)]);
            words.extend((0..KindRow::of(info).len(info) / 4 - 3).map(|_| random(id)));
            id += 1;
        }
        words
    }

    #[test]
    fn lanes_find_what_reading_one_by_one_finds() {
        for seed in 0..8 {
            let words = some_types(seed, 100_000, 12);
            assert!(check(&words, &[]) > 3, "most windows should be read in lanes");
            check(&words[..words.len() - 1], &[]);
        }
        check(&some_types(9, 100_000, 9000), &[]);
    }

    #[test]
    fn elements_that_look_like_types_are_not_taken_for_some() {
        let mut words = some_types(1, 5000, 4);
        words.extend([1, ENUM64 | 50_000, 8]);
        words.extend((0..50_000).flat_map(|_| [1, PTR, 1]));
        words.extend(some_types(2, 50_000, 4));
        check(&words, &[]);
    }

    #[test]
    fn what_is_wrong_is_found_in_a_lane_as_elsewhere() {
        let words = some_types(3, 100_000, 6);
        let types: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let offsets = scan_types(&types, LayoutTable(&[]), 1, STR_END).unwrap().offsets;
        for at in [10, offsets.len() / 2, offsets.len() - 1] {
            let at = offsets[at] as usize / 4;
            let with = |i: usize, word| {
                let mut words = words.clone();
                words[at + i] = word;
                words
            };
            check(&with(0, STR_END), &[]);
            check(&with(2, u32::MAX), &[]);
            check(&with(1, 0), &[]);
            check(&with(1, 100 << 24), &[]);
            let mut layout = vec![0; 4 * 101];
            layout[400] = 4;
            check(&with(1, 100 << 24), &layout);
            check(&with(1, ENUM64 | MAX_VLEN), &[]);
        }
    }
}
