//! One issuer: its rules, and its keys as they are known now.

use std::{sync::Arc, time::Duration};

use model::{IssuerKeys, TokenIssuer};
use parking_lot::Mutex;
use runtime::{chain, tasks::Tasks};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{IssuerError, fetch, keys::KeySet, place::Place};

/// How long keys are used before they are asked for again: a key that an issuer takes back is
/// believed for so long at most while tokens come in.
pub const FRESH: Duration = Duration::from_secs(600);
/// How long keys are used while they cannot be had again.
pub const LAST: Duration = Duration::from_secs(24 * 60 * 60);
/// From the begin of one fetch to the next, whoever wants it: an unknown key is no reason to ask
/// again at once.
pub const CALM: Duration = Duration::from_secs(30);
/// The same after a failure.
pub const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A fetch has a limit of its own; this is for one that does not keep it.
const PATIENCE: Duration = Duration::from_secs(15);

/// An issuer whose tokens are believed.
#[derive(Debug)]
pub(crate) struct Issuer {
    rules: TokenIssuer,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Given(Arc<KeySet>),
    Discovered {
        discovery: Place,
        state: Mutex<State>,
        /// Counts fetches that have ended.
        ended: watch::Sender<u64>,
    },
}

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    began: Option<Instant>,
    runs: bool,
    failures: u32,
}

impl Issuer {
    /// Checks the rules, and reads the keys if they are given.
    pub(crate) fn new(rules: TokenIssuer) -> Result<Self, IssuerError> {
        if rules.issuer.is_empty() {
            return Err(IssuerError::Unnamed);
        }
        if rules.audiences.iter().all(String::is_empty) {
            return Err(IssuerError::Audience);
        }
        let source = match &rules.keys {
            IssuerKeys::Given(text) => Source::Given(Arc::new(KeySet::read(text.as_bytes())?)),
            IssuerKeys::Discovered => Source::Discovered {
                discovery: Place::discovery(&rules.issuer)?,
                state: Mutex::default(),
                ended: watch::Sender::new(0),
            },
        };
        Ok(Self { rules, source })
    }

    pub(crate) fn rules(&self) -> &TokenIssuer {
        &self.rules
    }

    /// The keys, as they are known. Ones that are not fresh are asked for in the background.
    pub(crate) fn keys(self: &Arc<Self>, tasks: &Tasks) -> Option<Arc<KeySet>> {
        let state = match &self.source {
            Source::Given(keys) => return Some(Arc::clone(keys)),
            Source::Discovered { state, .. } => state,
        };
        let (keys, at) = state.lock().keys.clone()?;
        let age = Instant::now().saturating_duration_since(at);
        if age >= FRESH {
            self.begin(tasks);
        }
        (age < LAST).then_some(keys)
    }

    /// Waits for keys that are newer than `known`; gives up when it is too early to ask again, or
    /// when they cannot be had.
    pub(crate) async fn newer(
        self: &Arc<Self>,
        known: Option<&Arc<KeySet>>,
        tasks: &Tasks,
    ) -> Option<Arc<KeySet>> {
        let mut ended = match &self.source {
            Source::Given(_) => return None,
            Source::Discovered { ended, .. } => ended.subscribe(),
        };
        if self.begin(tasks) {
            timeout(PATIENCE, ended.changed()).await.ok()?.ok()?;
        }
        let keys = self.keys(tasks)?;
        let is_known = known.is_some_and(|known| Arc::ptr_eq(known, &keys));
        (!is_known).then_some(keys)
    }

    /// Begins to fetch the keys, unless that was done a moment ago. Tells whether it is being done:
    /// in a task of its own, so that whoever gives up waiting does not end it.
    pub(crate) fn begin(self: &Arc<Self>, tasks: &Tasks) -> bool {
        let Source::Discovered { state, .. } = &self.source else {
            return false;
        };
        let mut state = state.lock();
        if state.runs {
            return true;
        }
        let pause = if state.failures > 0 {
            AFTER_FAILURE
        } else {
            CALM
        };
        let now = Instant::now();
        if state.began.is_some_and(|began| now < began + pause) {
            return false;
        }
        state.began = Some(now);
        state.runs = true;
        drop(state);
        tasks.spawn("issuer's keys", Arc::clone(self).fetch());
        true
    }

    /// Waits until no keys are on their way.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn settled(&self) {
        let Source::Discovered { state, ended, .. } = &self.source else {
            return;
        };
        let mut ended = ended.subscribe();
        while state.lock().runs {
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    async fn fetch(self: Arc<Self>) {
        let Source::Discovered {
            discovery,
            state,
            ended,
        } = &self.source
        else {
            return;
        };
        let issuer = &self.rules.issuer;
        let fetched = fetch::fetch(issuer, discovery).await;
        {
            let mut state = state.lock();
            state.runs = false;
            match fetched {
                Ok(keys) => {
                    if state.failures > 0 {
                        tracing::info!(issuer, "the keys of the issuer can be had again");
                    }
                    state.failures = 0;
                    // The same keys are the same set: whoever waits for others need not look again.
                    let keys = match state.keys.take() {
                        Some((known, _)) if *known == keys => known,
                        Some(_) | None => Arc::new(keys),
                    };
                    state.keys = Some((keys, Instant::now()));
                }
                Err(error) => {
                    if state.failures == 0 {
                        let has_keys = state.keys.is_some();
                        tracing::warn!(
                            issuer, has_keys, error = %chain(&error),
                            "the keys of the issuer cannot be had; those known before go on for a day"
                        );
                    }
                    state.failures = state.failures.saturating_add(1);
                }
            }
        }
        ended.send_modify(|count| *count += 1);
    }
}
