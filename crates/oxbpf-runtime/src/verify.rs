//! Whether a program may be loaded: what the verifier asks, answered by this kernel.

use std::sync::atomic::Ordering;

use oxbpf_kernel::ProgLoad;
use oxbpf_uapi::{Errno, HelperId};
use oxbpf_verifier::{Env, Input, MapInfo, MapRef as MapName};

use crate::helpers;
use crate::maps::{MapRef, flags};
use crate::registry::{Object, map_of};
use crate::state::State;

struct Kernel<'a> {
    state: &'a State,
    req: &'a ProgLoad<'a>,
}

impl Kernel<'_> {
    fn find(&self, name: MapName) -> Option<MapRef> {
        match name {
            MapName::Fd(number) => match self.state.registry.by_number(number) {
                Ok(Object::Map(map)) => Some(map),
                _ => None,
            },
            MapName::Idx(index) => map_of(self.req.fd_array.get(usize::try_from(index).ok()?)?).ok().cloned(),
        }
    }
}

impl Env for Kernel<'_> {
    fn map(&self, name: MapName) -> Option<MapInfo> {
        let map = self.find(name)?;
        Some(MapInfo {
            map_type: map.params.map_type,
            key_size: map.params.key_size,
            value_size: map.params.value_size,
            max_entries: map.params.max_entries,
            has_special_fields: map.params.lock.is_some(),
        })
    }

    fn map_const(&self, name: MapName, offset: u32, size: u32) -> Option<u64> {
        let map = self.find(name)?;
        let is_constant =
            map.frozen.load(Ordering::Acquire) && map.params.map_flags & flags::RDONLY_PROG != 0;
        if !is_constant || map.params.max_entries != 1 {
            return None;
        }
        let mut value = vec![0; map.params.value_size as usize];
        map.ops.read(&[0; 4], &mut value, 0).ok()?;
        let bytes = value.get(offset as usize..)?.get(..size as usize)?;
        Some(match *bytes {
            [a] => a.into(),
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        })
    }

    fn entries(&self) -> Vec<usize> {
        // `struct bpf_func_info` begins with the instruction that a function starts at.
        let size = (self.req.func_info_rec_size as usize).max(4);
        let starts = self.req.func_info.chunks_exact(size).filter_map(|r| r.first_chunk());
        starts.map(|start| u32::from_ne_bytes(*start) as usize).collect()
    }

    fn helper(&self, helper: HelperId) -> Result<(), String> {
        if helpers::is_served(helper) {
            Ok(())
        } else {
            Err(format!("helper {helper} is not served by the embedded kernel"))
        }
    }

    fn kfunc(&self, id: u32, _btf: i16) -> Result<(), String> {
        Err(format!("kernel function {id} is not served by the embedded kernel"))
    }
}

/// Checks a program; what is wrong is the end of `log`.
pub(crate) fn verify(state: &State, req: &ProgLoad<'_>, is_gpl: bool, log: &mut String) -> Result<(), Errno> {
    /// `BPF_F_SLEEPABLE`.
    const SLEEPABLE: u32 = 1 << 4;
    let input = Input {
        insns: req.insns,
        prog_type: req.prog_type,
        attach_type: req.expected_attach_type,
        is_gpl,
        is_sleepable: req.prog_flags & SLEEPABLE != 0,
        env: &Kernel { state, req },
    };
    let level = req.log.as_ref().map_or(0, |l| l.level);
    match oxbpf_verifier::verify(&input, level) {
        Ok(verdict) => {
            log.push_str(&verdict.log);
            Ok(())
        }
        Err(rejection) => {
            log.push_str(&rejection.log);
            Err(rejection.errno)
        }
    }
}
