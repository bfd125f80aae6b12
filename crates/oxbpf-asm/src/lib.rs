//! BPF instructions: bytes in, meaning or text out, and back.
//!
//! [`table()`] has a row for every instruction of ISA v1 to v4. [`decode()`] finds the row of an [`Insn`](oxbpf_uapi::Insn) and checks
//! its fields. [`disasm()`] prints a program as the kernel's verifier and bpftool do; [`asm`] reads that text and LLVM's.
//! [`flow`] cuts a program into functions and says where each instruction may go next.

pub mod asm;
pub mod decode;
pub mod disasm;
mod eval;
pub mod flow;
pub mod table;

pub use decode::{DecodeError, Decoded, decode, decode_all, decode_at};
pub use disasm::{Disasm, disasm};
pub use table::{
    AluOp, Cond, Field, Imm64, Isa, Kind, Operand, Order, Rmw, Row, Size, row_of, rows_of, table,
};
