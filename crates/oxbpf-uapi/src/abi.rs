//! One macro that turns a kernel struct into a Rust struct of the same bytes plus a list of its fields.
//!
//! The list ([`Abi::FIELDS`]) carries the kernel's own names, so that layouts can be checked against a kernel's BTF,
//! transcripts can print a request field by field, and a context access can be resolved from an offset to a name.

/// A struct that has the same bytes as a struct, or a part of a union, in the kernel's headers.
pub trait Abi: Sized {
    /// The kernel's struct or union, `"bpf_attr"` for requests.
    const C_NAME: &'static str;
    /// The members of [`C_NAME`](Self::C_NAME) that this struct stands for, as path prefixes: `""` for the struct
    /// itself or an anonymous member, `"batch."` for a named one. Several when members share one layout.
    const MEMBERS: &'static [&'static str];
    /// Offset of this struct in [`C_NAME`](Self::C_NAME), in bytes.
    const BASE: usize;
    /// Every field in memory order, padding included.
    const FIELDS: &'static [Field];

    /// Bytes up to the end of the last field that is not padding, which is what a kernel checks to be zero beyond
    /// the fields it knows.
    const USED: usize = {
        let (mut end, mut i) = (0, 0);
        while i < Self::FIELDS.len() {
            let field = &Self::FIELDS[i];
            if !field.is_padding() && field.end() > end {
                end = field.end();
            }
            i += 1;
        }
        end
    };
}

/// One field of a kernel struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The kernel's name; fields that start with an underscore are padding.
    pub name: &'static str,
    /// Other names of the same bytes, where the kernel has a union of equals (`target_fd`, `target_ifindex`).
    pub aliases: &'static [&'static str],
    /// Offset in the Rust struct, in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

impl Field {
    /// Whether the field only fills a gap and has to be zero.
    pub const fn is_padding(&self) -> bool {
        let name = self.name.as_bytes();
        !name.is_empty() && name[0] == b'_'
    }

    /// Offset of the byte after the field.
    pub const fn end(&self) -> usize {
        self.offset + self.size
    }
}

/// Declares structs with a kernel layout: derives, `Default` as all zeroes, and [`Abi`].
///
/// `in "c_name"` names the kernel's struct; `at "member."` the member that is described, and `+ N` its offset.
/// A field is `pub name: type` or `pub name | alias: type`. Padding is a field whose name starts with an underscore.
macro_rules! abi {
    ($(
        $(#[$meta:meta])*
        pub struct $ty:ident in $c_name:literal $(at $($member:literal),+ $(; base $base:literal)?)? {
            $( $(#[$field_meta:meta])* pub $field:ident $(| $alias:ident)*: $field_ty:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(C)]
        pub struct $ty {
            $( $(#[$field_meta])* pub $field: $field_ty, )*
        }

        impl Default for $ty {
            /// All bytes zero.
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }

        impl $crate::abi::Abi for $ty {
            const C_NAME: &'static str = $c_name;
            const MEMBERS: &'static [&'static str] = $crate::abi::abi!(@members $($($member),+)?);
            const BASE: usize = $crate::abi::abi!(@base $($($base)?)?);
            const FIELDS: &'static [$crate::abi::Field] = &[$($crate::abi::Field {
                name: $crate::abi::strip_raw(stringify!($field)),
                aliases: &[$($crate::abi::strip_raw(stringify!($alias))),*],
                offset: core::mem::offset_of!($ty, $field),
                size: size_of::<$field_ty>(),
            }),*];
        }
    )*};
    (@members) => { &[""] };
    (@members $($member:literal),+) => { &[$($member),+] };
    (@base) => { 0 };
    (@base $base:literal) => { $base };
}

pub(crate) use abi;

/// Drops the `r#` of a raw identifier, so that `r#type` is listed as `type`.
pub(crate) const fn strip_raw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match core::str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => name,
        },
        _ => name,
    }
}
