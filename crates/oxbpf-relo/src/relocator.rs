//! The relocator: relocations in, patched instructions out, with what was found remembered.

use std::fmt;

use oxbpf_btf::{Btf, CoreRelo, CoreReloKind, TypeId, essential_name};
use oxbpf_uapi::Insn;

use crate::compat::{Stop, kinds_are_compat};
use crate::error::{ReloError, ReloErrorKind};
use crate::explain::{self, Explanation};
use crate::fast_map::FastMap;
use crate::matching::spec_match;
use crate::patch::{self, Patch};
use crate::spec::{KindName, Spec};
use crate::value::{self, NoValue, Value};

/// Types to relocate against.
#[derive(Clone, Copy, Debug)]
pub struct Target<'b> {
    /// "vmlinux", or the name of a module.
    pub name: &'b str,
    /// Its types. For a module a split BTF, of which only the own types are candidates.
    pub btf: &'b Btf,
}

/// What became of a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instruction holds a new number; often the same as before.
    Patched {
        /// What the object's types say.
        old: u64,
        /// What the target's types say.
        new: u64,
        /// Sizes of the access before and after, if they differ.
        resized: Option<(u32, u32)>,
    },
    /// Nothing in the target matches, or the field changed so that the access would be wrong. The instruction was
    /// replaced by a call of [`POISON`](crate::POISON); [`Relocator::explain`] tells why.
    Poisoned,
}

/// Relocates the instructions of one object.
///
/// Candidate types are looked up once for each type of the object, and each distinct question is answered once.
///
/// A candidate that lacks what was asked, while another one has it, is not asked again for the same type of the object.
/// So the order of relocations counts if the target has several types of a name; it should be the order of `.BTF.ext`.
pub struct Relocator<'b> {
    local: &'b Btf,
    /// The byte order of the object, in which its programs read bit-fields.
    big_endian: bool,
    vmlinux: Option<Target<'b>>,
    modules: Vec<Target<'b>>,
    load_modules: Option<Box<dyn FnOnce() -> Vec<Target<'b>> + 'b>>,
    /// Types of the first target by essential name, found in advance.
    expected: FastMap<&'b str, Vec<TypeId>>,
    /// Types of the modules by essential name, of names that the first target lacks.
    in_modules: FastMap<&'b str, Vec<Candidate<'b>>>,
    candidates: FastMap<TypeId, Vec<Candidate<'b>>>,
    /// Answers by root type and kind, then by access string.
    answers: FastMap<(TypeId, u32), FastMap<Box<str>, Answer>>,
    scratch: Spec<'b>,
    /// The first candidate that matched last, and the path in it.
    first: Option<TypeId>,
    first_path: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate<'b> {
    target: Target<'b>,
    id: TypeId,
}

/// What to do with an instruction; `None` to poison it.
type Answer = Option<Patch>;

impl fmt::Debug for Relocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relocator")
            .field("vmlinux", &self.vmlinux)
            .field("modules", &self.modules.len())
            .field("types", &self.candidates.len())
            .finish_non_exhaustive()
    }
}

impl<'b> Relocator<'b> {
    /// A relocator for an object with types `local`. The first target is searched first; the others, the kernel's
    /// modules, only for types that it does not have.
    pub fn new(local: &'b Btf, targets: Vec<Target<'b>>) -> Self {
        let mut targets = targets.into_iter();
        Self {
            local,
            big_endian: cfg!(target_endian = "big") != local.is_foreign_endian(),
            vmlinux: targets.next(),
            modules: targets.collect(),
            load_modules: None,
            expected: FastMap::default(),
            in_modules: FastMap::default(),
            candidates: FastMap::default(),
            answers: FastMap::default(),
            scratch: Spec::new(local, CoreReloKind::TYPE_ID_LOCAL, TypeId::VOID),
            first: None,
            first_path: Vec::new(),
        }
    }

