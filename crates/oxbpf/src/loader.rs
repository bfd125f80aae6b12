//! Loader programs: an object's load as a program, made with [`OpenObject::gen_loader`] and run with [`Loader`].
//!
//! ```no_run
//! use oxbpf::loader::{GenHash, Loader};
//! use oxbpf::ObjectBuilder;
//!
//! // Where the object is: no kernel is asked for anything but configuration values.
//! let program = ObjectBuilder::new().open_file("opensnoop.bpf.o")?.gen_loader(GenHash::None)?;
//! // Where it is loaded: neither ELF nor BTF is read, the kernel finds types and symbols.
//! let loaded = Loader::new(&oxbpf::kernel(), &program).run()?;
//! for map in loaded.maps() {
//!     println!("{} has room for {}", map.name(), map.max_entries());
//! }
//! # Ok::<(), oxbpf::Error>(())
//! ```
//!
//! What a loader program can't have: struct_ops maps, variables in arenas, pins, extension programs. Kernels since 5.14 run them,
//! CO-RE relocations need 5.17.

use core::fmt;
use std::sync::Arc;

use oxbpf_btf::{BtfError, Type};
use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, LogBuf, MapCreate, MapFd, ProgFd, ProgLoad, ProgTestRun};
use oxbpf_uapi::flags::ProgLoadFlags;
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{BtfKind, Cmd, Errno, Insn, MapType, ProgType};
use zerocopy::IntoBytes;

use crate::error::{At, Error, ErrorKind, Frame, Result, VerifierLog};
use crate::map::OwnedMap;
use crate::object::{Object, OpenObject};

#[cfg(feature = "sign")]
pub use oxbpf_loader_gen::sign::{SignError, Signer};
pub use oxbpf_loader_gen::{GenError, GenHash, GenOptions, LoaderGen, LoaderProgram, MapInput};

/// Names that bpftool's loaders have too.
const MAP_NAME: &str = "__loader.map";
const PROG_NAME: &str = "__loader.prog";
/// The licence that the helpers of a loader program ask for.
const LICENSE: &str = "Dual BSD/GPL";
/// Bytes for the kernel's log of a command that failed.
const LOG_LEN: usize = (1 << 24) - 1;

impl OpenObject {
    /// Makes the load of the object a program, which any kernel can run that is new enough; the object may be for machines of the other byte
    /// order. The kernel of the object is asked for configuration values only.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for what a loader program can't have, `NotFound` for configuration values, and [`GenError`].
    #[doc(alias = "bpf_object__gen_loader")]
    pub fn gen_loader(self, gen_hash: GenHash) -> Result<LoaderProgram> {
        Ok(self.defer(gen_hash)?.1)
    }

    /// Loads as [`load`](Self::load) does, by a loader program: the kernel is asked for a map, a program and a run of it, and relocates by itself.
    ///
    /// # Errors
    /// As [`gen_loader`](Self::gen_loader) and [`Loader::run`]. Everything is undone.
    pub fn load_by_program(self, by: &LoadBy<'_>) -> Result<Object> {
        let kernel = self.0.kernel.clone();
        let frame = self.0.frame();
        let (mut object, program) = self.defer(by.gen_hash)?;
        let bytes = by.sign.map(|sign| sign(&program)).transpose()?;
        let mut loader = Loader::new(&kernel, &program);
        if let Some(bytes) = &bytes {
            loader = loader.signature(Signature { bytes, keyring_id: by.keyring_id });
        }
        let sections = object.0.spec.programs.iter().map(|p| (p.code.name.clone(), p.sec_name.clone()));
        loader.sections = sections.collect();
        let loaded = loader.run().at(|| frame)?;
        let maps: Vec<_> = loaded.maps.iter().map(|m| m.fd().clone()).collect();
        let programs: Vec<_> = loaded.programs.into_iter().map(|(_, fd)| fd).collect();
        object.0.take_loaded(kernel, &maps, &programs)?;
        Ok(object)
    }

