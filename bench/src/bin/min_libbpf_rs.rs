//! Opens, loads and attaches one tracepoint program, and exits: libbpf-rs.

use libbpf_rs::ObjectBuilder;

fn main() -> libbpf_rs::Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    let object = ObjectBuilder::default().open_file(path)?.load()?;
    let program = object.progs_mut().next().expect("a program");
    let _link = program.attach()?;
    Ok(())
}
