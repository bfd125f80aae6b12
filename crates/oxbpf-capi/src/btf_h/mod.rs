//! What `btf.h` declares.

use std::sync::Arc;

/// `struct btf`.
#[derive(Debug)]
pub struct Btf {
    types: Arc<oxbpf_btf::Btf>,
}

impl Btf {
    /// Types that something else has as well.
    pub fn shared(types: Arc<oxbpf_btf::Btf>) -> Self {
        Self { types }
    }

    /// The types as they are now.
    pub fn types(&self) -> Arc<oxbpf_btf::Btf> {
        self.types.clone()
    }
}
