//! Looks at many keys of one side at once.
//!
//! Commands go out in pipelines. An engine may carry out a whole pipeline before it serves
//! anybody else, so one is made as long as its answers are short: about [`PIPELINE`] bytes.

use verify::{Command, Reading, Seen};

use super::{
    door::{Trouble, Visit},
    pace::Pace,
};

/// Bytes that the answers to a pipeline are to have.
const PIPELINE: u64 = 512 << 10;
/// Keys in a pipeline, at most.
const WIDEST: usize = 256;
/// Keys in the first pipeline that asks for values, when nothing is known of them.
const WIDTH: usize = 32;
/// Keys with several pages that are read side by side.
const LARGE_ABREAST: usize = 4;

/// What a look came to.
pub(super) struct Looked {
    /// In the order of the names.
    pub(super) seen: Vec<Seen>,
    pub(super) bytes: u64,
}

/// Looks at each of the keys.
pub(super) async fn look(visit: &Visit, pace: &Pace, names: &[Vec<u8>]) -> Result<Looked, Trouble> {
    let mut all: Vec<Reading> = names.iter().cloned().map(Reading::new).collect();
    let mut bytes = 0;
    // Types and times of expiry are short, whatever the values are.
    for some in all.chunks_mut(WIDEST) {
        bytes += step(visit, pace, some.iter_mut().collect()).await?;
    }
    let mut open: Vec<&mut Reading> = unended(all.iter_mut());
    let mut width = WIDTH;
    let mut rest = open.as_mut_slice();
    while !rest.is_empty() {
        let (some, more) = rest.split_at_mut(width.min(rest.len()));
        let count = some.len();
        let got = step(visit, pace, some.iter_mut().map(|one| &mut **one).collect()).await?;
        bytes += got;
        width = width_after(count, got, width);
        rest = more;
    }
    let mut open = unended(open.into_iter());
    if !open.is_empty() {
        let _turn = visit.large().await;
        for some in open.chunks_mut(LARGE_ABREAST) {
            loop {
                let left = unended(some.iter_mut().map(|one| &mut **one));
                if left.is_empty() {
                    break;
                }
                bytes += step(visit, pace, left).await?;
            }
        }
    }
    // Every reading has ended; one that had not would be looked at again.
    let seen = all
        .iter()
        .map(|one| one.seen().cloned().unwrap_or(Seen::Torn));
    Ok(Looked {
        seen: seen.collect(),
        bytes,
    })
}

/// One pipeline for all of these.
async fn step(visit: &Visit, pace: &Pace, mut readings: Vec<&mut Reading>) -> Result<u64, Trouble> {
    let asked: Vec<Vec<Command>> = readings.iter().map(|one| one.ask()).collect();
    let counts: Vec<usize> = asked.iter().map(Vec::len).collect();
    let answers = visit.ask(&asked.concat(), pace).await?;
    let mut replies = answers.replies.into_iter();
    for (reading, count) in readings.iter_mut().zip(counts) {
        let own = replies.by_ref().take(count).collect();
        reading
            .take(own)
            .map_err(|error| visit.nonsense(error.command))?;
    }
    Ok(answers.bytes)
}

fn unended<'a>(readings: impl Iterator<Item = &'a mut Reading>) -> Vec<&'a mut Reading> {
    readings.filter(|one| one.seen().is_none()).collect()
}

/// As many keys as make a pipeline, when each is like those of the last; at most twice as many.
fn width_after(count: usize, bytes: u64, width: usize) -> usize {
    let each = (bytes / u64::try_from(count).unwrap_or(1).max(1)).max(1);
    let fitting = usize::try_from(PIPELINE / each).unwrap_or(WIDEST);
    fitting.min(width * 2).clamp(1, WIDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_as_long_as_their_answers_are_short() {
        assert_eq!(width_after(32, 32 * 10, 32), 64);
        assert_eq!(width_after(256, 256 * 10, 256), WIDEST);
        assert_eq!(width_after(32, 32 * 4_096, 128), 128);
        assert_eq!(width_after(32, 32 << 20, 32), 1);
        assert_eq!(width_after(1, 0, 1), 2);
    }
}
