//! A loaded program as the attach functions see it.

use oxbpf_kernel::{Kernel, LinkCreate, LinkFd, LinkKind, LinkSource, ProgFd, Target};
use oxbpf_uapi::{AttachType, Cmd, Errno, ProgType};

use super::Link;
use crate::error::{At, Error, Frame, Result};
use crate::feature::Features;

/// What attaching needs to know of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) features: &'a Features,
    pub(crate) prog: &'a ProgFd,
    pub(crate) prog_type: ProgType,
    /// The attach type that the program was loaded with.
    pub(crate) attach_type: AttachType,
}

impl Attach<'_> {
    /// Fails unless the program's type is one that `method` can attach.
    pub(super) fn expect_type(&self, method: &str, types: &[ProgType]) -> Result<()> {
        if types.contains(&self.prog_type) {
            return Ok(());
        }
        let wanted: Vec<_> = types.iter().map(ToString::to_string).collect();
        let message = format!(
            "{method} attaches {} programs, and this is a {} program",
            wanted.join(" or "),
            self.prog_type
        );
        Err(Error::invalid_input(message))
    }

    pub(super) fn link_create(&self, req: LinkCreate<'_>) -> Result<LinkFd, Errno> {
        self.kernel.link_create(req)
    }

    /// How the kernel refuses a link that it can't grant; `None` if it grants it nevertheless, which ends at once.
    pub(super) fn link_refusal(&self, attach_type: AttachType, kind: LinkKind<'_>) -> Option<Errno> {
        let source = LinkSource::Prog(self.prog);
        self.link_create(LinkCreate { source, target: Target::None, attach_type, flags: 0, kind }).err()
    }

    /// Links to `target` with the program's own attach type.
    pub(super) fn link_to(&self, target: Target<'_>, flags: u32, kind: LinkKind<'_>) -> Result<Link> {
        self.link_as(self.attach_type, target, flags, kind)
    }

    /// Links to `target` with an attach type that the method implies.
    pub(super) fn link_as(
        &self,
        attach_type: AttachType,
        target: Target<'_>,
        flags: u32,
        kind: LinkKind<'_>,
    ) -> Result<Link> {
        let source = LinkSource::Prog(self.prog);
        let fd = self
            .link_create(LinkCreate { source, target, attach_type, flags, kind })
            .at(|| Frame::Command(Cmd::LINK_CREATE))?;
        Ok(Link::bpf(self.kernel, fd))
    }
}
