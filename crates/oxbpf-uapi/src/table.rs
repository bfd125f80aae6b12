//! One macro that turns a table of kernel values into an open newtype with names.

/// Declares an open newtype over a kernel enumeration from one table.
///
/// Each row is `NAME = value, "short name", "first kernel";`. The C name is the prefix followed by the row's name.
/// A value that the table lacks (from a newer kernel) is kept and prints as its number.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $vis:vis struct $ty:ident($repr:ty), prefix $prefix:literal;
        $( $(#[$row_meta:meta])* $name:ident = $value:expr, $short:literal, $since:literal; )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(transparent)]
        $vis struct $ty(pub $repr);

        impl $ty {
            $(
                $(#[$row_meta])*
                #[doc = concat!("`", $prefix, stringify!($name), "`, Linux ", $since, ".")]
                pub const $name: Self = Self($value);
            )*

            /// Every value of the table, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const ROWS: &'static [crate::table::Row<$repr>] = &[$(crate::table::Row {
                value: $value,
                c_name: concat!($prefix, stringify!($name)),
                short: $short,
                since: $since,
            }),*];

            fn row(self) -> Option<&'static crate::table::Row<$repr>> {
                // Most tables are dense and start at 0 or 1, so the row is nearly always where the value says.
                let guess = self.0 as usize;
                [guess, guess.wrapping_sub(1)]
                    .into_iter()
                    .filter_map(|i| Self::ROWS.get(i))
                    .find(|r| r.value == self.0)
                    .or_else(|| Self::ROWS.iter().find(|r| r.value == self.0))
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
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.c_name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "{}{}", $prefix, self.0),
                }
            }
        }

        impl core::fmt::Debug for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use table;

/// One row of a table.
#[derive(Debug)]
pub(crate) struct Row<T> {
    pub(crate) value: T,
    pub(crate) c_name: &'static str,
    pub(crate) short: &'static str,
    pub(crate) since: &'static str,
}
