//! `prog pin`, `attach`, `detach`: what happens to one program.

use anyhow::{Context, Result, bail};
use oxbpf_kernel::{Anchor, MapFd, ProgAttach, ProgDetach, ProgFd, Target};
use oxbpf_uapi::AttachType;

use crate::tool::pin::pin_at;
use crate::tool::select::Access;
use crate::tool::{Args, Tool};

/// Where a program can be attached without a link, and the short name.
const TYPES: &[(AttachType, &str)] = &[
    (AttachType::SK_SKB_STREAM_PARSER, "stream_parser"),
    (AttachType::SK_SKB_STREAM_VERDICT, "stream_verdict"),
    (AttachType::SK_SKB_VERDICT, "skb_verdict"),
    (AttachType::SK_MSG_VERDICT, "msg_verdict"),
    (AttachType::FLOW_DISSECTOR, "flow_dissector"),
];

/// `prog pin PROG FILE`.
pub(super) fn pin(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let prog = tool.prog(args)?;
    let path = args.path("FILE")?;
    args.end()?;
    pin_at(tool, path, |kernel| Ok(kernel.obj_pin(path, &prog)?))?;
    tool.out.null();
    Ok(())
}

/// What `attach` and `detach` are told.
struct Place {
    prog: ProgFd,
    attach_type: AttachType,
    /// None for the network namespace of this process.
    map: Option<MapFd>,
}

impl Place {
    fn read(tool: &mut Tool, args: &mut Args<'_>) -> Result<Self> {
        let prog = ProgFd(tool.prog(args)?);
        let word = args.text("ATTACH_TYPE")?;
        let is_meant = |(attach_type, short): &&(AttachType, &str)| {
            attach_type.short_name() == Some(word)
                || (!word.is_empty() && *attach_type != AttachType::FLOW_DISSECTOR && short.starts_with(word))
        };
        let Some((attach_type, _)) = TYPES.iter().find(is_meant) else {
            let names: Vec<_> = TYPES.iter().map(|t| t.1).collect();
            bail!("invalid attach/detach type '{word}': expected one of '{}'", names.join("', '"));
        };
        let attach_type = *attach_type;
        let map = if attach_type == AttachType::FLOW_DISSECTOR {
            None
        } else {
            Some(MapFd(tool.map(args, Access::Write)?))
        };
        args.end()?;
        Ok(Self { prog, attach_type, map })
    }

    fn target(&self) -> Target<'_> {
        self.map.as_ref().map_or(Target::None, |map| Target::Object(map))
    }
}

/// `prog attach PROG ATTACH_TYPE [MAP]`.
pub(super) fn attach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let place = Place::read(tool, args)?;
    let request = ProgAttach {
        target: place.target(),
        prog: &place.prog,
        attach_type: place.attach_type,
        flags: 0,
        replace: None,
        relative: Anchor::None,
        expected_revision: 0,
    };
    tool.kernel().prog_attach(request).context("failed prog attach to map")?;
    tool.out.null();
    Ok(())
}

/// `prog detach PROG ATTACH_TYPE [MAP]`.
pub(super) fn detach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let place = Place::read(tool, args)?;
    let request = ProgDetach {
        target: place.target(),
        prog: Some(&place.prog),
        attach_type: place.attach_type,
        flags: 0,
        relative: Anchor::None,
        expected_revision: 0,
    };
    tool.kernel().prog_detach(request).context("failed prog detach from map")?;
    tool.out.null();
    Ok(())
}
