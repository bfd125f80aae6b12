//! The macro that makes C functions: `export!`.

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
