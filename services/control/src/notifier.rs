//! Tells an endpoint of the operator's everything that the activity log tells, in its order.
//!
//! One record at a time, again and again until it is taken, so that the order holds; at least once,
//! with the record's own name, so that the receiver can leave out what it has. How far it came is
//! kept with the log. Nothing waits for it: the backlog is the log itself, of which only so much
//! is told late; what is older is given up, and that is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::Timestamp;
use runtime::{chain, tasks::Tasks};
use serde_json::json;
use tokio::time::{sleep, timeout};
use webhook::{DeliveryError, Endpoint, Message};

use crate::{
    activity::{Kind, Record, Status},
    history::{HistoryError, Kept, Wanted},
    plane::Plane,
    view::activity_json,
};

/// Its name among those who read the log.
const CURSOR: &str = "webhook";
/// Records that are read at a time.
const BATCH: usize = 100;
/// As many records wait at most.
const MOST_BEHIND: u64 = 20_000;
/// A record that was not taken for so long is given up, in milliseconds.
const OLDEST_MS: u64 = 72 * 3_600_000;
/// Between the first attempt and the second.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Between two attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Between two looks when nothing is told.
const PERIOD: Duration = Duration::from_secs(5);

/// The operator's endpoint.
pub(crate) struct Webhook {
    endpoint: Endpoint,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    delivered: AtomicU64,
    failures: AtomicU64,
    given_up: AtomicU64,
    behind: AtomicU64,
    failing: AtomicBool,
}

/// [`Figures`], read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Records that the endpoint has taken.
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failures: u64,
    /// Records that were given up.
    pub(crate) given_up: u64,
    /// Records that wait.
    pub(crate) behind: u64,
    /// The last attempt failed.
    pub(crate) failing: bool,
}

impl Webhook {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            figures: Figures::default(),
        }
    }

    pub(crate) fn told(&self) -> Told {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Told {
            delivered: read(&self.figures.delivered),
            failures: read(&self.figures.failures),
            given_up: read(&self.figures.given_up),
            behind: read(&self.figures.behind),
            failing: self.figures.failing.load(Ordering::Relaxed),
        }
    }
}

/// Tells records until the tasks are cancelled.
pub(crate) async fn run(plane: Arc<Plane>, tasks: Tasks) {
    let Some(hook) = &plane.webhook else {
        // Whoever starts with one again begins with what happens then.
        plane.history.set_cursor(CURSOR, None).await;
        return;
    };
    let told = Teller {
        plane: &plane,
        hook,
    };
    tokio::select! {
        () = tasks.cancelled() => {}
        () = told.tell() => {}
    }
}

struct Teller<'a> {
    plane: &'a Plane,
    hook: &'a Webhook,
}

