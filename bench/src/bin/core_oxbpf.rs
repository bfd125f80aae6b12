//! Opens and loads an object, and prints what CPU time that took outside of bpf(2): oxbpf.

#[path = "../bpf_clock.rs"]
mod bpf_clock;

fn main() {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    bpf_clock::print(|| drop(oxbpf::OpenObject::open_file(path).and_then(|o| o.load()).expect("loads")));
}