    /// Adds modules that are fetched when the first type is not found in the first target.
    #[must_use]
    pub fn with_modules(mut self, load: impl FnOnce() -> Vec<Target<'b>> + 'b) -> Self {
        self.load_modules = Some(Box::new(load));
        self
    }

    /// Says which types relocations are for, so that they are all looked up at once in the first target. That is
    /// faster than one by one; the results are the same.
    pub fn expect(&mut self, types: impl IntoIterator<Item = TypeId>) {
        let Some(target) = self.vmlinux else { return };
        let mut last = TypeId::VOID;
        for id in types {
            if core::mem::replace(&mut last, id) == id {
                continue;
            }
            let name = self.local.get(id).map_or("", |t| essential_name(t.name()));
            if !name.is_empty() {
                self.expected.entry(name).or_default();
            }
        }
        let names: Vec<&str> = self.expected.keys().copied().collect();
        for (name, found) in names.iter().zip(target.btf.find_essential_own(&names)) {
            self.expected.insert(name, found);
        }
    }

    /// Relocates the instruction with index `at`.
    ///
    /// `relo.insn_off` is not used: the caller knows where the instruction went.
    ///
    /// # Errors
    /// The object's relocation or types are broken, candidates disagree, or the instruction is not what the relocation
    /// says. The instruction is then unchanged.
    #[doc(alias = "bpf_core_apply_relo_insn")]
    pub fn relocate(
        &mut self,
        insns: &mut [Insn],
        at: usize,
        relo: &CoreRelo<'_>,
    ) -> Result<Outcome, ReloError> {
        let answer = self.answer(relo).map_err(|kind| self.error(at, relo, kind))?;
        let outcome = match answer {
            None => {
                patch::poison(insns, at);
                Outcome::Poisoned
            }
            Some(p) => match patch::apply(insns, at, &p).map_err(|kind| self.error(at, relo, kind))? {
                true => Outcome::Patched { old: p.old, new: p.new, resized: p.resize },
                false => Outcome::Poisoned,
            },
        };
        if log::log_enabled!(log::Level::Debug) {
            self.log(at, relo, outcome);
        }
        Ok(outcome)
    }

    /// What a relocation asks for in the target: the first type that matches, and the numbers of the path in it; `None`
    /// if nothing matches.
    ///
    /// # Errors
    /// As [`Relocator::relocate`], but for what concerns the instruction.
    pub fn access(&mut self, relo: &CoreRelo<'_>) -> Result<Option<(TypeId, Vec<u32>)>, ReloError> {
        self.first = None;
        self.resolve(relo).map_err(|kind| self.error(relo.insn_off as usize / 8, relo, kind))?;
        Ok(self.first.map(|root| (root, self.first_path.clone())))
    }

    /// Why a relocation was poisoned: what it asked for, how each candidate differs, and what is near.
    ///
    /// Goes through all names of the target if none is the type's, so it is for messages only.
    pub fn explain(&mut self, relo: &CoreRelo<'_>) -> Explanation {
        let mut to = Explanation::default();
        let local = match Spec::parse(self.local, relo) {
            Ok(local) => local,
            Err(e) => {
                to.spec = format!("<{}> [{}] + {}", KindName(relo.kind), relo.type_id, relo.access_str);
                to.reasons.push(e.to_string());
                return to;
            }
        };
        to.spec = local.to_string();
        match self.find_candidates(relo.type_id) {
            Err(e) => to.reasons.push(e.to_string()),
            Ok(candidates) if candidates.is_empty() => {
                explain::nothing(self.local, relo.type_id, self.vmlinux, &mut to);
            }
            Ok(candidates) => {
                for c in candidates {
                    explain::candidate(&local, c.target, c.id, &mut to);
                }
            }
        }
        to
    }

