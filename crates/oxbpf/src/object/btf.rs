//! The object's BTF in the kernel, in a form that the kernel accepts.

use std::borrow::Cow;

use oxbpf_btf::sanitize::{SanitizeFeatures, sanitize};
use oxbpf_btf::{Btf, BtfError, ByteOrder};
use oxbpf_kernel::{BtfFd, BtfLoad, LogBuf};
use oxbpf_uapi::{Cmd, Errno};

use super::state::Core;
use crate::error::{At, Error, Frame, Result};
use crate::feature::{Feature, Features};

/// Bytes for the kernel's reasons when BTF is refused.
const LOG_LEN: usize = 64 << 10;

impl Core {
    /// Loads the object's BTF. A kernel that refuses it still gets the maps and programs, without their types.
    ///
    /// BTF is tried as it is first. Only a kernel that refuses it is asked, kind by kind, what it knows.
    pub(super) fn load_btf(&mut self) -> Result<()> {
        let Some(btf) = self.spec.btf.clone() else { return Ok(()) };
        let level = u32::from(self.options.log_level != 0);
        // A loader program may be for a machine of the other byte order.
        let bytes = match self.spec.is_foreign_endian {
            true => {
                foreign(&btf).map_err(|e| Error::invalid_object("").with_errno(e.errno()).with_source(e))?
            }
            false => btf.raw().into(),
        };
        let mut result = load(self, &bytes, level);
        match result {
            Ok(_) => {}
            // A kernel without the command, or a caller who may not use it.
            Err(e) if !self.features.has(Feature::Btf) => {
                log::info!("the kernel takes no BTF ({e}): maps and programs are loaded without types");
                return Ok(());
            }
            Err(_) => {
                if let Some(bytes) = sanitize(&btf, &known(&self.features)) {
                    log::debug!("the object's BTF is reduced to what the kernel knows");
                    result = load(self, &bytes, level);
                }
            }
        }
        match result {
            Ok(fd) => self.btf_fd = Some(fd),
            Err(e) => {
                let error = Err::<(), _>(e).at(|| Frame::Command(Cmd::BTF_LOAD));
                log::info!("the kernel refuses the object's BTF, which is left out: {e}");
                // Maps do without it; whoever needs it (global functions, struct_ops) hears of it from the verifier.
                if self.spec.maps.iter().any(|m| m.map_type == oxbpf_uapi::MapType::STRUCT_OPS) {
                    return error;
                }
            }
        }
        Ok(())
    }
}

fn load(core: &Core, bytes: &[u8], level: u32) -> Result<BtfFd, Errno> {
    let attempt = |level| {
        let mut text = if level == 0 { Vec::new() } else { vec![0; LOG_LEN] };
        let log = (level != 0).then(|| LogBuf { level, buf: &mut text, true_size: 0 });
        let (result, request) = core.kernel.btf_load(BtfLoad { btf: bytes, log, ..BtfLoad::default() });
        if let (Err(_), Some(log)) = (&result, &request.log) {
            log::debug!("BTF log: {}", log.text());
        }
        result
    };
    match attempt(level) {
        // Once more to learn why, if someone listens.
        Err(e) if level == 0 && log::log_enabled!(log::Level::Debug) && e != Errno::EPERM => attempt(1),
        result => result,
    }
}

/// The bytes of BTF in the byte order of other machines.
fn foreign(btf: &Btf) -> Result<Cow<'static, [u8]>, BtfError> {
    let btf = Btf::parse(btf.raw().to_vec())?.with_byte_order(ByteOrder::FOREIGN);
    Ok(btf.to_bytes()?.into_owned().into())
}

fn known(features: &Features) -> SanitizeFeatures {
    SanitizeFeatures {
        func: features.has(Feature::BtfFunc),
        global_func: features.has(Feature::BtfGlobalFunc),
        datasec: features.has(Feature::BtfDatasec),
        float: features.has(Feature::BtfFloat),
        decl_tag: features.has(Feature::BtfDeclTag),
        type_tag: features.has(Feature::BtfTypeTag),
        enum64: features.has(Feature::BtfEnum64),
        qmark_datasec: features.has(Feature::BtfQmarkDatasec),
        layout: features.has(Feature::BtfLayout),
    }
}
