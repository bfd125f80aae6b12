//! CO-RE on the running kernel: what loads, and what is said of what does not.

use oxbpf::{ObjectBuilder, OpenObject};
use oxbpf_btf::{Btf, BtfBuilder, CoreReloKind, IntFlags, TypeId};
use testkit::BpfObject;

/// A program that puts the offset of `task_struct.MEMBER` into a register and returns 0.
fn object(member: &str) -> Vec<u8> {
    let mut b = BtfBuilder::new();
    b.add_int("int", 4, IntFlags::SIGNED).unwrap();
    let id = b.add_struct("task_struct", 8).unwrap();
    b.add_field(member, TypeId(1), 32, 0).unwrap();
    let access = b.add_str("0:0").unwrap();
    b.add_str("socket").unwrap();
    let code = [0xb7, 1, 0, 0, 4, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let mut object = BpfObject::new();
    let at = object.program("socket", "reader", &code);
    object.core_relo("socket", at, id.0, access, CoreReloKind::FIELD_BYTE_OFFSET.0);
    let bytes = b.to_bytes().unwrap();
    object.to_bytes(&bytes, |name| b.find_str(name).unwrap())
}

fn has_types() -> bool {
    let has = std::path::Path::new("/sys/kernel/btf/vmlinux").exists();
    if !has {
        testkit::skip_this("the kernel has no BTF");
    }
    has
}

#[test]
fn a_member_that_is_there_loads() {
    if !testkit::require_bpf() || !has_types() {
        return;
    }
    let open = OpenObject::open_memory(object("pid")).unwrap();
    open.load().unwrap();
}

#[test]
fn a_missing_member_is_explained_with_program_instruction_and_both_layouts() {
    if !testkit::require_bpf() || !has_types() {
        return;
    }
    let error = OpenObject::open_memory(object("tgidd")).unwrap().load().unwrap_err();
    let line = error.to_string();
    for part in
        ["reader", "socket", "task_struct.tgidd (0:0 @ offset 4)", "has no member 'tgidd' (near: 'tgid')"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
    let full = format!("{error:#}");
    for part in [
        "0: <invalid CO-RE relocation>",
        "struct task_struct of the object, 8 bytes:",
        "of vmlinux",
        "tgid: int",
    ] {
        assert!(full.contains(part), "{part}: {full}");
    }
}

#[test]
fn types_of_the_callers_are_relocated_against_in_place_of_the_kernels() {
    if !testkit::require_bpf() {
        return;
    }
    let mut b = BtfBuilder::new();
    b.add_int("int", 4, IntFlags::SIGNED).unwrap();
    b.add_struct("task_struct", 128).unwrap();
    b.add_field("here_only", TypeId(1), 8 * 100, 0).unwrap();
    let target: Btf = b.finish().unwrap();
    let dir = testkit::TempDir::new("core");
    let path = dir.path().join("target.btf");
    std::fs::write(&path, target.raw()).unwrap();
    let by_path = ObjectBuilder::new().btf_custom_path(&path);
    let by_value = ObjectBuilder::new().target_btf(std::sync::Arc::new(target));
    for builder in [by_path, by_value] {
        let object = builder.open_memory(object("here_only")).unwrap().load().unwrap();
        let program = object.program("reader").unwrap();
        assert_eq!(program.insns().first().map(|i| i.imm), Some(100));
    }
}
