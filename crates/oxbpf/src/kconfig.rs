//! Kernel configuration values: a line of text in, bytes of an extern out.
//!
//! An object declares `extern int CONFIG_HZ __kconfig`; its value comes from `CONFIG_X=y` lines that the caller or the system
//! gives. Three names that start with `LINUX_` are no configuration but facts, see [`crate::object`].

use oxbpf_object::KconfigForm;

/// The type of a configuration extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KconfigType {
    pub(crate) form: KconfigForm,
    /// Bytes.
    pub(crate) size: u32,
    pub(crate) is_signed: bool,
}

/// The option names and values of a configuration text; what is no `CONFIG_` line is skipped.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|l| l.starts_with("CONFIG_")).filter_map(|l| l.trim_end().split_once('='))
}

/// The first line of a text that means to set an option and does not.
pub(crate) fn broken_line(text: &str) -> Option<&str> {
    let is_broken = |l: &&str| l.split_once('=').is_none_or(|(_, value)| value.trim_end().is_empty());
    text.lines().filter(|l| l.starts_with("CONFIG_")).find(is_broken)
}

/// The bytes that an extern of type `ty` holds for an option's value as the configuration spells it: `y`, `n`, `m`, a number, or a quoted string.
///
/// # Errors
/// A sentence about why the value does not fit the type.
pub(crate) fn encode(ty: KconfigType, value: &str) -> Result<Vec<u8>, String> {
    match value.as_bytes() {
        [letter @ (b'y' | b'n' | b'm'), ..] => encode_letter(ty, *letter),
        [b'"', ..] => encode_string(ty, value),
        _ => {
            let number = parse_number(value).ok_or_else(|| format!("its value `{value}` is no number"))?;
            match ty.form {
                KconfigForm::Int | KconfigForm::Char => encode_number(ty, number),
                _ => Err(format!("its value is the number {value}, so it has to be declared as an integer")),
            }
        }
    }
}

fn encode_letter(ty: KconfigType, letter: u8) -> Result<Vec<u8>, String> {
    let is_yes = letter == b'y';
    match ty.form {
        KconfigForm::Bool if letter == b'm' => {
            Err("its value is `m`, so it has to be declared as enum libbpf_tristate or char".to_owned())
        }
        KconfigForm::Bool => Ok(vec![u8::from(is_yes)]),
        KconfigForm::Tristate => {
            let number = match letter {
                b'y' => 1u32,
                b'm' => 2,
                _ => 0,
            };
            Ok(number.to_ne_bytes().to_vec())
        }
        KconfigForm::Char => Ok(vec![letter]),
        KconfigForm::Int | KconfigForm::CharArray => Err(format!(
            "its value is `{}`, so it has to be declared as bool, enum libbpf_tristate or char",
            char::from(letter)
        )),
    }
}

fn encode_string(ty: KconfigType, value: &str) -> Result<Vec<u8>, String> {
    if ty.form != KconfigForm::CharArray {
        return Err(format!("its value is the string {value}, so it has to be declared as an array of char"));
    }
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(inner) = inner else { return Err(format!("its value {value} has no closing quote")) };
    let size = ty.size as usize;
    let room = size.saturating_sub(1);
    if inner.len() > room {
        log::warn!("kernel configuration string {value} is cut to {room} bytes");
    }
    let mut bytes = inner.as_bytes().get(..inner.len().min(room)).unwrap_or_default().to_vec();
    bytes.resize(size, 0);
    Ok(bytes)
}

/// The bytes of a number in an integer, `char` or `bool` extern.
///
/// # Errors
/// A sentence about why the number does not fit the type.
pub(crate) fn encode_number(ty: KconfigType, number: u64) -> Result<Vec<u8>, String> {
    match ty.form {
        KconfigForm::Int | KconfigForm::Char => {}
        KconfigForm::Bool if number <= 1 => {}
        KconfigForm::Bool => return Err(format!("its value {number} is no bool")),
        KconfigForm::Tristate | KconfigForm::CharArray => {
            return Err(format!("its value is the number {number}, so it has to be declared as an integer"));
        }
    }
    if !fits(ty, number) {
        return Err(format!("its value {number} does not fit {} bytes", ty.size));
    }
    match ty.size {
        1 => Ok((number as u8).to_ne_bytes().to_vec()),
        2 => Ok((number as u16).to_ne_bytes().to_vec()),
        4 => Ok((number as u32).to_ne_bytes().to_vec()),
        8 => Ok(number.to_ne_bytes().to_vec()),
        size => Err(format!("an integer of {size} bytes can't hold a configuration value")),
    }
}

