//! Types as C writes them: `unsigned int`, `struct task_struct *`, `int (*)(void *, ...)`, `char[16]`.

use oxbpf_uapi::BtfKind;

use crate::decl::{Link, Spell};
use crate::{Btf, TypeId};

/// How many steps are taken, and how many bytes are written, before giving up on hostile types.
const MAX_STEPS: usize = 2048;
const MAX_LEN: usize = 1 << 16;

impl Btf {
    /// The type's name as C writes it in a cast; an anonymous struct is just `struct`. Types that are nested without
    /// end are cut off.
    pub fn c_name(&self, id: TypeId) -> String {
        spell(self, id, "", false)
    }

    /// A declaration of `name` with this type: `int (*name)(void)`, `char name[16]`.
    pub fn c_decl(&self, id: TypeId, name: &str) -> String {
        spell(self, id, name, false)
    }
}

/// Spells a declaration; without `const`, `volatile`, `restrict` and type tags if `strip_mods`.
pub(crate) fn spell(btf: &Btf, id: TypeId, name: &str, strips_mods: bool) -> String {
    let mut speller = Speller { btf, strips_mods, steps: 0, nesting: 0, out: Vec::new(), stack: Vec::new() };
    speller.decl(id, name.as_bytes(), 0);
    match String::from_utf8(speller.out) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }
}

struct Speller<'b> {
    btf: &'b Btf,
    strips_mods: bool,
    steps: usize,
    nesting: u32,
    out: Vec<u8>,
    stack: Vec<TypeId>,
}

impl<'b> Spell<'b> for Speller<'b> {
    fn btf(&self) -> &'b Btf {
        self.btf
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn stack(&mut self) -> &mut Vec<TypeId> {
        &mut self.stack
    }

    fn strips_mods(&self) -> bool {
        self.strips_mods
    }

    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps < MAX_STEPS && self.out.len() < MAX_LEN
    }

    fn nesting(&mut self) -> &mut u32 {
        &mut self.nesting
    }

    fn give_up(&mut self) {
        self.steps = MAX_STEPS;
    }

    fn link(&self, id: TypeId) -> Option<Link> {
        self.btf.get(id).ok().map(Link::of)
    }

    fn named(&mut self, _id: TypeId, link: Link, _level: u32) {
        let word: &[u8] = match (link.kind, link.kind_flag) {
            (BtfKind::TYPEDEF, _) => b"",
            (BtfKind::STRUCT, _) | (BtfKind::FWD, false) => b"struct",
            (BtfKind::UNION, _) | (BtfKind::FWD, true) => b"union",
            _ => b"enum",
        };
        self.put(word);
        // An enumeration is followed by a space even where nothing follows that.
        let is_spaced = match link.kind {
            BtfKind::TYPEDEF => false,
            BtfKind::STRUCT | BtfKind::UNION => link.name_off != 0,
            _ => true,
        };
        if is_spaced {
            self.put(b" ");
        }
        self.put_str(link.name_off);
    }
}
