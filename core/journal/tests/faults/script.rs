//! A journal under a script of steps, and a witness who knows what it must hold after each.

use journal::{
    AppendError, Journal, Limits, SnapshotId, SnapshotInfo, SpoolWriter, Stopped, SyncError,
};
use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position, ReplicationId};

use crate::disk::FaultDisk;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begin { id: u8, offset: u64 },
    Append(usize),
    Sync,
    SyncBeside,
    Fork(u8),
    Trim,
    BeginSnapshot,
    AppendSnapshot(usize),
    SyncSnapshot,
    CompleteSnapshot,
    DropSnapshot,
    Reopen,
}

/// A history, as it was asked for.
#[derive(Debug, Clone)]
struct Era {
    number: u64,
    start: Position,
    bytes: Vec<u8>,
    /// Under which ID it went on, from where, and whether that was acknowledged.
    forks: Vec<(ReplicationId, u64, bool)>,
    durable: u64,
}

impl Era {
    fn end(&self) -> u64 {
        self.start.offset.0 + self.bytes.len() as u64
    }

    /// IDs with the first and last offset they stand for, when the last fork counts or not.
    fn ranges(&self, with_last: bool) -> Vec<(ReplicationId, u64, u64)> {
        let mut out = vec![(self.start.replid, self.start.offset.0, self.end())];
        for (id, offset, acknowledged) in &self.forks {
            if *acknowledged || with_last {
                out.last_mut().unwrap().2 = *offset;
                out.push((*id, *offset, self.end()));
            }
        }
        out
    }
}

/// A snapshot, as it was asked for.
#[derive(Debug, Clone)]
struct Shot {
    /// Of the history it belongs to.
    era: u64,
    id: SnapshotId,
    position: Position,
    framing: Framing,
    payload: Vec<u8>,
    /// Somebody asked for it to be whole.
    completed: bool,
    /// It was said to be whole, and nobody asked to remove it.
    sure: bool,
    /// It was said to be removed.
    gone: bool,
}

/// Runs steps.
pub(crate) struct Run {
    pub(crate) disk: FaultDisk,
    limits: Limits,
    journal: Option<Journal<FaultDisk>>,
    writer: Option<SpoolWriter<FaultDisk>>,
    /// Histories that may be there; the last is the present one, when all went well the only one.
    eras: Vec<Era>,
    /// No history may be there.
    may_be_empty: bool,
    shots: Vec<Shot>,
    /// Histories so far.
    begun: u64,
    /// Bytes drawn so far, so that no two histories have the same.
    drawn: u64,
}

impl Run {
    pub(crate) fn new(disk: FaultDisk, limits: Limits) -> Self {
        Self {
            disk,
            limits,
            journal: None,
            writer: None,
            eras: Vec::new(),
            may_be_empty: true,
            shots: Vec::new(),
            begun: 0,
            drawn: 0,
        }
    }

    /// Goes on with another disk, as after a power cut.
    pub(crate) fn moved_to(mut self, disk: FaultDisk) -> Self {
        self.disk = disk;
        self.journal = None;
        self.writer = None;
        self
    }

    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<(), Step> {
        if self.journal.is_none() {
            let first = steps.first().copied().unwrap_or(Step::Reopen);
            self.open().map_err(|()| first)?;
        }
        for step in steps {
            let done = self.step(*step);
            // Whatever is said to be durable has to be there later.
            self.note_durable();
            self.check_offer();
            done.map_err(|()| *step)?;
        }
        Ok(())
    }

    pub(crate) fn open(&mut self) -> Result<(), ()> {
        self.journal = None;
        self.writer = None;
        let opened = Journal::open(self.disk.clone(), self.limits);
        self.journal = Some(opened.map_err(|_error| ())?.0);
        Ok(())
    }

    /// A snapshot that is offered is one that the stream goes on from.
    fn check_offer(&self) {
        if let Some(journal) = &self.journal
            && let Some((info, end)) = journal.snapshot().zip(journal.end())
        {
            let ahead = info.position.replid == end.replid && info.position.offset > end.offset;
            assert!(
                ahead || journal.covers(&info.position).is_some(),
                "{info:?}"
            );
        }
    }

