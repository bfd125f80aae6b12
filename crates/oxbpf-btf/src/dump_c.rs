//! BTF as C: types in, definitions out that compile to the same layout.
//!
//! ```text
//! struct list_head {
//!         struct list_head *next;
//!         struct list_head *prev;
//! };
//! ```
//!
//! The text equals that of libbpf's `btf_dump__dump_type` (1.8), byte for byte. Three things make it more than printing:
//!
//! * **Order.** C wants a type defined before it is embedded, and at least declared before it is pointed at. Types are
//!   sorted so that definitions come first ([`order`]); where a pointer closes a circle, a forward declaration is written.
//! * **Names.** C has one name space for structs, unions and enumerations and one for typedefs and enumerators, BTF has
//!   none. A name that was used before gets a number: `ring___2`.
//! * **Layout.** Holes, packed structs and alignment are in no field of BTF; [`layout`] finds what to write so that a
//!   compiler puts each member where it is.
//!
//! A dumper remembers what it has written, so that several types can be dumped one after the other, each with what it
//! needs and nothing twice. Work is linear in the output but for anonymous types, which are written wherever they are
//! used: types that would multiply without end are an error.

mod layout;
mod names;
mod nodes;
mod order;

use oxbpf_uapi::BtfKind;

use crate::decl::{Link, Spell, put_number};
use crate::raw::{RawMember, RawParam};
use crate::view::{raw_enum_value, split_offset};
use crate::{Btf, BtfError, Type, TypeId};
use layout::Shapes;
use names::NameCounts;
use nodes::{Node, Progress};

/// Deepest nesting of anonymous types, prototypes and qualifiers. No compiler's output comes near.
const MAX_DEPTH: u32 = 256;

/// Steps of work that each type may cost on average, besides a fixed number; vmlinux takes about twenty.
const STEPS_PER_TYPE: u64 = 256;
const MIN_STEPS: u64 = 1 << 20;

/// Output that each byte of input may cost on average, besides a fixed amount.
const OUT_PER_BYTE: usize = 16;
const MIN_OUT: usize = 1 << 24;

/// Writes types as C.
///
/// ```
/// use oxbpf_btf::{BtfBuilder, CDump, IntFlags};
///
/// let mut b = BtfBuilder::new();
/// let int = b.add_int("int", 4, IntFlags::SIGNED)?;
/// let point = b.add_struct("point", 8)?;
/// b.add_field("x", int, 0, 0)?;
/// b.add_field("y", int, 32, 0)?;
/// let btf = b.finish()?;
///
/// let mut out = Vec::new();
/// CDump::new(&btf).dump_type(point, &mut out)?;
/// assert_eq!(out, b"struct point {\n\tint x;\n\tint y;\n};\n\n");
/// # Ok::<(), oxbpf_btf::BtfError>(())
/// ```
#[derive(Debug)]
#[doc(alias = "btf_dump")]
pub struct CDump<'b> {
    btf: &'b Btf,
    out: Vec<u8>,
    nodes: Vec<Node>,
    /// Number that a type's name got, by id; 0 before it was needed.
    numbers: Vec<u32>,
    type_names: NameCounts,
    ident_names: NameCounts,
    shapes: Shapes<'b>,
    queue: Vec<TypeId>,
    stack: Vec<TypeId>,
    strips_mods: bool,
    nesting: u32,
    steps_left: u64,
    out_left: usize,
}

/// How to write a declaration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "btf_dump_emit_type_decl_opts")]
pub struct DeclOpts<'a> {
    /// What is declared. Default: nothing, as in a cast.
    pub field_name: &'a str,
    /// Tabs before the inner lines of anonymous structs are one more than this. Default 0.
    pub indent_level: u32,
    /// Leave out `const`, `volatile`, `restrict` and type tags. Default no.
    pub strip_mods: bool,
}