    /// The object with numbers in the places of maps and programs, and the program that creates these.
    fn defer(mut self, gen_hash: GenHash) -> Result<(Object, LoaderProgram)> {
        let is_little_endian = self.0.spec.is_foreign_endian != cfg!(target_endian = "little");
        let options = GenOptions { is_little_endian, gen_hash };
        let keeper = Arc::new(LoaderGen::new(options, Some(self.0.kernel.clone())));
        self.0.set_kernel(Kernel::from_arc(keeper.clone()));
        let frame = self.0.frame();
        let object = self.load()?;
        let program = keeper.finish().map_err(|e| Error::kernel(e.errno()).with_message(e.to_string()));
        Ok((object, program.at(|| frame)?))
    }
}

/// Makes the signature of a program: PKCS#7, detached, in DER.
pub type Sign<'a> = dyn Fn(&LoaderProgram) -> Result<Vec<u8>> + 'a;

/// How an object is loaded by a program.
#[derive(Clone, Copy, Default)]
pub struct LoadBy<'a> {
    /// Who verifies the program's data. A signature needs one that is not `None`: see [`hash_verifier`].
    pub gen_hash: GenHash,
    /// Makes the signature, if there is to be one.
    pub sign: Option<&'a Sign<'a>>,
    /// Where the key is that the signature is verified with; see [`Signature::keyring_id`].
    pub keyring_id: i32,
}

impl fmt::Debug for LoadBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gen_hash, sign, keyring_id } = self;
        f.debug_struct("LoadBy")
            .field("gen_hash", gen_hash)
            .field("is_signed", &sign.is_some())
            .field("keyring_id", keyring_id)
            .finish()
    }
}

/// Who verifies the data of a signed program on `kernel`: the program, where the kernel shows programs the hash of a map (Linux 6.18 to 7.2), else
/// the kernel.
///
/// # Errors
/// If the kernel's types cannot be read.
pub fn hash_verifier(kernel: &Kernel) -> Result<GenHash> {
    let in_btf = |e: BtfError| Error::kernel(e.errno()).with_source(e);
    let btf = crate::btf::vmlinux(kernel)?;
    let Some(map) = btf.find("bpf_map", BtfKind::STRUCT) else { return Ok(GenHash::ByKernel) };
    let has_hash = match btf.get(map).map_err(in_btf)?.view() {
        Type::Struct(map) => map.members().any(|m| m.name == "sha"),
        _ => false,
    };
    Ok(if has_hash { GenHash::ByProgram } else { GenHash::ByKernel })
}

/// A signature of a loader program, and where the key is that it is checked with.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    /// PKCS#7, detached, in DER.
    pub bytes: &'a [u8],
    /// Serial number of a keyring, or a special one such as [`SESSION_KEYRING`]; 0, 1 and 2 are the system's built-in, secondary
    /// and platform keys.
    pub keyring_id: i32,
}

/// Keyring of the session (`KEY_SPEC_SESSION_KEYRING`).
pub const SESSION_KEYRING: i32 = -3;

/// Runs a loader program.
#[derive(Debug)]
#[doc(alias = "bpf_load_and_run")]
pub struct Loader<'a> {
    kernel: &'a Kernel,
    program: &'a LoaderProgram,
    maps: Vec<MapInput<'a>>,
    signature: Option<Signature<'a>>,
    /// Names of programs and their sections, for errors.
    sections: Vec<(String, String)>,
}

/// What a loader program created. Dropping it releases the maps and programs.
#[derive(Debug)]
pub struct Loaded {
    maps: Vec<OwnedMap>,
    programs: Vec<(String, ProgFd)>,
}

impl Loaded {
    /// The maps, in the order of [`LoaderProgram::maps`].
    pub fn maps(&self) -> &[OwnedMap] {
        &self.maps
    }

    /// Names and descriptors of the programs, in the order of [`LoaderProgram::programs`].
    pub fn programs(&self) -> &[(String, ProgFd)] {
        &self.programs
    }

    /// A map by its name in the kernel.
    pub fn map(&self, name: &str) -> Option<&OwnedMap> {
        self.maps.iter().find(|m| m.name() == name)
    }

