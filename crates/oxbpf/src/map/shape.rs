//! What a map looks like, and how many bytes its keys and values take.

use oxbpf_kernel::{Fact, GetInfo, InfoBuffers, Kernel, MapCreate, MapFd};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{Cmd, Errno, MapType};
use zerocopy::IntoBytes;

use crate::error::{At, Frame, Result};

/// Type, sizes and flags of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) map_extra: u64,
    pub(crate) btf_key_type_id: u32,
    pub(crate) btf_value_type_id: u32,
}

impl MapShape {
    pub(crate) fn of_request(request: &MapCreate<'_>) -> Self {
        Self {
            name: request.map_name.chars().take(15).collect(),
            map_type: request.map_type,
            key_size: request.key_size,
            value_size: request.value_size,
            max_entries: request.max_entries,
            map_flags: request.map_flags,
            map_extra: request.map_extra,
            btf_key_type_id: request.btf_key_type_id,
            btf_value_type_id: request.btf_value_type_id,
        }
    }

    /// Asks the kernel.
    pub(crate) fn read(kernel: &Kernel, fd: &MapFd) -> Result<Self> {
        let info = read_info(kernel, fd)?;
        let name = info.name.split(|b| *b == 0).next().unwrap_or_default();
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            map_type: info.r#type,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            map_flags: info.map_flags,
            map_extra: info.map_extra,
            btf_key_type_id: info.btf_key_type_id,
            btf_value_type_id: info.btf_value_type_id,
        })
    }

    /// Whether look-ups give one value for each possible CPU.
    pub(crate) fn is_per_cpu(&self) -> bool {
        self.map_type.is_per_cpu()
    }

    /// Bytes of what a look-up writes and an update reads.
    pub(crate) fn value_buf_len(&self, kernel: &Kernel) -> Result<usize> {
        let one = self.value_size as usize;
        if self.is_per_cpu() {
            let cpus = possible_cpus(kernel)? as usize;
            return Ok(one.next_multiple_of(8).saturating_mul(cpus));
        }
        Ok(one)
    }
}

pub(super) fn read_info(kernel: &Kernel, fd: &MapFd) -> Result<MapInfo> {
    let mut info = MapInfo::default();
    let request = GetInfo { object: fd, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    Ok(info)
}

/// How many CPUs may ever run: one more than the highest number. Per-CPU values come in this number.
///
/// # Errors
/// The kernel cannot say.
#[doc(alias = "libbpf_num_possible_cpus")]
pub fn possible_cpus(kernel: &Kernel) -> Result<u32> {
    let bytes = kernel.fact(Fact::PossibleCpus).at(|| Frame::Target("possible CPUs".into()))?;
    let text = String::from_utf8_lossy(&bytes);
    count_cpus(text.trim())
        .ok_or(Errno::EINVAL)
        .at(|| Frame::Target(format!("possible CPUs `{}`", text.trim())))
}

/// The number of CPUs in a list such as `0-3,8`.
fn count_cpus(list: &str) -> Option<u32> {
    let mut count = 0u32;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count_cpus("0"), Some(1));
        assert_eq!(count_cpus("0-3"), Some(4));
        assert_eq!(count_cpus("0-3,8,10-11"), Some(7));
    }

    #[test]
    fn broken_cpu_lists_are_refused() {
        for list in ["", "a", "3-1", "0-", "0-4294967295"] {
            assert_eq!(count_cpus(list), None, "{list}");
        }
    }
}
