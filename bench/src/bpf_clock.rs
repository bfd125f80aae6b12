//! CPU time outside of bpf(2) and perf_event_open(2): this binary's `syscall` takes the place of the C library's, which
//! oxbpf, C libbpf and aya all call, and takes the time around those two.

use std::arch::asm;
use std::ffi::c_long;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static INSIDE: AtomicU64 = AtomicU64::new(0);

fn clock(id: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live variable.
    unsafe { libc::clock_gettime(id, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// The C library's function of this name, for x86-64.
///
/// # Safety
/// As the system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(nr: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long {
    let is_timed = nr == libc::SYS_bpf || nr == libc::SYS_perf_event_open;
    let start = if is_timed { clock(libc::CLOCK_THREAD_CPUTIME_ID) } else { 0 };
    let result: c_long;
    // SAFETY: the caller's arguments, in the registers that Linux takes them in.
    unsafe {
        asm!("syscall", inlateout("rax") nr => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             in("r8") e, in("r9") f, out("rcx") _, out("r11") _);
    }
    if is_timed {
        INSIDE.fetch_add(clock(libc::CLOCK_THREAD_CPUTIME_ID) - start, Relaxed);
    }
    if (-4095..0).contains(&result) {
        // SAFETY: errno is the thread's own.
        unsafe { *libc::__errno_location() = -result as i32 };
        return -1;
    }
    result
}

/// Runs `work` and prints the nanoseconds of CPU time that the process spent outside of the two system calls, and its
/// peak memory in KiB.
pub fn print(work: impl FnOnce()) {
    let start = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    work();
    let total = clock(libc::CLOCK_PROCESS_CPUTIME_ID) - start;
    // Not getrusage(2), whose peak is the parent's if that was larger.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next());
    println!("{} {}", total.saturating_sub(INSIDE.load(Relaxed)), peak.unwrap_or_default());
}
