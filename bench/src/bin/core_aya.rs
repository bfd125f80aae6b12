//! Opens and loads an object, and prints what CPU time that took outside of bpf(2): aya.

#[path = "../bpf_clock.rs"]
mod bpf_clock;

use aya::programs::{BtfTracePoint, Program, SocketFilter};

fn main() {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    bpf_clock::print(|| {
        let mut object = aya::Ebpf::load_file(path).expect("opens");
        let mut btf = None;
        for (_, program) in object.programs_mut() {
            match program {
                Program::SocketFilter(p) => SocketFilter::load(p).expect("loads"),
                Program::BtfTracePoint(p) => {
                    let btf = btf.get_or_insert_with(|| aya::Btf::from_sys_fs().expect("the kernel has BTF"));
                    BtfTracePoint::load(p, "sched_process_exec", btf).expect("loads");
                }
                _ => unreachable!("there are no others"),
            }
        }
    });
}
