//! What commands write into their requests, as transcript outputs, and back.

use oxbpf_uapi::Errno;

use crate::transcript::{bytes_text, hex_text, parse_hex};
use crate::{Command, LogBuf, Reply};

type Outputs = Vec<(String, String)>;

/// The outputs of a command that was answered.
pub(crate) fn read(cmd: &Command<'_>, result: &Result<Reply, Errno>, full: bool) -> Outputs {
    let show = |bytes: &[u8]| if full { hex_text(bytes) } else { bytes_text(bytes) };
    let mut out = Outputs::new();
    let mut put = |name: &str, value: String| out.push((name.to_owned(), value));
    let is_ok = result.is_ok();
    match cmd {
        Command::MapLookupElem(r) | Command::MapLookupAndDeleteElem(r) if is_ok => {
            put("value", show(r.value))
        }
        Command::MapGetNextKey(r) if is_ok => put("next_key", show(r.next_key)),
        Command::MapLookupBatch(r) | Command::MapLookupAndDeleteBatch(r) => {
            put("count", r.count.to_string());
            if full {
                put("out_batch", show(r.out_batch));
                put("keys", show(r.keys));
                put("values", show(r.values));
            }
        }
        Command::MapUpdateBatch(r) => put("count", r.count.to_string()),
        Command::MapDeleteBatch(r) => put("count", r.count.to_string()),
        Command::ProgTestRun(r) if is_ok => {
            put("retval", r.retval.to_string());
            let used = |buf: &Option<&mut [u8]>, size: u32| {
                let buf = buf.as_deref().unwrap_or_default();
                show(buf.get(..size as usize).unwrap_or(buf))
            };
            if r.data_out.is_some() {
                put("data_size_out", r.data_size_out.to_string());
                put("data_out", used(&r.data_out, r.data_size_out));
            }
            if r.ctx_out.is_some() {
                put("ctx_size_out", r.ctx_size_out.to_string());
                put("ctx_out", used(&r.ctx_out, r.ctx_size_out));
            }
        }
        Command::ProgQuery(r) if is_ok => put("prog_cnt", r.count.to_string()),
        Command::ProgLoad(r) if full => put_log(&mut put, r.log.as_ref()),
        Command::BtfLoad(r) if full => put_log(&mut put, r.log.as_ref()),
        Command::GetInfo(r) if is_ok && full => put("info", show(r.info)),
        _ => {}
    }
    out
}

fn put_log(put: &mut impl FnMut(&str, String), log: Option<&LogBuf<'_>>) {
    let Some(log) = log else { return };
    let text = log.text();
    if !text.is_empty() {
        put("log", hex_text(text.as_bytes()));
    }
    if log.true_size != 0 {
        put("log_true_size", log.true_size.to_string());
    }
}

/// Writes recorded outputs into a request. What was recorded as a hash stays as it is.
pub(crate) fn write(cmd: &mut Command<'_>, outputs: &[(String, String)]) {
    for (name, value) in outputs {
        let number = value.parse::<u32>().ok();
        let bytes = parse_hex(value);
        match (cmd as &mut Command<'_>, name.as_str()) {
            (Command::MapLookupElem(r) | Command::MapLookupAndDeleteElem(r), "value") => fill(r.value, bytes),
            (Command::MapGetNextKey(r), "next_key") => fill(r.next_key, bytes),
            (Command::MapLookupBatch(r) | Command::MapLookupAndDeleteBatch(r), name) => match name {
                "count" => set(&mut r.count, number),
                "out_batch" => fill(r.out_batch, bytes),
                "keys" => fill(r.keys, bytes),
                "values" => fill(r.values, bytes),
                _ => {}
            },
            (Command::MapUpdateBatch(r), "count") => set(&mut r.count, number),
            (Command::MapDeleteBatch(r), "count") => set(&mut r.count, number),
            (Command::ProgTestRun(r), name) => match name {
                "retval" => set(&mut r.retval, number),
                "data_size_out" => set(&mut r.data_size_out, number),
                "ctx_size_out" => set(&mut r.ctx_size_out, number),
                "data_out" => fill(r.data_out.as_deref_mut().unwrap_or_default(), bytes),
                "ctx_out" => fill(r.ctx_out.as_deref_mut().unwrap_or_default(), bytes),
                _ => {}
            },
            (Command::ProgQuery(r), "prog_cnt") => set(&mut r.count, number),
            (Command::GetInfo(r), "info") => fill(r.info, bytes),
            (Command::ProgLoad(r), name) => write_log(r.log.as_mut(), name, number, bytes),
            (Command::BtfLoad(r), name) => write_log(r.log.as_mut(), name, number, bytes),
            _ => {}
        }
    }
}

fn write_log(log: Option<&mut LogBuf<'_>>, name: &str, number: Option<u32>, bytes: Option<Vec<u8>>) {
    let Some(log) = log else { return };
    match name {
        "log" => fill(log.buf, bytes),
        "log_true_size" => set(&mut log.true_size, number),
        _ => {}
    }
}

fn set(to: &mut u32, value: Option<u32>) {
    *to = value.unwrap_or(*to);
}

fn fill(to: &mut [u8], bytes: Option<Vec<u8>>) {
    for (to, from) in to.iter_mut().zip(bytes.unwrap_or_default()) {
        *to = from;
    }
}