    fn error(&self, insn: usize, relo: &CoreRelo<'_>, kind: ReloErrorKind) -> ReloError {
        let spec = match Spec::parse(self.local, relo) {
            Ok(spec) => spec.to_string(),
            Err(_) => {
                let name = self.local.get(relo.type_id).map_or("?", |t| t.name());
                format!("<{}> [{}] {name} + {}", KindName(relo.kind), relo.type_id, relo.access_str)
            }
        };
        ReloError { insn, spec, kind }
    }

    fn log(&mut self, at: usize, relo: &CoreRelo<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Poisoned => log::debug!("instruction {at}: poisoned: {}", self.explain(relo)),
            Outcome::Patched { old, new, resized } => {
                let resized = resized.map(|(a, b)| format!(", {a} -> {b} bytes")).unwrap_or_default();
                match Spec::parse(self.local, relo) {
                    Ok(spec) => log::debug!("instruction {at}: {spec}: {old} -> {new}{resized}"),
                    Err(e) => log::debug!("instruction {at}: {e}"),
                }
            }
        }
    }

    fn answer(&mut self, relo: &CoreRelo<'_>) -> Result<Answer, ReloErrorKind> {
        let key = (relo.type_id, relo.kind.0);
        if let Some(known) = self.answers.get(&key).and_then(|a| a.get(relo.access_str)) {
            return Ok(*known);
        }
        let answer = self.resolve(relo)?;
        self.answers.entry(key).or_default().insert(relo.access_str.into(), answer);
        Ok(answer)
    }

    fn resolve(&mut self, relo: &CoreRelo<'_>) -> Result<Answer, ReloErrorKind> {
        let local = Spec::parse(self.local, relo)?;
        let old = value::of(&local, self.big_endian).map_err(in_local)?;
        if relo.kind == CoreReloKind::TYPE_ID_LOCAL {
            let id = u64::from(relo.type_id.0);
            return Ok(Some(Patch { old: id, new: id, is_certain: false, resize: None, may_resize: true }));
        }
        if self.local.get(relo.type_id).map_err(ReloErrorKind::Local)?.name().is_empty() {
            return Err(ReloErrorKind::Anonymous);
        }
        let mut candidates = match self.candidates.remove(&relo.type_id) {
            Some(known) => known,
            None => self.find_candidates(relo.type_id)?,
        };
        let found = self.match_all(&local, &old, &mut candidates);
        self.candidates.insert(relo.type_id, candidates);
        match found? {
            Some(answer) => Ok(answer),
            None => Ok(patch_of(&old, value::of_nothing(relo.kind), true)),
        }
    }

    /// Asks all candidates, which must agree, and drops those that do not match if others do. `None` if none matches.
    fn match_all(
        &mut self,
        local: &Spec<'b>,
        old: &Value,
        candidates: &mut Vec<Candidate<'b>>,
    ) -> Result<Option<Answer>, ReloErrorKind> {
        let mut agreed: Option<Agreed> = None;
        let mut matching = Vec::new();
        for c in candidates.iter() {
            let in_target = |e: NoValue| in_target(e, c.target);
            let spec = &mut self.scratch;
            spec.reset(c.target.btf, local.kind, c.id);
            if !spec_match(local, spec).map_err(|e| in_target(NoValue::Stop(e)))? {
                continue;
            }
            let new = value::of(spec, self.big_endian).map_err(in_target)?;
            let may_resize = match (old.access, new.access) {
                (Some((_, a)), Some((_, b))) => value::may_resize(local.btf, a, c.target.btf, b),
                // A bit-field here or there: its load is of another size for other reasons.
                _ => false,
            };
            let this = Agreed { bit_offset: spec.bit_offset, id: c.id, value: new, may_resize };
            match &agreed {
                None => {
                    agreed = Some(this);
                    self.first = Some(c.id);
                    self.first_path.clear();
                    self.first_path.extend_from_slice(&spec.raw);
                }
                Some(before) => before.check(&this)?,
            }
            matching.push(*c);
        }
        let Some(agreed) = agreed else { return Ok(None) };
        *candidates = matching;
        Ok(Some(patch_of(old, agreed.value, agreed.may_resize)))
    }

    /// Types of the same name, but for flavours, and of a compatible kind.
    fn find_candidates(&mut self, id: TypeId) -> Result<Vec<Candidate<'b>>, ReloErrorKind> {
        let t = self.local.get(id).map_err(ReloErrorKind::Local)?;
        let name = essential_name(t.name());
        let is_alike = |c: &Candidate<'b>| {
            c.target.btf.get(c.id).is_ok_and(|other| kinds_are_compat(other.kind(), t.kind()))
        };
        if let Some(target) = self.vmlinux {
            let known = self.expected.entry(name);
            let ids = known.or_insert_with(|| find_one(target.btf, name));
            let all = ids.iter().map(|id| Candidate { target, id: *id });
            let found: Vec<_> = all.filter(is_alike).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        if !self.in_modules.contains_key(name) {
            self.search_modules(name);
        }
        let all = self.in_modules.get(name).map(Vec::as_slice).unwrap_or_default();
        Ok(all.iter().copied().filter(is_alike).collect())
    }

    /// Looks in the modules for a name, and for all other expected ones that the first target lacks.
    fn search_modules(&mut self, name: &'b str) {
        if let Some(load) = self.load_modules.take() {
            self.modules.extend(load());
        }
        let lacking = self.expected.iter().filter(|(n, ids)| ids.is_empty() && **n != name).map(|(n, _)| *n);
        let names: Vec<&str> =
            lacking.filter(|n| !self.in_modules.contains_key(n)).chain(core::iter::once(name)).collect();
        let mut found = vec![Vec::new(); names.len()];
        for &target in &self.modules {
            for (found, ids) in found.iter_mut().zip(target.btf.find_essential_own(&names)) {
                found.extend(ids.into_iter().map(|id| Candidate { target, id }));
            }
        }
        self.in_modules.extend(names.into_iter().zip(found));
    }
}

