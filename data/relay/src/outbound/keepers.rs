//! What keeps a geo-primary's engine taking writes while its agent holds a lease: connections that
//! acknowledge like replicas, and end with the lease.
//!
//! The engine counts them for `min-replicas-to-write`. They acknowledge offset 0: that is a sign of
//! life to the engine, and counts for no `WAIT`. What the engine sends them is read and dropped.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use model::EngineVersion;
use psync::{Offset, Position, acknowledgement};
use runtime::{chain, tasks::Tasks};
use tokio::{
    io::AsyncWriteExt as _,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::engine::{Answer, Engine, EngineError};
use crate::{Credentials, identity::handshake};

/// Between two acknowledgements. Engines count them in whole seconds, and two may have passed.
const ACKNOWLEDGE: Duration = Duration::from_millis(300);
/// The first and the longest pause after a connection was not had, or was lost.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Tells until when acknowledgements may be given; `None`: not now. It is asked before each.
pub type Permission = Arc<dyn Fn() -> Option<Instant> + Send + Sync>;

/// The engine that is kept taking writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it listens.
    pub engine: SocketAddr,
    /// Where it stood a moment ago: its backlog begins before that.
    pub position: Position,
    /// As whom to follow it.
    pub credentials: Credentials,
    /// Its version.
    pub version: EngineVersion,
    /// How many connections are kept.
    pub count: u32,
}

/// The connections to one engine, for as long as they are permitted.
pub struct Keepers {
    tasks: Tasks,
    wanted: watch::Sender<Option<Kept>>,
    around: Arc<Around>,
    started: u32,
}

struct Around {
    shown_as: SocketAddr,
    permission: Permission,
    online: AtomicU32,
    changed: Box<dyn Fn() + Send + Sync>,
}

impl Keepers {
    /// None yet. The engine shows them as replicas at `shown_as`; `changed` is told when one comes
    /// or goes.
    pub fn new(
        tasks: &Tasks,
        shown_as: SocketAddr,
        permission: Permission,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            tasks: tasks.child(),
            wanted: watch::Sender::new(None),
            around: Arc::new(Around {
                shown_as,
                permission,
                online: AtomicU32::new(0),
                changed: Box::new(changed),
            }),
            started: 0,
        }
    }

    /// Keeps an engine, or none. Another engine ends the connections to the one before.
    pub fn keep(&mut self, kept: Option<Kept>) {
        let count = kept.as_ref().map_or(0, |kept| kept.count);
        while self.started < count {
            let keeper = keep(
                self.started,
                self.wanted.subscribe(),
                Arc::clone(&self.around),
            );
            self.tasks.spawn("keeper", keeper);
            self.started += 1;
        }
        self.wanted.send_replace(kept);
    }

    /// How many the engine counts now.
    #[must_use]
    pub fn online(&self) -> u32 {
        self.around.online.load(Ordering::Relaxed)
    }
}

impl Drop for Keepers {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

impl fmt::Debug for Keepers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keepers")
            .field("wanted", &*self.wanted.borrow())
            .field("online", &self.online())
            .finish_non_exhaustive()
    }
}

/// One connection, made again whenever it is wanted and permitted.
async fn keep(index: u32, mut wanted: watch::Receiver<Option<Kept>>, around: Arc<Around>) {
    let (mut pause, longest) = PAUSES;
    loop {
        let kept = wanted.borrow_and_update().clone();
        let kept = kept.filter(|kept| index < kept.count);
        let permitted = (around.permission)();
        let (Some(kept), Some(_)) = (kept, permitted) else {
            // Whoever wants it says so again when it is permitted.
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        };
        let began = Instant::now();
        let ended = tokio::select! {
            ended = follow(&kept, &around) => ended,
            () = moved_on(wanted.clone(), index, &kept) => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(engine = %kept.engine, error = %chain(&error), "a keeper is gone");
            if began.elapsed() > longest {
                pause = PAUSES.0;
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        } else {
            pause = PAUSES.0;
        }
    }
}

/// Resolves when another engine is to be kept, or none.
async fn moved_on(mut wanted: watch::Receiver<Option<Kept>>, index: u32, kept: &Kept) {
    let other = |now: &Option<Kept>| {
        now.as_ref().is_none_or(|now| {
            now.engine != kept.engine || now.credentials != kept.credentials || index >= now.count
        })
    };
    let _gone = wanted.wait_for(other).await;
}

/// Follows until the permission is over, which closes the connection: the engine counts one that is
/// closed no longer.
async fn follow(kept: &Kept, around: &Around) -> Result<(), EngineError> {
    let have = Some(kept.position);
    let handshake = handshake(&kept.credentials, kept.version, around.shown_as, have);
    let opening = Engine::open(kept.engine, &handshake);
    let (mut engine, mut write, answer) = opening.await?;
    match answer {
        Answer::Continued(_) => {}
        // It would cost the engine a fork each time.
        Answer::FullSync(position) => return Err(engine.offers_all(position)),
    }
    let _online = Online::new(around);
    loop {
        let now = Instant::now();
        let Some(until) = (around.permission)().filter(|until| *until > now) else {
            return Ok(());
        };
        // A write that waits is one to an engine that reads nothing: it must not outlive the lease.
        let sign = acknowledgement(Offset(0));
        tokio::select! {
            sent = write.write_all(&sign) => sent.map_err(|source| engine.broken(source))?,
            () = sleep_until(until) => return Ok(()),
        }
        let next = until.min(now + ACKNOWLEDGE);
        tokio::select! {
            error = drain(&mut engine) => return Err(error),
            () = sleep_until(next) => {}
        }
    }
}

/// Reads and drops what comes.
async fn drain(engine: &mut Engine) -> EngineError {
    loop {
        loop {
            match engine.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return error,
            }
        }
        if let Err(error) = engine.fill().await {
            return error;
        }
    }
}

/// Counts a connection while it is there.
struct Online<'a>(&'a Around);

impl<'a> Online<'a> {
    fn new(around: &'a Around) -> Self {
        around.online.fetch_add(1, Ordering::Relaxed);
        (around.changed)();
        Self(around)
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        self.0.online.fetch_sub(1, Ordering::Relaxed);
        (self.0.changed)();
    }
}
