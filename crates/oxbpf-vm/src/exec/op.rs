//! The operations of the interpreter: one per instruction form, so that one jump finds the code for it.

use oxbpf_asm::{AluOp, Cond, Size};

/// Declares the operations and the functions that choose one. Rows of `alu` and `jmp` name the four forms of an operation:
/// 64 bits with immediate, with register, 32 bits with immediate, with register.
macro_rules! ops {
    (
        alu { $($alu:ident: $ak:ident $ax:ident $ak32:ident $ax32:ident;)* }
        jmp { $($cond:ident: $jk:ident $jx:ident $jk32:ident $jx32:ident;)* }
        other { $($other:ident)* }
    ) => {
        /// What a slot does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Op {
            $($ak, $ax, $ak32, $ax32,)*
            $($jk, $jx, $jk32, $jx32,)*
            $($other,)*
        }

        pub(crate) fn alu_op(op: AluOp, wide: bool, reg: bool) -> Op {
            match op {
                $(AluOp::$alu => match (wide, reg) {
                    (true, false) => Op::$ak,
                    (true, true) => Op::$ax,
                    (false, false) => Op::$ak32,
                    (false, true) => Op::$ax32,
                },)*
            }
        }

        pub(crate) fn jmp_op(cond: Cond, wide: bool, reg: bool) -> Op {
            match cond {
                $(Cond::$cond => match (wide, reg) {
                    (true, false) => Op::$jk,
                    (true, true) => Op::$jx,
                    (false, false) => Op::$jk32,
                    (false, true) => Op::$jx32,
                },)*
            }
        }

        impl Op {
            /// Whether the offset is the index of an instruction.
            pub(crate) fn has_target(self) -> bool {
                matches!(
                    self,
                    Op::Ja | Op::MayGoto | Op::CallLocal | Op::LdFunc $(| Op::$jk | Op::$jx | Op::$jk32 | Op::$jx32)*
                )
            }
        }
    };
}

ops! {
    alu {
        Add: AddK AddX AddK32 AddX32;
        Sub: SubK SubX SubK32 SubX32;
        Mul: MulK MulX MulK32 MulX32;
        Div: DivK DivX DivK32 DivX32;
        Sdiv: SdivK SdivX SdivK32 SdivX32;
        Or: OrK OrX OrK32 OrX32;
        And: AndK AndX AndK32 AndX32;
        Lsh: LshK LshX LshK32 LshX32;
        Rsh: RshK RshX RshK32 RshX32;
        Mod: ModK ModX ModK32 ModX32;
        Smod: SmodK SmodX SmodK32 SmodX32;
        Xor: XorK XorX XorK32 XorX32;
        Mov: MovK MovX MovK32 MovX32;
        Arsh: ArshK ArshX ArshK32 ArshX32;
    }
    jmp {
        Eq: JeqK JeqX JeqK32 JeqX32;
        Gt: JgtK JgtX JgtK32 JgtX32;
        Ge: JgeK JgeX JgeK32 JgeX32;
        Set: JsetK JsetX JsetK32 JsetX32;
        Ne: JneK JneX JneK32 JneX32;
        Sgt: JsgtK JsgtX JsgtK32 JsgtX32;
        Sge: JsgeK JsgeX JsgeK32 JsgeX32;
        Lt: JltK JltX JltK32 JltX32;
        Le: JleK JleX JleK32 JleX32;
        Slt: JsltK JsltX JsltK32 JsltX32;
        Sle: JsleK JsleX JsleK32 JsleX32;
    }
    other {
        Neg64 Neg32 Movsx8 Movsx16 Movsx32 MovsxW8 MovsxW16
        Trunc16 Trunc32 Nop Swap16 Swap32 Swap64 CastKernel CastUser
        LdImm64 LdFunc LdAbs LdInd
        Ldx8 Ldx16 Ldx32 Ldx64 LdxS8 LdxS16 LdxS32
        St8 St16 St32 St64 Stx8 Stx16 Stx32 Stx64
        Atomic32 Atomic64 LoadAcquire StoreRelease
        Ja Gotox MayGoto CallHelper CallLocal CallKfunc Exit FellOff
    }
}

pub(crate) fn ld_packet_op(indirect: bool) -> Op {
    if indirect { Op::LdInd } else { Op::LdAbs }
}

pub(crate) fn ldx_op(size: Size, signed: bool) -> Op {
    match (size, signed) {
        (Size::B, false) => Op::Ldx8,
        (Size::H, false) => Op::Ldx16,
        (Size::W, false) => Op::Ldx32,
        (Size::Dw, _) => Op::Ldx64,
        (Size::B, true) => Op::LdxS8,
        (Size::H, true) => Op::LdxS16,
        (Size::W, true) => Op::LdxS32,
    }
}

pub(crate) fn st_op(size: Size) -> Op {
    match size {
        Size::B => Op::St8,
        Size::H => Op::St16,
        Size::W => Op::St32,
        Size::Dw => Op::St64,
    }
}

pub(crate) fn stx_op(size: Size) -> Op {
    match size {
        Size::B => Op::Stx8,
        Size::H => Op::Stx16,
        Size::W => Op::Stx32,
        Size::Dw => Op::Stx64,
    }
}
