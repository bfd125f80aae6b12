//! The kinds of BTF types.

use crate::table::table;

table! {
    /// `BTF_KIND_*`: the kind of a BTF type.
    pub struct BtfKind(u32);
    VOID = 0, "BTF_KIND_VOID", "VOID", "4.18";
    INT = 1, "BTF_KIND_INT", "INT", "4.18";
    PTR = 2, "BTF_KIND_PTR", "PTR", "4.18";
    ARRAY = 3, "BTF_KIND_ARRAY", "ARRAY", "4.18";
    STRUCT = 4, "BTF_KIND_STRUCT", "STRUCT", "4.18";
    UNION = 5, "BTF_KIND_UNION", "UNION", "4.18";
    ENUM = 6, "BTF_KIND_ENUM", "ENUM", "4.18";
    FWD = 7, "BTF_KIND_FWD", "FWD", "4.18";
    TYPEDEF = 8, "BTF_KIND_TYPEDEF", "TYPEDEF", "4.18";
    VOLATILE = 9, "BTF_KIND_VOLATILE", "VOLATILE", "4.18";
    CONST = 10, "BTF_KIND_CONST", "CONST", "4.18";
    RESTRICT = 11, "BTF_KIND_RESTRICT", "RESTRICT", "4.18";
    FUNC = 12, "BTF_KIND_FUNC", "FUNC", "5.0";
    FUNC_PROTO = 13, "BTF_KIND_FUNC_PROTO", "FUNC_PROTO", "5.0";
    VAR = 14, "BTF_KIND_VAR", "VAR", "5.2";
    DATASEC = 15, "BTF_KIND_DATASEC", "DATASEC", "5.2";
    FLOAT = 16, "BTF_KIND_FLOAT", "FLOAT", "5.13";
    DECL_TAG = 17, "BTF_KIND_DECL_TAG", "DECL_TAG", "5.16";
    TYPE_TAG = 18, "BTF_KIND_TYPE_TAG", "TYPE_TAG", "5.17";
    ENUM64 = 19, "BTF_KIND_ENUM64", "ENUM64", "6.0";
}