fn find_one(btf: &Btf, name: &str) -> Vec<TypeId> {
    btf.find_essential_own(&[name]).pop().unwrap_or_default()
}

/// What the candidates so far say.
struct Agreed {
    bit_offset: u32,
    id: TypeId,
    value: Value,
    may_resize: bool,
}

impl Agreed {
    /// All candidates must lead to the same place and number.
    fn check(&self, other: &Self) -> Result<(), ReloErrorKind> {
        let ambiguous = |first: String, second: String| ReloErrorKind::Ambiguous {
            first,
            first_id: self.id,
            second,
            second_id: other.id,
        };
        if self.bit_offset != other.bit_offset {
            let bit = |offset: u32| format!("bit offset {offset}");
            return Err(ambiguous(bit(self.bit_offset), bit(other.bit_offset)));
        }
        if self.value.number != other.value.number {
            let value = |v: &Value| v.number.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
            return Err(ambiguous(value(&self.value), value(&other.value)));
        }
        Ok(())
    }
}

fn patch_of(old: &Value, new: Value, may_resize: bool) -> Answer {
    let (old_size, new_size) = (old.access.map_or(0, |a| a.0), new.access.map_or(0, |a| a.0));
    Some(Patch {
        old: old.number?,
        new: new.number?,
        is_certain: old.is_certain,
        resize: (old_size != new_size).then_some((old_size, new_size)),
        may_resize,
    })
}

fn in_local(e: NoValue) -> ReloErrorKind {
    match e {
        NoValue::Error(e) => e,
        NoValue::Stop(Stop::TooDeep) => ReloErrorKind::TooDeep,
        NoValue::Stop(Stop::TooLong) => ReloErrorKind::TooLong,
        NoValue::Stop(Stop::Btf(e)) => ReloErrorKind::Local(e),
    }
}

fn in_target(e: NoValue, target: Target<'_>) -> ReloErrorKind {
    match e {
        NoValue::Stop(Stop::Btf(source)) => ReloErrorKind::Target { target: target.name.to_owned(), source },
        e => in_local(e),
    }
}
