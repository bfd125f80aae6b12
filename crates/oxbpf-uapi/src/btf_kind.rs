//! The kinds of BTF types.

use crate::table::table;

table! {
    /// `BTF_KIND_*`: the kind of a BTF type.
    pub struct BtfKind(u32), prefix "BTF_KIND_";
    VOID = 0, "VOID", "4.18";
    INT = 1, "INT", "4.18";
    PTR = 2, "PTR", "4.18";
    ARRAY = 3, "ARRAY", "4.18";
    STRUCT = 4, "STRUCT", "4.18";
    UNION = 5, "UNION", "4.18";
    ENUM = 6, "ENUM", "4.18";
    FWD = 7, "FWD", "4.18";
    TYPEDEF = 8, "TYPEDEF", "4.18";
    VOLATILE = 9, "VOLATILE", "4.18";
    CONST = 10, "CONST", "4.18";
    RESTRICT = 11, "RESTRICT", "4.18";
    FUNC = 12, "FUNC", "5.0";
    FUNC_PROTO = 13, "FUNC_PROTO", "5.0";
    VAR = 14, "VAR", "5.2";
    DATASEC = 15, "DATASEC", "5.2";
    FLOAT = 16, "FLOAT", "5.13";
    DECL_TAG = 17, "DECL_TAG", "5.16";
    TYPE_TAG = 18, "TYPE_TAG", "5.17";
    ENUM64 = 19, "ENUM64", "6.0";
}
