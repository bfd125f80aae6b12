//! Types and values as C text, to C's callback.

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};

use oxbpf_btf::dump_data::{DumpDataOpts, dump_data};
use oxbpf_btf::{BtfError, CDump, DeclOpts, TypeId};

use super::{Btf, Types};
use crate::abi::{BtfDumpEmitTypeDeclOpts, BtfDumpOpts, BtfDumpTypeDataOpts};
use crate::arg::{Ptr, Raw, give};
use crate::fail::Fail;
use crate::object::lock;
use crate::opts::Opts;
use crate::print::{VaList, with_va_list};
use crate::ret::{Int, Out, Void};

/// `btf_dump_printf_fn_t`.
pub type PrintfFn = extern "C" fn(ctx: *mut c_void, format: *const c_char, args: VaList);

/// `struct btf_dump`.
#[derive(Debug)]
pub struct Dump {
    /// The writer, which refers to `types` for as long as it lives.
    writer: Mutex<Option<CDump<'static>>>,
    types: &'static Arc<Types>,
    print: PrintfFn,
    ctx: AtomicPtr<c_void>,
}

impl Dump {
    fn new(types: Arc<Types>, print: PrintfFn, ctx: Raw) -> Self {
        // Given back by `drop`, after the writer.
        let types: &'static Arc<Types> = Box::leak(Box::new(types));
        let writer = Mutex::new(Some(CDump::new(types)));
        Self { writer, types, print, ctx: AtomicPtr::new(ctx.pointer().cast()) }
    }

    /// Runs the writer, and gives C what it wrote, also before an error.
    fn write(
        &self,
        run: impl FnOnce(&mut CDump<'static>, &mut Vec<u8>) -> Result<(), BtfError>,
    ) -> Result<(), Fail> {
        let mut out = Vec::new();
        let result = match lock(&self.writer).as_mut() {
            Some(writer) => run(writer, &mut out),
            None => return Err(Fail::INVAL),
        };
        self.print(&String::from_utf8_lossy(&out));
        Ok(result?)
    }

    fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let ctx = self.ctx.load(Ordering::Relaxed);
        with_va_list(text, |format, args| (self.print)(ctx, format, args));
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        *lock(&self.writer) = None;
        drop(Ptr::given(self.types).take());
    }
}

export! {
    /// Writes types as C to a callback.
    fn btf_dump__new(btf: Ptr<Btf>, printf_fn: Option<PrintfFn>, ctx: Raw, opts: Opts<BtfDumpOpts>) -> Out<Dump> {
        opts.check()?;
        let print = printf_fn.ok_or(Fail::INVAL)?;
        Ok(give(Dump::new(btf.get()?.types()?, print, ctx)))
    }

    /// Ends the writing.
    fn btf_dump__free(d: Ptr<Dump>) -> Void {
        drop(d.take());
        Ok(())
    }

    /// Writes the definition of a type, after what it needs.
    fn btf_dump__dump_type(d: Ptr<Dump>, id: u32) -> Int {
        let dump = d.get()?;
        if id >= dump.types.type_count() {
            return Err(Fail::INVAL);
        }
        dump.write(|writer, out| writer.dump_type(TypeId(id), out))?;
        Ok(0)
    }

    /// Writes a declaration with a type.
    fn btf_dump__emit_type_decl(d: Ptr<Dump>, id: u32, opts: Opts<BtfDumpEmitTypeDeclOpts>) -> Int {
        type L = BtfDumpEmitTypeDeclOpts;
        let opts = opts.check()?;
        let name = opt!(str opts: L, field_name);
        let how = DeclOpts {
            field_name: name.opt()?.unwrap_or_default(),
            indent_level: u32::try_from(opt!(opts: L, indent_level)).unwrap_or(0),
            strip_mods: opt!(opts: L, strip_mods) != 0,
        };
        d.get()?.write(|writer, out| writer.emit_type_decl(TypeId(id), how, out))?;
        Ok(0)
    }

    /// Writes a value; gives its bytes, −E2BIG if the data ended early.
    fn btf_dump__dump_type_data(
        d: Ptr<Dump>, id: u32, data: Raw, data_sz: usize, opts: Opts<BtfDumpTypeDataOpts>,
    ) -> Int {
        type L = BtfDumpTypeDataOpts;
        let (dump, opts) = (d.get()?, opts.check()?);
        let indent = opt!(str opts: L, indent_str);
        let how = DumpDataOpts {
            compact: opt!(opts: L, compact) != 0,
            skip_names: opt!(opts: L, skip_names) != 0,
            emit_zeroes: opt!(opts: L, emit_zeroes) != 0,
            emit_strings: opt!(opts: L, emit_strings) != 0,
            indent_level: u32::try_from(opt!(opts: L, indent_level)).unwrap_or(0),
            indent: indent.opt()?.unwrap_or("\t"),
        };
        let bytes = data.bytes(data_sz).ok_or(Fail::INVAL)?;
        let mut text = String::new();
        let result = dump_data(dump.types, TypeId(id), bytes, &how, &mut text);
        dump.print(&text);
        Ok(result? as c_int)
    }
}
