//! Types as C writes them: `unsigned int`, `struct task_struct *`, `int (*)(void *, ...)`, `char[16]`.
//!
//! C spells a type from the inside out, so the chain from the type to its base (pointer, array, prototype …) is
//! collected first and then written from its end. The spelling equals that of libbpf's C dump.

use core::fmt::{self, Write as _};

use oxbpf_uapi::BtfKind;

use crate::raw::RawParam;
use crate::{Btf, Type, TypeId};

/// How many links of one chain, how many of all chains, and how many bytes are written before giving up on hostile
/// types.
const MAX_CHAIN: usize = 32;
const MAX_LINKS: usize = 1024;
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
pub(crate) fn spell(btf: &Btf, id: TypeId, name: &str, strip_mods: bool) -> String {
    let mut to = Speller { btf, strip_mods, links: 0, out: String::new() };
    // Writing to a string does not fail.
    let _ = to.decl(id, name);
    to.out
}

struct Speller<'b> {
    btf: &'b Btf,
    strip_mods: bool,
    links: usize,
    out: String,
}

impl Speller<'_> {
    fn decl(&mut self, id: TypeId, name: &str) -> fmt::Result {
        let mut chain = Vec::new();
        let mut at = id;
        // The base is what the chain ends with; a chain that is too long ends with nothing.
        while chain.len() < MAX_CHAIN && self.links < MAX_LINKS {
            self.links += 1;
            let Ok(t) = self.btf.get(at) else { break };
            if !(self.strip_mods && is_mod(t.kind())) {
                chain.push(at);
            }
            at = match t.view() {
                Type::Ptr(to)
                | Type::Volatile(to)
                | Type::Const(to)
                | Type::Restrict(to)
                | Type::TypeTag(to) => to,
                Type::FuncProto(p) => p.ret(),
                Type::Array { elem, .. } => elem,
                _ => break,
            };
        }
        self.chain(&mut chain, name)
    }

    fn chain(&mut self, chain: &mut Vec<TypeId>, name: &str) -> fmt::Result {
        let btf = self.btf;
        // A pointer follows another one, or an opening parenthesis, without a space.
        let mut after_ptr = true;
        while let Some(id) = chain.pop() {
            let Ok(t) = btf.get(id) else { continue };
            match t.view() {
                Type::Void => self.with_mods(chain, format_args!("void"))?,
                Type::Int(..) | Type::Float { .. } | Type::Typedef(_) => {
                    self.with_mods(chain, format_args!("{}", t.name()))?;
                }
                Type::Struct(_) | Type::Union(_) => {
                    let word = if t.kind() == BtfKind::UNION { "union" } else { "struct" };
                    let space = if t.name().is_empty() { "" } else { " " };
                    self.with_mods(chain, format_args!("{word}{space}{}", t.name()))?;
                }
                Type::Enum(_) | Type::Enum64(_) => {
                    self.with_mods(chain, format_args!("enum {}", t.name()))?
                }
                Type::Fwd { is_union } => {
                    let word = if is_union { "union" } else { "struct" };
                    self.with_mods(chain, format_args!("{word} {}", t.name()))?;
                }
                Type::Ptr(_) => self.out.push_str(if after_ptr { "*" } else { " *" }),
                Type::Volatile(_) => self.out.push_str(" volatile"),
                Type::Const(_) => self.out.push_str(" const"),
                Type::Restrict(_) => self.out.push_str(" restrict"),
                Type::TypeTag(_) => {
                    let tag = t.name();
                    if t.kind_flag() {
                        self.with_mods(chain, format_args!(" __attribute__(({tag}))"))?;
                    } else {
                        self.with_mods(chain, format_args!(" __attribute__((btf_type_tag(\"{tag}\")))"))?;
                    }
                }
                Type::Array { nelems, .. } => return self.array(chain, name, after_ptr, nelems),
                Type::FuncProto(_) => return self.proto(chain, name, after_ptr, id),
                _ => return Ok(()),
            }
            after_ptr = t.kind() == BtfKind::PTR;
        }
        self.name(name, after_ptr);
        Ok(())
    }

    fn array(&mut self, chain: &mut Vec<TypeId>, name: &str, after_ptr: bool, nelems: u32) -> fmt::Result {
        // Compilers put qualifiers of the element on the array too; C has no place to write them.
        self.drop_mods(chain);
        let Some(next) = chain.last() else {
            self.name(name, after_ptr);
            return write!(self.out, "[{nelems}]");
        };
        let is_array = self.btf.get(*next).is_ok_and(|t| t.kind() == BtfKind::ARRAY);
        if !name.is_empty() && !after_ptr {
            self.out.push(' ');
        }
        self.out.push_str(if is_array { "" } else { "(" });
        self.chain(chain, name)?;
        self.out.push_str(if is_array { "" } else { ")" });
        write!(self.out, "[{nelems}]")
    }

    fn proto(&mut self, chain: &mut Vec<TypeId>, name: &str, after_ptr: bool, id: TypeId) -> fmt::Result {
        self.drop_mods(chain);
        if chain.is_empty() {
            self.name(name, after_ptr);
        } else {
            self.out.push_str(" (");
            self.chain(chain, name)?;
            self.out.push(')');
        }
        let params = self.btf.get(id).map_or(&[][..], |t| t.elems::<RawParam>());
        self.out.push('(');
        match params {
            // Clang writes a prototype without parameters as one of type void.
            [] => self.out.push_str("void"),
            [only] if only.type_id.get() == 0 => self.out.push_str("void"),
            _ => {
                for (i, p) in params.iter().enumerate() {
                    if self.links >= MAX_LINKS {
                        break;
                    }
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    if p.type_id.get() == 0 && i + 1 == params.len() {
                        self.out.push_str("...");
                        break;
                    }
                    let name = self.btf.str_at(p.name_off.get()).unwrap_or_default();
                    self.decl(TypeId(p.type_id.get()), name)?;
                }
            }
        }
        self.out.push(')');
        Ok(())
    }

    /// Writes the qualifiers on top of the chain, then what they qualify.
    fn with_mods(&mut self, chain: &mut Vec<TypeId>, what: fmt::Arguments<'_>) -> fmt::Result {
        while let Some(word) = chain.last().and_then(|id| qualifier(self.btf.get(*id).ok()?.kind())) {
            self.out.push_str(word);
            chain.pop();
        }
        if self.out.len() > MAX_LEN {
            return Ok(());
        }
        self.out.write_fmt(what)
    }

    fn drop_mods(&mut self, chain: &mut Vec<TypeId>) {
        while chain.last().is_some_and(|id| self.btf.get(*id).is_ok_and(|t| is_mod(t.kind()))) {
            chain.pop();
        }
    }

    fn name(&mut self, name: &str, after_ptr: bool) {
        if !name.is_empty() && !after_ptr {
            self.out.push(' ');
        }
        if self.out.len() <= MAX_LEN {
            self.out.push_str(name);
        }
    }
}

fn qualifier(kind: BtfKind) -> Option<&'static str> {
    match kind {
        BtfKind::CONST => Some("const "),
        BtfKind::VOLATILE => Some("volatile "),
        BtfKind::RESTRICT => Some("restrict "),
        _ => None,
    }
}

fn is_mod(kind: BtfKind) -> bool {
    qualifier(kind).is_some() || kind == BtfKind::TYPE_TAG
}
