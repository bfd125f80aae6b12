//! One macro that turns a table of kernel values into an open newtype with names and columns.

use core::fmt;

/// Declares an open newtype over a kernel enumeration from one table.
///
/// A row is `NAME = value, "C_NAME", "short name", "first kernel";`. With `: Info` after the type, each row goes on
/// with `=> { column: value, .. }` before the semicolon, the fields of a struct literal of that type; `..BASE` works.
///
/// A value that the table lacks (from a newer kernel) is kept, prints as its number, and parses from it.
macro_rules! table {
    (
        $(#[$meta:meta])*
        pub struct $ty:ident($repr:ty): $info:ident;
        $( $(#[$row_meta:meta])* $name:ident = $value:literal, $c_name:tt, $short:literal, $since:literal => { $($columns:tt)* }; )*
    ) => {
        $crate::table::table! {
            $(#[$meta])*
            pub struct $ty($repr);
            $( $(#[$row_meta])* $name = $value, $c_name, $short, $since; )*
        }

        impl $ty {
            const INFO: &'static [$info] = &[$($info { $($columns)* }),*];

            /// The table's further columns, `None` for a value that this version does not know.
            pub fn info(self) -> Option<&'static $info> {
                self.index().and_then(|i| Self::INFO.get(i))
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $ty:ident($repr:ty);
        $( $(#[$row_meta:meta])* $name:ident = $value:literal, $c_name:tt, $short:literal, $since:literal; )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(transparent)]
        pub struct $ty(pub $repr);

        impl $ty {
            $(
                $(#[$row_meta])*
                #[doc = concat!("`", $c_name, "`, Linux ", $since, ".")]
                #[doc(alias = $c_name)]
                pub const $name: Self = Self($value);
            )*

            /// Every value of the table, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const ROWS: &'static [$crate::table::Row<$repr>] = &[$($crate::table::Row {
                value: $value,
                c_name: $c_name,
                short: $short,
                since: $since,
            }),*];

            fn index(self) -> Option<usize> {
                // Most tables are dense and start at 0 or 1, so the row is nearly always where the value says.
                let guess = self.0 as usize;
                [guess, guess.wrapping_sub(1)]
                    .into_iter()
                    .find(|&i| Self::ROWS.get(i).is_some_and(|r| r.value == self.0))
                    .or_else(|| Self::ROWS.iter().position(|r| r.value == self.0))
            }

            fn row(self) -> Option<&'static $crate::table::Row<$repr>> {
                self.index().and_then(|i| Self::ROWS.get(i))
            }

            /// The name in the kernel's headers, `None` for a value that this version does not know.
            pub fn c_name(self) -> Option<&'static str> {
                self.row().map(|r| r.c_name)
            }

            /// The name that libbpf and bpftool print, `None` for a value that this version does not know.
            pub fn short_name(self) -> Option<&'static str> {
                self.row().map(|r| r.short)
            }

            /// The first kernel release that has the value, as "major.minor".
            pub fn since(self) -> Option<&'static str> {
                self.row().map(|r| r.since)
            }

            /// Finds a value by its C name or its short name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ROWS.iter().find(|r| r.c_name == name || r.short == name).map(|r| Self(r.value))
            }
        }

        impl core::fmt::Display for $ty {
            /// The C name, or the number of a value that the table lacks.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.c_name() {
                    Some(name) => f.pad(name),
                    None => core::fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl core::fmt::Debug for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl core::str::FromStr for $ty {
            type Err = $crate::UnknownName;

            /// Reads a C name, a short name or a decimal number.
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::from_name(name)
                    .or_else(|| name.parse().ok().map(Self))
                    .ok_or($crate::UnknownName { table: stringify!($ty) })
            }
        }
    };
}

pub(crate) use table;

/// One row of a table: the columns that every table has.
#[derive(Debug)]
pub(crate) struct Row<T> {
    pub(crate) value: T,
    pub(crate) c_name: &'static str,
    pub(crate) short: &'static str,
    pub(crate) since: &'static str,
}

/// A name that is in no row of the table and is not a number either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The type that was asked for.
    pub table: &'static str,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such {}", self.table)
    }
}

impl core::error::Error for UnknownName {}

#[cfg(test)]
mod tests {
    use crate::{AttachType, BtfKind, Cmd, HelperId, LinkType, MapType, ProgType};

    macro_rules! check_table {
        ($($ty:ident)*) => {$({
            for &value in $ty::ALL {
                let (c_name, short) = (value.c_name().unwrap(), value.short_name().unwrap());
                assert_eq!($ty::from_name(c_name), Some(value), "{c_name}");
                assert_eq!($ty::from_name(short), Some(value), "{short}");
                assert_eq!(c_name.parse::<$ty>(), Ok(value));
                assert_eq!(value.to_string(), c_name);
                let since = value.since().unwrap();
                assert!(since.split('.').filter_map(|n| n.parse::<u32>().ok()).count() == 2, "{c_name} since {since}");
            }
            let unknown = $ty(4_000_000_000);
            assert_eq!(unknown.c_name(), None);
            assert_eq!(unknown.to_string(), "4000000000");
            assert_eq!(format!("{unknown:?}"), "4000000000");
            assert_eq!("4000000000".parse::<$ty>(), Ok(unknown));
            assert!("no_such_name".parse::<$ty>().is_err());
        })*};
    }

    #[test]
    fn names_find_their_value_and_unknown_values_are_their_number() {
        check_table!(AttachType BtfKind Cmd HelperId LinkType MapType ProgType);
    }

    #[test]
    fn tables_have_every_row_of_linux_7_2() {
        assert_eq!(Cmd::ALL.len(), 39);
        assert_eq!(ProgType::ALL.len(), 32 + 1);
        assert_eq!(MapType::ALL.len(), 35 + 1);
        assert_eq!(LinkType::ALL.len(), 15 + 1);
        assert_eq!(AttachType::ALL.len(), 62);
        assert_eq!(HelperId::ALL.len(), 211 + 1);
        assert_eq!(BtfKind::ALL.len(), 19 + 1);
    }
}
