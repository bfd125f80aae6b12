//! An access: a root type and a path of members, array elements or an enumerator, as numbers and as names.
//!
//! The access string of a relocation is numbers between colons. The first one indexes the root type as if it were an
//! array; each following one is a member of a struct or union, or an element of an array. For an enumerator there is
//! only its number; for questions about a whole type the string is "0".

use std::fmt;

use oxbpf_btf::{Btf, BtfError, CoreRelo, CoreReloKind, Member, Type, TypeId, TypeRef};

use crate::error::ReloErrorKind;

/// Longest path.
pub(crate) const MAX_LEN: usize = 64;

/// What a relocation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Field,
    Type,
    Enumerator,
}

/// What a kind of relocation is about, `None` if it is not known.
pub(crate) fn subject(kind: CoreReloKind) -> Option<Subject> {
    Some(match kind {
        CoreReloKind::FIELD_BYTE_OFFSET
        | CoreReloKind::FIELD_BYTE_SIZE
        | CoreReloKind::FIELD_EXISTS
        | CoreReloKind::FIELD_SIGNED
        | CoreReloKind::FIELD_LSHIFT_U64
        | CoreReloKind::FIELD_RSHIFT_U64 => Subject::Field,
        CoreReloKind::TYPE_ID_LOCAL
        | CoreReloKind::TYPE_ID_TARGET
        | CoreReloKind::TYPE_EXISTS
        | CoreReloKind::TYPE_SIZE
        | CoreReloKind::TYPE_MATCHES => Subject::Type,
        CoreReloKind::ENUMVAL_EXISTS | CoreReloKind::ENUMVAL_VALUE => Subject::Enumerator,
        _ => return None,
    })
}

/// One step that a name or an array index describes. Anonymous members have none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'b> {
    /// The struct, union or enumeration that has the member; for an array index the element's type.
    pub(crate) type_id: TypeId,
    /// Number of the member, enumerator or element.
    pub(crate) index: u32,
    /// Name of the member or enumerator, `None` for an array index.
    pub(crate) name: Option<&'b str>,
    /// The type that it leads to: the member's or the element's, or the enumeration.
    pub(crate) to: TypeId,
    /// The member's width if it is a bit-field, else 0.
    pub(crate) bit_size: u32,
}

impl<'b> Step<'b> {
    pub(crate) fn member(of: TypeId, index: u32, m: &Member<'b>) -> Self {
        Self { type_id: of, index, name: Some(m.name), to: m.type_id, bit_size: m.bit_size }
    }

    pub(crate) fn enumerator(of: TypeId, index: u32, name: &'b str) -> Self {
        Self { type_id: of, index, name: Some(name), to: of, bit_size: 0 }
    }

    fn element(elem: TypeId, index: u32) -> Self {
        Self { type_id: elem, index, name: None, to: elem, bit_size: 0 }
    }
}

/// An access in one BTF.
#[derive(Clone, Debug)]
pub(crate) struct Spec<'b> {
    pub(crate) btf: &'b Btf,
    pub(crate) kind: CoreReloKind,
    pub(crate) root: TypeId,
    pub(crate) steps: Vec<Step<'b>>,
    /// Every number of the path.
    pub(crate) raw: Vec<u32>,
    /// Where the path ends, in bits from the start of the root. Wraps, as in libbpf.
    pub(crate) bit_offset: u32,
}

impl<'b> Spec<'b> {
    /// An access that has not gone anywhere yet.
    pub(crate) fn new(btf: &'b Btf, kind: CoreReloKind, root: TypeId) -> Self {
        Self { btf, kind, root, steps: Vec::new(), raw: Vec::new(), bit_offset: 0 }
    }

    /// Begins again with another type, keeping the memory.
    pub(crate) fn reset(&mut self, btf: &'b Btf, kind: CoreReloKind, root: TypeId) {
        let (mut steps, mut raw) = (std::mem::take(&mut self.steps), std::mem::take(&mut self.raw));
        steps.clear();
        raw.clear();
        *self = Self { btf, kind, root, steps, raw, bit_offset: 0 };
    }

    /// Reads the access of a relocation.
    pub(crate) fn parse(btf: &'b Btf, relo: &CoreRelo<'_>) -> Result<Self, ReloErrorKind> {
        let subject = subject(relo.kind).ok_or(ReloErrorKind::UnknownKind(relo.kind))?;
        let bad = |why| ReloErrorKind::BadAccess { access: relo.access_str.to_owned(), why };
        let mut spec = Self::new(btf, relo.kind, relo.type_id);
        btf.get(relo.type_id).map_err(ReloErrorKind::Local)?;
        if subject == Subject::Type {
            return if relo.access_str == "0" { Ok(spec) } else { Err(bad("a whole type is \"0\"")) };
        }
        for part in relo.access_str.split(':') {
            let n = part.parse::<u32>().ok().filter(|n| *n <= i32::MAX as u32);
            spec.raw.push(n.ok_or_else(|| bad("it is not numbers between colons"))?);
            if spec.raw.len() > MAX_LEN {
                return Err(bad("it has over 64 numbers"));
            }
        }
        let root = btf.resolve_ref(relo.type_id).map_err(ReloErrorKind::Local)?;
        let (&first, rest) = spec.raw.split_first().ok_or_else(|| bad("it is empty"))?;
        if subject == Subject::Enumerator {
            let (Type::Enum(e) | Type::Enum64(e)) = root.view() else {
                return Err(bad("the type is no enumeration"));
            };
            let value = e.value(first as usize).filter(|_| rest.is_empty());
            let value = value.ok_or_else(|| bad("there is no such enumerator"))?;
            spec.steps.push(Step::enumerator(root.id(), first, value.name));
            return Ok(spec);
        }
        spec.index(root.id(), first).map_err(ReloErrorKind::Local)?;
        let mut at = root.id();
        let mut next = 1;
        while let Some(n) = spec.raw.get(next).copied() {
            at = spec.walk(at, n, &bad)?;
            next += 1;
        }
        Ok(spec)
    }

