//! Where the members of a struct are, and what is between them: offsets, holes, padding, forced alignment.
//!
//! ```text
//! struct reading {
//!         u64                        when;                 /*     0     8 */
//!         u32                        value;                /*     8     4 */
//!
//!         /* size: 16, cachelines: 1, members: 2 */
//!         /* padding: 4 */
//!         /* last cacheline: 16 bytes */
//! };
//! ```
//!
//! [`Layout`] is the numbers, [`print`](print()) the text that `pahole -C` (1.24) prints of the same BTF, but for these:
//!
//! * `a[2][3]` is written as declared; pahole swaps the dimensions when it reads BTF.
//! * `_Bool` and floating-point types have their own name, not `bool _Bool` or `single double`.
//! * A `const` anonymous struct keeps its name, and its sums are not shown.
//! * Enumerators of a signed anonymous enumeration may be negative.
//!
//! BTF has no alignment and no `packed`, so both are guessed as pahole does: a hole larger than the member's natural
//! alignment explains was asked for, and a struct without holes whose members are at odd places is packed.

mod facts;
mod text;

use crate::{Btf, BtfError, Member, TypeId};
use facts::Facts;

/// Size of a cache line in bytes.
pub const CACHE_LINE: u32 = 64;

/// What is where in a struct or union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout<'b> {
    /// Size in bytes.
    pub size: u32,
    /// The members in order.
    pub members: Vec<Slot<'b>>,
    /// Unused bytes before the first member.
    pub hole_before: u32,
    /// Unused bits before the first member.
    pub bit_hole_before: u32,
    /// Unused bytes at the end.
    pub padding: u32,
    /// Unused bits at the end of the last bit-field.
    pub bit_padding: u32,
    /// Alignment that was asked for in bytes, 0 if there is no sign of it.
    pub alignment: u32,
}

/// A member and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<'b> {
    /// The member.
    pub member: Member<'b>,
    /// Offset in bytes; for a bit-field that of the integer it is in.
    pub offset: u32,
    /// For a bit-field: its first bit in that integer.
    pub bit: u32,
    /// Size of its type in bytes.
    pub size: u32,
    /// Unused bytes after it.
    pub hole: u32,
    /// Unused bits after it.
    pub bit_hole: u32,
    /// Alignment that was asked for in bytes, 0 if there is no sign of it.
    pub alignment: u32,
}

impl<'b> Layout<'b> {
    /// The layout of a struct or union. A union has no holes.
    ///
    /// # Errors
    /// `BadType` if it is neither; `Unsized`, `TooDeep` and others if a member's type has no size.
    pub fn of(btf: &'b Btf, id: TypeId) -> Result<Layout<'b>, BtfError> {
        Facts::new(btf).layout(id).map(|l| (*l).clone())
    }
}

/// A struct or union as `pahole -C` prints it, with a newline at its end.
///
/// # Errors
/// As [`Layout::of`]; `TooDeep` if anonymous types nest without end.
pub fn print(btf: &Btf, id: TypeId) -> Result<String, BtfError> {
    text::print(btf, id)
}
