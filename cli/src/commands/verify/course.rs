//! The course of a comparison: does what [`Progress`] says is to be done next.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use futures_util::future::{try_join, try_join_all};
use tokio::time::{Instant, sleep};
use verify::{
    Clocks, Compared, Finding, Key, Kind, Options, Progress, Rules, Scan, Seen, Side, Tally, Work,
    compare, scanned,
};

use super::{
    display::Display,
    door::{Door, Trouble, Visit, words},
    look::look,
    pace::Pace,
    rounds::{Both, settle},
    state::StateFile,
};
use crate::failure::Failure;

/// Keys that a piece of a scan has, at most, and how many of its parts are looked at abreast.
const PIECE: usize = 4_000;
const PART: usize = 1_000;
/// A piece is no more work than this, so that little is repeated.
const PIECE_TIME: Duration = Duration::from_millis(500);
/// What `SCAN` is asked for at once.
const SCAN_MOST: usize = 1_000;
const SCAN_LEAST: usize = 10;
/// Rounds for a key that differs, when it is found and at the end.
const ROUNDS: u32 = 3;
const LAST_ROUNDS: u32 = 10;
/// How long a side may be out of reach.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Each side's databases with their numbers of keys.
pub(super) type Sizes = [Vec<(u16, u64)>; 2];

/// A comparison under way.
pub(super) struct Course {
    primary: Arc<Door>,
    secondary: Arc<Door>,
    pace: Pace,
    state: StateFile,
    progress: Progress,
    tolerance_ms: u64,
    display: Display,
    /// Connections to the database that is at hand.
    both: Option<(u16, Both)>,
    /// It is known how much there is to do.
    begun: bool,
    /// The next piece, named while the last was compared.
    ahead: Option<(Scan, Piece)>,
}

/// Keys that a scan named, and the cursor after them.
struct Piece {
    names: Vec<Vec<u8>>,
    next: u64,
}

/// What a piece came to.
struct Outcome {
    tally: Tally,
    findings: Vec<(Key, Finding)>,
}

