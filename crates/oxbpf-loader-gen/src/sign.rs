//! Signatures: a loader program and a private key in, what the kernel verifies out (Linux 6.18).
//!
//! The kernel wants PKCS#7 `SignedData` in DER, detached, whose signer it finds by the key identifier of a certificate in a keyring
//! (`crypto/asymmetric_keys/pkcs7_verify.c`). This writes one signer with RSA (PKCS#1 v1.5) and SHA-256, without attributes and without
//! certificates: the same bytes as `openssl cms -sign -binary -noattr -nocerts -keyid`, and as `bpftool -S`.

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{AnyRef, OctetString, SetOfVec};
use der::oid::ObjectIdentifier;
use der::{Decode, DecodePem, Encode};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::generator::GenHash;
use crate::program::LoaderProgram;

const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ID_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why a program cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The private key is neither PKCS#8 nor PKCS#1 in PEM, or not RSA.
    Key(String),
    /// The certificate is neither DER nor PEM.
    Certificate(String),
    /// The certificate is of another key.
    OtherKey,
    /// The program was generated without a hash, so that a signature would say nothing about its data.
    NoHash,
    /// What the signature is made of cannot be made.
    Encoding(String),
}

impl core::fmt::Display for SignError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Key(why) => write!(f, "the private key is no RSA key in PEM (PKCS#8 or PKCS#1): {why}"),
            Self::Certificate(why) => write!(f, "the certificate is no X.509 in DER or PEM: {why}"),
            Self::OtherKey => f.write_str("the certificate is not of the private key"),
            Self::NoHash => f.write_str("the program was generated without a hash of its data"),
            Self::Encoding(why) => write!(f, "the signature cannot be made: {why}"),
        }
    }
}

impl core::error::Error for SignError {}

/// A private key, with the certificate by which a kernel finds the public one.
pub struct Signer {
    key: RsaPrivateKey,
    id: SignerIdentifier,
    certificate: Vec<u8>,
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer of `key` (PEM) and its certificate (DER or PEM).
    ///
    /// # Errors
    /// If one of them can't be read, or they don't belong together.
    pub fn new(key: &str, certificate: &[u8]) -> Result<Self, SignError> {
        let key = RsaPrivateKey::from_pkcs8_pem(key)
            .or_else(|e| RsaPrivateKey::from_pkcs1_pem(key).map_err(|_| SignError::Key(e.to_string())))?;
        let bad = |e: der::Error| SignError::Certificate(e.to_string());
        let certificate = match certificate.first() {
            // A DER sequence.
            Some(0x30) => Certificate::from_der(certificate),
            _ => Certificate::from_pem(certificate),
        }
        .map_err(bad)?;
        let body = &certificate.tbs_certificate;
        let public = body.subject_public_key_info.to_der().map_err(bad)?;
        let public = RsaPublicKey::from_public_key_der(&public).map_err(|_| SignError::OtherKey)?;
        if public != key.to_public_key() {
            return Err(SignError::OtherKey);
        }
        let id = match body.get::<SubjectKeyIdentifier>().map_err(bad)? {
            Some((_, id)) => SignerIdentifier::SubjectKeyIdentifier(id),
            None => SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: body.issuer.clone(),
                serial_number: body.serial_number.clone(),
            }),
        };
        let certificate = certificate.to_der().map_err(bad)?;
        Ok(Self { key, id, certificate })
    }

    /// The certificate in DER: what goes into a keyring, as a key of type "asymmetric".
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The signature of a loader program.
    ///
    /// # Errors
    /// `NoHash` for a program that nobody verifies the data of.
    pub fn sign(&self, program: &LoaderProgram) -> Result<Vec<u8>, SignError> {
        if program.gen_hash == GenHash::None {
            return Err(SignError::NoHash);
        }
        self.sign_bytes(&program.signed_bytes())
    }

    /// The signature of any bytes: PKCS#7, detached, in DER.
    ///
    /// # Errors
    /// `Encoding` if the key is too short for a signature.
    pub fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, SignError> {
        let digest = Sha256::digest(bytes);
        let failed = |e: rsa::Error| SignError::Encoding(e.to_string());
        let signature = self.key.sign(Pkcs1v15Sign::new::<Sha256>(), &digest).map_err(failed)?;
        self.wrap(signature).map_err(|e| SignError::Encoding(e.to_string()))
    }

    fn wrap(&self, signature: Vec<u8>) -> Result<Vec<u8>, der::Error> {
        let version = match &self.id {
            SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
            SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        };
        let digest_alg = AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None };
        let signer = SignerInfo {
            version,
            sid: self.id.clone(),
            digest_alg: digest_alg.clone(),
            signed_attrs: None,
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: ID_RSA,
                parameters: Some(AnyRef::NULL.into()),
            },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let signed = SignedData {
            version,
            digest_algorithms: SetOfVec::try_from(vec![digest_alg])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        let content = der::Any::encode_from(&signed)?;
        ContentInfo { content_type: ID_SIGNED_DATA, content }.to_der()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(testkit::testdata(format!("sign/{name}"))).expect(name)
    }

    fn text(name: &str) -> String {
        String::from_utf8(read(name)).expect("text")
    }

    #[test]
    fn signatures_are_those_of_openssl() {
        for (key, certificate) in
            [("key.pem", "cert.der"), ("key.pem", "cert.pem"), ("key.pkcs1.pem", "cert.der")]
        {
            let signer = Signer::new(&text(key), &read(certificate)).expect("a signer");
            assert_eq!(signer.certificate(), read("cert.der"));
            assert_eq!(
                signer.sign_bytes(&read("signed.bin")).expect("a signature"),
                read("signed.p7s"),
                "{key}"
            );
        }
    }

    #[test]
    fn a_signature_covers_the_data_if_the_kernel_verifies_them() {
        let signer = Signer::new(&text("key.pem"), &read("cert.der")).expect("a signer");
        let program = |gen_hash| LoaderProgram {
            insns: b"insns".to_vec(),
            data: b"data".to_vec(),
            maps: Vec::new(),
            programs: Vec::new(),
            steps: Vec::new(),
            gen_hash,
        };
        let by_program = signer.sign(&program(GenHash::ByProgram)).expect("a signature");
        let by_kernel = signer.sign(&program(GenHash::ByKernel)).expect("a signature");
        assert_eq!(by_program, signer.sign_bytes(b"insns").expect("a signature"));
        assert_eq!(by_kernel, signer.sign_bytes(b"insnsdata").expect("a signature"));
        assert_eq!(signer.sign(&program(GenHash::None)), Err(SignError::NoHash));
    }

    #[test]
    fn keys_and_certificates_that_do_not_fit_are_refused() {
        let (key, certificate) = (text("key.pem"), read("cert.der"));
        let refused = |key: &str, certificate: &[u8]| Signer::new(key, certificate).expect_err("refused");
        assert!(matches!(refused("", &certificate), SignError::Key(_)));
        assert!(matches!(refused(&text("ec.pem"), &certificate), SignError::Key(_)));
        assert!(matches!(refused(&key, b""), SignError::Certificate(_)));
        for len in 0..certificate.len() {
            let cut = certificate.get(..len).unwrap_or_default();
            assert!(matches!(refused(&key, cut), SignError::Certificate(_)), "{len} bytes");
        }
        let mut other = certificate.clone();
        // Within the public key.
        let at = other.windows(4).position(|w| w == [0x02, 0x82, 0x01, 0x01]).expect("a modulus") + 40;
        other[at] ^= 1;
        assert_eq!(refused(&key, &other), SignError::OtherKey);
    }
}
