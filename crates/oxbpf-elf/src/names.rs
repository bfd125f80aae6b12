//! Names of machines, file types and string tables' contents, for messages.

use object::elf;

/// Longest name that is read from a string table. Kernel symbols end at 512; mangled C++ names run to a few thousand.
/// Without a bound, thousands of symbols that all point at one huge string would take quadratic time.
pub(crate) const MAX_NAME: usize = 16 << 10;

/// Machine name for a message.
pub(crate) fn machine(m: elf::Machine) -> String {
    let name = match m {
        elf::EM_X86_64 => "x86-64",
        elf::EM_386 => "x86",
        elf::EM_AARCH64 => "AArch64",
        elf::EM_ARM => "Arm",
        elf::EM_RISCV => "RISC-V",
        elf::EM_S390 => "S/390",
        elf::EM_PPC64 => "PowerPC64",
        elf::EM_PPC => "PowerPC",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_SPARCV9 => "SPARC64",
        elf::EM_BPF => "BPF",
        _ => return format!("machine {}", m.0),
    };
    name.to_owned()
}

/// File type for a message.
pub(crate) fn file_type(t: elf::FileType) -> String {
    match t {
        elf::ET_NONE => "a file of no type".to_owned(),
        elf::ET_REL => "a relocatable object".to_owned(),
        elf::ET_EXEC => "an executable".to_owned(),
        elf::ET_DYN => "a shared library or position-independent executable".to_owned(),
        elf::ET_CORE => "a core dump".to_owned(),
        _ => format!("a file of type {}", t.0),
    }
}

/// The bytes of the string at `offset`, without its NUL; `None` if it is outside or too long.
pub(crate) fn string_at(table: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = table.get(offset as usize..)?;
    let window = rest.get(..MAX_NAME).unwrap_or(rest);
    let end = window.iter().position(|b| *b == 0)?;
    window.get(..end)
}
