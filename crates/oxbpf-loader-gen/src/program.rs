//! The result: a program and its data.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::generator::GenHash;
use crate::step::{self, Step};

/// A program of type `syscall` that loads an object, and the data that it works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderProgram {
    /// Instructions, 8 bytes each, in the target's byte order.
    pub insns: Vec<u8>,
    /// Value of the one element of the program's only map, an array; a multiple of 8 bytes.
    pub data: Vec<u8>,
    /// Names of the maps that it creates, in the order of the context.
    pub maps: Vec<String>,
    /// Names of the programs that it loads, in the order of the context.
    pub programs: Vec<String>,
    /// The commands that it makes, in their order; empty for a program that was made elsewhere.
    pub steps: Vec<Step>,
    /// Who verifies that the data are those that it was signed with.
    pub gen_hash: GenHash,
}

impl LoaderProgram {
    /// A context for it.
    pub fn context(&self) -> Context {
        Context::new(self.maps.len(), self.programs.len())
    }

    /// SHA-256 of the instructions: what a map has to name for only this program to use it (`excl_prog_hash`).
    pub fn insns_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.insns).into()
    }

    /// The command that failed, by the data that the program left.
    pub fn failed_step(&self, data: &[u8]) -> Option<&Step> {
        step::failed(&self.steps, data)
    }

    /// What a signature of it is of: the instructions, and the data where the kernel verifies them too.
    pub fn signed_bytes(&self) -> Cow<'_, [u8]> {
        match self.gen_hash {
            GenHash::ByKernel => [&*self.insns, &*self.data].concat().into(),
            GenHash::None | GenHash::ByProgram => Cow::Borrowed(&self.insns),
        }
    }

    /// SHA-256 of the data, as the kernel computes it of a map that has them.
    pub fn data_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.data).into()
    }
}
