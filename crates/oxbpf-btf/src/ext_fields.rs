//! Where BTF.ext names types and strings, for operations that move them.

use core::ops::Range;

use crate::builder::put;
use crate::ext::SubSection;
use crate::raw::u32_at;
use crate::{BtfError, BtfExt, Bytes};

/// What records name, as word numbers.
struct Fields {
    id: Option<usize>,
    strs: &'static [usize],
}

const FUNC: Fields = Fields { id: Some(1), strs: &[] };
const LINE: Fields = Fields { id: None, strs: &[1, 2] };
const CORE: Fields = Fields { id: Some(1), strs: &[2] };

impl BtfExt {
    /// Gives each type id in the records to `change` and stores what it returns. On an error nothing has changed.
    ///
    /// # Errors
    /// What `change` returns.
    #[doc(alias = "btf_ext_visit_type_ids")]
    pub fn update_type_ids(
        &mut self,
        mut change: impl FnMut(u32) -> Result<u32, BtfError>,
    ) -> Result<(), BtfError> {
        let mut data = self.raw().to_vec();
        for (sub, fields) in self.tables().into_iter().zip([FUNC, LINE, CORE]) {
            for at in fields.id.into_iter().flat_map(|id| words_of(sub, id)) {
                update(&mut data, at, &mut change)?;
            }
        }
        self.replace(data);
        Ok(())
    }

    /// Gives each string offset in the records and of their sections' names to `change` and stores what it returns. On
    /// an error nothing has changed.
    ///
    /// # Errors
    /// What `change` returns.
    #[doc(alias = "btf_ext_visit_str_offs")]
    pub fn update_str_offs(
        &mut self,
        mut change: impl FnMut(u32) -> Result<u32, BtfError>,
    ) -> Result<(), BtfError> {
        let mut data = self.raw().to_vec();
        for (sub, fields) in self.tables().into_iter().zip([FUNC, LINE, CORE]) {
            for group in sub.groups() {
                // The name and the number of records are in front of them.
                update(&mut data, group.start - 8, &mut change)?;
                for rec in records(&group, sub.rec_size()) {
                    for word in fields.strs {
                        update(&mut data, rec + 4 * word, &mut change)?;
                    }
                }
            }
        }
        self.replace(data);
        Ok(())
    }

    fn replace(&mut self, data: Vec<u8>) {
        self.set_data(Bytes::from(data));
    }
}

fn words_of(sub: &SubSection, word: usize) -> impl Iterator<Item = usize> {
    sub.groups().flat_map(|g| records(&g, sub.rec_size())).map(move |rec| rec + 4 * word)
}

fn records(group: &Range<usize>, rec_size: u32) -> impl Iterator<Item = usize> + use<> {
    group.clone().step_by(rec_size.max(4) as usize)
}

fn update(
    data: &mut [u8],
    at: usize,
    change: &mut impl FnMut(u32) -> Result<u32, BtfError>,
) -> Result<(), BtfError> {
    if let Some(word) = u32_at(data, at) {
        put(data, at, change(word)?);
    }
    Ok(())
}
