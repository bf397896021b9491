//! What a journal has of the bytes behind a fork.

use psync::{Offset, Position};
use relay::{KeptError, KeptStream};
use runtime::chain;

use super::{End, Suffix, join, missing_bytes};

/// What there is.
pub(super) enum Survey {
    /// Nothing is behind the fork.
    Nothing,
    /// This.
    Range(Range),
}

/// Bytes that are read.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// The oldest that the journal has.
    pub(super) oldest: Offset,
    /// Behind this it is read.
    pub(super) start: Offset,
    /// That is the fork, where a command begins. Otherwise one has to be looked for.
    pub(super) begins_at_fork: bool,
    /// Up to here.
    pub(super) to: Position,
    /// What cannot be had of what is behind the fork, and why.
    pub(super) missing: Option<String>,
}

pub(super) fn survey(stream: &mut KeptStream, suffix: &Suffix) -> Result<Survey, KeptError> {
    let fork = suffix.fork;
    let known = match suffix.end {
        End::Known(end) => Some(end),
        End::OfJournal => None,
    };
    // The other side has all that the engine has. The journal may have more: that of a leader that
    // died before the engine had it.
    let within =
        known.is_some_and(|known| known.replid == fork.replid && known.offset <= fork.offset);
    let nothing_kept = |why: &str| {
        if within {
            return Survey::Nothing;
        }
        let to = known.unwrap_or(fork);
        let end = known.map(|end| end.offset);
        Survey::Range(Range {
            oldest: to.offset,
            start: to.offset,
            begins_at_fork: false,
            to,
            missing: Some(missing_bytes(fork.offset, end, why)),
        })
    };
    let span = match stream.span() {
        Ok(span) => span,
        Err(KeptError::Absent { .. }) => None,
        Err(error) if error.is_damage() => {
            let why = chain(&error).to_string();
            return Ok(nothing_kept(&why));
        }
        Err(error) => return Err(error),
    };
    let Some((oldest, end)) = span else {
        return Ok(nothing_kept("the journal was never begun"));
    };
    let beyond = match known {
        Some(known) => beyond(stream, &known, end)?,
        None => None,
    };
    let same = fork.replid == end.replid;
    let (start, begins_at_fork, before) = if stream.covers(&fork)?.is_some() {
        (fork.offset, true, None)
    } else if same && fork.offset > end.offset {
        // The other side got bytes that did not reach the journal, and everything before them.
        match known.filter(|known| known.offset > fork.offset) {
            None => return Ok(Survey::Nothing),
            Some(known) => {
                let why = format!("the journal ends at {end}");
                let missing = missing_bytes(fork.offset, Some(known.offset), &why);
                let range = Range {
                    oldest: oldest.offset,
                    start: end.offset,
                    begins_at_fork: false,
                    to: end,
                    missing: Some(missing),
                };
                return Ok(Survey::Range(range));
            }
        }
    } else if fork.offset < oldest.offset {
        let why = format!("the journal begins at {oldest}");
        let missing = missing_bytes(fork.offset, Some(oldest.offset), &why);
        (oldest.offset, false, Some(missing))
    } else {
        let why = format!("the journal has another history, from {oldest} to {end}");
        return Ok(nothing_kept(&why));
    };
    if start == end.offset && before.is_none() && beyond.is_none() {
        return Ok(Survey::Nothing);
    }
    Ok(Survey::Range(Range {
        oldest: oldest.offset,
        start,
        begins_at_fork,
        to: end,
        missing: join(before, beyond),
    }))
}

/// What the engine has and the journal does not.
fn beyond(
    stream: &mut KeptStream,
    known: &Position,
    end: Position,
) -> Result<Option<String>, KeptError> {
    if known.replid == end.replid {
        let why = format!("the journal ends at {end}");
        let missing = (known.offset > end.offset)
            .then(|| missing_bytes(end.offset, Some(known.offset), &why));
        return Ok(missing);
    }
    if stream.covers(known)?.is_some() {
        return Ok(None);
    }
    let why = format!("the engine is at {known}, a history that the journal does not have");
    Ok(Some(missing_bytes(end.offset, None, &why)))
}
