//! The lines that `bpf_printk` writes, in the form of tracefs's `trace_pipe`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that nobody has read yet.
#[derive(Debug, Default)]
pub(crate) struct TraceLog(Mutex<VecDeque<u8>>);

/// Bytes kept for a reader that does not come; older lines give way, as in the kernel's buffer.
const LIMIT: usize = 1 << 20;

impl TraceLog {
    fn bytes(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line for a thread: name, id, CPU, nanoseconds since the start.
    pub(crate) fn write(&self, comm: &str, tid: u32, cpu: u32, now_ns: u64, text: &str) {
        let (secs, micros) = (now_ns / 1_000_000_000, now_ns / 1000 % 1_000_000);
        let head =
            format!("{:>16}-{tid:<7} [{cpu:03}] ...21 {secs:>5}.{micros:06}: bpf_trace_printk: ", comm);
        let mut bytes = self.bytes();
        bytes.extend(head.as_bytes());
        bytes.extend(text.trim_end_matches('\n').as_bytes());
        bytes.push_back(b'\n');
        while bytes.len() > LIMIT {
            let line = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| i + 1);
            bytes.drain(..line);
        }
    }

    /// Takes as many bytes as there are and `out` has room for.
    pub(crate) fn read(&self, out: &mut [u8]) -> usize {
        let mut bytes = self.bytes();
        let count = bytes.len().min(out.len());
        for (to, from) in out.iter_mut().zip(bytes.drain(..count)) {
            *to = from;
        }
        count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::TraceLog;

    #[test]
    fn lines_have_the_form_of_trace_pipe() {
        let log = TraceLog::default();
        log.write("cat", 42, 1, 12_345_678_901, "hello\n");
        let mut out = [0; 128];
        let n = log.read(&mut out);
        let line = std::str::from_utf8(&out[..n]).unwrap();
        assert_eq!(line, "             cat-42      [001] ...21    12.345678: bpf_trace_printk: hello\n");
        assert!(log.is_empty());
    }
}
