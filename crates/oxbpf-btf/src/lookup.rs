//! Look-up by name: a hash index over the own types of a BTF, built when some look-ups have been made.
//!
//! The index is two tables of 32-bit numbers, about 6 bytes a type: the first type of each hash bucket, and for each
//! type the next one of its bucket. It stores neither names nor hashes; a look-up compares names where they are.
//! Building it reads each type's name once, 32 bytes at a time without branching on where the name ends, because for
//! the 150,000 short names of a kernel a mispredicted branch each would cost more than everything else.
//!
//! A second, usually empty list holds the types whose names carry a flavour suffix (`task_struct___old`), which CO-RE
//! look-ups ignore.

use core::sync::atomic::Ordering;

use oxbpf_uapi::BtfKind;

use crate::{Btf, TypeId, raw};

/// Types by hash of their names. Numbers are own types from 1, in the order of their ids; 0 ends a chain.
#[derive(Debug)]
pub(crate) struct NameIndex {
    /// First type of each bucket.
    heads: Vec<u32>,
    /// The next type of the same bucket, by type.
    next: Vec<u32>,
    /// Bucket = hash >> shift.
    shift: u32,
}

const MUL: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0xaef1_7502_108e_f2d9, 0x8cb9_2ba7_2f3d_8dd7];

/// The highest bit of each zero byte. The lowest mark is the first zero byte; marks above it may be wrong.
#[inline(always)]
fn zero_marks(bytes: [u8; 16]) -> u128 {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const HIGHS: u128 = u128::from_ne_bytes([0x80; 16]);
    let w = u128::from_le_bytes(bytes);
    w.wrapping_sub(ONES) & !w & HIGHS
}

/// The 16 bytes up to the first zero byte (the rest cleared), and all ones if there is none, else 0.
#[inline(always)]
fn cut(bytes: [u8; 16]) -> (u64, u64, u64) {
    let w = u128::from_le_bytes(bytes);
    let zeros = zero_marks(bytes);
    let kept = w & (zeros.wrapping_sub(1) & !zeros);
    (kept as u64, (kept >> 64) as u64, if zeros == 0 { u64::MAX } else { 0 })
}

/// Hash of a name that begins with these 32 bytes, if it ends in them; the state to go on with otherwise.
#[inline(always)]
fn hash_32(block: &[u8; 32]) -> (u64, bool) {
    let [first, second]: &[[u8; 16]; 2] = zerocopy::transmute_ref!(block);
    let ((a, b, on), (c, d, more)) = (cut(*first), cut(*second));
    let [ka, kb, kc, kd] = MUL;
    let h = a
        .wrapping_mul(ka)
        .wrapping_add(b.wrapping_mul(kb))
        .wrapping_add((c & on).wrapping_mul(kc))
        .wrapping_add((d & on).wrapping_mul(kd));
    ((h ^ (h >> 32)).wrapping_mul(ka), on & more != 0)
}

/// Hash of a name given as all its bytes; the same as for a NUL-terminated one in memory.
pub(crate) fn hash_name(name: &[u8]) -> u64 {
    let block = |bytes: &[u8]| {
        let mut b = [0; 32];
        for (to, from) in b.iter_mut().zip(bytes) {
            *to = *from;
        }
        b
    };
    let mut rest = name;
    let (mut hash, mut more) = hash_32(&block(rest));
    while more {
        rest = rest.get(32..).unwrap_or_default();
        let (h, m) = hash_32(&block(rest));
        (hash, more) = (go_on(hash, h), m);
    }
    hash
}

#[inline]
fn go_on(hash: u64, next: u64) -> u64 {
    (hash.rotate_left(23) ^ next).wrapping_mul(MUL[1])
}

/// Hash of the NUL-terminated name at `off` in a string section.
#[inline(always)]
fn hash_at(strs: &[u8], off: usize) -> Option<u64> {
    let (hash, more) = hash_32(strs.get(off..)?.first_chunk::<32>()?);
    if more {
        return hash_long(strs, off, hash);
    }
    Some(hash)
}

/// Hash and length of the NUL-terminated name at `off` in a string section; `None` too near the section's end.
#[inline(always)]
pub(crate) fn hash_str_at(strs: &[u8], off: usize) -> Option<(u64, usize)> {
    let rest = strs.get(off..)?;
    let block = rest.first_chunk::<32>()?;
    let (hash, more) = hash_32(block);
    if more {
        let len = 32 + rest.get(32..)?.iter().position(|&b| b == 0)?;
        return Some((hash_long(strs, off, hash)?, len));
    }
    let [first, second]: &[[u8; 16]; 2] = zerocopy::transmute_ref!(block);
    let len = match zero_marks(*first) {
        0 => 16 + zero_marks(*second).trailing_zeros() / 8,
        marks => marks.trailing_zeros() / 8,
    };
    Some((hash, len as usize))
}

