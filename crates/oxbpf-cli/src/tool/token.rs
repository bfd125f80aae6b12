//! `token`: bpf file systems that delegate rights to who asks them for a token.

use anyhow::{Context, Result};

use super::{Args, Noun, Out, Tool, Verb};

pub(super) const NOUN: Noun = Noun {
    name: "token",
    verbs: &[Verb { name: "show", alias: Some("list"), usage: "", run: show }],
    terms: &[],
};

const MOUNTS: &str = "/proc/mounts";

/// What is delegated, and the mount option that says it.
const SETS: &[(&str, &str)] = &[
    ("allowed_cmds", "delegate_cmds"),
    ("allowed_maps", "delegate_maps"),
    ("allowed_progs", "delegate_progs"),
    ("allowed_attachs", "delegate_attachs"),
];

/// Names in a line of text.
const PER_LINE: usize = 4;

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    args.end()?;
    let mounts = std::fs::read(MOUNTS).with_context(|| format!("Failed to open: {MOUNTS}"))?;
    let mounts = String::from_utf8_lossy(&mounts);
    tool.out.array(|out| mounts.lines().for_each(|line| show_one(out, line)));
    Ok(())
}

/// Shows a line of `/proc/mounts`, if it delegates something.
fn show_one(out: &mut Out, line: &str) {
    let mut words = line.split(' ').skip(1);
    let (Some(place), Some("bpf"), Some(options)) = (words.next(), words.next(), words.next()) else {
        return;
    };
    let place = unescaped(place);
    let set = |key: &str| {
        let value = options.split(',').find_map(|o| o.strip_prefix(key)?.strip_prefix('='));
        value.map(|v| v.split(':').filter(|name| !name.is_empty()).collect::<Vec<_>>())
    };
    if SETS.iter().all(|(_, key)| set(key).is_none()) {
        return;
    }
    if out.is_json() {
        out.object(|out| {
            out.string_field("token_info", place);
            for (name, key) in SETS {
                out.name(name).array(|out| set(key).iter().flatten().for_each(|name| out.string(name)));
            }
        });
        return;
    }
    write!(out, "token_info  {place}");
    for (name, key) in SETS {
        write!(out, "\n\t{name}:");
        for line in set(key).unwrap_or_default().chunks(PER_LINE) {
            write!(out, "\n\t  ");
            line.iter().for_each(|name| write!(out, "{name:<20}"));
        }
    }
    writeln!(out);
}

/// A path as it is: the kernel writes spaces and the like as `\040`.
fn unescaped(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok()).filter(|_| *first == b'\\');
        match digits.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Buffer(Rc<RefCell<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(line: &str, is_json: bool, expect: &str) {
        let buffer = Buffer::default();
        let mut out = Out::new(Box::new(buffer.clone()));
        if is_json {
            out.set_json(false);
        }
        show_one(&mut out, line);
        out.flush();
        assert_eq!(String::from_utf8_lossy(&buffer.0.borrow()), expect);
    }

    #[test]
    fn what_a_file_system_delegates_is_listed() {
        let line = "bpffs /run/a\\040b bpf rw,relatime,delegate_cmds=map_create:prog_load,delegate_maps=array:hash:queue:stack:ringbuf 0 0";
        check(
            line,
            false,
            "token_info  /run/a b\n\tallowed_cmds:\n\t  map_create          prog_load           \n\tallowed_maps:\n\t  \
             array               hash                queue               stack               \n\t  ringbuf             \n\t\
             allowed_progs:\n\tallowed_attachs:\n",
        );
        check(
            line,
            true,
            "{\"token_info\":\"/run/a b\",\"allowed_cmds\":[\"map_create\",\"prog_load\"],\"allowed_maps\":[\"array\",\"hash\",\
             \"queue\",\"stack\",\"ringbuf\"],\"allowed_progs\":[],\"allowed_attachs\":[]}",
        );
        check("bpf /sys/fs/bpf bpf rw,nosuid,mode=700 0 0", false, "");
        check("tmpfs /tmp tmpfs rw,delegate_cmds=any 0 0", false, "");
    }
}