    /// Goes one number further and gives the type reached.
    fn walk(
        &mut self,
        at: TypeId,
        n: u32,
        bad: &impl Fn(&'static str) -> ReloErrorKind,
    ) -> Result<TypeId, ReloErrorKind> {
        let t = self.btf.resolve_ref(at).map_err(ReloErrorKind::Local)?;
        match t.view() {
            Type::Struct(view) | Type::Union(view) => {
                let m = view.member(n as usize).ok_or_else(|| bad("there is no such member"))?;
                self.bit_offset = self.bit_offset.wrapping_add(m.bit_offset);
                if !m.name.is_empty() {
                    self.steps.push(Step::member(t.id(), n, &m));
                }
                Ok(m.type_id)
            }
            Type::Array { elem, nelems, .. } => {
                let elem = self.btf.resolve(elem).map_err(ReloErrorKind::Local)?;
                if n >= nelems && !self.ends_in_flexible_array(nelems) {
                    return Err(bad("the array has no such element"));
                }
                self.index(elem, n).map_err(ReloErrorKind::Local)?;
                Ok(elem)
            }
            _ => Err(bad("it goes into what is neither a struct, a union nor an array")),
        }
    }

    /// Adds an array index; `elem` is the element's type.
    pub(crate) fn index(&mut self, elem: TypeId, n: u32) -> Result<(), BtfError> {
        let size = self.btf.size_of(elem)?;
        self.steps.push(Step::element(elem, n));
        self.bit_offset = self.bit_offset.wrapping_add(n.wrapping_mul(size).wrapping_mul(8));
        Ok(())
    }

    /// Whether the path ends in an array without elements that is the last member of its struct. Any element of such
    /// an array may be accessed.
    pub(crate) fn ends_in_flexible_array(&self, nelems: u32) -> bool {
        let Some(step) = self.steps.last().filter(|s| s.name.is_some() && nelems == 0) else { return false };
        self.btf.get(step.type_id).is_ok_and(|t| Some(step.index) == t.vlen().checked_sub(1))
    }
}

/// Shows a relocation's kind by the short name that libbpf's messages use.
pub(crate) struct KindName(pub(crate) CoreReloKind);

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.short_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0.0),
        }
    }
}

/// Word for a type's kind in messages.
pub(crate) fn kind_word(t: &TypeRef<'_>) -> &'static str {
    match t.view() {
        Type::Struct(_) => "struct",
        Type::Union(_) => "union",
        Type::Enum(_) => "enum",
        Type::Enum64(_) => "enum64",
        Type::Typedef(_) => "typedef",
        Type::Int(..) => "int",
        Type::Ptr(_) => "ptr",
        Type::Array { .. } => "array",
        Type::Fwd { .. } => "fwd",
        Type::Func { .. } => "func",
        Type::FuncProto(_) => "func_proto",
        Type::Float { .. } => "float",
        Type::Const(_) => "const",
        Type::Volatile(_) => "volatile",
        Type::Restrict(_) => "restrict",
        Type::TypeTag(_) => "type_tag",
        _ => "void",
    }
}

/// Shows an access as libbpf does: `<byte_off> [7] struct task_struct.signal (0:3 @ offset 8)`.
impl fmt::Display for Spec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> ", KindName(self.kind))?;
        self.fmt_path(f)
    }
}

impl Spec<'_> {
    /// Shows the access without the relocation's kind.
    pub(crate) fn fmt_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(t) = self.btf.get(self.root) else { return write!(f, "[{}]", self.root) };
        let name = if t.name().is_empty() { "<anon>" } else { t.name() };
        write!(f, "[{}] {} {name}", self.root, kind_word(&t))?;
        match subject(self.kind) {
            Some(Subject::Enumerator) => self.fmt_enumerator(f),
            Some(Subject::Field) => self.fmt_field(f),
            _ => Ok(()),
        }
    }

    fn fmt_enumerator(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = self.steps.first() else { return Ok(()) };
        let t = self.btf.get(step.type_id);
        let value = t.ok().and_then(|t| match t.view() {
            Type::Enum(e) | Type::Enum64(e) => e.value(step.index as usize),
            _ => None,
        });
        match value {
            Some(v) => write!(f, "::{} = {}", v.name, v.value),
            None => Ok(()),
        }
    }

    fn fmt_field(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            match step.name {
                Some(name) => write!(f, ".{name}")?,
                None if i > 0 || step.index > 0 => write!(f, "[{}]", step.index)?,
                None => {}
            }
        }
        f.write_str(" (")?;
        for (i, n) in self.raw.iter().enumerate() {
            write!(f, "{}{n}", if i == 0 { "" } else { ":" })?;
        }
        write!(f, " @ offset {}", self.bit_offset / 8)?;
        match self.bit_offset % 8 {
            0 => f.write_str(")"),
            bits => write!(f, ".{bits})"),
        }
    }
}
