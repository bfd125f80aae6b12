//! What a helper takes and gives: the classes that the verifier checks.

use core::fmt;

use super::HelperId;
use crate::ProgType;
use crate::prog_type::ProgTypes;

/// The columns of a helper.
#[derive(Clone, Copy, Debug)]
pub struct HelperInfo {
    /// The C prototype without names, such as `void *(struct bpf_map *, const void *)`.
    pub proto: &'static str,
    /// What it gives in R0.
    pub ret: Ret,
    /// What it takes in R1 and up; at most five.
    pub args: &'static [Arg],
    /// Other arguments for some program types, see [`HelperInfo::args_for`].
    pub variants: &'static [Variant],
    /// Whether only programs with a GPL-compatible licence may call it.
    pub gpl_only: bool,
    /// Whether only sleepable programs may call it.
    pub might_sleep: bool,
    /// Whether memory arguments may point into a packet.
    pub pkt_access: bool,
    /// The program types that may call it, some only for some attach types.
    pub progs: ProgTypes,
}

/// Arguments that a helper takes in some program types.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Those program types.
    pub progs: ProgTypes,
    /// The arguments.
    pub args: &'static [Arg],
}

impl HelperInfo {
    /// The arguments in programs of the given type.
    pub fn args_for(&self, prog_type: ProgType) -> &'static [Arg] {
        self.variants.iter().find(|v| v.progs.contains(prog_type)).map_or(self.args, |v| v.args)
    }
}

impl HelperId {
    /// Whether programs of the given type may call the helper, for some attach type at least.
    ///
    /// `false` for a helper that this version does not know, and always for [`ProgType::EXT`].
    pub fn allowed_in(self, prog_type: ProgType) -> bool {
        self.info().is_some_and(|i| i.progs.contains(prog_type))
    }
}

