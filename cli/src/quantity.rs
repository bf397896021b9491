//! Amounts of bytes, of time and of things, as people write and read them.

use std::time::Duration;

use indicatif::HumanCount;

use crate::output::milliseconds;

/// What a unit counts.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads `10MB`, `1.5 GiB` or `4096`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes such as 10MB, 1.5GiB or 4096".to_owned();
    let text = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| -> Result<u64, String> {
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|_not_a_number| wrong())
    };
    // More digits than this are less than a byte of the largest unit.
    if (whole.is_empty() && part.is_empty()) || part.len() > 12 || number.ends_with('.') {
        return Err(wrong());
    }
    let tenths = 10_u128.pow(u32::try_from(part.len()).unwrap_or(12));
    let amount = u128::from(digits(whole)?) * tenths + u128::from(digits(part)?);
    u64::try_from(amount * u128::from(*factor) / tenths).map_err(|_too_much| wrong())
}

/// Reads `10MB/s`, with or without the `/s`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let amount = text.trim();
    bytes(amount.strip_suffix("/s").unwrap_or(amount))
        .map_err(|_wrong| "write a rate such as 10MB/s, or `none`".to_owned())
}

/// What a unit of time counts, in milliseconds.
const TIMES: [(&str, u32); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads `500ms`, `1.5s` or `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 500ms, 10s or 2m".to_owned();
    let text = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let unit = unit.trim();
    let (_, factor) = TIMES
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return Err(wrong());
    }
    let amount: f64 = number.parse().map_err(|_not_a_number| wrong())?;
    Duration::try_from_secs_f64(amount * f64::from(*factor) / 1_000.0)
        .ok()
        .filter(|time| time.as_secs() <= LONGEST)
        .ok_or_else(wrong)
}

/// No time that is set for anything is longer, in seconds.
const LONGEST: u64 = 365 * 86_400;

/// Reads a time in whole seconds, such as `30s`.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    let time = duration(text)?;
    if time.subsec_nanos() != 0 {
        return Err("write whole seconds, such as 10s".to_owned());
    }
    u32::try_from(time.as_secs()).map_err(|_too_long| "that is too long".to_owned())
}

/// How long something is ago or away, in the unit that suits it: `2.5 s`, `40 s`, `3 min`, `2 h`.
pub(crate) fn since(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a second")]
    let exact = ms as f64;
    match ms / 1_000 {
        0..10 => milliseconds(exact),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// `1 key`, `2,000 keys`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        HumanCount(count),
        if count == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_unit_that_suits_them() {
        for (ms, expected) in [
            (0, "0.0 ms"),
            (900, "900 ms"),
            (6_400, "6.4 s"),
            (90_000, "90 s"),
            (150_000, "2 min"),
            (7_300_000, "2 h"),
        ] {
            assert_eq!(since(ms), expected);
        }
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, expected) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1.5 s", 1_500),
            ("2m", 120_000),
            ("0s", 0),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for bad in [
            "", "10", "s", "10x", "-1s", ".5s", "5.s", "1..5s", "9999999h", "1e3s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("2m"), Ok(120));
        assert!(seconds("500ms").is_err());
    }

    #[test]
    fn amounts_are_read_in_both_kinds_of_units() {
        for (text, expected) in [
            ("4096", 4_096),
            ("10MB", 10_000_000),
            ("10 mb", 10_000_000),
            ("4GiB", 4 << 30),
            ("1.5GiB", 3 << 29),
            (".5kB", 500),
            ("0", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "MB",
            "10XB",
            "1..5MB",
            "-1",
            "5.",
            "18446744073709551616",
            "99999999TiB",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("10MB/s"), Ok(10_000_000));
        assert_eq!(rate("64KiB"), Ok(65_536));
        assert!(rate("fast").is_err());
    }
}
