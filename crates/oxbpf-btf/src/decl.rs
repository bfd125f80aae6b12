//! Declarations in C, from the inside out.
//!
//! C spells a type around the name that it declares, so the chain from the type to its base (pointer, array, prototype …)
//! is collected on a stack first, and then written from its end. [`Spell`] has that part; who implements it says how
//! structs, enumerations and typedefs are written, and how much is written before giving up on hostile types. The spelling equals
//! that of libbpf's C dump.

use oxbpf_uapi::BtfKind;

use crate::raw::RawParam;
use crate::{Btf, Type, TypeId, TypeRef};

/// What a declaration needs to know of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) kind: BtfKind,
    /// What a pointer, qualifier, tag or typedef is of, an array's elements are, or a prototype returns.
    pub(crate) target: TypeId,
    pub(crate) name_off: u32,
    pub(crate) kind_flag: bool,
}

impl Link {
    pub(crate) fn of(t: TypeRef<'_>) -> Self {
        let kind = t.kind();
        let target = match kind {
            BtfKind::ARRAY => t.ids().next().unwrap_or(TypeId::VOID),
            _ => t.type_id(),
        };
        Self { kind, target, name_off: t.name_off(), kind_flag: t.kind_flag() }
    }
}

/// Deepest nesting of arrays, prototypes and anonymous structs in one another.
const MAX_NESTING: u32 = 200;