impl Course {
    pub(super) fn new(
        [primary, secondary]: [Door; 2],
        pace: Pace,
        state: StateFile,
        progress: Progress,
        options: Options,
    ) -> Self {
        Self {
            primary: Arc::new(primary),
            secondary: Arc::new(secondary),
            pace,
            state,
            progress,
            tolerance_ms: options.tolerance_ms,
            display: Display::new(),
            both: None,
            begun: false,
            ahead: None,
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn state_path(&self) -> Option<&Path> {
        self.state.path()
    }

    pub(super) fn remove_state(&self) -> Result<(), Failure> {
        self.state.remove()
    }

    pub(super) fn clear_display(&self) {
        self.display.clear();
    }

    /// Goes on to the end. A connection that breaks is made again.
    pub(super) async fn run(&mut self) -> Result<Sizes, Failure> {
        let mut went_well = Instant::now();
        loop {
            let trouble = match self.advance().await {
                Ok(None) => {
                    went_well = Instant::now();
                    continue;
                }
                Ok(Some(sizes)) => return Ok(sizes),
                Err(trouble) => trouble,
            };
            self.both = None;
            self.ahead = None;
            match trouble {
                Trouble::Broken(text) if went_well.elapsed() < PATIENCE => {
                    self.display.say(&format!("{text} (asking again)"));
                    sleep(PAUSE).await;
                }
                trouble @ (Trouble::Broken(_) | Trouble::NotAllowed(_) | Trouble::Failed(_)) => {
                    return Err(trouble.into_failure());
                }
            }
        }
    }

    /// One piece of work. `Some`: there was none left.
    async fn advance(&mut self) -> Result<Option<Sizes>, Trouble> {
        if !self.begun {
            self.take_stock().await?;
            self.begun = true;
        }
        match self.progress.work() {
            Work::Scan(scan) => self.scan(scan).await?,
            Work::LookAgain(keys) => self.look_again(keys).await?,
            Work::Done => {
                // Databases that nobody used when the comparison began are compared as well.
                let sizes = self.take_stock().await?;
                let done = self.progress.work() == Work::Done;
                return Ok(done.then_some(sizes));
            }
        }
        self.state.keep(&self.progress).map_err(Trouble::Failed)?;
        self.display.show(&self.progress);
        Ok(None)
    }

    /// Asks which databases hold keys.
    async fn take_stock(&mut self) -> Result<Sizes, Trouble> {
        let sizes = self.sizes().await?;
        let all: BTreeSet<u16> = sizes.iter().flatten().map(|(number, _)| *number).collect();
        all.into_iter().for_each(|number| self.progress.add(number));
        self.display.expect(&sizes);
        Ok(sizes)
    }

    async fn sizes(&self) -> Result<Sizes, Trouble> {
        let (primary, secondary) = try_join(self.primary.sizes(), self.secondary.sizes()).await?;
        Ok([primary, secondary])
    }

    /// Connections to a database, the present ones if they are to it.
    async fn both(&mut self, database: u16) -> Result<Both, Trouble> {
        if let Some((number, both)) = self.both.take().filter(|(number, _)| *number == database) {
            let clone = Both {
                primary: both.primary.clone(),
                secondary: both.secondary.clone(),
            };
            self.both = Some((number, both));
            return Ok(clone);
        }
        let (primary, secondary) =
            try_join(self.primary.open(database), self.secondary.open(database)).await?;
        let clone = Both {
            primary: primary.clone(),
            secondary: secondary.clone(),
        };
        self.both = Some((database, Both { primary, secondary }));
        Ok(clone)
    }

    async fn scan(&mut self, scan: Scan) -> Result<(), Trouble> {
        let both = self.both(scan.database).await?;
        let named = match scan.side {
            Side::Primary => &both.primary,
            Side::Secondary => &both.secondary,
        };
        if self.progress.answered_by(&named.engine) {
            self.display.say(&format!(
                "{} is another process than before: database {} is scanned from the beginning",
                named.door.called(),
                scan.database
            ));
        }
        let Work::Scan(scan) = self.progress.work() else {
            return Ok(());
        };
        let ahead = self.ahead.take().filter(|(of, _)| *of == scan);
        let pace = &self.pace;
        let piece = match ahead {
            Some((_, piece)) => piece,
            None => name_keys(named, pace, scan.cursor).await?,
        };
        let next = piece.next;
        let compared = async {
            match scan.side {
                Side::Primary => {
                    compare_piece(&both, pace, piece.names, scan.database, self.tolerance_ms).await
                }
                Side::Secondary => {
                    check_piece(&both, pace, piece.names, scan.database, self.tolerance_ms).await
                }
            }
        };
        let look_ahead = async {
            if next == 0 {
                return Ok(None);
            }
            let piece = name_keys(named, pace, next).await?;
            let scan = Scan {
                cursor: next,
                ..scan.clone()
            };
            Ok(Some((scan, piece)))
        };
        let (outcome, ahead) = try_join(compared, look_ahead).await?;
        self.ahead = ahead;
        self.progress.scanned(outcome.tally, outcome.findings, next);
        Ok(())
    }

    async fn look_again(&mut self, mut keys: Vec<Key>) -> Result<(), Trouble> {
        let Some(database) = keys.first().map(|key| key.database) else {
            return Ok(());
        };
        keys.retain(|key| key.database == database);
        let both = self.both(database).await?;
        let rules = Rules {
            tolerance_ms: self.tolerance_ms,
            rounds: LAST_ROUNDS,
        };
        let settled = settle(&both, &self.pace, keys.clone(), rules).await?;
        self.progress
            .looked_again(&keys, settled.findings, settled.bytes);
        Ok(())
    }
}

/// Takes the next names of a scan: as many as make a piece, each once.
async fn name_keys(visit: &Visit, pace: &Pace, cursor: u64) -> Result<Piece, Trouble> {
    let due = pace.keys_in(PIECE_TIME).clamp(SCAN_LEAST, PIECE);
    let count = due.clamp(SCAN_LEAST, SCAN_MOST).to_string();
    let mut names = BTreeSet::new();
    let mut cursor = cursor;
    loop {
        let command = words(&["SCAN", &cursor.to_string(), "COUNT", &count]);
        let answers = visit.ask(&[command], pace).await?;
        for reply in answers.replies {
            let (next, found) = scanned(reply).map_err(|error| visit.nonsense(error.command))?;
            names.extend(found);
            cursor = next;
        }
        if cursor == 0 || names.len() >= due {
            return Ok(Piece {
                names: names.into_iter().collect(),
                next: cursor,
            });
        }
    }
}

/// Compares keys that the geo-primary named.
async fn compare_piece(
    both: &Both,
    pace: &Pace,
    names: Vec<Vec<u8>>,
    database: u16,
    tolerance_ms: u64,
) -> Result<Outcome, Trouble> {
    let mut tally = Tally {
        keys: count(&names),
        ..Tally::default()
    };
    let parts = names.chunks(PART).map(|part| async move {
        pace.keys(part.len()).await;
        try_join(
            look(&both.primary, pace, part),
            look(&both.secondary, pace, part),
        )
        .await
    });
    let mut suspects = Vec::new();
    let looked = try_join_all(parts).await?;
    for (part, (primary, secondary)) in names.chunks(PART).zip(looked) {
        tally.bytes += primary.bytes + secondary.bytes;
        for (name, (one, other)) in part.iter().zip(primary.seen.iter().zip(&secondary.seen)) {
            tally.dumped += u64::from(is_dumped(one));
            // By no clock has anything expired yet: what is missing is looked at again.
            let clocks = Clocks {
                primary: 0,
                secondary: 0,
            };
            if compare(one, other, clocks, tolerance_ms) != Compared::Same {
                suspects.push(Key {
                    database,
                    name: name.clone(),
                });
            }
        }
    }
    conclude(both, pace, suspects, tally, tolerance_ms).await
}

/// Checks that the geo-primary has the keys that the geo-secondary named.
async fn check_piece(
    both: &Both,
    pace: &Pace,
    names: Vec<Vec<u8>>,
    database: u16,
    tolerance_ms: u64,
) -> Result<Outcome, Trouble> {
    let tally = Tally {
        keys: count(&names),
        ..Tally::default()
    };
    let mut suspects = Vec::new();
    for part in names.chunks(PART) {
        pace.keys(part.len()).await;
        let asked: Vec<_> = part
            .iter()
            .map(|name| vec![b"EXISTS".to_vec(), name.clone()])
            .collect();
        let answers = both.primary.ask(&asked, pace).await?;
        for (name, reply) in part.iter().zip(answers.replies) {
            if reply != verify::Reply::Number(1) {
                suspects.push(Key {
                    database,
                    name: name.clone(),
                });
            }
        }
    }
    conclude(both, pace, suspects, tally, tolerance_ms).await
}

async fn conclude(
    both: &Both,
    pace: &Pace,
    suspects: Vec<Key>,
    mut tally: Tally,
    tolerance_ms: u64,
) -> Result<Outcome, Trouble> {
    let rules = Rules {
        tolerance_ms,
        rounds: ROUNDS,
    };
    let settled = settle(both, pace, suspects, rules).await?;
    tally.bytes += settled.bytes;
    Ok(Outcome {
        tally,
        findings: settled.findings,
    })
}

fn count(names: &[Vec<u8>]) -> u64 {
    u64::try_from(names.len()).unwrap_or(u64::MAX)
}

fn is_dumped(seen: &Seen) -> bool {
    match seen {
        Seen::There(facts) => matches!(facts.kind, Kind::Module(_)),
        Seen::Missing | Seen::Torn => false,
    }
}
