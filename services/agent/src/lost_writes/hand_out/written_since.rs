//! The keys that the present primary wrote since a position, from its own journal.

use std::{io, sync::Arc, time::Duration};

use model::{CacheUid, ShardIndex};
use psync::{Offset, Position};
use relay::{KeptError, KeptStream};
use resp::{Piece, StreamError, StreamLimits, StreamReader};
use runtime::chain;
use tokio::task::spawn_blocking;

use super::{Body, Work, journal};
use crate::{
    cache::Host,
    lost_writes::{database, key_list, key_sorter::KeySorter},
};

/// How long what was read from the engine may take to be in the journal.
const WRITTEN: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const BATCH: usize = 1 << 20;

/// A stream that cannot be gone through.
#[derive(Debug, thiserror::Error)]
enum WalkError {
    #[error("read the journal")]
    Kept(#[from] KeptError),
    #[error("the journal does not read as commands behind the position")]
    Stream(#[from] StreamError),
    #[error("sort keys")]
    Sort(#[from] io::Error),
}

pub(super) async fn find(
    host: &Arc<Host>,
    uid: &CacheUid,
    shard: ShardIndex,
    since: Position,
) -> Result<Work, String> {
    let directory = journal(host, uid, shard.0);
    let end = host.outbound.caught_up(&directory, WRITTEN).await;
    let end = end.ok_or_else(|| {
        format!("shard {shard} is not followed as a geo-primary here now; ask for the present primary, and again a little later")
    })?;
    let mut stream = host.outbound.kept(&directory);
    let looking = spawn_blocking(move || {
        let covered = covered(&mut stream, &since);
        (covered, stream)
    });
    let (covered, mut stream) = looking.await.map_err(|error| error.to_string())?;
    let oldest = covered?;
    let temporary = host.directory.cache(uid);
    Ok(Box::new(move |body: &mut Body| {
        let sorter = KeySorter::new(temporary);
        let range = (oldest, since.offset, end.offset);
        let walked = walk(&mut stream, range, sorter, body);
        walked.map_err(io::Error::other)
    }))
}

/// The oldest offset that is kept, when what is behind the position is.
fn covered(stream: &mut KeptStream, since: &Position) -> Result<Offset, String> {
    let failed = |error: KeptError| chain(&error).to_string();
    let span = stream.span().map_err(failed)?;
    let Some((oldest, end)) = span else {
        return Err("the journal was not begun yet; ask again a little later".to_owned());
    };
    if stream.covers(since).map_err(failed)?.is_some() {
        return Ok(oldest.offset);
    }
    Err(format!(
        "the journal has what was written behind {oldest} up to {end}, and {since} is not within"
    ))
}

fn walk(
    stream: &mut KeptStream,
    (oldest, since, end): (Offset, Offset, Offset),
    mut sorter: KeySorter,
    body: &mut Body,
) -> Result<(), WalkError> {
    let go_on = || body.go_on().map_err(WalkError::from);
    let selected = database::selected_at(stream, oldest, since, &go_on)?;
    let mut reader = StreamReader::new(StreamLimits::default(), selected);
    let mut buffer = vec![0; BATCH];
    let mut at = since;
    while at < end {
        body.go_on()?;
        let wanted = usize::try_from(end.since(at)).unwrap_or(BATCH).min(BATCH);
        let count = stream.read(at, buffer.get_mut(..wanted).unwrap_or_default())?;
        if count == 0 {
            break;
        }
        let mut rest = buffer.get(..count).unwrap_or_default();
        while let Some(piece) = reader.next(&mut rest)? {
            match piece {
                Piece::Touch(touch) => sorter.add(touch)?,
                Piece::Command(_) => {}
            }
        }
        at = at.advanced(count as u64);
    }
    let mut out = Vec::new();
    sorter.finish(|touch| {
        out.clear();
        key_list::write(&mut out, touch);
        body.push(&out)?;
        Ok(())
    })
}
