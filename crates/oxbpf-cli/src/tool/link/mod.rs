//! `link`: what ties programs to events.

mod names;
mod show;

use anyhow::{Context, Result, bail};
use oxbpf::link::Link;
use oxbpf_kernel::ObjectKind;

use super::pin::pin_at;
use super::select::{ids, open_id};
use super::{Args, Noun, Tool, Verb, holders};
use show::Shown;
pub(super) use show::netfilter;

pub(super) const NOUN: Noun = Noun {
    name: "link",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "[LINK]", run: show },
        Verb { name: "pin", alias: None, usage: "LINK FILE", run: pin },
        Verb { name: "detach", alias: None, usage: "LINK", run: detach },
    ],
    terms: &[("LINK", "{ id LINK_ID | pinned FILE }")],
};

/// The link that the next words mean.
fn link(tool: &mut Tool, args: &mut Args<'_>) -> Result<Link> {
    let kernel = tool.kernel();
    match args.one_of(&["id", "pinned"])? {
        "id" => {
            let id: u32 = args.number("ID")?;
            Link::from_id(&kernel, id).with_context(|| format!("failed to get link with ID {id}"))
        }
        _ => {
            let path = args.path("FILE")?;
            Link::open_pinned(&kernel, path).with_context(|| format!("bpf obj get ({})", path.display()))
        }
    }
}

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let one = if args.is_empty() { None } else { Some(link(tool, args)?) };
    args.end()?;
    let pins = tool.options.shows_pins.then(|| holders::pinned(&kernel, ObjectKind::Link));
    let mut shown = Shown::new(&kernel, pins, holders::processes(ObjectKind::Link));
    if let Some(link) = one {
        return shown.show(&mut tool.out, &link.info().context("can't get link info")?);
    }
    let ids = ids(&kernel, ObjectKind::Link)?;
    tool.out.array(|out| {
        for id in ids {
            // One that has gone meanwhile is not shown.
            if open_id(&kernel, ObjectKind::Link, id)?.is_none() {
                continue;
            }
            let Ok(link) = Link::from_id(&kernel, id) else { continue };
            shown.show(out, &link.info().context("can't get link info")?)?;
        }
        Ok(())
    })
}

fn pin(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let link = link(tool, args)?;
    let path = args.path("FILE")?;
    args.end()?;
    let Some(fd) = link.fd() else { bail!("it is no link") };
    pin_at(tool, path, |kernel| Ok(kernel.obj_pin(path, fd)?))?;
    tool.out.null();
    Ok(())
}

fn detach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let link = link(tool, args)?;
    args.end()?;
    link.force_detach().context("failed link detach")?;
    tool.out.null();
    Ok(())
}