    fn note_durable(&mut self) {
        if let [era] = self.eras.as_mut_slice()
            && let Some(durable) = self.journal.as_ref().and_then(Journal::durable)
        {
            era.durable = era.durable.max(durable.0);
        }
    }

    fn step(&mut self, step: Step) -> Result<(), ()> {
        let Some(journal) = &mut self.journal else {
            return Err(());
        };
        let begun = !journal.is_empty();
        match step {
            Step::Begin { id, offset } => {
                let start = Position::new(replid(id), Offset(offset));
                self.begun += 1;
                self.eras.push(Era {
                    number: self.begun,
                    start,
                    bytes: Vec::new(),
                    forks: Vec::new(),
                    durable: offset,
                });
                self.unsure();
                journal_of(&mut self.journal).begin(start).map_err(drop)?;
                self.eras.drain(..self.eras.len() - 1);
                self.may_be_empty = false;
                self.gone(self.shots.len());
            }
            Step::Append(count) if begun => {
                let bytes = self.draw(count);
                self.eras.last_mut().unwrap().bytes.extend(&bytes);
                let now = Timestamp(self.drawn);
                journal_of(&mut self.journal)
                    .append(&bytes, now)
                    .map_err(drop)?;
            }
            Step::Sync => {
                let durable = journal.seal_and_sync().map_err(drop)?;
                assert_eq!(durable, journal.end().map(|end| end.offset));
            }
            Step::SyncBeside => {
                if let Some(work) = journal.prepare_sync().map_err(drop)? {
                    let done = work.run();
                    journal.finish_sync(done).map_err(drop)?;
                }
            }
            Step::Fork(id) if begun => {
                let era = self.eras.last_mut().unwrap();
                if journal.end().unwrap().replid != replid(id) {
                    era.forks.push((replid(id), era.end(), false));
                    journal.fork(replid(id)).map_err(drop)?;
                    era.forks.last_mut().unwrap().2 = true;
                }
            }
            Step::Trim => drop(journal.trim().map_err(drop)?),
            Step::Reopen => {
                self.open()?;
                self.verify();
                self.settle();
            }
            Step::BeginSnapshot
            | Step::AppendSnapshot(_)
            | Step::SyncSnapshot
            | Step::CompleteSnapshot
            | Step::DropSnapshot => self.snapshot_step(step)?,
            Step::Append(_) | Step::Fork(_) => {}
        }
        Ok(())
    }

    fn snapshot_step(&mut self, step: Step) -> Result<(), ()> {
        let journal = journal_of(&mut self.journal);
        match step {
            Step::BeginSnapshot if !journal.is_empty() => {
                let position = journal.end().unwrap();
                self.unsure();
                let id = SnapshotId(self.shots.len() as u64);
                let framing = Framing::Eof("e".repeat(40).parse().unwrap());
                self.shots.push(Shot {
                    era: self.eras.last().unwrap().number,
                    id,
                    position,
                    framing,
                    payload: Vec::new(),
                    completed: false,
                    sure: false,
                    gone: false,
                });
                let made = journal_of(&mut self.journal).begin_snapshot(id, position, framing);
                self.writer = Some(made.map_err(drop)?);
                let others = self.shots.len() - 1;
                self.gone(others);
            }
            Step::AppendSnapshot(count) if self.writer.is_some() => {
                let bytes = self.draw(count);
                self.shots.last_mut().unwrap().payload.extend(&bytes);
                let writer = self.writer.as_mut().unwrap();
                writer.append(&bytes).map_err(drop)?;
            }
            Step::SyncSnapshot => {
                if let Some(writer) = &mut self.writer {
                    writer.sync().map_err(drop)?;
                }
            }
            Step::CompleteSnapshot => {
                if let Some(writer) = self.writer.take() {
                    self.shots.last_mut().unwrap().completed = true;
                    writer.complete().map_err(drop)?;
                    self.shots.last_mut().unwrap().sure = true;
                }
            }
            Step::DropSnapshot => {
                self.writer = None;
                self.unsure();
                journal_of(&mut self.journal)
                    .drop_snapshot()
                    .map_err(drop)?;
                self.gone(self.shots.len());
            }
            Step::Begin { .. }
            | Step::Append(_)
            | Step::Sync
            | Step::SyncBeside
            | Step::Fork(_)
            | Step::Trim
            | Step::BeginSnapshot
            | Step::AppendSnapshot(_)
            | Step::Reopen => {}
        }
        Ok(())
    }

