//! ZIP archives for tests.

/// A member of an archive.
#[derive(Clone, Copy, Debug)]
pub struct ZipEntry<'a> {
    /// Name, with directories.
    pub name: &'a str,
    /// Bytes as they are in the archive.
    pub data: &'a [u8],
    /// Method of compression that the archive claims, 0 for none.
    pub method: u16,
    /// General purpose flags: 1 encrypted, 8 sizes behind the data.
    pub flags: u16,
}

/// An archive of these members, each of which begins at a multiple of 4096 bytes, as Android aligns libraries.
pub fn zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let (name, size) = (entry.name.as_bytes(), entry.data.len() as u32);
        let at = out.len();
        let behind = (at + 30 + name.len()).next_multiple_of(4096) - (at + 30 + name.len());
        // Both records share the fields from the version to the lengths.
        let mut fields = Vec::new();
        for half in [10, entry.flags, entry.method, 0, 0] {
            fields.extend(half.to_le_bytes());
        }
        for word in [0, size, size] {
            fields.extend(u32::to_le_bytes(word));
        }
        fields.extend((name.len() as u16).to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend((behind as u16).to_le_bytes());
        out.extend(name);
        out.resize(out.len() + behind, 0);
        out.extend(entry.data);
        directory.extend(b"PK\x01\x02\x0a\0");
        directory.extend(&fields);
        // Lengths of the extra field and comment, disk, attributes.
        directory.extend([0; 12]);
        directory.extend((at as u32).to_le_bytes());
        directory.extend(name);
    }
    let (at, size, count) = (out.len() as u32, directory.len() as u32, entries.len() as u16);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}
