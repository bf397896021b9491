//! Amounts of bytes, as people write and read them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
