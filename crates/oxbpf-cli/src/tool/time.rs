//! Seconds since 1970 in, the text of the local time out, as strftime(3) has it for `%FT%T%z`.
//!
//! The zone is that of `TZ`, else of `/etc/localtime`, as a file of tzfile(5): its transitions, and behind the last one its
//! rule for all years to come.

use std::path::{Path, PathBuf};

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// A time of the local zone: `2026-11-21T10:00:00+0100`.
pub(crate) fn local(seconds: i64) -> String {
    let offset = zone_file().and_then(|file| offset_in(&file, seconds)).unwrap_or(0);
    text(seconds, offset)
}

/// The bytes of the zone's file; none for UTC.
fn zone_file() -> Option<Vec<u8>> {
    let path = match std::env::var("TZ") {
        Ok(name) if name.trim_start_matches(':').is_empty() => return None,
        Ok(name) => PathBuf::from("/usr/share/zoneinfo").join(name.trim_start_matches(':')),
        Err(_) => PathBuf::from("/etc/localtime"),
    };
    std::fs::read(Path::new(&path)).ok()
}

fn text(seconds: i64, offset: i64) -> String {
    let local = seconds.saturating_add(offset);
    let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (rest / HOUR, rest % HOUR / 60, rest % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (zone_hours, zone_minutes) = (offset.abs() / HOUR, offset.abs() % HOUR / 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{sign}{zone_hours:02}{zone_minutes:02}"
    )
}

/// Year, month and day of a day since 1970. Years begin in March here, so that a leap day is the last of one.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of a date.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds east of UTC at a time, by a file of tzfile(5).
fn offset_in(file: &[u8], at: i64) -> Option<i64> {
    let (first, second) = (Block::new(file, 4)?, file);
    // The second block has times of 64 bits.
    let block = Block::new(second.get(first.end..)?, 8)?;
    let times = block.times();
    let after = times.iter().take_while(|t| **t <= at).count();
    if after == times.len() {
        let footer = block.bytes.get(block.end + 1..)?.split(|b| *b == b'\n').next()?;
        if let Some(offset) = std::str::from_utf8(footer).ok().and_then(|rule| offset_by_rule(rule, at)) {
            return Some(offset);
        }
    }
    // Before the first transition the first type holds.
    let kind = match after.checked_sub(1) {
        Some(last) => usize::from(*block.kinds().get(last)?),
        None => 0,
    };
    let info = block.infos().get(6 * kind..)?.first_chunk()?;
    Some(i64::from(i32::from_be_bytes(*info)))
}

/// A header of tzfile(5) and what follows it.
struct Block<'f> {
    bytes: &'f [u8],
    width: usize,
    times: usize,
    infos: usize,
    end: usize,
}

impl<'f> Block<'f> {
    const HEADER: usize = 44;

    fn new(bytes: &'f [u8], width: usize) -> Option<Self> {
        if !bytes.starts_with(b"TZif") {
            return None;
        }
        let count = |i: usize| -> Option<usize> {
            let word = bytes.get(20 + 4 * i..)?.first_chunk()?;
            usize::try_from(u32::from_be_bytes(*word)).ok().filter(|n| *n < 1 << 16)
        };
        let (utc, std, leaps, times, infos, names) =
            (count(0)?, count(1)?, count(2)?, count(3)?, count(4)?, count(5)?);
        let end = Self::HEADER + times * (width + 1) + infos * 6 + names + leaps * (width + 4) + std + utc;
        Some(Self { bytes, width, times, infos, end })
    }

    fn part(&self, start: usize, len: usize) -> &'f [u8] {
        self.bytes.get(Self::HEADER + start..).and_then(|b| b.get(..len)).unwrap_or_default()
    }

    /// When the offset changes.
    fn times(&self) -> Vec<i64> {
        let bytes = self.part(0, self.times * self.width);
        bytes.chunks_exact(8).filter_map(|t| t.try_into().ok()).map(i64::from_be_bytes).collect()
    }

    /// The type from each change on.
    fn kinds(&self) -> &'f [u8] {
        self.part(self.times * self.width, self.times)
    }

    /// The types: offset, whether it is summer, name.
    fn infos(&self) -> &'f [u8] {
        self.part(self.times * (self.width + 1), self.infos * 6)
    }
}