    fn unsure(&mut self) {
        for shot in &mut self.shots {
            shot.sure = false;
        }
    }

    /// The first so many are gone for good.
    fn gone(&mut self, count: usize) {
        for shot in &mut self.shots[..count] {
            shot.gone = true;
        }
    }

    fn draw(&mut self, count: usize) -> Vec<u8> {
        let from = self.drawn;
        self.drawn += count as u64;
        (from..self.drawn).map(letter).collect()
    }

    /// Checks an open journal against everything that was asked for.
    pub(crate) fn verify(&mut self) {
        let retention = self.limits.retention;
        let journal = journal_of(&mut self.journal);
        let Some(start) = journal.start() else {
            assert!(self.may_be_empty, "the history is lost");
            assert_eq!(journal.snapshot(), None);
            return;
        };
        let matched: Vec<_> = self
            .eras
            .iter()
            .map(|era| compare(journal, era, retention))
            .collect();
        let fits: Vec<_> = self
            .eras
            .iter()
            .zip(&matched)
            .filter(|(_, fits)| fits.is_ok())
            .map(|(era, _)| era.number)
            .collect();
        assert!(!fits.is_empty(), "starts at {start}: {matched:?}");
        self.verify_snapshot(start, &fits);
    }

    /// Checks the snapshot: one of a history that is there, whole and right.
    fn verify_snapshot(&mut self, start: Position, eras: &[u64]) {
        let journal = journal_of(&mut self.journal);
        let held = journal.end().unwrap();
        let continues = |journal: &Journal<FaultDisk>, position: Position| {
            let ahead = position.replid == held.replid && position.offset > held.offset;
            ahead || journal.covers(&position).is_some()
        };
        let Some(info) = journal.snapshot() else {
            let end = self.eras.iter().map(Era::end).max().unwrap();
            for shot in self.shots.iter().filter(|shot| shot.sure) {
                let behind = shot.position.offset.0;
                let passed = match self.limits.retention {
                    Retention::Bytes(keep) => end.saturating_sub(behind) > keep,
                    Retention::Unlimited => behind < start.offset.0,
                };
                let useless = !continues(journal, shot.position);
                assert!(passed || useless, "snapshot {} is lost", shot.id);
            }
            return;
        };
        let Shot {
            id,
            position,
            framing,
            payload,
            ..
        } = self
            .shots
            .iter()
            .find(|shot| {
                shot.id == info.id && shot.completed && !shot.gone && eras.contains(&shot.era)
            })
            .unwrap();
        let expected = SnapshotInfo {
            id: *id,
            position: *position,
            framing: *framing,
            bytes: payload.len() as u64,
            complete: true,
        };
        assert_eq!(info, expected);
        assert!(continues(journal, info.position), "{info:?}");
        let mut buffer = vec![0; payload.len() + 1];
        let mut reader = journal.snapshot_reader().unwrap();
        assert_eq!(reader.read(0, &mut buffer).unwrap(), payload.len());
        assert_eq!(&buffer[..payload.len()], payload);
    }

    /// Takes what was found for what is there.
    pub(crate) fn settle(&mut self) {
        let retention = self.limits.retention;
        let journal = journal_of(&mut self.journal);
        self.may_be_empty = journal.is_empty();
        let Some(end) = journal.end() else {
            self.eras.clear();
            return;
        };
        self.eras
            .retain(|era| compare(journal, era, retention).is_ok());
        self.eras.drain(..self.eras.len() - 1);
        let era = &mut self.eras[0];
        let length = end.offset.since(era.start.offset);
        era.bytes.truncate(length as usize);
        if let Some((id, ..)) = era.forks.last()
            && *id != end.replid
        {
            era.forks.pop();
        }
        for fork in &mut era.forks {
            fork.2 = true;
        }
        let found = journal.snapshot().map(|info| info.id);
        for shot in &mut self.shots {
            shot.sure = Some(shot.id) == found;
            shot.gone |= !shot.sure;
        }
    }

