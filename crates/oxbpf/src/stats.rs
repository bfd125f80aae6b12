//! Run-time statistics of programs: kept while somebody asks for them.

use oxbpf_kernel::{Command, Handle, Kernel, Reply};
use oxbpf_uapi::consts::BPF_STATS_RUN_TIME;

use crate::error::{At, Frame, Result};

/// Keeps `run_time_ns` and `run_cnt` of all programs counting while it lives.
///
/// ```no_run
/// # fn f(program: &oxbpf::OwnedProgram) -> oxbpf::Result<()> {
/// let stats = oxbpf::stats::RunTime::enable(program.kernel())?;
/// let before = program.info()?;
/// program.test_run(|run| run.repeat = 1000)?;
/// let after = program.info()?;
/// println!("{} ns", (after.run_time_ns - before.run_time_ns) / (after.run_cnt - before.run_cnt));
/// drop(stats);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "statistics end when this is dropped"]
pub struct RunTime {
    _open: Handle,
}

impl RunTime {
    /// Starts to count. Linux 5.8.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_SYS_ADMIN; `EINVAL` on older kernels, which have `kernel.bpf_stats_enabled`.
    #[doc(alias = "bpf_enable_stats")]
    pub fn enable(kernel: &Kernel) -> Result<Self> {
        let mut command = Command::EnableStats { kind: BPF_STATS_RUN_TIME };
        let cmd = command.cmd();
        let open = kernel.bpf(&mut command).and_then(Reply::handle).at(|| Frame::Command(cmd))?;
        Ok(Self { _open: open })
    }
}