impl Btf {
    /// The string at an offset and its hash; nothing where there is none.
    pub(crate) fn hashed_str(&self, off: u32) -> (&[u8], u64) {
        if let Some(own) = off.checked_sub(self.start_str()) {
            let (strs, own) = (self.own_strs(), own as usize);
            if let Some((hash, len)) = hash_str_at(strs, own) {
                if let Some(name) = strs.get(own..own + len) {
                    return (name, hash);
                }
            }
        }
        let name = self.str_bytes(off).unwrap_or_default();
        (name, hash_name(name))
    }
}

/// Length of the NUL-terminated string that `bytes` begins with, `None` if it does not end. Most are short.
#[inline]
pub(crate) fn str_len(bytes: &[u8]) -> Option<usize> {
    if let Some(first) = bytes.first_chunk::<16>() {
        let marks = zero_marks(*first);
        if marks != 0 {
            return Some(marks.trailing_zeros() as usize / 8);
        }
    }
    memchr::memchr(0, bytes)
}

#[cold]
fn hash_long(strs: &[u8], off: usize, mut hash: u64) -> Option<u64> {
    let mut rest = strs.get(off + 32..)?;
    loop {
        let (h, more) = hash_32(rest.first_chunk::<32>()?);
        hash = go_on(hash, h);
        if !more {
            return Some(hash);
        }
        rest = rest.get(32..)?;
    }
}

/// Look-ups of one name that are made before the index is worth building.
const PASSES: u32 = 2;