    /// Offsets of what is held.
    pub(crate) fn held(&self) -> Option<(u64, u64)> {
        let journal = self.journal.as_ref()?;
        Some((journal.start()?.offset.0, journal.end()?.offset.0))
    }

    /// Checks that a journal that failed takes nothing more and still gives what it has.
    pub(crate) fn verify_stopped(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if journal.is_empty() || self.eras.len() > 1 {
            return;
        }
        let stopped = matches!(
            journal.append(b"x", Timestamp(0)),
            Err(AppendError::Stopped(Stopped::Earlier(_)))
        );
        assert!(stopped, "a failed journal takes bytes");
        let sync = journal.seal_and_sync();
        assert!(matches!(sync, Err(SyncError::Stopped(Stopped::Earlier(_)))));
        compare(journal, &self.eras[0], self.limits.retention).unwrap();
    }
}

fn journal_of(journal: &mut Option<Journal<FaultDisk>>) -> &mut Journal<FaultDisk> {
    journal.as_mut().unwrap()
}

/// Compares what is held with a history: a prefix, with all that was durable.
fn compare(
    journal: &mut Journal<FaultDisk>,
    era: &Era,
    retention: Retention,
) -> Result<(), String> {
    let (start, end) = (journal.start().unwrap(), journal.end().unwrap());
    let (from, to) = (start.offset.0, end.offset.0);
    let origin = era.start.offset.0;
    if from < origin || to > era.end() || to < era.durable || to < from {
        return Err(format!(
            "{from}..{to} of {origin}..{} with {} durable",
            era.end(),
            era.durable
        ));
    }
    let may_trim = match retention {
        Retention::Bytes(keep) => era.end() - from >= keep,
        Retention::Unlimited => false,
    };
    if from > origin && !may_trim {
        return Err(format!("trimmed to {from}"));
    }
    let held = read_all(journal, from)?;
    if held != era.bytes[(from - origin) as usize..(to - origin) as usize] {
        return Err("other bytes".to_owned());
    }
    let last = era.forks.last();
    let with_last = last.is_none_or(|(id, ..)| *id == end.replid);
    let ranges = era.ranges(with_last);
    if ranges.last().unwrap().0 != end.replid {
        return Err(format!("ends under {}", end.replid));
    }
    for (id, low, high) in &ranges {
        for offset in [*low, low + 1, (low + high) / 2, *high, high + 1, from, to] {
            let position = Position::new(*id, Offset(offset));
            let mut stands = ranges.iter().filter(|(i, ..)| i == id);
            let expected =
                (from..=to).contains(&offset) && stands.any(|(_, l, h)| (l..=h).contains(&&offset));
            let covered = journal.covers(&position).is_some();
            // Of forks before the first byte that is held, one is remembered.
            if covered != expected && (covered || offset != from) {
                return Err(format!("covers {position}: {covered}"));
            }
        }
    }
    Ok(())
}

pub(crate) fn read_all(journal: &mut Journal<FaultDisk>, from: u64) -> Result<Vec<u8>, String> {
    let mut held = Vec::new();
    // Not a divisor of any block.
    let mut buffer = vec![0; 7_001];
    loop {
        let after = Offset(from + held.len() as u64);
        match journal.read(after, &mut buffer) {
            Ok(0) => return Ok(held),
            Ok(count) => held.extend_from_slice(&buffer[..count]),
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(crate) fn replid(id: u8) -> ReplicationId {
    format!("{id:02x}").repeat(20).parse().unwrap()
}

/// A byte of a sequence that does not repeat soon.
fn letter(number: u64) -> u8 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37) as u8
}
