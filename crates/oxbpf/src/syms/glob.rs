//! Patterns of function names: `*` for any run of characters, `?` for one.

/// Whether all of `name` matches `pattern`. There are no classes and no escapes.
///
/// Takes time proportional to the product of the lengths at worst, however many stars the pattern has.
pub fn glob_match(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut n, mut p) = (0, 0);
    // Where to go on when the rest does not match: behind the last star, with one more character given to it.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (name.get(n), pattern.get(p)) {
            (_, Some(b'*')) => {
                retry = Some((n, p + 1));
                p += 1;
            }
            (Some(_), Some(b'?')) => {
                n += 1;
                p += 1;
            }
            (Some(a), Some(b)) if a == b => {
                n += 1;
                p += 1;
            }
            (None, None) => return true,
            _ => match &mut retry {
                Some((start, behind)) if *start < name.len() => {
                    *start += 1;
                    (n, p) = (*start, *behind);
                }
                _ => return false,
            },
        }
    }
}

/// Whether a name is a pattern at all.
pub fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        let check = |name, pattern, expect| assert_eq!(glob_match(name, pattern), expect, "{name} ~ {pattern}");
        check("vfs_read", "vfs_read", true);
        check("vfs_read", "vfs_rea", false);
        check("vfs_rea", "vfs_read", false);
        check("vfs_read", "vfs_*", true);
        check("vfs_read", "*read", true);
        check("vfs_readv", "*read", false);
        check("vfs_readread", "*read", true);
        check("vfs_read", "v?s_*a?", true);
        check("vfs_read", "*", true);
        check("", "*", true);
        check("", "?", false);
        check("", "", true);
        check("abcabd", "*ab?", true);
        check("aXbXc", "a*b*c", true);
        check("aXbX", "a*b*c", false);
        check("a*b", "a\\*b", false);
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let name = "a".repeat(4000);
        let pattern = format!("{}b", "a*".repeat(200));
        assert!(!glob_match(&name, &pattern));
    }
}