macro_rules! classes {
    ($(#[$meta:meta])* $ty:ident { $($(#[$row:meta])* $name:ident = $c_name:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $ty {
            $($(#[$row])* #[doc = concat!(" (`", $c_name, "`)")] #[doc(alias = $c_name)] $name,)*
        }

        impl $ty {
            /// The kernel's name of the class.
            pub const fn c_name(self) -> &'static str {
                match self {
                    $(Self::$name => $c_name,)*
                }
            }
        }
    };
}

classes! {
    /// What an argument has to be.
    ArgClass {
        /// Any initialised value.
        Anything = "ARG_ANYTHING";
        /// A number, not a pointer.
        Scalar = "ARG_SCALAR";
        /// The program's context.
        Ctx = "ARG_PTR_TO_CTX";
        /// A map.
        ConstMapPtr = "ARG_CONST_MAP_PTR";
        /// Readable memory of the map's key size.
        MapKey = "ARG_PTR_TO_MAP_KEY";
        /// Memory of the map's value size.
        MapValue = "ARG_PTR_TO_MAP_VALUE";
        /// Memory whose size is the next argument.
        Mem = "ARG_PTR_TO_MEM";
        /// Memory of [`Arg::size`] bytes.
        FixedSizeMem = "ARG_PTR_TO_FIXED_SIZE_MEM";
        /// Bytes of the memory before it, at least 1.
        ConstSize = "ARG_CONST_SIZE";
        /// Bytes of the memory before it.
        ConstSizeOrZero = "ARG_CONST_SIZE_OR_ZERO";
        /// Bytes to allocate, known when the program is verified.
        ConstAllocSizeOrZero = "ARG_CONST_ALLOC_SIZE_OR_ZERO";
        /// A spin lock in a map value.
        SpinLock = "ARG_PTR_TO_SPIN_LOCK";
        /// A timer in a map value.
        Timer = "ARG_PTR_TO_TIMER";
        /// A socket, request or time-wait socket.
        SockCommon = "ARG_PTR_TO_SOCK_COMMON";
        /// A full socket.
        Socket = "ARG_PTR_TO_SOCKET";
        /// The kernel struct that [`Arg::btf`] names.
        BtfId = "ARG_PTR_TO_BTF_ID";
        /// A socket, as program type or as kernel struct.
        BtfIdSockCommon = "ARG_PTR_TO_BTF_ID_SOCK_COMMON";
        /// A per-CPU kernel variable.
        PercpuBtfId = "ARG_PTR_TO_PERCPU_BTF_ID";
        /// A reserved ring buffer record.
        RingbufMem = "ARG_PTR_TO_RINGBUF_MEM";
        /// A dynptr.
        Dynptr = "ARG_PTR_TO_DYNPTR";
        /// A function of the program.
        Func = "ARG_PTR_TO_FUNC";
        /// Stack memory.
        Stack = "ARG_PTR_TO_STACK";
        /// A constant string in a read-only map.
        ConstStr = "ARG_PTR_TO_CONST_STR";
        /// A field of a map value or allocated object that holds a kernel pointer.
        KptrXchgDest = "ARG_KPTR_XCHG_DEST";
    }
}

classes! {
    /// What a helper gives.
    RetClass {
        /// A number.
        Integer = "RET_INTEGER";
        /// Nothing.
        Void = "RET_VOID";
        /// A map value.
        MapValue = "RET_PTR_TO_MAP_VALUE";
        /// A full socket.
        Socket = "RET_PTR_TO_SOCKET";
        /// A TCP socket.
        TcpSock = "RET_PTR_TO_TCP_SOCK";
        /// A socket, request or time-wait socket.
        SockCommon = "RET_PTR_TO_SOCK_COMMON";
        /// A reserved ring buffer record.
        RingbufMem = "RET_PTR_TO_RINGBUF_MEM";
        /// Memory of a dynptr.
        DynptrMem = "RET_PTR_TO_DYNPTR_MEM";
        /// Memory or a kernel struct, as the argument's type says.
        MemOrBtfId = "RET_PTR_TO_MEM_OR_BTF_ID";
        /// The kernel struct that [`Ret::btf`] names.
        BtfId = "RET_PTR_TO_BTF_ID";
    }
}

/// One argument of a helper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// What it has to be.
    pub class: ArgClass,
    /// Whether it may be null instead (`PTR_MAYBE_NULL`).
    pub or_null: bool,
    /// Whether the helper only reads the memory (`MEM_RDONLY`).
    pub rdonly: bool,
    /// Whether the helper writes the memory (`MEM_WRITE`).
    pub write: bool,
    /// Whether the memory may be uninitialised (`MEM_UNINIT`).
    pub uninit: bool,
    /// Whether the memory has to be aligned to its size (`MEM_ALIGNED`).
    pub aligned: bool,
    /// Whether the helper takes the reference over (`OBJ_RELEASE`).
    pub release: bool,
    /// Dynptrs: whether it is one of a ring buffer (`DYNPTR_TYPE_RINGBUF`).
    pub ringbuf: bool,
    /// Dynptrs: whether it is one of the program's own memory (`DYNPTR_TYPE_LOCAL`).
    pub local: bool,
    /// Bytes, for [`ArgClass::FixedSizeMem`]; else 0.
    pub size: u32,
    /// Kernel struct, for [`ArgClass::BtfId`] unless any will do; else empty.
    pub btf: &'static str,
}

/// The result of a helper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ret {
    /// What it is.
    pub class: RetClass,
    /// Whether it may be null instead.
    pub or_null: bool,
    /// Whether the memory may only be read.
    pub rdonly: bool,
    /// Whether the kernel pointer is known to be valid.
    pub trusted: bool,
    /// Kernel struct, for [`RetClass::BtfId`] unless it depends on the arguments; else empty.
    pub btf: &'static str,
}

