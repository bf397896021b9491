//! Which time a query is about, and in what steps.

use model::Timestamp;
use percent_encoding::percent_decode_str;

use super::asked::{bad, shown};
use crate::{
    api::{ApiError, query},
    history::{HOUR, HOURS_KEPT, fine_from},
    view::{Range, offered},
};

/// The step of a query that names none, as long as minutes are kept, and before.
const USUAL: (&str, u64) = ("PT1M", 1);
const COARSE: (&str, u64) = ("PT1H", HOUR);
/// One step.
const FULL: &str = "FULL";

/// Reads `timespan`, `interval` and `autoadjusttimegrain`.
pub(super) fn range(asked: &query::Asked, now: Timestamp) -> Result<Range, ApiError> {
    let present = now.0 / 60_000;
    let (from, to) = match asked.get("timespan") {
        None => (present.saturating_sub(HOUR), present + 1),
        Some(text) => timespan(text, present)?,
    };
    // Nothing older is kept, and nothing younger is known.
    let from = from.max(present.saturating_sub(HOURS_KEPT));
    let to = to.min(present + 1);
    // An hour's grace: who asks for two days asks a moment after they began.
    let is_fine = from + HOUR >= fine_from(present);
    let (grain, step) = match asked.get("interval") {
        None if is_fine => USUAL,
        None => COARSE,
        Some(text) if text.eq_ignore_ascii_case(FULL) => {
            let from = if is_fine { from } else { from - from % HOUR };
            return Ok(Range {
                from,
                to,
                step: to.saturating_sub(from).max(1),
                grain: FULL,
            });
        }
        Some(text) => grain(text).ok_or_else(|| unknown(text))?,
    };
    let adjusts = asked.get("autoadjusttimegrain");
    let (grain, step) = match (is_fine || step >= HOUR, adjusts) {
        (true, _) => (grain, step),
        (false, Some(yes)) if yes.eq_ignore_ascii_case("true") => COARSE,
        (false, _) => return Err(too_long(grain)),
    };
    Ok(Range {
        from: from - from % step,
        to,
        step,
        grain,
    })
}

fn unknown(text: &str) -> ApiError {
    let names: Vec<_> = offered().map(|(name, _)| name).collect();
    bad(format!(
        "Invalid time grain '{}'; the supported ones are {}, {FULL}.",
        shown(text),
        names.join(", ")
    ))
}

fn too_long(grain: &str) -> ApiError {
    bad(format!(
        "The timespan begins before the time for which figures are kept in steps of {grain}: those shorter than PT1H are kept for 2 days, the others for 30. Ask for a later beginning, for an interval of PT1H or more, or with AutoAdjustTimegrain=true."
    ))
}

fn grain(text: &str) -> Option<(&'static str, u64)> {
    offered().find(|(name, _)| name.eq_ignore_ascii_case(text))
}

/// `start/end`, or the length of time before now. Some clients encode it twice.
fn timespan(text: &str, present: u64) -> Result<(u64, u64), ApiError> {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if let Some(length) = length(&decoded) {
        return Ok((present.saturating_sub(length), present + 1));
    }
    let parsed = decoded.split_once('/').and_then(|(start, end)| {
        let (start, end) = (instant(start)?, instant(end)?);
        (start < end).then_some((start / 60_000, end.div_ceil(60_000)))
    });
    parsed.ok_or_else(|| {
        bad(format!(
            "The timespan '{}' is not valid; write it as start/end, such as 2026-03-01T00:00:00Z/2026-03-01T01:00:00Z, or as a length such as PT1H.",
            shown(&decoded)
        ))
    })
}

/// Minutes of an ISO 8601 duration.
fn length(text: &str) -> Option<u64> {
    if !text.starts_with(['P', 'p']) {
        return None;
    }
    let span: jiff::Span = text.parse().ok()?;
    // Days have 24 hours here, since all is in UTC.
    let minutes = span
        .total((
            jiff::Unit::Minute,
            jiff::SpanRelativeTo::days_are_24_hours(),
        ))
        .ok()?;
    let is_sensible = (1.0..1e9).contains(&minutes);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within bounds"
    )]
    is_sensible.then_some(minutes as u64)
}

/// Milliseconds since the Unix epoch; a time without an offset is UTC.
fn instant(text: &str) -> Option<u64> {
    // A plus sign that nobody encoded arrives as a space.
    let text = text.trim().replace(' ', "+");
    let parsed = text.parse().or_else(|_| format!("{text}Z").parse());
    let instant: jiff::Timestamp = parsed.ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}
