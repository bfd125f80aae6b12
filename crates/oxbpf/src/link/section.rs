//! What follows the name in a section: `kprobe/FUNC+OFF`, `uprobe/FILE:FUNC+OFF`, `tp/GROUP/EVENT`.
//!
//! Forms are those that libbpf 1.8 accepts; where it ignores what it can't read, this is an error.

use crate::error::{Error, Result};

/// Function and byte offset of a `kprobe` or `kretprobe` section.
pub(super) fn kprobe(extra: &str, is_return: bool) -> Result<(&str, u64)> {
    let (function, offset) = match extra.split_once('+') {
        Some((function, offset)) => (function, number(offset)),
        None => (extra, Some(0)),
    };
    if !is_name(function, "_.") {
        return Err(Error::invalid_object(format!("`{function}` is no function name")));
    }
    let Some(offset) = offset else {
        return Err(Error::invalid_object(format!("`{extra}`: what follows the + is no offset")));
    };
    if is_return && offset != 0 {
        return Err(Error::invalid_object("a return probe has no offset"));
    }
    Ok((function, offset))
}

/// Pattern of function names of a `kprobe.multi` or `kprobe.session` section.
pub(super) fn pattern(extra: &str) -> Result<&str> {
    if is_name(extra, "_.*?") {
        Ok(extra)
    } else {
        Err(Error::invalid_object(format!("`{extra}` is no pattern of function names")))
    }
}

/// File, function and byte offset of a `uprobe` or `uretprobe` section. The function may have a version behind `@`.
pub(super) fn uprobe(extra: &str, is_return: bool) -> Result<(&str, &str, u64)> {
    let (file, function) = file_and_name(extra)?;
    let with_offset = function.rsplit_once('+').and_then(|(f, offset)| Some((f, number(offset)?)));
    let (function, offset) = with_offset.unwrap_or((function, 0));
    if is_return && offset != 0 {
        return Err(Error::invalid_object("a return probe has no offset"));
    }
    Ok((file, function, offset))
}

/// File and function pattern of a `uprobe.multi` or `uprobe.session` section.
pub(super) fn file_and_name(extra: &str) -> Result<(&str, &str)> {
    match extra.split_once(':') {
        Some((file, name)) if !file.is_empty() && !name.is_empty() => Ok((file, name)),
        _ => Err(Error::invalid_object(format!("`{extra}` is not of the form FILE:FUNCTION"))),
    }
}

/// Pattern of function names of a section such as `fentry.multi`, with a module in front if it is one's.
pub(super) fn module_pattern(extra: &str) -> Result<&str> {
    let (module, names) = extra.split_once(':').unwrap_or(("kernel", extra));
    match pattern(names) {
        Ok(_) if is_name(module, "_-.") => Ok(extra),
        Ok(_) => Err(Error::invalid_object(format!("`{module}` is no name of a module"))),
        Err(e) => Err(e),
    }
}

/// File, provider and name of a `usdt` section.
pub(super) fn usdt(extra: &str) -> Result<(&str, (&str, &str))> {
    let mut parts = extra.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(provider), Some(name), None)
            if !file.is_empty() && !provider.is_empty() && !name.is_empty() =>
        {
            Ok((file, (provider, name)))
        }
        _ => Err(Error::invalid_object(format!("`{extra}` is not of the form FILE:PROVIDER:NAME"))),
    }
}

/// Group and name of a `tp` or `tracepoint` section.
pub(super) fn tracepoint(extra: &str) -> Result<(&str, &str)> {
    match extra.split_once('/') {
        Some((category, name)) if !category.is_empty() && !name.is_empty() => Ok((category, name)),
        _ => Err(Error::invalid_object(format!("`{extra}` is not of the form GROUP/EVENT"))),
    }
}

fn is_name(text: &str, besides: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || besides.contains(c))
}

/// A number in C notation: decimal, `0x` hexadecimal, or octal after a `0`.
fn number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kprobe_sections_name_a_function_and_an_offset() {
        assert_eq!(kprobe("do_sys_open", false).ok(), Some(("do_sys_open", 0)));
        assert_eq!(kprobe("f.isra.0+0x10", false).ok(), Some(("f.isra.0", 16)));
        assert_eq!(kprobe("f+010", false).ok(), Some(("f", 8)));
        assert_eq!(kprobe("f+10", false).ok(), Some(("f", 10)));
        for bad in ["", "+1", "a b", "f+", "f+-1", "f+x", "f*"] {
            assert!(kprobe(bad, false).is_err(), "{bad}");
        }
        assert!(kprobe("f+1", true).is_err());
        assert!(kprobe("f+0", true).is_ok());
    }

    #[test]
    fn uprobe_sections_name_a_file_a_function_and_an_offset() {
        let check = |extra, expect| assert_eq!(uprobe(extra, false).ok(), expect, "{extra}");
        check("/bin/sh:main", Some(("/bin/sh", "main", 0)));
        check("libc.so.6:malloc@GLIBC_2.2.5+0x4", Some(("libc.so.6", "malloc@GLIBC_2.2.5", 4)));
        check("bin:operator+", Some(("bin", "operator+", 0)));
        check("app.apk!/lib/x.so:f", Some(("app.apk!/lib/x.so", "f", 0)));
        check("/bin/sh", None);
        check(":main", None);
        check("/bin/sh:", None);
        assert!(uprobe("a:b+1", true).is_err());
    }

    #[test]
    fn usdt_sections_name_a_file_a_provider_and_a_probe() {
        assert_eq!(usdt("/lib/libc.so.6:libc:setjmp").ok(), Some(("/lib/libc.so.6", ("libc", "setjmp"))));
        for bad in ["", "a", "a:b", "a:b:", ":b:c", "a::c", "a:b:c:d"] {
            assert!(usdt(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_may_be_of_a_module() {
        assert_eq!(module_pattern("vfs_*").ok(), Some("vfs_*"));
        assert_eq!(module_pattern("nf_tables:nft_?et*").ok(), Some("nf_tables:nft_?et*"));
        for bad in ["", "m:", ":f", "a:b:c", "f[a]"] {
            assert!(module_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tracepoint_sections_name_group_and_event() {
        assert_eq!(tracepoint("sched/sched_switch").ok(), Some(("sched", "sched_switch")));
        assert!(tracepoint("sched").is_err());
        assert!(tracepoint("sched/").is_err());
        assert!(pattern("vfs_*").is_ok());
        assert!(pattern("vfs_[ab]").is_err());
    }
}
