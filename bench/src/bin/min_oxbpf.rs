//! Opens, loads and attaches one tracepoint program, and exits: oxbpf.

fn main() -> oxbpf::Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    let object = oxbpf::OpenObject::open_file(path)?.load()?;
    let _link = object.program("nothing")?.attach()?;
    Ok(())
}