/// Seconds east of UTC at a time, by a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`. Rules with days of the year are not read.
fn offset_by_rule(rule: &str, at: i64) -> Option<i64> {
    let mut parts = rule.split(',');
    let names = parts.next()?;
    let rest = after_name(names)?;
    let (winter, rest) = duration(rest)?;
    let winter = -winter;
    if rest.is_empty() {
        return Some(winter);
    }
    let rest = after_name(rest)?;
    let summer = if rest.is_empty() { winter + HOUR } else { -duration(rest)?.0 };
    let (year, ..) = date((at + winter).div_euclid(DAY));
    let start = change(parts.next()?, year)? - winter;
    let end = change(parts.next()?, year)? - summer;
    let is_summer = if start < end { (start..end).contains(&at) } else { !(end..start).contains(&at) };
    Some(if is_summer { summer } else { winter })
}

/// What follows a zone's name, `CET` or `<+03>`.
fn after_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => Some(quoted.split_once('>')?.1),
        None => Some(text.trim_start_matches(|c: char| c.is_ascii_alphabetic())),
    }
}

/// `[+-]hh[:mm[:ss]]` in seconds, and what follows.
fn duration(text: &str) -> Option<(i64, &str)> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let mut seconds = 0;
    for (part, unit) in digits.split(':').zip([HOUR, 60, 1]) {
        seconds += part.parse::<i64>().ok()? * unit;
    }
    Some((sign * seconds, rest))
}

/// The local time of `Mmonth.week.day[/time]` in a year, in seconds.
fn change(rule: &str, year: i64) -> Option<i64> {
    let (place, time) = rule.split_once('/').unwrap_or((rule, "2"));
    let mut numbers = place.strip_prefix('M')?.split('.').map(|n| n.parse::<i64>().ok());
    let (month, week, weekday) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let first = day_of(year, month, 1);
    let next_month = if month == 12 { day_of(year + 1, 1, 1) } else { day_of(year, month + 1, 1) };
    // 1 January 1970 was a Thursday.
    let before = (weekday - (first + 4)).rem_euclid(7);
    let mut day = first + before + 7 * (week - 1);
    while day >= next_month {
        day -= 7;
    }
    Some(day * DAY + duration(time)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times and their texts are of `date -d @SECONDS +%FT%T%z`.
    #[test]
    fn times_are_written_as_date_writes_them() {
        for (seconds, offset, expect) in [
            (0, 0, "1970-01-01T00:00:00+0000"),
            (1_709_251_199, 0, "2024-02-29T23:59:59+0000"),
            (4_107_542_400, 3600, "2100-03-01T01:00:00+0100"),
            (-1, -12_600, "1969-12-31T20:29:59-0330"),
        ] {
            assert_eq!(text(seconds, offset), expect);
        }
    }

    #[test]
    fn rules_say_when_it_is_summer() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        // 29 March 2026, 01:00 UTC and a second before.
        assert_eq!(offset_by_rule(berlin, 1_774_745_999), Some(HOUR));
        assert_eq!(offset_by_rule(berlin, 1_774_746_000), Some(2 * HOUR));
        // 25 October 2026, 01:00 UTC.
        assert_eq!(offset_by_rule(berlin, 1_792_889_999), Some(2 * HOUR));
        assert_eq!(offset_by_rule(berlin, 1_792_890_000), Some(HOUR));
        // Sydney, where the year begins in summer.
        assert_eq!(offset_by_rule("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_767_225_600), Some(11 * HOUR));
        assert_eq!(offset_by_rule("<+0530>-5:30", 0), Some(5 * HOUR + 1800));
        assert_eq!(offset_by_rule("CET-1CEST,J60,J300", 0), None);
    }

    #[test]
    fn files_that_are_none_give_no_offset() {
        for file in [&b""[..], b"TZif", b"TZif2 and then nothing that a header would have in it"] {
            assert_eq!(offset_in(file, 0), None);
        }
        let mut file = [0; 2 * Block::HEADER + 6 + 4].to_vec();
        for at in [0, Block::HEADER] {
            file[at..at + 5].copy_from_slice(b"TZif2");
        }
        // One type of the second block, its name, and an empty rule.
        file[Block::HEADER + 20 + 16 + 3] = 1;
        file[Block::HEADER + 20 + 20 + 3] = 3;
        file[2 * Block::HEADER..][..4].copy_from_slice(&7200_i32.to_be_bytes());
        assert_eq!(offset_in(&file, 0), Some(7200));
    }
}
