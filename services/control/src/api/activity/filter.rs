//! `$filter` of the activity log: comparisons that all have to be true, joined with `and`.

use jiff::{civil::DateTime, tz::TimeZone};
use model::Timestamp;

use crate::{
    api::{ApiError, query::bad_query},
    history::Wanted,
};

/// Reads a filter.
pub(super) fn read(text: &str) -> Result<Wanted, ApiError> {
    let mut wanted = Wanted::default();
    let words = words(text)?;
    for comparison in words.split(|word| word.is("and")) {
        let [name, operator, value] = comparison else {
            return Err(bad());
        };
        take(
            &mut wanted,
            &name.text,
            &operator.text.to_ascii_lowercase(),
            &value.text,
        )?;
    }
    Ok(wanted)
}

fn take(wanted: &mut Wanted, name: &str, operator: &str, value: &str) -> Result<(), ApiError> {
    let name = name.to_ascii_lowercase();
    if name == "eventtimestamp" {
        let at = moment(value)?;
        match operator {
            "ge" => wanted.from = Some(at),
            "gt" => wanted.from = Some(at.plus_ms(1)),
            "le" => wanted.to = Some(at),
            "lt" => wanted.to = Some(Timestamp(at.0.saturating_sub(1))),
            _ => return Err(bad()),
        }
        return Ok(());
    }
    let place = match name.as_str() {
        "resourcegroupname" => &mut wanted.group,
        "resourceuri" | "resourceid" => &mut wanted.resource,
        "resourceprovider" => &mut wanted.provider,
        "correlationid" => &mut wanted.correlation,
        "caller" => &mut wanted.caller,
        "status" => &mut wanted.status,
        _ => return Err(bad()),
    };
    if operator != "eq" {
        return Err(bad());
    }
    *place = Some(value.to_owned());
    Ok(())
}

fn bad() -> ApiError {
    bad_query(
        "`$filter` takes comparisons joined with `and`: `eventTimestamp ge '<time>'`, `eventTimestamp le '<time>'`, and `resourceGroupName`, `resourceUri`, `resourceProvider`, `correlationId`, `caller` or `status` with `eq '<value>'`.",
    )
}

/// A moment; without an offset it is of UTC.
fn moment(text: &str) -> Result<Timestamp, ApiError> {
    let with_offset: Option<jiff::Timestamp> = text.parse().ok();
    let of_utc = || {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let ms = with_offset
        .or_else(of_utc)
        .and_then(|at| u64::try_from(at.as_millisecond()).ok());
    ms.map(Timestamp).ok_or_else(|| {
        bad_query("`eventTimestamp` is compared with a time such as '2026-03-01T12:00:00Z'.")
    })
}

struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// The words of a filter; a quote within quotes is written twice.
fn words(text: &str) -> Result<Vec<Word>, ApiError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                let (at, c) = chars.next().ok_or_else(bad)?;
                if c != '\'' {
                    value.push(c);
                } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                    value.push('\'');
                } else {
                    break at + 1;
                }
            };
            words.push(Word {
                text: value,
                quoted: true,
            });
            rest = quoted.get(end..).unwrap_or_default().trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            words.push(Word {
                text: word.to_owned(),
                quoted: false,
            });
            rest = behind.trim_start();
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_the_platforms_tools_are_read() {
        let of_az = "eventTimestamp ge 2026-12-01T09:00:00.123456 and eventTimestamp le 2026-12-01T15:00:00 and resourceGroupName eq 'my and group' and caller eq 'it''s me'";
        let wanted = read(of_az).unwrap();
        assert_eq!(wanted.from, Some(Timestamp(1_796_115_600_123)));
        assert_eq!(wanted.to, Some(Timestamp(1_796_137_200_000)));
        assert_eq!(wanted.group.as_deref(), Some("my and group"));
        assert_eq!(wanted.caller.as_deref(), Some("it's me"));
        let quoted = "eventTimestamp GE '2014-07-16T04:36:37.6407898Z' AND resourceUri eq '/subscriptions/s'";
        let wanted = read(quoted).unwrap();
        assert_eq!(wanted.from, Some(Timestamp(1_405_485_397_640)));
        assert_eq!(wanted.resource.as_deref(), Some("/subscriptions/s"));
        assert!(read("eventTimestamp ge '2018-07-01'").is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "eventTimestamp",
            "eventTimestamp eq '2026-12-01T00:00:00Z'",
            "eventTimestamp ge 'then'",
            "level eq 'Error'",
            "caller ge 'x'",
            "caller eq 'x' or caller eq 'y'",
            "caller eq 'x' and",
            "caller eq 'x",
        ] {
            assert_eq!(read(bad).unwrap_err().code, "InvalidQuery", "{bad}");
        }
    }
}
