//! Opens, loads and attaches one tracepoint program, and exits: aya.

use aya::Ebpf;
use aya::programs::TracePoint;

fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    let mut object = Ebpf::load_file(path)?;
    let program: &mut TracePoint = object.program_mut("nothing").expect("the program").try_into()?;
    program.load()?;
    program.attach("syscalls", "sys_enter_getpid")?;
    Ok(())
}
