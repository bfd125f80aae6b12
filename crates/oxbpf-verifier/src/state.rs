//! What is known at one point of a program: a kind of value per register and per stack slot.

use core::fmt;
use std::collections::BTreeMap;

use crate::MapRef;

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// A value of a map.
    MapValue(MapRef),
    /// Memory that the call at an index gave, such as a ring buffer record.
    Mem(usize),
    /// A socket.
    Sock,
    /// A kernel struct.
    Btf,
    /// A map that was looked up in another.
    InnerMap,
}

/// What a register or stack slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Never written, or clobbered by a call.
    Uninit,
    /// Not known: different on different ways, or of a kind that is not told apart.
    Unknown,
    /// A number, if known.
    Scalar(Option<u64>),
    /// The context.
    Ctx,
    /// An address in the function's own frame: offset from its end, if known.
    Frame(Option<i32>),
    /// A map itself.
    MapPtr(MapRef),
    /// An object: offset from its start, if known.
    Ptr(Object, Option<i32>),
    /// An object or null. The number is the call that gave it, so that copies are checked together.
    PtrOrNull(Object, usize),
    /// A function of the program.
    Func(usize),
}

impl fmt::Display for Value {
    /// The verifier's name of the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = |o: &Object| match o {
            Object::MapValue(_) => "map_value",
            Object::Mem(_) => "ringbuf_mem",
            Object::Sock => "sock",
            Object::Btf => "ptr_",
            Object::InnerMap => "map_ptr",
        };
        match self {
            Self::Uninit => f.write_str("?"),
            Self::Unknown | Self::Scalar(_) => f.write_str("scalar"),
            Self::Ctx => f.write_str("ctx"),
            Self::Frame(_) => f.write_str("fp"),
            Self::MapPtr(_) => f.write_str("map_ptr"),
            Self::Ptr(o, _) => f.write_str(object(o)),
            Self::PtrOrNull(o, _) => write!(f, "{}_or_null", object(o)),
            Self::Func(_) => f.write_str("func"),
        }
    }
}

impl Value {
    /// What holds on both ways.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Scalar(_), Self::Scalar(_)) => Self::Scalar(None),
            (Self::Frame(_), Self::Frame(_)) => Self::Frame(None),
            (Self::Ptr(a, _), Self::Ptr(b, _)) if a == b => Self::Ptr(a, None),
            _ => Self::Unknown,
        }
    }

    /// The number that it certainly is.
    pub(crate) fn known(self) -> Option<u64> {
        match self {
            Self::Scalar(value) => value,
            _ => None,
        }
    }
}

/// Stack bytes whose content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// Offset from the end of the frame.
    off: i32,
    size: i32,
    value: Value,
}

/// Whether something that has to be given back is still held. Each join goes down this list or stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// On every way to here.
    Always,
    /// On some ways, and nothing was asked since they met.
    Sometimes,
    /// Perhaps: what was asked since may have told the ways apart, or something else may have given it back.
    Unclear,
}

/// What is known at one point of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    regs: [Value; 11],
    /// In no order, without overlaps.
    slots: Vec<Slot>,
    /// Ring buffer records that are not submitted, by the call that reserved them, in the order of calls.
    held: BTreeMap<usize, Held>,
}

impl State {
    /// At a function's start: nothing but r1 to r5 and the frame pointer.
    pub(crate) fn entry(args: [Value; 5]) -> Self {
        let mut regs = [Value::Uninit; 11];
        for (reg, arg) in regs.iter_mut().skip(1).zip(args) {
            *reg = arg;
        }
        let mut state = Self { regs, slots: Vec::new(), held: BTreeMap::new() };
        state.set(10, Value::Frame(Some(0)));
        state
    }

    pub(crate) fn get(&self, reg: u8) -> Value {
        self.regs.get(usize::from(reg)).copied().unwrap_or(Value::Unknown)
    }

    pub(crate) fn set(&mut self, reg: u8, value: Value) {
        if let Some(slot) = self.regs.get_mut(usize::from(reg)) {
            *slot = value;
        }
    }

    /// Goes over to what holds on both ways; says whether that changed anything.
    pub(crate) fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.regs.iter_mut().zip(other.regs) {
            *mine = mine.join(theirs);
        }
        self.slots.retain_mut(|slot| {
            let same = other.slots.iter().find(|s| s.off == slot.off && s.size == slot.size);
            slot.value = same.map_or(Value::Unknown, |s| slot.value.join(s.value));
            slot.value != Value::Unknown
        });
        for (call, held) in &mut self.held {
            *held = (*held).max(other.held.get(call).copied().unwrap_or(Held::Sometimes));
        }
        for (call, held) in &other.held {
            self.held.entry(*call).or_insert((*held).max(Held::Sometimes));
        }
        *self != before
    }

    /// Puts a value into the frame.
    pub(crate) fn spill(&mut self, off: i32, size: i32, value: Value) {
        self.smudge(off, size);
        // A pointer is whole only in eight bytes; a number in fewer keeps its low part.
        let value = match (value, size) {
            (Value::Scalar(Some(n)), 1 | 2 | 4) => Value::Scalar(Some(n & ((1 << (8 * size)) - 1))),
            (_, 8) | (Value::Scalar(_), _) => value,
            _ => return,
        };
        if value != Value::Unknown {
            self.slots.push(Slot { off, size, value });
        }
    }

    /// What was put there, if it was exactly these bytes.
    pub(crate) fn fill(&self, off: i32, size: i32) -> Option<Value> {
        self.slots.iter().find(|s| s.off == off && s.size == size).map(|s| s.value)
    }

    /// Forgets what is in some bytes of the frame.
    pub(crate) fn smudge(&mut self, off: i32, size: i32) {
        self.slots.retain(|s| s.off.saturating_add(s.size) <= off || off.saturating_add(size) <= s.off);
    }

    /// Forgets what is anywhere in the frame.
    pub(crate) fn smudge_all(&mut self) {
        self.slots.clear();
    }

    /// A call gave something that has to be given back.
    pub(crate) fn hold(&mut self, call: usize) {
        self.held.insert(call, Held::Always);
    }

    /// What a call gave is given back.
    pub(crate) fn release(&mut self, call: usize) {
        self.held.remove(&call);
    }

    /// Something may be given back where it is not seen which.
    pub(crate) fn lose_sight(&mut self) {
        self.held.values_mut().for_each(|held| *held = Held::Unclear);
    }

    /// A branch may tell apart the ways that met.
    pub(crate) fn tell_apart(&mut self) {
        for held in self.held.values_mut().filter(|held| **held == Held::Sometimes) {
            *held = Held::Unclear;
        }
    }

    /// The first call whose record is not given back on at least one way to here, and that certainly.
    pub(crate) fn leaked(&self) -> Option<usize> {
        self.held.iter().find(|(_, held)| **held != Held::Unclear).map(|(call, _)| *call)
    }

    /// Settles whether the object that a call gave is null, in all copies.
    pub(crate) fn settle(&mut self, call: usize, is_null: bool) {
        if is_null {
            self.release(call);
        }
        let settle = |value: &mut Value| {
            if let Value::PtrOrNull(object, of) = *value {
                if of == call {
                    *value = if is_null { Value::Scalar(Some(0)) } else { Value::Ptr(object, Some(0)) };
                }
            }
        };
        self.regs.iter_mut().for_each(settle);
        self.slots.iter_mut().for_each(|s| settle(&mut s.value));
    }
}
