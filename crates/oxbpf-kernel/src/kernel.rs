//! The typed face of a back end.

use core::fmt;
use core::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxbpf_uapi::Errno;

use crate::{
    Backend, Blob, BtfLoad, Command, Fact, GetFdById, GetInfo, Handle, LinkCreate, LinkUpdate, MapCreate,
    MapDeleteElem, MapGetNextKey, MapLookupElem, MapUpdateElem, Mapping, NlError, NlMessage, ObjGet, ObjPin,
    ObjectKind, Opening, PerfRequest, PollSet, ProgAttach, ProgDetach, ProgLoad, ProgQuery, ProgTestRun,
    Prot, RawTracepointOpen, Reply, SocketRole,
};

macro_rules! typed_handle {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name(pub Handle);

        impl $name {
            /// The number that stands for the object in instructions and map values.
            pub fn number(&self) -> i32 {
                self.0.number()
            }
        }

        impl core::ops::Deref for $name {
            type Target = Handle;

            fn deref(&self) -> &Handle {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

typed_handle! {
    /// A reference to a map.
    MapFd;
    /// A reference to a loaded program.
    ProgFd;
    /// A reference to a link.
    LinkFd;
    /// A reference to a BTF object.
    BtfFd;
    /// A reference to a BPF token.
    TokenFd;
}

/// A shared handle on a back end. Cheap to clone.
#[derive(Clone)]
pub struct Kernel(Arc<dyn Backend>);

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Each method below is one request; errors are the back end's.
#[allow(clippy::missing_errors_doc, reason = "every method passes on the back end's errno")]
impl Kernel {
    /// Speaks to `backend`.
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// Speaks to a back end that the caller shares.
    pub fn from_arc(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// The back end.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.0
    }

    /// The back end's short name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Runs any command.
    pub fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        self.0.bpf(cmd)
    }

    /// Creates a map.
    pub fn map_create(&self, req: MapCreate<'_>) -> Result<MapFd, Errno> {
        self.0.bpf(&mut Command::MapCreate(req))?.handle().map(MapFd)
    }

    /// Copies the value under `key` into `value`.
    pub fn map_lookup_elem(
        &self,
        map: &MapFd,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapLookupElem(MapLookupElem { map, key, value, flags })).map(drop)
    }

    /// Copies the value under `key` into `value` and removes the entry.
    pub fn map_lookup_and_delete_elem(
        &self,
        map: &MapFd,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapLookupAndDeleteElem(MapLookupElem { map, key, value, flags })).map(drop)
    }

    /// Writes `value` under `key`.
    pub fn map_update_elem(&self, map: &MapFd, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapUpdateElem(MapUpdateElem { map, key, value, flags })).map(drop)
    }

    /// Removes the entry under `key`.
    pub fn map_delete_elem(&self, map: &MapFd, key: &[u8], flags: u64) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapDeleteElem(MapDeleteElem { map, key, flags })).map(drop)
    }

    /// Writes the key that follows `key` (the first key for `None`) into `next_key`; `ENOENT` after the last.
    pub fn map_get_next_key(
        &self,
        map: &MapFd,
        key: Option<&[u8]>,
        next_key: &mut [u8],
    ) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapGetNextKey(MapGetNextKey { map, key, next_key })).map(drop)
    }

    /// Makes a map read-only for user space.
    pub fn map_freeze(&self, map: &MapFd) -> Result<(), Errno> {
        self.0.bpf(&mut Command::MapFreeze { map }).map(drop)
    }

    /// Loads a program. The log, if asked for, is in `cmd` afterwards, on errors too.
    pub fn prog_load<'a>(&self, req: ProgLoad<'a>) -> (Result<ProgFd, Errno>, ProgLoad<'a>) {
        let mut cmd = Command::ProgLoad(req);
        let result = self.0.bpf(&mut cmd).and_then(Reply::handle).map(ProgFd);
        let Command::ProgLoad(req) = cmd else { return (Err(Errno::EPROTO), ProgLoad::default()) };
        (result, req)
    }

    /// Loads BTF. The log, if asked for, is in the request afterwards, on errors too.
    pub fn btf_load<'a>(&self, req: BtfLoad<'a>) -> (Result<BtfFd, Errno>, BtfLoad<'a>) {
        let mut cmd = Command::BtfLoad(req);
        let result = self.0.bpf(&mut cmd).and_then(Reply::handle).map(BtfFd);
        let Command::BtfLoad(req) = cmd else { return (Err(Errno::EPROTO), BtfLoad::default()) };
        (result, req)
    }

    /// Gives an object a name in the bpf file system.
    pub fn obj_pin(&self, path: &Path, object: &Handle) -> Result<(), Errno> {
        self.0.bpf(&mut Command::ObjPin(ObjPin { path, object, file_flags: 0, dir: None })).map(drop)
    }

    /// Opens a pinned object.
    pub fn obj_get(&self, path: &Path, file_flags: u32) -> Result<Handle, Errno> {
        self.0.bpf(&mut Command::ObjGet(ObjGet { path, file_flags, dir: None }))?.handle()
    }

    /// Attaches a program without a link.
    pub fn prog_attach(&self, req: ProgAttach<'_>) -> Result<(), Errno> {
        self.0.bpf(&mut Command::ProgAttach(req)).map(drop)
    }

    /// Detaches a program that was attached without a link.
    pub fn prog_detach(&self, req: ProgDetach<'_>) -> Result<(), Errno> {
        self.0.bpf(&mut Command::ProgDetach(req)).map(drop)
    }

    /// Runs a program on data and context of the caller's; results are in the request that comes back.
    pub fn prog_test_run<'a>(&self, req: ProgTestRun<'a>) -> Result<ProgTestRun<'a>, Errno> {
        let mut cmd = Command::ProgTestRun(req);
        self.0.bpf(&mut cmd)?;
        let Command::ProgTestRun(req) = cmd else { return Err(Errno::EPROTO) };
        Ok(req)
    }

    /// The programs at an attach point; results are in the request that comes back.
    pub fn prog_query<'a>(&self, req: ProgQuery<'a>) -> Result<ProgQuery<'a>, Errno> {
        let mut cmd = Command::ProgQuery(req);
        self.0.bpf(&mut cmd)?;
        let Command::ProgQuery(req) = cmd else { return Err(Errno::EPROTO) };
        Ok(req)
    }

    /// The id that follows `start`, `None` after the last.
    pub fn get_next_id(&self, kind: ObjectKind, start: u32) -> Result<Option<u32>, Errno> {
        match self.0.bpf(&mut Command::GetNextId { kind, start }) {
            Ok(reply) => Ok(Some(u32::try_from(reply.value()?).map_err(|_| Errno::EOVERFLOW)?)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens an object by id.
    pub fn get_fd_by_id(&self, kind: ObjectKind, id: u32) -> Result<Handle, Errno> {
        self.0.bpf(&mut Command::GetFdById(GetFdById { kind, id, open_flags: 0, token: None }))?.handle()
    }

    /// Fills an info struct and its buffers; answers with the bytes of the struct that the kernel knows.
    pub fn get_info(&self, req: GetInfo<'_>) -> Result<usize, Errno> {
        let len = self.0.bpf(&mut Command::GetInfo(req))?.value()?;
        usize::try_from(len).map_err(|_| Errno::EOVERFLOW)
    }

    /// Attaches a program to a raw tracepoint, or where its BTF says.
    pub fn raw_tracepoint_open(&self, req: RawTracepointOpen<'_>) -> Result<LinkFd, Errno> {
        self.0.bpf(&mut Command::RawTracepointOpen(req))?.handle().map(LinkFd)
    }

    /// Creates a link.
    pub fn link_create(&self, req: LinkCreate<'_>) -> Result<LinkFd, Errno> {
        self.0.bpf(&mut Command::LinkCreate(req))?.handle().map(LinkFd)
    }

    /// Replaces what a link attaches.
    pub fn link_update(&self, req: LinkUpdate<'_>) -> Result<(), Errno> {
        self.0.bpf(&mut Command::LinkUpdate(req)).map(drop)
    }

    /// Detaches a link that stays open.
    pub fn link_detach(&self, link: &LinkFd) -> Result<(), Errno> {
        self.0.bpf(&mut Command::LinkDetach { link }).map(drop)
    }

    /// Opens an iterator over what an iterator link describes; read it with [`Kernel::read`].
    pub fn iter_create(&self, link: &LinkFd) -> Result<Handle, Errno> {
        self.0.bpf(&mut Command::IterCreate { link, flags: 0 })?.handle()
    }

    /// Any perf event request.
    pub fn perf_event(&self, mut req: PerfRequest<'_>) -> Result<Reply, Errno> {
        self.0.perf_event(&mut req)
    }

    /// Maps memory of an object; see [`Backend::mmap`].
    pub fn mmap(&self, handle: &Handle, range: Range<u64>, prot: Prot) -> Result<Mapping, Errno> {
        self.0.mmap(handle, range, prot)
    }

    /// Maps memory of an object at an address; see [`Backend::mmap_at`].
    pub fn mmap_at(
        &self,
        handle: &Handle,
        address: u64,
        range: Range<u64>,
        prot: Prot,
    ) -> Result<Mapping, Errno> {
        self.0.mmap_at(handle, address, range, prot)
    }

    /// One netlink exchange; see [`Backend::netlink`].
    pub fn netlink(&self, msg: &NlMessage<'_>, each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        self.0.netlink(msg, each)
    }

    /// Gives a program to a socket or takes it away; see [`Backend::set_socket_prog`].
    pub fn set_socket_prog(
        &self,
        socket: &Handle,
        role: SocketRole,
        prog: Option<&ProgFd>,
    ) -> Result<(), Errno> {
        self.0.set_socket_prog(socket, role, prog)
    }

    /// A fact about the system; see [`Backend::fact`].
    pub fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        self.0.fact(what)
    }

    /// Opens something to attach to; see [`Backend::open`].
    pub fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        self.0.open(what)
    }

    /// Reads a handle's byte stream; see [`Backend::read`].
    pub fn read(&self, handle: &Handle, out: &mut [u8]) -> Result<usize, Errno> {
        self.0.read(handle, out)
    }

    /// Reads bytes of a file; see [`Backend::read_at`].
    pub fn read_at(&self, handle: &Handle, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.0.read_at(handle, offset, out)
    }

    /// Length of a file; see [`Backend::file_len`].
    pub fn file_len(&self, handle: &Handle) -> Result<u64, Errno> {
        self.0.file_len(handle)
    }

    /// Defines or removes a dynamic event; see [`Backend::define_event`].
    pub fn define_event(&self, unit: &str, line: &str) -> Result<(), Errno> {
        self.0.define_event(unit, line)
    }

    /// Waits for handles; see [`Backend::poll`].
    pub fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        self.0.poll(set, timeout)
    }

    /// Whether requests are kept for another kernel; see [`Backend::is_deferred`].
    pub fn is_deferred(&self) -> bool {
        self.0.is_deferred()
    }

    /// Takes over what a program opened; see [`Backend::adopt`].
    pub fn adopt(&self, number: i32) -> Result<Handle, Errno> {
        self.0.adopt(number)
    }

    /// Removes a pin; see [`Backend::unpin`].
    pub fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.0.unpin(path)
    }
}
