//! CO-RE: relocate instructions against another kernel's types.
