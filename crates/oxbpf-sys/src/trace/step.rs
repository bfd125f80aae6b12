//! Instructions that functions begin with, done here, so that a breakpoint on them costs no single step.
//!
//! Table of x86-64 encodings: Intel SDM volume 2, one-byte opcode map. Everything else is stepped by the processor.

use super::PtRegs;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing but going on to the next.
    Nop,
    /// Pushes a value.
    Push(u64),
    /// Copies the stack pointer to the frame pointer.
    MovBpSp,
}

/// The effect and length in bytes of the instruction at the start of `code`, if it is a known one.
pub(super) fn decode(code: &[u8], regs: &PtRegs) -> Option<(Effect, u64)> {
    let by_number = [regs.ax, regs.cx, regs.dx, regs.bx, regs.sp, regs.bp, regs.si, regs.di];
    let high = [regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15];
    let push = |set: &[u64; 8], op: u8| Some(Effect::Push(*set.get(usize::from(op & 7))?));
    match *code {
        [0xf3, 0x0f, 0x1e, 0xfa, ..] => Some((Effect::Nop, 4)),
        [0x90, ..] => Some((Effect::Nop, 1)),
        [op @ 0x50..=0x57, ..] => Some((push(&by_number, op)?, 1)),
        [0x41, op @ 0x50..=0x57, ..] => Some((push(&high, op)?, 2)),
        [0x48, 0x89, 0xe5, ..] => Some((Effect::MovBpSp, 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_prologues_are_known() {
        let regs = PtRegs { bp: 5, r12: 12, sp: 4, ..Default::default() };
        assert_eq!(decode(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55], &regs), Some((Effect::Nop, 4)));
        assert_eq!(decode(&[0x55], &regs), Some((Effect::Push(5), 1)));
        assert_eq!(decode(&[0x54], &regs), Some((Effect::Push(4), 1)), "the value before the push");
        assert_eq!(decode(&[0x41, 0x54], &regs), Some((Effect::Push(12), 2)));
        assert_eq!(decode(&[0x48, 0x89, 0xe5], &regs), Some((Effect::MovBpSp, 3)));
        assert_eq!(decode(&[0x48, 0x83, 0xec, 0x10], &regs), None);
        assert_eq!(decode(&[0xf3, 0x0f], &regs), None, "cut");
    }
}