fn words(head: &[u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = *head;
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

/// How many types are gone through at a time while the index is built.
const BLOCK: usize = 256;

impl NameIndex {
    fn build(btf: &Btf) -> NameIndex {
        let (types, strs, offsets, start_str) =
            (btf.types_bytes(), btf.own_strs(), btf.offsets(), btf.start_str());
        let buckets = (offsets.len() / 2).next_power_of_two().max(2);
        let shift = 64 - buckets.trailing_zeros();
        let mut heads = vec![0u32; buckets];
        let mut next = vec![0u32; offsets.len() + 1];
        let mut named = [(0u32, 0u32); BLOCK];
        // From the last to the first, so that each chain is in ascending order.
        for (block, offsets) in offsets.chunks(BLOCK).enumerate().rev() {
            // Four in ten types have no name. Which ones cannot be predicted, so first list those that have one.
            let mut count = 0;
            for (i, &off) in offsets.iter().enumerate().rev() {
                let name_off = raw::u32_at(types, off as usize).unwrap_or_default();
                if let Some(slot) = named.get_mut(count) {
                    *slot = ((block * BLOCK + i) as u32 + 1, name_off);
                }
                count += usize::from(name_off != 0);
            }
            for &(i, name_off) in named.get(..count).unwrap_or_default() {
                // The last bytes of the strings and names in the base take the slow way.
                let hash = name_off
                    .checked_sub(start_str)
                    .and_then(|own| hash_at(strs, own as usize))
                    .unwrap_or_else(|| hash_name(btf.str_bytes(name_off).unwrap_or_default()));
                if let (Some(head), Some(next)) =
                    (heads.get_mut((hash >> shift) as usize), next.get_mut(i as usize))
                {
                    *next = core::mem::replace(head, i);
                }
            }
        }
        NameIndex { heads, next, shift }
    }

    fn first(&self, hash: u64) -> u32 {
        self.heads.get((hash >> self.shift) as usize).copied().unwrap_or_default()
    }

    fn next(&self, at: u32) -> u32 {
        self.next.get(at as usize).copied().unwrap_or_default()
    }
}

impl Btf {
    /// The lowest id of a type with this name and kind, the base's types first.
    ///
    /// The third look-up by name builds the index: about a millisecond for a kernel. The ones before go through all
    /// types, in a quarter of that. `None` if there is no such type, and for the empty name.
    #[doc(alias = "btf__find_by_name_kind")]
    pub fn find(&self, name: &str, kind: BtfKind) -> Option<TypeId> {
        self.find_hashed(name.as_bytes(), hash_name(name.as_bytes()), kind)
    }

    fn find_hashed(&self, name: &[u8], hash: u64, kind: BtfKind) -> Option<TypeId> {
        let in_base = self.base().and_then(|base| base.find_hashed(name, hash, kind));
        in_base.or_else(|| self.own_first(name, hash, kind))
    }

    /// As [`Btf::find`], among the own types only.
    #[doc(alias = "btf__find_by_name_kind_own")]
    pub fn find_own(&self, name: &str, kind: BtfKind) -> Option<TypeId> {
        self.own_first(name.as_bytes(), hash_name(name.as_bytes()), kind)
    }

    /// All types with this name, of any kind, in ascending order of their ids.
    pub fn find_all(&self, name: &str) -> impl Iterator<Item = TypeId> + use<> {
        let mut found = Vec::new();
        self.collect_named(name.as_bytes(), hash_name(name.as_bytes()), &mut found);
        found.into_iter()
    }

    fn collect_named(&self, name: &[u8], hash: u64, to: &mut Vec<TypeId>) {
        if let Some(base) = self.base() {
            base.collect_named(name, hash, to);
        }
        to.extend(self.own_named(name, hash, None));
    }

    /// All types whose name without its flavour suffix (see [`essential_name`]) is `essential`, of any kind, in
    /// ascending order of their ids: the candidates for a CO-RE relocation.
    pub fn find_essential(&self, essential: &str) -> impl Iterator<Item = TypeId> + use<> {
        let mut found = Vec::new();
        self.collect_essential(essential, &mut found);
        found.into_iter()
    }

    fn collect_essential(&self, essential: &str, to: &mut Vec<TypeId>) {
        if let Some(base) = self.base() {
            base.collect_essential(essential, to);
        }
        self.collect_own_essential(essential, to);
    }

    /// As [`Btf::find_essential`], among the own types only, and from the index.
    pub(crate) fn collect_own_essential(&self, essential: &str, to: &mut Vec<TypeId>) {
        let before = to.len();
        if essential_name(essential).len() == essential.len() {
            to.extend(self.own_named(essential.as_bytes(), hash_name(essential.as_bytes()), None));
        }
        let exact = to.len();
        let own = self.flavours.get_or_init(|| self.own_flavours());
        to.extend(own.iter().copied().filter(|id| {
            let name = self.get(*id).map_or("", |t| t.name());
            essential_name(name) == essential
        }));
        if to.len() > exact {
            to.get_mut(before..).unwrap_or_default().sort_unstable();
        }
    }

    /// Own types whose name has a flavour suffix.
    fn own_flavours(&self) -> Vec<TypeId> {
        let strs = self.own_strs();
        let seps = underscore_runs(strs);
        // Own types may be named by a string of the base, and that one may have a suffix too.
        let base_has = self.base().is_some_and(|b| b.has_flavoured_strings());
        if seps.is_empty() && !base_has {
            return Vec::new();
        }
        // Nearly all names are nowhere near a run, which one look into a small table tells.
        let mut near = vec![false; strs.len() / BLOCK + 1];
        for &sep in &seps {
            let start = strs.get(..sep).unwrap_or_default().iter().rposition(|&b| b == 0).unwrap_or(0);
            near.get_mut(start / BLOCK..=sep / BLOCK).unwrap_or_default().fill(true);
        }
        let has_run = |name_off: u32| match name_off.checked_sub(self.start_str()) {
            Some(own) => near.get(own as usize / BLOCK) == Some(&true),
            None => base_has,
        };
        let types = self.types_bytes();
        let ids = (self.start_id().0..).zip(self.offsets());
        ids.filter(|(_, off)| raw::u32_at(types, **off as usize).is_some_and(&has_run))
            .filter_map(|(id, _)| self.get(TypeId(id)).ok())
            .filter(|t| essential_name(t.name()).len() < t.name().len())
            .map(|t| t.id())
            .collect()
    }

    fn has_flavoured_strings(&self) -> bool {
        !underscore_runs(self.own_strs()).is_empty() || self.base().is_some_and(|b| b.has_flavoured_strings())
    }

    /// The first own type with this name and kind. A process that asks once or twice does without the index.
    fn own_first(&self, name: &[u8], hash: u64, kind: BtfKind) -> Option<TypeId> {
        if self.is_indexed() {
            return self.own_named(name, hash, Some(kind)).next();
        }
        if name.is_empty() {
            return None;
        }
        let (types, strs, start_str) = (self.types_bytes(), self.own_strs(), self.start_str());
        let mut ids = (self.start_id().0..).zip(self.offsets());
        let found = ids.find(|&(_, &off)| {
            let Some([name_off, info, ..]) =
                types.get(off as usize..).and_then(|t| t.first_chunk::<8>()).map(words)
            else {
                return false;
            };
            let lead = name_off.checked_sub(start_str).and_then(|own| strs.get(own as usize));
            // Kinds and first letters are mixed too much to be predicted, so both are compared before anything branches.
            let may_be = ((info >> 24) & 0x7f == kind.0) & (lead.is_none() | (lead == name.first()));
            may_be && self.has_name(name_off, name)
        });
        found.map(|(id, _)| TypeId(id))
    }

    /// Whether the next look-up should use the index, which is so when it is there or passes over the types were enough.
    pub(crate) fn is_indexed(&self) -> bool {
        self.index.get().is_some() || self.passes.fetch_add(1, Ordering::Relaxed) >= PASSES
    }

    /// Own types with this name, ascending.
    fn own_named<'b>(
        &'b self,
        name: &'b [u8],
        hash: u64,
        kind: Option<BtfKind>,
    ) -> impl Iterator<Item = TypeId> + 'b {
        let index = (!name.is_empty()).then(|| self.index.get_or_init(|| NameIndex::build(self)));
        let mut at = index.map_or(0, |ix| ix.first(hash));
        core::iter::from_fn(move || {
            while let (true, Some(index)) = (at != 0, index) {
                let this = at - 1;
                at = index.next(at);
                let id = TypeId(self.start_id().0 + this);
                if let Ok(t) = self.get(id) {
                    if kind.is_none_or(|k| k == t.kind()) && self.has_name(t.name_off(), name) {
                        return Some(id);
                    }
                }
            }
            None
        })
    }

    /// Whether the string at `off` is `name`; cheaper than reading it.
    pub fn str_is(&self, off: u32, name: &str) -> bool {
        self.has_name(off, name.as_bytes())
    }

    fn has_name(&self, off: u32, name: &[u8]) -> bool {
        if let Some(own) = off.checked_sub(self.start_str()) {
            let rest = self.own_strs().get(own as usize..).unwrap_or_default();
            return rest.get(name.len()) == Some(&0) && rest.starts_with(name);
        }
        self.str_bytes(off).is_ok_and(|s| s == name)
    }
}