impl fmt::Display for Arg {
    /// The kernel's name and flags, as `ARG_PTR_TO_MEM | PTR_MAYBE_NULL | MEM_RDONLY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.c_name())?;
        for (is, name) in [
            (self.or_null, "PTR_MAYBE_NULL"),
            (self.rdonly, "MEM_RDONLY"),
            (self.uninit, "MEM_UNINIT"),
            (self.write, "MEM_WRITE"),
            (self.aligned, "MEM_ALIGNED"),
            (self.release, "OBJ_RELEASE"),
            (self.ringbuf, "DYNPTR_TYPE_RINGBUF"),
            (self.local, "DYNPTR_TYPE_LOCAL"),
        ] {
            if is {
                write!(f, " | {name}")?;
            }
        }
        if self.size != 0 {
            write!(f, " ({} bytes)", self.size)?;
        }
        if !self.btf.is_empty() {
            write!(f, " (struct {})", self.btf)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ret {
    /// The kernel's name and flags, as `RET_PTR_TO_MAP_VALUE | PTR_MAYBE_NULL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.c_name())?;
        for (is, name) in
            [(self.or_null, "PTR_MAYBE_NULL"), (self.rdonly, "MEM_RDONLY"), (self.trusted, "PTR_TRUSTED")]
        {
            if is {
                write!(f, " | {name}")?;
            }
        }
        if !self.btf.is_empty() {
            write!(f, " (struct {})", self.btf)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The words that the rows of the helper table are written in.
pub(super) mod rows {
    use super::{Arg, ArgClass, HelperInfo, ProgTypes, Ret, RetClass};

    pub(in super::super) const NONE: HelperInfo = HelperInfo {
        proto: "",
        ret: VOID,
        args: &[],
        variants: &[],
        gpl_only: false,
        might_sleep: false,
        pkt_access: false,
        progs: ProgTypes::NONE,
    };

    const fn arg(class: ArgClass) -> Arg {
        Arg {
            class,
            or_null: false,
            rdonly: false,
            write: false,
            uninit: false,
            aligned: false,
            release: false,
            ringbuf: false,
            local: false,
            size: 0,
            btf: "",
        }
    }

    pub(in super::super) const ANYTHING: Arg = arg(ArgClass::Anything);
    pub(in super::super) const SCALAR: Arg = arg(ArgClass::Scalar);
    pub(in super::super) const CTX: Arg = arg(ArgClass::Ctx);
    pub(in super::super) const CONST_MAP_PTR: Arg = arg(ArgClass::ConstMapPtr);
    pub(in super::super) const MAP_KEY: Arg = arg(ArgClass::MapKey);
    pub(in super::super) const MAP_VALUE: Arg = arg(ArgClass::MapValue);
    pub(in super::super) const MEM: Arg = arg(ArgClass::Mem);
    pub(in super::super) const CONST_SIZE: Arg = arg(ArgClass::ConstSize);
    pub(in super::super) const CONST_SIZE_OR_ZERO: Arg = arg(ArgClass::ConstSizeOrZero);
    pub(in super::super) const ALLOC_SIZE: Arg = arg(ArgClass::ConstAllocSizeOrZero);
    pub(in super::super) const SPIN_LOCK: Arg = arg(ArgClass::SpinLock);
    pub(in super::super) const TIMER: Arg = arg(ArgClass::Timer);
    pub(in super::super) const SOCK_COMMON: Arg = arg(ArgClass::SockCommon);
    pub(in super::super) const SOCKET: Arg = arg(ArgClass::Socket);
    pub(in super::super) const BTF_SOCK: Arg = arg(ArgClass::BtfIdSockCommon);
    pub(in super::super) const PERCPU_BTF: Arg = arg(ArgClass::PercpuBtfId);
    pub(in super::super) const RINGBUF_MEM: Arg = arg(ArgClass::RingbufMem);
    pub(in super::super) const DYNPTR: Arg = arg(ArgClass::Dynptr);
    pub(in super::super) const FUNC: Arg = arg(ArgClass::Func);
    pub(in super::super) const STACK: Arg = arg(ArgClass::Stack);
    pub(in super::super) const CONST_STR: Arg = arg(ArgClass::ConstStr);
    pub(in super::super) const KPTR_DEST: Arg = arg(ArgClass::KptrXchgDest);

    pub(in super::super) const fn fixed(size: u32) -> Arg {
        Arg { size, ..arg(ArgClass::FixedSizeMem) }
    }

    pub(in super::super) const fn btf(btf: &'static str) -> Arg {
        Arg { btf, ..arg(ArgClass::BtfId) }
    }

    impl Arg {
        pub(in super::super) const fn or_null(self) -> Self {
            Self { or_null: true, ..self }
        }

        pub(in super::super) const fn rdonly(self) -> Self {
            Self { rdonly: true, ..self }
        }

        pub(in super::super) const fn write(self) -> Self {
            Self { write: true, ..self }
        }

        pub(in super::super) const fn uninit(self) -> Self {
            Self { uninit: true, ..self }
        }

        pub(in super::super) const fn aligned(self) -> Self {
            Self { aligned: true, ..self }
        }

        pub(in super::super) const fn release(self) -> Self {
            Self { release: true, ..self }
        }

        pub(in super::super) const fn ringbuf(self) -> Self {
            Self { ringbuf: true, ..self }
        }

        pub(in super::super) const fn local(self) -> Self {
            Self { local: true, ..self }
        }
    }

    const fn ret(class: RetClass) -> Ret {
        Ret { class, or_null: false, rdonly: false, trusted: false, btf: "" }
    }

    pub(in super::super) const INTEGER: Ret = ret(RetClass::Integer);
    pub(in super::super) const VOID: Ret = ret(RetClass::Void);
    pub(in super::super) const TO_MAP_VALUE: Ret = ret(RetClass::MapValue);
    pub(in super::super) const TO_SOCKET: Ret = ret(RetClass::Socket);
    pub(in super::super) const TO_TCP_SOCK: Ret = ret(RetClass::TcpSock);
    pub(in super::super) const TO_SOCK_COMMON: Ret = ret(RetClass::SockCommon);
    pub(in super::super) const TO_RINGBUF_MEM: Ret = ret(RetClass::RingbufMem);
    pub(in super::super) const TO_DYNPTR_MEM: Ret = ret(RetClass::DynptrMem);
    pub(in super::super) const TO_MEM_OR_BTF: Ret = ret(RetClass::MemOrBtfId);

    pub(in super::super) const fn to_btf(btf: &'static str) -> Ret {
        Ret { btf, ..ret(RetClass::BtfId) }
    }

    impl Ret {
        pub(in super::super) const fn or_null(self) -> Self {
            Self { or_null: true, ..self }
        }

        pub(in super::super) const fn rdonly(self) -> Self {
            Self { rdonly: true, ..self }
        }

        pub(in super::super) const fn trusted(self) -> Self {
            Self { trusted: true, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_agree_with_argument_classes() {
        for id in HelperId::ALL.iter().filter(|id| id.0 != 0) {
            let info = id.info().unwrap();
            let (ret, params) = info.proto.split_once('(').unwrap();
            let count =
                params.trim_end_matches(')').split(", ").filter(|p| !matches!(*p, "void" | "...")).count();
            // The kernel does not check this helper's third parameter.
            let unchecked = usize::from(*id == HelperId::GET_BRANCH_SNAPSHOT);
            assert_eq!(count - unchecked, info.args.len(), "{id}: {} and {:?}", info.proto, info.args);
            assert!(info.args.len() <= 5 && !ret.is_empty(), "{id}");
            let is_pointer = !matches!(info.ret.class, RetClass::Integer | RetClass::Void);
            if is_pointer {
                assert!(
                    ret.ends_with('*') || *id == HelperId::TASK_PT_REGS,
                    "{id} gives {:?} but its C type is {ret}",
                    info.ret
                );
            }
        }
    }

    #[test]
    fn sizes_follow_the_memory_that_they_measure() {
        for id in HelperId::ALL {
            for pair in id.info().unwrap().args.windows(2) {
                if matches!(pair[1].class, ArgClass::ConstSize | ArgClass::ConstSizeOrZero) {
                    assert_eq!(pair[0].class, ArgClass::Mem, "{id}: {pair:?}");
                }
            }
        }
    }

    #[test]
    fn rows_carry_what_the_kernel_checks() {
        let lookup = HelperId::MAP_LOOKUP_ELEM.info().unwrap();
        assert_eq!(format!("{:?}", lookup.args), "[ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY]");
        assert_eq!(lookup.ret.to_string(), "RET_PTR_TO_MAP_VALUE | PTR_MAYBE_NULL");
        assert_eq!(lookup.proto, "void *(struct bpf_map *, const void *)");
        assert!(!lookup.gpl_only && HelperId::TRACE_PRINTK.info().unwrap().gpl_only);
        assert!(HelperId::MAP_LOOKUP_ELEM.allowed_in(ProgType::XDP));
        assert!(HelperId::XDP_ADJUST_HEAD.allowed_in(ProgType::XDP));
        assert!(!HelperId::XDP_ADJUST_HEAD.allowed_in(ProgType::KPROBE));
        assert!(!HelperId(9999).allowed_in(ProgType::XDP));
        assert!(HelperId::COPY_FROM_USER.info().unwrap().might_sleep);
        assert!(HelperId::SKB_STORE_BYTES.info().unwrap().args.len() == 5);
    }

    #[test]
    fn socket_options_take_the_context_or_a_socket() {
        let info = HelperId::SETSOCKOPT.info().unwrap();
        assert_eq!(info.args_for(ProgType::SOCK_OPS)[0].class, ArgClass::Ctx);
        assert_eq!(info.args_for(ProgType::LSM)[0].class, ArgClass::BtfIdSockCommon);
    }

    #[test]
    fn every_helper_can_be_called_somewhere() {
        for id in HelperId::ALL.iter().filter(|id| id.0 != 0) {
            assert!(ProgType::ALL.iter().any(|&t| id.allowed_in(t)), "{id}");
        }
    }
}
