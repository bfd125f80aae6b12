//! Links: what ties a program to an event.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::CString;
use std::path::Path;
use std::sync::Mutex;

use crate::arg::{Ptr, Str, give};
use crate::fail::Fail;
use crate::object::{Map, Program, c_path, kernel, lock};
use crate::ret::{Int, Out, Void};

/// `struct bpf_link`.
#[derive(Debug)]
pub struct Link {
    link: Mutex<oxbpf::link::Link>,
    /// Where it is pinned, as C sees it.
    pin_path: Mutex<Option<CString>>,
    /// Whether releasing it leaves the program attached.
    is_disconnected: AtomicBool,
}

impl Link {
    /// As C holds it.
    pub fn new(link: oxbpf::link::Link) -> Self {
        let pin_path = link.pin_path().map(c_path);
        Self {
            link: Mutex::new(link),
            pin_path: Mutex::new(pin_path),
            is_disconnected: AtomicBool::new(false),
        }
    }

    /// Ends it as C asked for.
    ///
    /// # Errors
    /// What detaching says.
    pub fn end(self) -> Result<(), Fail> {
        let link = self.link.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.is_disconnected.load(Ordering::Relaxed) {
            link.forget();
        } else if link.pin_path().is_some() {
            drop(link);
        } else {
            link.detach()?;
        }
        Ok(())
    }

    fn remember(&self, path: Option<&Path>) {
        *lock(&self.pin_path) = path.map(c_path);
    }
}

export! {
    /// Detaches the program, unless the link is pinned or disconnected, and releases it.
    fn bpf_link__destroy(link: Ptr<Link>) -> Int {
        link.take().map_or(Ok(0), |link| link.end().map(|()| 0))
    }

    /// Releasing the link will leave the program attached.
    fn bpf_link__disconnect(link: Ptr<Link>) -> Void {
        link.get()?.is_disconnected.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Detaches by force, whoever else holds or pins the link.
    fn bpf_link__detach(link: Ptr<Link>) -> Int {
        lock(&link.get()?.link).force_detach()?;
        Ok(0)
    }

    /// The link's descriptor.
    fn bpf_link__fd(link: Ptr<Link>) -> Int {
        let link = lock(&link.get()?.link);
        link.number().ok_or(Fail::INVAL)
    }

    /// Opens a pinned link.
    fn bpf_link__open(path: Str) -> Out<Link> {
        Ok(give(Link::new(oxbpf::link::Link::open_pinned(kernel(), path.path()?)?)))
    }

    /// Pins the link.
    fn bpf_link__pin(link: Ptr<Link>, path: Str) -> Int {
        let (link, path) = (link.get()?, path.path()?);
        lock(&link.link).pin(path)?;
        link.remember(Some(path));
        Ok(0)
    }

    /// Removes the link's pin.
    fn bpf_link__unpin(link: Ptr<Link>) -> Int {
        let link = link.get()?;
        lock(&link.link).unpin()?;
        link.remember(None);
        Ok(0)
    }

    /// Where the link is pinned, null for nowhere.
    fn bpf_link__pin_path(link: Ptr<Link>) -> Out<i8> {
        Ok(lock(&link.get()?.pin_path).as_ref().map_or(core::ptr::null(), |path| path.as_ptr().cast()))
    }

    /// Attaches another program in place of the link's.
    fn bpf_link__update_program(link: Ptr<Link>, prog: Ptr<Program>) -> Int {
        let link = lock(&link.get()?.link);
        prog.get()?.with(|p| Ok(link.update_program(p.fd().map_err(|_| Fail::INVAL)?, None)?))?;
        Ok(0)
    }

    /// Attaches another struct_ops map in place of the link's.
    fn bpf_link__update_map(link: Ptr<Link>, map: Ptr<Map>) -> Int {
        let link = lock(&link.get()?.link);
        map.get()?.live(|m| Ok(link.update_map(&m)?))?;
        Ok(0 as c_int)
    }
}
