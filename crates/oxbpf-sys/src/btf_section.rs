//! The `.BTF` section of a kernel image, by its section headers alone: the image is hundreds of megabytes, and nothing
//! else of it matters here.

/// Bytes of the section, `None` if the file is no 64-bit or 32-bit ELF of this machine's byte order or has none.
pub(crate) fn find(image: &[u8]) -> Option<&[u8]> {
    let class = *image.get(4)?;
    let order = *image.get(5)?;
    if order != if cfg!(target_endian = "little") { 1 } else { 2 } {
        return None;
    }
    let layout = match class {
        1 => &LAYOUT_32,
        2 => &LAYOUT_64,
        _ => return None,
    };
    let table = layout.word(image, layout.shoff)?;
    let entry_size = half(image, layout.shentsize)?;
    let section = |index: usize| image.get(table.checked_add(index.checked_mul(entry_size)?)?..);
    let contents = |header: &[u8]| {
        let start = layout.word(header, layout.sh_offset)?;
        image.get(start..start.checked_add(layout.word(header, layout.sh_size)?)?)
    };
    let names = contents(section(half(image, layout.shentsize + 4)?)?)?;
    (0..half(image, layout.shentsize + 2)?).find_map(|index| {
        let header = section(index)?;
        let name = names.get(u32::from_ne_bytes(header.get(..4)?.try_into().ok()?) as usize..)?;
        if name.starts_with(b".BTF\0") { contents(header) } else { None }
    })
}

/// Offsets of fields in the file header and in a section header.
struct Layout {
    word_size: usize,
    shoff: usize,
    /// Followed by the number of sections and the index of the names.
    shentsize: usize,
    sh_offset: usize,
    sh_size: usize,
}

const LAYOUT_32: Layout = Layout { word_size: 4, shoff: 32, shentsize: 46, sh_offset: 16, sh_size: 20 };
const LAYOUT_64: Layout = Layout { word_size: 8, shoff: 40, shentsize: 58, sh_offset: 24, sh_size: 32 };

impl Layout {
    fn word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..at + self.word_size)?;
        let value = match self.word_size {
            4 => u64::from(u32::from_ne_bytes(bytes.try_into().ok()?)),
            _ => u64::from_ne_bytes(bytes.try_into().ok()?),
        };
        usize::try_from(value).ok()
    }
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2)?.try_into().ok().map(|b| u16::from_ne_bytes(b).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_executable_has_section_headers_that_are_read_without_btf() {
        let image = std::fs::read("/proc/self/exe").expect("own image");
        assert_eq!(find(&image), None);
        // Every cut of the headers is refused, not a panic.
        for len in 0..64 {
            assert_eq!(find(&image[..len]), None);
        }
    }

    #[test]
    fn section_is_found_by_name() {
        let mut image = vec![0; 64];
        image[..6].copy_from_slice(&[
            0x7f,
            b'E',
            b'L',
            b'F',
            2,
            if cfg!(target_endian = "little") { 1 } else { 2 },
        ]);
        let names = b"\0.shstrtab\0.BTF_ids\0.BTF\0";
        let (names_at, data_at) = (image.len(), image.len() + names.len());
        image.extend_from_slice(names);
        image.extend_from_slice(b"contents");
        let table = image.len();
        for (name, at, len) in [(0_u32, 0, 0), (1, names_at, names.len()), (11, 0, 0), (20, data_at, 8)] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_ne_bytes());
            header[24..32].copy_from_slice(&(at as u64).to_ne_bytes());
            header[32..40].copy_from_slice(&(len as u64).to_ne_bytes());
            image.extend_from_slice(&header);
        }
        image[40..48].copy_from_slice(&(table as u64).to_ne_bytes());
        for (at, value) in [(58, 64_u16), (60, 4), (62, 1)] {
            image[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        assert_eq!(find(&image), Some(&b"contents"[..]));
    }
}