impl Btf {
    /// All own types as C, with what they need of the base: what goes into a `vmlinux.h`, without its frame.
    ///
    /// # Errors
    /// As [`CDump::dump_type`].
    pub fn dump_c(&self) -> Result<Vec<u8>, BtfError> {
        let mut out = Vec::with_capacity(self.raw().len());
        let mut dump = CDump::new(self);
        // Of a kernel's types one in eight is a struct with a name, and there are as many constants.
        let names = self.type_count() as usize / 4;
        (dump.type_names, dump.ident_names) =
            (NameCounts::with_capacity(names), NameCounts::with_capacity(names));
        dump.with_out(&mut out, |dump| {
            (self.start_id().0..self.type_count()).try_for_each(|id| dump.definitions(TypeId(id)))
        })?;
        Ok(out)
    }
}

impl<'b> CDump<'b> {
    /// Nothing written yet.
    #[doc(alias = "btf_dump__new")]
    pub fn new(btf: &'b Btf) -> Self {
        let count = btf.type_count() as usize;
        Self {
            btf,
            out: Vec::new(),
            nodes: nodes::nodes(btf),
            numbers: vec![0; count],
            type_names: NameCounts::default(),
            ident_names: NameCounts::default(),
            shapes: Shapes::new(btf),
            queue: Vec::new(),
            stack: Vec::new(),
            strips_mods: false,
            nesting: 0,
            steps_left: MIN_STEPS + STEPS_PER_TYPE * count as u64,
            out_left: MIN_OUT.saturating_add(btf.raw().len().saturating_mul(OUT_PER_BYTE)),
        }
    }

    /// Appends the definition of a type to `out`, after those of the types that it needs and that were not dumped before.
    /// Types that C has no definition for (pointers, integers, functions, variables) add only what they refer to.
    ///
    /// # Errors
    /// `NoSuchType`; `TooDeep` for types that contain themselves, are nested too deep, or are anonymous and used so often in
    /// one another that the text would have no end. What was appended before the error stays.
    #[doc(alias = "btf_dump__dump_type")]
    pub fn dump_type(&mut self, id: TypeId, out: &mut Vec<u8>) -> Result<(), BtfError> {
        self.with_out(out, |dump| dump.definitions(id))
    }

    fn definitions(&mut self, id: TypeId) -> Result<(), BtfError> {
        self.order(id, false, 0)?;
        let queue = core::mem::take(&mut self.queue);
        let result = queue.iter().try_for_each(|id| self.emit_type(*id, TypeId::VOID, 0));
        self.queue = queue;
        self.queue.clear();
        result
    }

    /// Appends a declaration with this type to `out`: `struct foo *name`, without a semicolon.
    ///
    /// # Errors
    /// As [`dump_type`](Self::dump_type).
    #[doc(alias = "btf_dump__emit_type_decl")]
    pub fn emit_type_decl(
        &mut self,
        id: TypeId,
        opts: DeclOpts<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), BtfError> {
        self.btf.get(id)?;
        self.with_out(out, |dump| {
            dump.strips_mods = opts.strip_mods;
            dump.decl(id, opts.field_name.as_bytes(), opts.indent_level);
            dump.strips_mods = false;
            Ok(())
        })
    }