    /// A program by its function name.
    pub fn program(&self, name: &str) -> Option<&ProgFd> {
        self.programs.iter().find(|(n, _)| n == name).map(|(_, fd)| fd)
    }
}

impl<'a> Loader<'a> {
    /// Runs `program` in `kernel`.
    pub fn new(kernel: &'a Kernel, program: &'a LoaderProgram) -> Self {
        let maps = vec![MapInput::default(); program.maps.len()];
        Self { kernel, program, maps, signature: None, sections: Vec::new() }
    }

    /// Chooses size or first contents of the `index`-th map. A program that was generated with a hash ignores it.
    ///
    /// # Errors
    /// `NotFound` if there is no such map.
    pub fn map(mut self, index: usize, input: MapInput<'a>) -> Result<Self> {
        let count = self.maps.len();
        let place = self.maps.get_mut(index);
        *place.ok_or_else(|| Error::not_found(format!("it creates {count} maps")))? = input;
        Ok(self)
    }

    /// Has the kernel verify a signature (Linux 6.18).
    #[must_use]
    pub fn signature(mut self, signature: Signature<'a>) -> Self {
        self.signature = Some(signature);
        self
    }

    /// Loads the program and runs it once.
    ///
    /// # Errors
    /// `Verifier` with the log of the program that the kernel refused; `PermissionDenied` or `EKEYREJECTED` and others, with a hint, for a
    /// signature that does not hold; what the kernel says of a command. Nothing is left behind.
    pub fn run(self) -> Result<Loaded> {
        self.run_steps().at(|| Frame::Step("run loader program"))
    }

    fn run_steps(&self) -> Result<Loaded> {
        let map = self.create_data()?;
        let prog = self.load(&map)?;
        let context = match self.attempt(&prog, &mut []) {
            Ok(context) => context,
            Err(e) => {
                // Once more for the log of what failed.
                let mut log = vec![0; LOG_LEN];
                let map = self.create_data()?;
                let again = self.attempt(&self.load(&map)?, &mut log);
                let log = LogBuf { level: 1, buf: &mut log, true_size: 0 }.text();
                match again {
                    Ok(context) => context,
                    Err(_) => return Err(self.explain(e, log, &map)),
                }
            }
        };
        self.adopt(&context)
    }

    /// Whether only this program may use its data.
    fn is_attested(&self) -> bool {
        self.signature.is_some() || self.program.gen_hash != GenHash::None
    }

