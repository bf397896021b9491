//! Finding the snapshot that an earlier process left.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Meta, SnapshotId, Spool, SpoolWriter,
    meta::{META_BYTES, NoMeta},
    remove_names,
};
use crate::{
    Disk, DiskFile, Dropped, Failure, FsDisk, Room,
    blocks::{BlockError, Blocks, Tail, recover},
    failure::Attempted as _,
    file_name::{DIRECTORY, FileName},
    limits::Usage,
};

/// What becomes of a snapshot that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// It is kept up to its last whole block, to be gone on with.
    Keep,
    /// It is removed.
    Remove,
}

/// A snapshot that was found.
#[derive(Debug)]
pub enum Found<D: Disk = FsDisk> {
    /// A whole one.
    Whole(Spool<D>),
    /// The beginning of one, which can be written on.
    Part(SpoolWriter<D>),
}

/// What was found.
#[derive(Debug)]
pub struct Reopened<D: Disk = FsDisk> {
    /// The snapshot, when there is one.
    pub found: Option<Found<D>>,
    /// Files that were removed because they are no snapshot, with the reason.
    pub dropped: Vec<Dropped>,
}

/// The directory could not be searched for a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// A later version wrote it.
    #[error("{file} has format version {version}, which this version of Godwit does not know")]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        version: u16,
    },
    /// The disk failed.
    #[error("look for a snapshot")]
    Failed(#[source] Arc<Failure>),
}

impl From<Failure> for ReopenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Arc::new(failure))
    }
}

impl<D: Disk> Spool<D> {
    /// Finds the snapshot in a directory without a journal. What is damaged is removed.
    ///
    /// A whole snapshot's bytes are verified when they are read.
    pub fn reopen(
        disk: Arc<D>,
        room: Room,
        unfinished: Unfinished,
    ) -> Result<Reopened<D>, ReopenError> {
        reopen(disk, room, Arc::default(), 0, unfinished)
    }
}

pub(crate) fn reopen<D: Disk>(
    disk: Arc<D>,
    room: Room,
    usage: Arc<Usage>,
    owner: u64,
    unfinished: Unfinished,
) -> Result<Reopened<D>, ReopenError> {
    let names = disk.list().attempted("list", DIRECTORY)?;
    let names = names.iter().filter_map(|name| FileName::parse(name));
    let names: Vec<_> = names.filter(|name| name.is_snapshots()).collect();
    let metas: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Meta(id) => Some(SnapshotId(*id)),
            FileName::Payload(_)
            | FileName::Blocks(_)
            | FileName::NewMeta(_)
            | FileName::Stream(_)
            | FileName::Index(_) => None,
        })
        .collect();
    let mut kept = None;
    let mut why = "it has no meta file";
    match metas.as_slice() {
        [] => {}
        [id] => match examine(&disk, *id, owner, unfinished)? {
            Ok(found) => kept = Some(found),
            Err(reason) => why = reason,
        },
        [_, _, ..] => why = "there are several snapshots",
    }
    let kept_id = kept.as_ref().map(|(meta, ..)| meta.id);
    let dropped = clean(&*disk, &names, kept_id, why)?;
    let found = kept.map(|(meta, blocks, recovered)| {
        let writer = SpoolWriter::resume(disk, room, usage, meta, blocks, &recovered);
        match meta.whole {
            Some(_) => Found::Whole(writer.spool()),
            None => Found::Part(writer),
        }
    });
    Ok(Reopened { found, dropped })
}

type Examined<D> = (Meta, Blocks<<D as Disk>::File>, crate::blocks::Recovered);

/// Looks at one snapshot; the inner error says why it is none.
fn examine<D: Disk>(
    disk: &Arc<D>,
    id: SnapshotId,
    owner: u64,
    unfinished: Unfinished,
) -> Result<Result<Examined<D>, &'static str>, ReopenError> {
    let name = FileName::Meta(id.0).text();
    let file = disk.open(&name).attempted("open", &name)?;
    let mut bytes = vec![0; META_BYTES + 1];
    let count = file.read_at(0, &mut bytes).attempted("read", &name)?;
    let meta = match Meta::decode(bytes.get(..count).unwrap_or_default()) {
        Ok(meta) => meta,
        Err(NoMeta::Newer(version)) => {
            return Err(ReopenError::Newer {
                file: name,
                version,
            });
        }
        Err(NoMeta::Bad) => return Ok(Err("its meta file is damaged")),
    };
    if meta.id != id || meta.owner != owner {
        return Ok(Err("it belongs to something else"));
    }
    if meta.whole.is_none() && unfinished == Unfinished::Remove {
        return Ok(Err("it is not whole"));
    }
    let payload = FileName::Payload(id.0).text();
    let index = FileName::Blocks(id.0).text();
    let both = disk.list().attempted("list", DIRECTORY)?;
    if !both.contains(&payload) || !both.contains(&index) {
        return Ok(Err("a part of it is missing"));
    }
    let blocks = Blocks::open(&**disk, meta.shape(), payload, index)?;
    let tail = match meta.whole {
        Some(_) => Tail::Whole,
        None => Tail::MayBeTorn,
    };
    let recovered = match recover(&blocks, tail) {
        Ok(recovered) => recovered,
        Err(BlockError::Damaged { problem, .. }) => return Ok(Err(problem)),
        Err(BlockError::Failure(failure)) => return Err(failure.into()),
    };
    match (meta.whole, meta.framing.total_bytes()) {
        (Some(whole), _) if whole != recovered.end => return Ok(Err("it is not whole")),
        (_, Some(announced)) if recovered.end > announced => {
            return Ok(Err("it is longer than was announced"));
        }
        (_, _) => {}
    }
    if meta.whole.is_none() {
        // It may be in memory only, and left for written by a sync that failed.
        meta.write(&**disk)?;
    }
    Ok(Ok((meta, blocks, recovered)))
}

/// Removes what does not belong to the snapshot that is kept.
fn clean<D: Disk>(
    disk: &D,
    names: &[FileName],
    kept: Option<SnapshotId>,
    why: &'static str,
) -> Result<Vec<Dropped>, Failure> {
    let ids: BTreeSet<_> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Payload(id)
            | FileName::Blocks(id)
            | FileName::Meta(id)
            | FileName::NewMeta(id) => Some(SnapshotId(*id)),
            FileName::Stream(_) | FileName::Index(_) => None,
        })
        .filter(|id| Some(*id) != kept)
        .collect();
    let why = if kept.is_some() {
        "it has no meta file"
    } else {
        why
    };
    let mut dropped = Vec::new();
    for id in ids {
        remove_names(disk, id)?;
        dropped.push(Dropped {
            what: format!("snapshot {id}"),
            why,
        });
    }
    if let Some(SnapshotId(id)) = kept {
        crate::journal::remove_if_there(disk, &FileName::NewMeta(id).text())?;
    }
    if !names.is_empty() {
        disk.sync_directory().attempted("sync", DIRECTORY)?;
    }
    Ok(dropped)
}