    /// Lets `write` append to `out`, within what is left of the budget.
    fn with_out(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Self) -> Result<(), BtfError>,
    ) -> Result<(), BtfError> {
        core::mem::swap(&mut self.out, out);
        let before = self.out.len();
        self.out_left = self.out_left.saturating_add(before);
        let result = write(self);
        self.out_left = self.out_left.saturating_sub(self.out.len());
        core::mem::swap(&mut self.out, out);
        let is_spent = self.steps_left == 0 || self.out_left == 0;
        if is_spent { result.and(Err(BtfError::TooDeep { id: 0 })) } else { result }
    }

    fn node(&self, id: TypeId) -> Result<Node, BtfError> {
        let node = self.nodes.get(id.0 as usize).copied();
        node.ok_or(BtfError::NoSuchType { id: id.0, count: self.btf.type_count() })
    }

    fn set(&mut self, id: TypeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            change(node);
        }
    }

    /// Writes what has to stand before `id` is used inside of `container`, and `id` itself if that is void: at the top level.
    fn emit_type(&mut self, id: TypeId, container: TypeId, depth: u32) -> Result<(), BtfError> {
        if depth > MAX_DEPTH || !self.step() {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        let is_top = container.is_void();
        let node = self.node(id)?;
        match node.emit {
            Progress::Done => return Ok(()),
            Progress::Begun => {
                self.declare_begun(id, node, container);
                return Ok(());
            }
            Progress::No => {}
        }
        match node.kind() {
            BtfKind::INT => {
                self.missing_alias(id, node);
                self.emitted(id);
            }
            BtfKind::ENUM | BtfKind::ENUM64 => {
                if is_top {
                    self.enumeration(id, node, 0);
                    self.put(b";\n\n");
                }
                self.emitted(id);
            }
            BtfKind::PTR
            | BtfKind::VOLATILE
            | BtfKind::CONST
            | BtfKind::RESTRICT
            | BtfKind::TYPE_TAG
            | BtfKind::ARRAY => self.emit_type(node.target, container, depth + 1)?,
            BtfKind::FWD => {
                self.named(id, node.link(), 0);
                self.put(b";\n\n");
                self.emitted(id);
            }
            BtfKind::TYPEDEF => {
                self.set(id, |n| n.emit = Progress::Begun);
                self.emit_type(node.target, id, depth + 1)?;
                // Somebody on the way may have needed it as a declaration.
                if !self.node(id)?.is_declared() {
                    self.typedef(id, node);
                }
                self.emitted(id);
            }
            BtfKind::STRUCT | BtfKind::UNION => self.emit_composite(id, node, container, depth)?,
            BtfKind::FUNC_PROTO => {
                self.emit_type(node.target, container, depth + 1)?;
                for p in self.btf.get(id)?.elems::<RawParam>() {
                    self.emit_type(TypeId(p.type_id.get()), container, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn emitted(&mut self, id: TypeId) {
        self.set(id, |n| n.emit = Progress::Done);
    }

    /// A type that is needed while it is being written.
    fn declare_begun(&mut self, id: TypeId, node: Node, container: TypeId) {
        // What a struct says of itself needs no declaration, and what has no name can't have one.
        let needs_none = node.is_composite() && (id == container || !node.is_named());
        if node.is_declared() || needs_none {
            return;
        }
        if node.is_composite() {
            self.composite_fwd(id, node);
        } else {
            self.typedef(id, node);
        }
        self.set(id, Node::declare);
    }

    fn emit_composite(
        &mut self,
        id: TypeId,
        node: Node,
        container: TypeId,
        depth: u32,
    ) -> Result<(), BtfError> {
        let is_top = container.is_void();
        self.set(id, |n| n.emit = Progress::Begun);
        if is_top || !node.is_named() {
            // Its members are going to be written, so what they refer to must be known.
            let container = if node.is_named() { id } else { container };
            for m in self.btf.get(id)?.elems::<RawMember>() {
                self.emit_type(TypeId(m.type_id.get()), container, depth + 1)?;
            }
        } else if !node.is_declared() && id != container {
            self.composite_fwd(id, node);
            self.set(id, Node::declare);
        }
        if is_top {
            self.composite(id, node, 0);
            self.put(b";\n\n");
        }
        self.set(id, |n| n.emit = if is_top { Progress::Done } else { Progress::No });
        Ok(())
    }

    fn composite_fwd(&mut self, id: TypeId, node: Node) {
        self.composite_name(id, node.kind(), node.name_off);
        self.put(b";\n\n");
    }

    /// `struct name`.
    fn composite_name(&mut self, id: TypeId, kind: BtfKind, name_off: u32) {
        self.put(if kind == BtfKind::STRUCT { b"struct" } else { b"union" });
        if name_off != 0 {
            self.put(b" ");
            self.type_name(id, kind, name_off);
        }
    }

    /// A struct or union with its members.
    fn composite(&mut self, id: TypeId, node: Node, level: u32) {
        let Ok(t) = self.btf.get(id) else { return };
        let is_struct = node.kind() == BtfKind::STRUCT;
        let shape = self.shapes.of(id);
        let is_packed = is_struct && shape.is_packed;
        self.composite_name(id, node.kind(), node.name_off);
        self.put(b" {");
        let members = t.elems::<RawMember>();
        let (mut at, mut was_bit_field) = (0, false);
        for m in members {
            if !self.step() {
                return;
            }
            let id = TypeId(m.type_id.get());
            let (offset, bits) = split_offset(t.kind_flag(), m.offset.get());
            let (offset, bits) = (i64::from(offset), i64::from(bits));
            let member = self.shapes.of(id);
            let align = if is_packed { 1 } else { member.align };
            self.padding(at, offset, align, was_bit_field && bits != 0, level + 1);
            self.new_line(level + 1);
            let name = self.btf.str_bytes(m.name_off.get()).unwrap_or_default();
            self.decl(id, name, level + 1);
            was_bit_field = bits != 0;
            at = if was_bit_field {
                self.put(b": ");
                put_number(&mut self.out, bits.unsigned_abs());
                offset + bits
            } else {
                offset + i64::from(member.size) * 8
            };
            self.put(b";");
        }
        if is_struct {
            self.padding(at, i64::from(t.size()) * 8, shape.align, false, level + 1);
        }
        if !members.is_empty() || t.size() != 0 {
            self.new_line(level);
        }
        self.put(b"}");
        if is_packed {
            self.put(b" __attribute__((packed))");
        }
    }

    /// An enumeration with its values; without values just its name.
    fn enumeration(&mut self, id: TypeId, node: Node, level: u32) {
        let Ok(t) = self.btf.get(id) else { return };
        let (Type::Enum(e) | Type::Enum64(e)) = t.view() else { return };
        self.put(b"enum");
        if node.is_named() {
            self.put(b" ");
            self.type_name(id, node.kind(), node.name_off);
        }
        if e.is_empty() {
            return;
        }
        let (is_64, is_signed) = (node.kind() == BtfKind::ENUM64, e.is_signed());
        let suffix: &[u8] = match (is_64, is_signed) {
            (false, _) => b"",
            (true, true) => b"LL",
            (true, false) => b"ULL",
        };
        self.put(b" {");
        for i in 0..e.len() {
            let Some((name_off, value)) = raw_enum_value(t, i).filter(|_| self.step()) else { return };
            self.new_line(level + 1);
            let name = self.btf.str_bytes(name_off).unwrap_or_default();
            self.put(name);
            let number = self.ident_names.count(self.btf, name_off);
            self.put_suffix(number);
            self.put(b" = ");
            if value < 0 {
                self.put(b"-");
            }
            // Values have at most 64 bits.
            put_number(&mut self.out, value.unsigned_abs() as u64);
            self.put(suffix);
            self.put(b",");
        }
        self.new_line(level);
        self.put(b"}");
        if t.size() == 1 {
            self.put(b" __attribute__((mode(byte)))");
        }
        // A compiler makes an enumeration 8 bytes long by itself only if a value needs more than 32 bits.
        let is_wide = |i| raw_enum_value(t, i).is_some_and(|(_, v)| (v >> 32) as u32 != 0);
        let is_wide_by_itself = || is_64 && (0..e.len()).any(is_wide);
        if t.size() == 8 && self.btf.pointer_size() == 8 && !is_wide_by_itself() {
            self.put(b" __attribute__((mode(word)))");
        }
    }

    /// `typedef … name;`, unless every compiler has it.
    fn typedef(&mut self, id: TypeId, node: Node) {
        let name = self.btf.str_bytes(node.name_off).unwrap_or_default();
        if name == b"__builtin_va_list" {
            return;
        }
        self.put(b"typedef ");
        let number = self.ident_number(id, node.name_off);
        if node.target.is_void() && name == b"__gnuc_va_list" && number == 1 {
            // Old versions of GCC say that it is void.
            self.put(b"__builtin_va_list __gnuc_va_list");
        } else if number > 1 {
            let mut numbered = name.to_vec();
            put_number_suffix(&mut numbered, number);
            self.decl(node.target, &numbered, 0);
        } else {
            self.decl(node.target, name, 0);
        }
        self.put(b";\n\n");
    }

    /// Compilers have some integers of their own, for which a header says what they are elsewhere.
    fn missing_alias(&mut self, id: TypeId, node: Node) {
        const ALIASES: [(&[u8], &[u8]); 4] = [
            (b"__Poly8_t", b"unsigned char"),
            (b"__Poly16_t", b"unsigned short"),
            (b"__Poly64_t", b"unsigned long long"),
            (b"__Poly128_t", b"unsigned __int128"),
        ];
        // Counted as a name of a type, whether it is written or not.
        let number = self.type_number(id, node.kind(), node.name_off);
        let name = self.btf.str_bytes(node.name_off).unwrap_or_default();
        let Some((_, meaning)) = ALIASES.iter().find(|a| a.0 == name && number == 1) else { return };
        for part in [b"typedef ", *meaning, b" ", name, b";\n\n"] {
            self.put(part);
        }
    }

    /// A name in the space of structs, unions and enumerations, with its number.
    fn type_name(&mut self, id: TypeId, kind: BtfKind, name_off: u32) {
        let number = self.type_number(id, kind, name_off);
        self.put_str(name_off);
        self.put_suffix(number);
    }

    /// How many types had the name when this one was first written, itself included.
    fn type_number(&mut self, id: TypeId, kind: BtfKind, name_off: u32) -> u32 {
        let Some(number) = self.numbers.get_mut(id.0 as usize) else { return 1 };
        if *number == 0 {
            // A declaration is another type's name.
            let is_declaration = kind == BtfKind::FWD
                || (kind == BtfKind::ENUM && self.btf.get(id).is_ok_and(|t| t.vlen() == 0));
            *number =
                if is_declaration || name_off == 0 { 1 } else { self.type_names.count(self.btf, name_off) };
        }
        *number
    }

    fn ident_number(&mut self, id: TypeId, name_off: u32) -> u32 {
        let Some(number) = self.numbers.get_mut(id.0 as usize) else { return 1 };
        if *number == 0 {
            *number = if name_off == 0 { 1 } else { self.ident_names.count(self.btf, name_off) };
        }
        *number
    }

    fn put_suffix(&mut self, number: u32) {
        if number > 1 {
            put_number_suffix(&mut self.out, number);
        }
    }

    fn new_line(&mut self, level: u32) {
        self.put(b"\n");
        for _ in 0..level {
            self.put(b"\t");
        }
    }
}

fn put_number_suffix(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(b"___");
    put_number(out, number.into());
}

impl<'b> Spell<'b> for CDump<'b> {
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
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0 && self.out.len() < self.out_left
    }

    fn nesting(&mut self) -> &mut u32 {
        &mut self.nesting
    }

    fn give_up(&mut self) {
        self.steps_left = 0;
    }

    fn link(&self, id: TypeId) -> Option<Link> {
        self.nodes.get(id.0 as usize).map(|n| n.link())
    }

    fn named(&mut self, id: TypeId, link: Link, level: u32) {
        let Ok(node) = self.node(id) else { return };
        match link.kind {
            BtfKind::STRUCT | BtfKind::UNION if !node.is_named() => self.composite(id, node, level),
            BtfKind::STRUCT | BtfKind::UNION => self.composite_name(id, link.kind, link.name_off),
            BtfKind::ENUM | BtfKind::ENUM64 if !node.is_named() => self.enumeration(id, node, level),
            BtfKind::ENUM | BtfKind::ENUM64 => {
                self.put(b"enum ");
                self.type_name(id, link.kind, link.name_off);
            }
            BtfKind::FWD => {
                self.put(if link.kind_flag { b"union " } else { b"struct " });
                self.type_name(id, link.kind, link.name_off);
            }
            _ => {
                self.put_str(link.name_off);
                let number = self.ident_number(id, link.name_off);
                self.put_suffix(number);
            }
        }
    }
}
