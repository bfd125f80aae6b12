//! The macro that makes C functions, `export!`, and those that read and write fields of their option structs.

/// Makes each `fn name(arguments) -> Family { body }` a C function of that name.
///
/// The body is a closure that gives `Result<Family::Ok, Fail>`.
macro_rules! export {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $family:ty $body:block)*) => {$(
        $(#[$meta])*
        #[allow(unsafe_code, reason = "the name is one of libbpf's, which nothing else in the process has")]
        #[allow(improper_ctypes_definitions, reason = "C sees opaque types")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($arg: $ty),*) -> <$family as $crate::ret::Family>::C {
            <$family as $crate::ret::Family>::run(stringify!($name), || $body)
        }
    )*};
}

/// Reads a field of a checked option struct: `opt!(given: Layout, flags)`, and with `str` or `ptr`
/// in front for what it points to.
macro_rules! opt {
    ($given:ident: $layout:ty, $field:ident) => {
        $given.field(core::mem::offset_of!($layout, $field), |l: &$layout| &l.$field)
    };
    (str $given:ident: $layout:ty, $field:ident) => {
        $given.str(core::mem::offset_of!($layout, $field))
    };
    (ptr $given:ident: $layout:ty, $field:ident) => {
        $given.pointer(core::mem::offset_of!($layout, $field))
    };
}

/// Writes a field of a checked option struct, if the caller's has it.
macro_rules! put_opt {
    ($given:ident: $layout:ty, $field:ident = $value:expr) => {
        $given.put(core::mem::offset_of!($layout, $field), |l: &$layout| &l.$field, $value)
    };
}