    fn create_data(&self) -> Result<MapFd> {
        let program = self.program;
        let hash = program.insns_hash();
        let value_size = u32::try_from(program.data.len()).map_err(|_| Errno::E2BIG);
        let request = MapCreate {
            map_type: MapType::ARRAY,
            map_name: MAP_NAME,
            key_size: 4,
            value_size: value_size.at(|| Frame::Command(Cmd::MAP_CREATE))?,
            max_entries: 1,
            excl_prog_hash: if self.is_attested() { &hash } else { &[] },
            ..MapCreate::default()
        };
        let map =
            self.kernel.map_create(request).at(|| Frame::Command(Cmd::MAP_CREATE)).map_err(|e| {
                match e.errno() {
                    Errno::E2BIG | Errno::EINVAL if self.is_attested() => {
                        e.with_hint("loader programs with a hash or a signature need Linux 6.18")
                    }
                    _ => e,
                }
            })?;
        let updated = self.kernel.map_update_elem(&map, &0u32.to_ne_bytes(), &program.data, 0);
        updated.at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM))?;
        self.kernel.map_freeze(&map).at(|| Frame::Command(Cmd::MAP_FREEZE))?;
        if self.program.gen_hash == GenHash::ByProgram {
            self.compute_hash(&map)?;
        }
        Ok(map)
    }

    /// Has the kernel compute the map's hash, which the program compares with the one that was signed with it.
    fn compute_hash(&self, map: &MapFd) -> Result<()> {
        let (mut info, mut hash) = (MapInfo::default(), [0; 32]);
        let buffers = InfoBuffers::Map { hash: &mut hash };
        let request = GetInfo { object: map, info: info.as_mut_bytes(), buffers };
        self.kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
        Ok(())
    }

    fn load(&self, map: &MapFd) -> Result<ProgFd> {
        let insns: Vec<Insn> = self
            .program
            .insns
            .chunks_exact(8)
            .filter_map(|c| c.first_chunk())
            .map(|c| Insn::from_bytes(*c, cfg!(target_endian = "little")))
            .collect();
        let fd_array = [(**map).clone()];
        let request = |log| {
            let signature = self.signature.map_or(&[][..], |s| s.bytes);
            ProgLoad {
                prog_type: ProgType::SYSCALL,
                prog_name: PROG_NAME,
                license: LICENSE,
                insns: &insns,
                fd_array: &fd_array,
                fd_array_is_bound: self.signature.is_some() && self.program.gen_hash == GenHash::ByKernel,
                prog_flags: ProgLoadFlags::SLEEPABLE.bits(),
                signature,
                keyring_id: self.signature.map_or(0, |s| s.keyring_id),
                log,
                ..ProgLoad::default()
            }
        };
        let frame = || Frame::Command(Cmd::PROG_LOAD);
        let errno = match self.kernel.prog_load(request(None)).0 {
            Ok(prog) => return Ok(prog),
            Err(e) => e,
        };
        if self.signature.is_some() && is_of_signature(errno) {
            return Err(signature_error(errno).at(frame()));
        }
        let mut text = vec![0; LOG_LEN];
        let log = LogBuf { level: 1, buf: &mut text, true_size: 0 };
        let (again, done) = self.kernel.prog_load(request(Some(log)));
        if let Ok(prog) = again {
            return Ok(prog);
        }
        let log = done.log.map(|l| l.text()).unwrap_or_default();
        let error = match errno {
            Errno::EINVAL if log.is_empty() => {
                Error::kernel(errno).with_hint("loader programs need Linux 5.14, with CONFIG_BPF_SYSCALL")
            }
            _ => Error::kernel(errno),
        };
        Err(with_log(error, log).at(frame()))
    }

    /// Runs the program; the log of the last command that had one is in `log`.
    fn attempt(&self, prog: &ProgFd, log: &mut [u8]) -> Result<oxbpf_loader_gen::Context> {
        let mut context = self.program.context();
        let inputs = self.maps.iter().enumerate();
        let mut buffers: Vec<_> = inputs.filter_map(|(i, input)| context.set_map(i, input)).collect();
        if !log.is_empty() {
            buffers.push(context.set_log(1, log));
        }
        let bytes = context.bytes().to_vec();
        let mut out = vec![0; bytes.len()];
        let request = ProgTestRun {
            ctx_in: &bytes,
            ctx_out: Some(&mut out),
            ctx_buffers: buffers,
            ..ProgTestRun::new(prog)
        };
        let ran = self.kernel.prog_test_run(request).at(|| Frame::Command(Cmd::PROG_TEST_RUN))?;
        let retval = ran.retval as i32;
        context.set_bytes(out);
        if retval < 0 { Err(Error::kernel(Errno(retval.saturating_neg()))) } else { Ok(context) }
    }

    /// Takes the descriptors over; what is missing was not created.
    fn adopt(&self, context: &oxbpf_loader_gen::Context) -> Result<Loaded> {
        let take = |number: i32| self.kernel.adopt(number);
        let maps = (0..self.program.maps.len()).map(|i| take(context.map_fd(i)).map(MapFd));
        let programs = (0..self.program.programs.len()).map(|i| take(context.prog_fd(i)).map(ProgFd));
        // All are taken over before one that is missing is an error, so that none stays open.
        let (maps, programs): (Vec<_>, Vec<_>) = (maps.collect(), programs.collect());
        let frame = || Frame::Step("take descriptors");
        let maps = maps.into_iter().collect::<core::result::Result<Vec<_>, _>>().at(frame)?;
        let programs = programs.into_iter().collect::<core::result::Result<Vec<_>, _>>().at(frame)?;
        let maps = maps.into_iter().map(|fd| OwnedMap::from_fd(self.kernel, fd)).collect::<Result<_>>()?;
        let names = self.program.programs.iter().cloned();
        Ok(Loaded { maps, programs: names.zip(programs).collect() })
    }

    /// Says at which command the program failed, and what the kernel said of it.
    fn explain(&self, error: Error, log: String, map: &MapFd) -> Error {
        let mut data = vec![0; self.program.data.len()];
        let read = self.kernel.map_lookup_elem(map, &0u32.to_ne_bytes(), &mut data, 0);
        if self.program.gen_hash == GenHash::ByProgram && read.is_ok() && data == self.program.data {
            // It did not come to the first command.
            return error.with_message("the program's data are not those that it was generated with");
        }
        let Some(step) = self.program.failed_step(&data).filter(|_| read.is_ok()) else {
            return with_log(error, log);
        };
        let error = match (error.errno(), &step.names[..]) {
            (Errno::ENOENT, [name]) => error.with_message(format!("the kernel has no `{name}`")),
            (Errno::ENOENT, names @ [_, ..]) => error
                .with_message("the kernel does not have what it refers to by name")
                .with_hint(format!("one of `{}`", names.join("`, `"))),
            _ => error,
        };
        // A log is of the last command that had one, which may have been another.
        let has_log = matches!(step.cmd, Cmd::PROG_LOAD | Cmd::BTF_LOAD) && !is_log_of_btf(&log, step.cmd);
        let error = if has_log { with_log(error, log) } else { error };
        let error = error.at(Frame::Command(step.cmd));
        match step.cmd {
            Cmd::PROG_LOAD => {
                let section = self.sections.iter().find(|(name, _)| *name == step.name);
                let section = section.map(|(_, section)| section.clone()).unwrap_or_default();
                error.at(Frame::Program { name: step.name.clone(), section })
            }
            Cmd::BTF_LOAD => error,
            _ => error.at(Frame::Map(step.name.clone())),
        }
    }
}

