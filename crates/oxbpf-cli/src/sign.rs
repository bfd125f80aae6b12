//! Loading by a signed program: a private key and its certificate, as files, in; an object that a kernel has verified the load of out.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use oxbpf::loader::{GenHash, LoadBy, SESSION_KEYRING, Signer, hash_verifier};
use oxbpf::{Error, Kernel, Object, OpenObject};

/// Who signs, and how the kernel verifies.
#[derive(Debug)]
pub(crate) struct Signing {
    signer: Signer,
    gen_hash: GenHash,
}

impl Signing {
    /// Reads key and certificate, and adds the certificate to the keyring of the session, where the kernel looks for it.
    pub(crate) fn new(kernel: &Kernel, key: &Path, certificate: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(key).with_context(|| key.display().to_string())?;
        let bytes = std::fs::read(certificate).with_context(|| certificate.display().to_string())?;
        let signer = Signer::new(&text, &bytes)
            .with_context(|| format!("{} and {}", key.display(), certificate.display()))?;
        let name = CString::new(certificate.as_os_str().as_bytes())?;
        oxbpf_sys::add_certificate(&name, signer.certificate(), SESSION_KEYRING)
            .with_context(|| format!("{}: cannot add it to the session's keyring", certificate.display()))?;
        Ok(Self { signer, gen_hash: hash_verifier(kernel)? })
    }

    /// Loads an object by a program with a signature.
    pub(crate) fn load(&self, object: OpenObject) -> oxbpf::Result<Object> {
        let failed = |e| Error::invalid_input("the loader program cannot be signed").with_source(e);
        object.load_by_program(&LoadBy {
            gen_hash: self.gen_hash,
            sign: Some(&|program| self.signer.sign(program).map_err(failed)),
            keyring_id: SESSION_KEYRING,
        })
    }
}