/// The part of a type's name before its flavour suffix: `task_struct` of `task_struct___old`.
///
/// The suffix begins at the last run of exactly three underscores with a character on either side.
pub fn essential_name(name: &str) -> &str {
    let sep = name
        .as_bytes()
        .windows(5)
        .rposition(|w| matches!(w, [before, b'_', b'_', b'_', after] if *before != b'_' && *after != b'_'));
    match sep {
        // The character before the run belongs to the name; it may be the last byte of a longer one.
        Some(i) => name.get(..i + 1).unwrap_or(name),
        None => name,
    }
}

/// Where runs of three underscores that could begin a flavour suffix are.
fn underscore_runs(strs: &[u8]) -> Vec<usize> {
    const STEP: usize = 64;
    let mut found = Vec::new();
    for at in (0..strs.len()).step_by(STEP) {
        // Most steps have none. The test for that has no branches and a fixed length, so that it becomes vector code.
        let rest = strs.get(at..).unwrap_or_default();
        let chunk = |skip| rest.get(skip..).and_then(|r| r.first_chunk::<STEP>());
        let any = match (chunk(0), chunk(1), chunk(2)) {
            (Some(a), Some(b), Some(c)) => {
                let runs = a.iter().zip(b).zip(c);
                runs.fold(0, |any, ((a, b), c)| any | u8::from((*a == b'_') & (*b == b'_') & (*c == b'_')))
                    != 0
            }
            _ => true,
        };
        if any {
            let runs = rest.windows(3).take(STEP).enumerate().filter(|(_, w)| *w == b"___");
            found.extend(runs.map(|(i, _)| at + i).filter(|&i| is_flavour_sep(strs, i)));
        }
    }
    found
}

fn is_flavour_sep(strs: &[u8], at: usize) -> bool {
    let (before, after) = (strs.get(at.wrapping_sub(1)), strs.get(at + 3));
    !matches!(before, None | Some(0 | b'_')) && !matches!(after, None | Some(0 | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_hashes_the_same_alone_and_among_strings() {
        for len in [1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200] {
            let name = "abcdefghijklmnopqrstuvwxyz_0123456789".repeat(6);
            let name = &name.as_bytes()[..len];
            let mut strs = b"\0xyz".to_vec();
            strs.extend(name);
            strs.push(0);
            strs.extend([0xa5; 40]);
            assert_eq!(hash_at(&strs, 4), Some(hash_name(name)), "length {len}");
            assert_eq!(hash_str_at(&strs, 4), Some((hash_name(name), len)));
        }
    }

    #[test]
    fn essential_names_end_at_the_last_flavour() {
        let check = |name, expect| assert_eq!(essential_name(name), expect);
        check("task_struct", "task_struct");
        check("task_struct___old", "task_struct");
        check("a___b___c", "a___b");
        check("a____b", "a____b");
        check("___slab_alloc", "___slab_alloc");
        check("a___", "a___");
        check("", "");
        check("é___x", "é");
    }
}
