//! Attaching struct_ops maps: a value with programs in, a registered set of callbacks out.
//!
//! A map of `.struct_ops.link` is given its value and then attached by a link (Linux 6.4), which can swap maps. One of
//! `.struct_ops` registers when its value is written, and unregisters when that is deleted.

use oxbpf_kernel::{LinkCreate, LinkKind, LinkSource, LinkUpdate, Target};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::{AttachType, Cmd, Errno};

use super::{Held, Link};
use crate::error::{At, Error, Frame, Result};
use crate::map::Map;

/// The only key.
const KEY: [u8; 4] = [0; 4];

impl Map<'_> {
    /// Registers a struct_ops map's callbacks with the kernel.
    ///
    /// # Errors
    /// `InvalidInput` for other maps; what the kernel says: `AlreadyExists` for a name that is taken, `EINVAL` for callbacks
    /// that must be there and are not.
    #[doc(alias = "bpf_map__attach_struct_ops")]
    pub fn attach_struct_ops(&self) -> Result<Link> {
        self.attach_struct_ops_inner().at(|| Frame::Map(self.name().to_owned())).at(|| Frame::Step("attach"))
    }

    fn attach_struct_ops_inner(&self) -> Result<Link> {
        let kernel = self.map.kernel();
        let is_link = self.map_flags() & MapFlags::LINK.bits() != 0;
        self.register(is_link)?;
        if !is_link {
            return Ok(Link::new(kernel, Held::StructOps(self.map.fd().clone())));
        }
        let request = LinkCreate {
            source: LinkSource::Map(self.map.fd()),
            target: Target::None,
            attach_type: AttachType::STRUCT_OPS,
            flags: 0,
            kind: LinkKind::Plain,
        };
        let link = kernel.link_create(request).at(|| Frame::Command(Cmd::LINK_CREATE))?;
        Ok(Link::bpf(kernel, link))
    }

    /// Gives the map its value. A map that was attached before keeps the one it has.
    fn register(&self, is_link: bool) -> Result<()> {
        let Some(value) = &self.row.kernel_value else {
            return Err(Error::invalid_input("only struct_ops maps attach"));
        };
        match self.map.kernel().map_update_elem(self.map.fd(), &KEY, &value.data, 0) {
            Err(Errno::EBUSY) if is_link => Ok(()),
            result => result.at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM)),
        }
    }
}

impl Link {
    /// Attaches another struct_ops map in place of the link's, without a gap. Linux 6.4.
    ///
    /// # Errors
    /// `InvalidInput` if the map is no struct_ops map with a link; `EINVAL` from the kernel if it is of another struct.
    #[doc(alias = "bpf_link__update_map")]
    pub fn update_map(&self, map: &Map<'_>) -> Result<()> {
        let frame = || Frame::Map(map.name().to_owned());
        let link = self.bpf_fd("update_map").at(frame)?;
        if map.map_flags() & MapFlags::LINK.bits() == 0 {
            return Err(
                Error::invalid_input("only maps of SEC(\".struct_ops.link\") attach by a link").at(frame())
            );
        }
        map.register(true).at(frame)?;
        let request = LinkUpdate { link, new: LinkSource::Map(map.map.fd()), flags: 0, old: None };
        self.kernel.link_update(request).at(|| Frame::Command(Cmd::LINK_UPDATE)).at(frame)
    }
}
