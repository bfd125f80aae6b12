//! `struct btf_ext`: function, line and CO-RE records.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};

use oxbpf_btf::BtfExt;

use super::look::{number_of, order_of};
use crate::arg::{Ptr, Put, Raw, give};
use crate::fail::Fail;
use crate::object::lock;
use crate::ret::{Int, Out, Val, Void};

/// `struct btf_ext`.
#[derive(Debug)]
pub struct Ext {
    records: Mutex<BtfExt>,
    /// The bytes that C was given last, where they are not the records' own.
    raw: Mutex<Vec<u8>>,
}

impl Ext {
    /// As C holds them.
    pub fn new(records: BtfExt) -> Self {
        Self { records: Mutex::new(records), raw: Mutex::default() }
    }

    /// The records.
    pub fn records(&self) -> MutexGuard<'_, BtfExt> {
        lock(&self.records)
    }

    fn raw(&self) -> (*const u8, u32) {
        let records = self.records();
        match records.to_bytes() {
            Cow::Borrowed(bytes) => (bytes.as_ptr(), bytes.len() as u32),
            Cow::Owned(bytes) => {
                let mut raw = lock(&self.raw);
                *raw = bytes;
                (raw.as_ptr(), raw.len() as u32)
            }
        }
    }
}

fn raw(ext: Ptr<Ext>, size: Put<u32>) -> Result<*const u8, Fail> {
    let (address, len) = ext.get()?.raw();
    size.set(len);
    Ok(address)
}

export! {
    /// Records out of bytes, which are copied.
    fn btf_ext__new(data: Raw, size: u32) -> Out<Ext> {
        let bytes = data.bytes(size as usize).filter(|b| !b.is_empty()).ok_or(Fail::INVAL)?;
        Ok(give(Ext::new(BtfExt::parse(bytes.to_vec())?)))
    }

    /// Releases the records.
    fn btf_ext__free(btf_ext: Ptr<Ext>) -> Void {
        drop(btf_ext.take());
        Ok(())
    }

    /// The bytes.
    fn btf_ext__raw_data(btf_ext: Ptr<Ext>, size: Put<u32>) -> Out<u8> {
        raw(btf_ext, size)
    }

    /// As `btf_ext__raw_data`.
    fn btf_ext__get_raw_data(btf_ext: Ptr<Ext>, size: Put<u32>) -> Out<u8> {
        raw(btf_ext, size)
    }

    /// The byte order of the raw data.
    fn btf_ext__endianness(btf_ext: Ptr<Ext>) -> Val<u32> {
        Ok(number_of(btf_ext.get()?.records().byte_order()))
    }

    /// Sets the byte order of the raw data.
    fn btf_ext__set_endianness(btf_ext: Ptr<Ext>, endian: u32) -> Int {
        let order = order_of(endian)?;
        btf_ext.get()?.records().set_byte_order(order);
        Ok(0)
    }
}