/// Writes declarations.
pub(crate) trait Spell<'b> {
    fn btf(&self) -> &'b Btf;

    /// A type, `None` if there is none with this id.
    fn link(&self, id: TypeId) -> Option<Link>;

    /// Where the text goes.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Chains that are being written. Each declaration uses what it pushes, and leaves the rest alone.
    fn stack(&mut self) -> &mut Vec<TypeId>;

    /// Leave out `const`, `volatile`, `restrict` and type tags.
    fn strips_mods(&self) -> bool;

    /// Counts one step of work. `false` if it was one too many: then nothing more is written.
    fn step(&mut self) -> bool;

    /// How deep the chain that is being written is nested in others.
    fn nesting(&mut self) -> &mut u32;

    /// Ends the work: the types are nested too deep.
    fn give_up(&mut self);

    /// Writes a struct, union, enumeration, forward declaration or typedef: its name, or all of it if it has none.
    fn named(&mut self, id: TypeId, link: Link, level: u32);

    /// Writes the declaration of `name` with type `id`; its inner lines, if any, are indented by more than `level`.
    fn decl(&mut self, id: TypeId, name: &[u8], level: u32) {
        let base = self.stack().len();
        let mut at = id;
        while self.step() {
            let Some(link) = self.link(at) else { break };
            if !(self.strips_mods() && is_mod(link.kind)) {
                self.stack().push(at);
            }
            at = match link.kind {
                BtfKind::PTR
                | BtfKind::VOLATILE
                | BtfKind::CONST
                | BtfKind::RESTRICT
                | BtfKind::TYPE_TAG
                | BtfKind::FUNC_PROTO
                | BtfKind::ARRAY => link.target,
                _ => break,
            };
        }
        self.chain(base, name, level);
        self.stack().truncate(base);
    }

    /// Writes what is on the stack above `base`, from its end.
    fn chain(&mut self, base: usize, name: &[u8], level: u32) {
        *self.nesting() += 1;
        if *self.nesting() > MAX_NESTING {
            self.give_up();
        } else {
            self.links(base, name, level);
        }
        *self.nesting() -= 1;
    }

    fn links(&mut self, base: usize, name: &[u8], level: u32) {
        // A pointer follows another one, or an opening parenthesis, without a space.
        let mut after_ptr = true;
        while let Some(id) = self.pop(base) {
            if !self.step() {
                return;
            }
            let Some(link) = self.link(id) else { continue };
            match link.kind {
                BtfKind::VOID => {
                    self.mods(base);
                    self.put(b"void");
                }
                BtfKind::INT | BtfKind::FLOAT => {
                    self.mods(base);
                    self.put_str(link.name_off);
                }
                BtfKind::STRUCT
                | BtfKind::UNION
                | BtfKind::ENUM
                | BtfKind::ENUM64
                | BtfKind::FWD
                | BtfKind::TYPEDEF => {
                    self.mods(base);
                    self.named(id, link, level);
                }
                BtfKind::PTR => self.put(if after_ptr { b"*" } else { b" *" }),
                BtfKind::VOLATILE => self.put(b" volatile"),
                BtfKind::CONST => self.put(b" const"),
                BtfKind::RESTRICT => self.put(b" restrict"),
                BtfKind::TYPE_TAG => {
                    self.mods(base);
                    let (before, after): (&[u8], &[u8]) = match link.kind_flag {
                        true => (b" __attribute__((", b"))"),
                        false => (b" __attribute__((btf_type_tag(\"", b"\")))"),
                    };
                    self.put(before);
                    self.put_str(link.name_off);
                    self.put(after);
                }
                BtfKind::ARRAY => return self.array(base, name, level, after_ptr, id),
                BtfKind::FUNC_PROTO => return self.proto(base, name, level, after_ptr, id),
                _ => return,
            }
            after_ptr = link.kind == BtfKind::PTR;
        }
        self.name(name, after_ptr);
    }

    fn array(&mut self, base: usize, name: &[u8], level: u32, after_ptr: bool, id: TypeId) {
        // Compilers put qualifiers of the element on the array too; C has no place to write them.
        self.drop_mods(base);
        if let Some(next) = self.top(base) {
            let is_array = self.link(next).is_some_and(|l| l.kind == BtfKind::ARRAY);
            if !name.is_empty() && !after_ptr {
                self.put(b" ");
            }
            self.put(if is_array { b"" } else { b"(" });
            self.chain(base, name, level);
            self.put(if is_array { b"" } else { b")" });
        } else {
            self.name(name, after_ptr);
        }
        let nelems = match self.btf().get(id).map(|t| t.view()) {
            Ok(Type::Array { nelems, .. }) => nelems,
            _ => 0,
        };
        self.put(b"[");
        put_number(self.out(), nelems.into());
        self.put(b"]");
    }

    fn proto(&mut self, base: usize, name: &[u8], level: u32, after_ptr: bool, id: TypeId) {
        self.drop_mods(base);
        if self.top(base).is_none() {
            self.name(name, after_ptr);
        } else {
            self.put(b" (");
            self.chain(base, name, level);
            self.put(b")");
        }
        self.put(b"(");
        let params = self.btf().get(id).map_or(&[][..], |t| t.elems::<RawParam>());
        match params {
            // Clang writes a prototype without parameters as one of type void.
            [] => self.put(b"void"),
            [only] if only.type_id.get() == 0 => self.put(b"void"),
            _ => {
                for (i, p) in params.iter().enumerate() {
                    if i > 0 {
                        self.put(b", ");
                    }
                    if p.type_id.get() == 0 && i + 1 == params.len() {
                        self.put(b"...");
                        break;
                    }
                    if !self.step() {
                        break;
                    }
                    let name = self.btf().str_bytes(p.name_off.get()).unwrap_or_default();
                    self.decl(TypeId(p.type_id.get()), name, level);
                }
            }
        }
        self.put(b")");
    }

    /// Writes the qualifiers on top of the chain.
    fn mods(&mut self, base: usize) {
        while let Some(word) = self.top(base).and_then(|id| qualifier(self.link(id)?.kind)) {
            self.put(word);
            self.stack().pop();
        }
    }

    fn drop_mods(&mut self, base: usize) {
        while self.top(base).is_some_and(|id| self.link(id).is_some_and(|l| is_mod(l.kind))) {
            self.stack().pop();
        }
    }

    fn name(&mut self, name: &[u8], after_ptr: bool) {
        if !name.is_empty() && !after_ptr {
            self.put(b" ");
        }
        self.put(name);
    }

    fn put(&mut self, text: &[u8]) {
        self.out().extend_from_slice(text);
    }

    /// Writes a string of the BTF.
    fn put_str(&mut self, off: u32) {
        let text = self.btf().str_bytes(off).unwrap_or_default();
        self.put(text);
    }

    fn top(&mut self, base: usize) -> Option<TypeId> {
        self.stack().get(base..)?.last().copied()
    }

    fn pop(&mut self, base: usize) -> Option<TypeId> {
        if self.stack().len() > base { self.stack().pop() } else { None }
    }
}

/// Appends a number in decimal.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    for digit in digits.iter_mut().rev() {
        // A digit is below ten.
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        at -= 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

fn qualifier(kind: BtfKind) -> Option<&'static [u8]> {
    match kind {
        BtfKind::CONST => Some(b"const "),
        BtfKind::VOLATILE => Some(b"volatile "),
        BtfKind::RESTRICT => Some(b"restrict "),
        _ => None,
    }
}

fn is_mod(kind: BtfKind) -> bool {
    qualifier(kind).is_some() || kind == BtfKind::TYPE_TAG
}
