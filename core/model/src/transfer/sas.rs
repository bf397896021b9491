//! Shared access signatures, as far as they can be read: for whom, from when, until when.

use jiff::{civil::Date, tz::TimeZone};

use super::BlobPlace;
use crate::Timestamp;

/// A signature must be good for so long yet, in milliseconds: `arm.md` 6.8.
const AHEAD_MS: u64 = 3_600_000;
/// And must have been good for so long, because clocks differ.
const PAST_MS: u64 = 15 * 60_000;

/// What a signature is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SasUse {
    /// Blobs are written.
    Export,
    /// A blob is read.
    Import,
}

/// A signature that cannot be used, in the managed service's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("One of the SAS URIs provided could not be used for the following reason: {0}")]
pub struct SasRefused(pub String);

impl BlobPlace {
    /// Refuses what the signature itself says is not to be used. Whether it is genuine, the storage
    /// knows.
    pub fn check_signature(&self, use_of: SasUse, now: Timestamp) -> Result<(), SasRefused> {
        let refuse = |why: &str| Err(SasRefused(why.to_owned()));
        if self.query("sig").is_none_or(str::is_empty) {
            return refuse("the URI has no shared access signature (no `sig` in its query).");
        }
        // What a stored access policy says, the storage alone knows.
        let by_policy = self.query("si").is_some();
        match (self.query("se").map(moment), by_policy) {
            (None, true) => {}
            (None, false) => return refuse("its signature has no end (`se`)."),
            (Some(None), _) => return refuse("the end of its signature (`se`) is no date."),
            (Some(Some(end)), _) if end <= now => return refuse("its signature has expired."),
            (Some(Some(end)), _) if end < now.plus_ms(AHEAD_MS) => {
                return refuse("its signature expires in less than one hour.");
            }
            (Some(Some(_)), _) => {}
        }
        match self.query("st").map(moment) {
            None => {}
            Some(None) => return refuse("the start of its signature (`st`) is no date."),
            Some(Some(start)) if start.plus_ms(PAST_MS) > now => {
                return refuse(
                    "its signature is not good for 15 minutes yet; let it start earlier.",
                );
            }
            Some(Some(_)) => {}
        }
        let (needed, what) = match use_of {
            SasUse::Export => ('w', "writing"),
            SasUse::Import => ('r', "reading"),
        };
        match self.query("sp") {
            Some(permissions) if !permissions.contains(needed) => Err(SasRefused(format!(
                "its signature does not permit {what} (`sp` lacks `{needed}`)."
            ))),
            None if !by_policy => refuse("its signature permits nothing (no `sp`)."),
            Some(_) | None => Ok(()),
        }
    }
}

/// `2026-12-01`, `2026-12-01T15:00Z` or `2026-12-01T15:00:00Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let zoned = match text.len() {
        10 => text
            .parse::<Date>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp(),
        _ => text.parse::<jiff::Timestamp>().ok()?,
    };
    // What ended before 1970 has ended.
    Some(Timestamp(
        u64::try_from(zoned.as_millisecond()).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    fn check(query: &str, use_of: SasUse) -> Result<(), String> {
        let url = format!("https://acc.blob.core.windows.net/box/a.rdb?{query}");
        let Ok(Place::Blob(blob)) = Place::parse(&url) else {
            panic!("{url}");
        };
        let now = moment("2026-12-01T12:00:00Z").unwrap();
        let checked = blob.check_signature(use_of, now);
        checked.map_err(|refused| refused.0)
    }

    #[test]
    fn signatures_that_can_be_used_are_taken() {
        for query in [
            "sig=x&sp=rw&se=2026-12-01T13:00:00Z",
            "sig=x&sp=racwdl&st=2026-12-01T11:45Z&se=2026-12-02",
            "sig=x&si=policy",
            "sig=x&sp=rw&se=2026-12-01T13%3A00%3A00Z",
        ] {
            for use_of in [SasUse::Export, SasUse::Import] {
                assert_eq!(check(query, use_of), Ok(()), "{query}");
            }
        }
    }

    #[test]
    fn each_reason_is_told() {
        for (query, reason) in [
            ("sp=rw&se=2026-12-02", "no shared access signature"),
            ("sig=&sp=rw&se=2026-12-02", "no shared access signature"),
            ("sig=x&sp=rw", "no end"),
            ("sig=x&sp=rw&se=soon", "is no date"),
            ("sig=x&sp=rw&se=2026-12-01T11:59:59Z", "has expired"),
            ("sig=x&sp=rw&se=2026-12-01T12:59:59Z", "less than one hour"),
            (
                "sig=x&sp=rw&se=2026-12-02&st=2026-12-01T11:50:00Z",
                "15 minutes",
            ),
            ("sig=x&sp=l&se=2026-12-02", "does not permit writing"),
            ("sig=x&se=2026-12-02", "permits nothing"),
        ] {
            let why = check(query, SasUse::Export).unwrap_err();
            assert!(why.contains(reason), "{query}: {why}");
        }
        let why = check("sig=x&sp=w&se=2026-12-02", SasUse::Import).unwrap_err();
        assert!(why.contains("reading"), "{why}");
    }
}
