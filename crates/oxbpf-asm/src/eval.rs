//! What arithmetic and comparisons give: the kernel's semantics, in one place for whoever runs or checks programs.
//!
//! Division by zero gives 0 and the rest of it the dividend; the smallest number divided by -1 stays itself, with rest 0; shifts use the low
//! bits of their count (`kernel/bpf/core.c` and the rewrites of `kernel/bpf/verifier.c`, v6.17).

use crate::table::{AluOp, Cond};

macro_rules! alu {
    ($(#[$meta:meta])* $name:ident, $unsigned:ty, $signed:ty) => {
        $(#[$meta])*
        #[inline(always)]
        pub const fn $name(self, a: $unsigned, b: $unsigned) -> $unsigned {
            let (sa, sb) = (a as $signed, b as $signed);
            match self {
                Self::Add => a.wrapping_add(b),
                Self::Sub => a.wrapping_sub(b),
                Self::Mul => a.wrapping_mul(b),
                Self::Div => if b == 0 { 0 } else { a / b },
                Self::Sdiv => if b == 0 { 0 } else { sa.wrapping_div(sb) as $unsigned },
                Self::Or => a | b,
                Self::And => a & b,
                Self::Lsh => a.wrapping_shl(b as u32),
                Self::Rsh => a.wrapping_shr(b as u32),
                Self::Mod => if b == 0 { a } else { a % b },
                Self::Smod => if b == 0 { a } else { sa.wrapping_rem(sb) as $unsigned },
                Self::Xor => a ^ b,
                Self::Mov => b,
                Self::Arsh => sa.wrapping_shr(b as u32) as $unsigned,
            }
        }
    };
}

impl AluOp {
    alu! {
        /// The 64-bit result.
        eval64, u64, i64
    }
    alu! {
        /// The 32-bit result.
        eval32, u32, i32
    }
}

macro_rules! cond {
    ($(#[$meta:meta])* $name:ident, $unsigned:ty, $signed:ty) => {
        $(#[$meta])*
        #[inline(always)]
        pub const fn $name(self, a: $unsigned, b: $unsigned) -> bool {
            let (sa, sb) = (a as $signed, b as $signed);
            match self {
                Self::Eq => a == b,
                Self::Gt => a > b,
                Self::Ge => a >= b,
                Self::Set => a & b != 0,
                Self::Ne => a != b,
                Self::Sgt => sa > sb,
                Self::Sge => sa >= sb,
                Self::Lt => a < b,
                Self::Le => a <= b,
                Self::Slt => sa < sb,
                Self::Sle => sa <= sb,
            }
        }
    };
}

impl Cond {
    cond! {
        /// Whether the condition holds for 64 bits.
        holds64, u64, i64
    }
    cond! {
        /// Whether the condition holds for 32 bits.
        holds32, u32, i32
    }
}