/// Whether a log is that of the object's BTF, where a program was to be loaded.
fn is_log_of_btf(log: &str, cmd: Cmd) -> bool {
    cmd == Cmd::PROG_LOAD && log.starts_with("magic: 0x")
}

/// Adds what the kernel said.
fn with_log(error: Error, log: String) -> Error {
    if log.trim().is_empty() {
        return error;
    }
    error.with_kind(ErrorKind::Verifier).at(Frame::Verifier(VerifierLog::new(log)))
}

/// Whether a refusal is one that the check of a signature gives.
fn is_of_signature(errno: Errno) -> bool {
    SIGNATURE_ERRORS.iter().any(|(e, ..)| *e == errno)
}

/// What the kernel means by the errors of `verify_pkcs7_signature` and the keyring's lookup.
const SIGNATURE_ERRORS: &[(Errno, &str, &str)] = &[
    (
        Errno::EKEYREJECTED,
        "the signature does not hold for this program",
        "program, data or signature were changed, or the signature is of another program",
    ),
    (
        Errno::ENOKEY,
        "the keyring has no key for the signature, or is not there",
        "add the certificate to it: keyctl padd asymmetric NAME KEYRING < cert.der",
    ),
    (
        Errno::EOPNOTSUPP,
        "the kernel cannot verify signatures",
        "it is built without CONFIG_KEYS or CONFIG_SYSTEM_DATA_VERIFICATION",
    ),
    (Errno::EKEYEXPIRED, "the key of the signature has expired", ""),
    (Errno::EKEYREVOKED, "the key of the signature was revoked", ""),
    (Errno::EBADMSG, "the signature is not PKCS#7 in DER", ""),
    (
        Errno::ENOPKG,
        "the kernel lacks an algorithm of the signature",
        "sign with RSA and SHA-256, and with a certificate of a size that the kernel knows",
    ),
];

fn signature_error(errno: Errno) -> Error {
    let row = SIGNATURE_ERRORS.iter().find(|(e, ..)| *e == errno);
    let Some((_, message, hint)) = row else { return Error::kernel(errno) };
    let error = Error::kernel(errno).with_message(*message);
    if hint.is_empty() { error } else { error.with_hint(*hint) }
}