/// Whether a number, taken as two's complement for signed types, keeps its value in the type's bytes.
pub(crate) fn fits(ty: KconfigType, number: u64) -> bool {
    let bits = ty.size.saturating_mul(8);
    match bits {
        64.. => true,
        0 => false,
        _ if ty.is_signed => {
            let half = 1i64 << (bits - 1);
            (-half..half).contains(&(number as i64))
        }
        _ => number >> bits == 0,
    }
}

/// A number as C spells it: decimal, `0x` hexadecimal, or octal with a leading zero, with an optional minus.
fn parse_number(text: &str) -> Option<u64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ty(form: KconfigForm, size: u32, is_signed: bool) -> KconfigType {
        KconfigType { form, size, is_signed }
    }

    const INT: KconfigType = ty(KconfigForm::Int, 4, true);
    const BYTE: KconfigType = ty(KconfigForm::Int, 1, false);
    const BOOL: KconfigType = ty(KconfigForm::Bool, 1, false);
    const TRISTATE: KconfigType = ty(KconfigForm::Tristate, 4, false);
    const STRING: KconfigType = ty(KconfigForm::CharArray, 8, true);

    #[test]
    fn letters_become_what_the_type_says() {
        assert_eq!(encode(BOOL, "y"), Ok(vec![1]));
        assert_eq!(encode(BOOL, "n"), Ok(vec![0]));
        assert!(encode(BOOL, "m").is_err());
        assert_eq!(encode(TRISTATE, "m"), Ok(2u32.to_ne_bytes().to_vec()));
        assert_eq!(encode(ty(KconfigForm::Char, 1, true), "m"), Ok(vec![b'm']));
        assert!(encode(INT, "y").is_err());
    }

    #[test]
    fn numbers_have_to_fit() {
        assert_eq!(encode(INT, "250"), Ok(250i32.to_ne_bytes().to_vec()));
        assert_eq!(encode(INT, "-1"), Ok((-1i32).to_ne_bytes().to_vec()));
        assert_eq!(encode(INT, "0x10"), Ok(16i32.to_ne_bytes().to_vec()));
        assert_eq!(encode(INT, "010"), Ok(8i32.to_ne_bytes().to_vec()));
        assert!(encode(INT, "2147483648").is_err());
        assert_eq!(encode(BYTE, "255"), Ok(vec![255]));
        assert!(encode(BYTE, "256").is_err());
        assert!(encode(INT, "4x").is_err());
        assert!(encode(STRING, "4").is_err());
        assert!(encode_number(BOOL, 2).is_err());
    }

    #[test]
    fn strings_lose_their_quotes_and_what_does_not_fit() {
        assert_eq!(encode(STRING, "\"cubic\""), Ok(b"cubic\0\0\0".to_vec()));
        assert_eq!(encode(STRING, "\"123456789\""), Ok(b"1234567\0".to_vec()));
        assert!(encode(STRING, "\"open").is_err());
        assert!(encode(INT, "\"x\"").is_err());
    }

    #[test]
    fn only_configuration_lines_count() {
        let text = "# CONFIG_A is not set\nCONFIG_B=y\n\nCONFIG_C=\"a=b\"\n";
        assert_eq!(entries(text).collect::<Vec<_>>(), [("CONFIG_B", "y"), ("CONFIG_C", "\"a=b\"")]);
        assert_eq!(broken_line(text), None);
        assert_eq!(broken_line("CONFIG_B\n"), Some("CONFIG_B"));
        assert_eq!(broken_line("CONFIG_B=\n"), Some("CONFIG_B="));
    }
}