impl Teller<'_> {
    async fn tell(&self) {
        let mut recorded = self.plane.history.recorded();
        let mut cursor = self.begin().await;
        loop {
            recorded.borrow_and_update();
            match self.batch(cursor).await {
                Ok(batch) if batch.is_empty() => {
                    self.hook.figures.behind.store(0, Ordering::Relaxed);
                    let _late_or_told = timeout(PERIOD, recorded.changed()).await;
                }
                Ok(batch) => {
                    for kept in batch {
                        if let Some(further) = self.until_taken(&kept).await {
                            cursor = further;
                            break;
                        }
                        cursor = kept.number;
                        self.plane.history.set_cursor(CURSOR, Some(cursor)).await;
                    }
                }
                // The history says by itself what is wrong with it.
                Err(_unread) => sleep(PERIOD).await,
            }
        }
    }

    /// Where to begin: where the last run ended, or with what happens from now on.
    async fn begin(&self) -> u64 {
        loop {
            let known = self.plane.history.cursor(CURSOR).await;
            match known {
                Ok(Some(cursor)) => return cursor,
                Ok(None) => {
                    if let Ok(newest) = self.plane.history.newest_record().await
                        && self.plane.history.set_cursor(CURSOR, Some(newest)).await
                    {
                        return newest;
                    }
                }
                Err(error) => tracing::warn!(
                    error = %chain(&error),
                    "Failed to read how far the webhook was told; trying again"
                ),
            }
            sleep(PERIOD).await;
        }
    }

    async fn batch(&self, after: u64) -> Result<Vec<Kept>, HistoryError> {
        let wanted = Wanted {
            after: Some(after),
            top: BATCH,
            ..Wanted::default()
        };
        self.plane.history.records(wanted).await
    }

    /// Delivers a record, however long it takes. Gives where to go on when it is given up.
    async fn until_taken(&self, kept: &Kept) -> Option<u64> {
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.plane.clock.now();
            let body = json!({
                "type": format!("godwit.activity.{:?}", kept.record.kind).to_ascii_lowercase(),
                "timestamp": activity_json(kept)["eventTimestamp"],
                "data": activity_json(kept),
            });
            let body = body.to_string();
            let message = Message {
                id: &kept.record.id,
                seconds: now.0 / 1_000,
                body: body.as_bytes(),
            };
            let Err(error) = self.hook.endpoint.deliver(message).await else {
                self.taken();
                return None;
            };
            self.failed(&error);
            if let Some(further) = self.give_up(kept).await {
                return Some(further);
            }
            let asked = error.retry_after().unwrap_or_default().min(LONGEST_PAUSE);
            sleep(self.jittered(pause).max(asked)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Between a half and the whole of a pause.
    fn jittered(&self, pause: Duration) -> Duration {
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        Duration::from_millis(half + self.plane.dice.below(half + 1))
    }

    fn taken(&self) {
        let figures = &self.hook.figures;
        figures.delivered.fetch_add(1, Ordering::Relaxed);
        if figures.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(
                place = self.hook.endpoint.place(),
                "The webhook takes events again"
            );
        }
    }

    fn failed(&self, error: &DeliveryError) {
        let figures = &self.hook.figures;
        figures.failures.fetch_add(1, Ordering::Relaxed);
        if !figures.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = %chain(error),
                "The webhook does not take events; they are kept, and it is asked again and again"
            );
        }
    }

    /// Where to go on when too much waits, or for too long.
    async fn give_up(&self, kept: &Kept) -> Option<u64> {
        let history = &self.plane.history;
        let now = self.plane.clock.now();
        let newest = history.newest_record().await.ok()?;
        let behind = newest.saturating_sub(kept.number) + 1;
        self.hook.figures.behind.store(behind, Ordering::Relaxed);
        let oldest = Timestamp(now.0.saturating_sub(OLDEST_MS));
        let further = if behind > MOST_BEHIND {
            newest.saturating_sub(MOST_BEHIND)
        } else if kept.record.at < oldest {
            let young = Wanted {
                after: Some(kept.number),
                from: Some(oldest),
                top: 1,
                ..Wanted::default()
            };
            let young = history.records(young).await.ok()?;
            young.first().map_or(newest, |kept| kept.number - 1)
        } else {
            return None;
        };
        let count = further.saturating_sub(kept.number) + 1;
        self.hook
            .figures
            .given_up
            .fetch_add(count, Ordering::Relaxed);
        let text = format!(
            "The webhook at {} did not take up to {count} records for too long, and they are not told to it any more; this log has them, up to number {further}.",
            self.hook.endpoint.place()
        );
        tracing::error!("{text}");
        self.plane.activity.tell(notice(self.plane, text), now);
        history.set_cursor(CURSOR, Some(further)).await;
        Some(further)
    }
}

fn notice(plane: &Plane, text: String) -> Record {
    Record {
        id: plane.dice.guid(),
        kind: Kind::Notice,
        at: plane.clock.now(),
        caller: None,
        operation: "Godwit.Cache/webhook/giveUp".to_owned(),
        resource: String::new(),
        other: None,
        status: Status::Failed,
        correlation: plane.dice.guid(),
        long_running: None,
        http_status: None,
        refusal: None,
        request: None,
        changes: Vec::new(),
        count: 1,
        text: Some(text),
        link: None,
    }
}
