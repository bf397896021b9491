//! Follows the control plane: takes each generation of the names, on the disk first.

use std::{net::IpAddr, sync::Arc, time::Duration};

use client::{Names, RequestError};
use model::{PublishedNames, StoreId};
use runtime::{blocking, chain};
use tokio::time::sleep;

use crate::{
    NameServer,
    kept::Kept,
    served::{Generation, Publish},
    tally::Tally,
    zone::{Zone, ZoneError},
};

/// How long a request for news waits.
const WAIT: Duration = Duration::from_secs(20);
/// Between two attempts to reach a control plane that does not answer: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Why published names are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// They are another deployment's.
    #[error(
        "this server answers for the store {known}, and was told names by one with store {told}; give the old store back, or start with an empty directory"
    )]
    OtherStore { known: StoreId, told: StoreId },
    /// They are older than what is served.
    #[error(
        "the control plane went back from generation {known} of the names to {told}; its store was restored from an old copy"
    )]
    Older { known: u64, told: u64 },
    /// They are not to be served.
    #[error(transparent)]
    Zone(#[from] ZoneError),
}

/// Follows one control plane.
pub(crate) struct Follower {
    pub(crate) client: Names,
    pub(crate) kept: Kept,
    pub(crate) publish: Publish,
    pub(crate) servers: Vec<NameServer>,
    /// Where the zone's own name server is, when it has no other.
    pub(crate) own: Vec<IpAddr>,
    pub(crate) tally: Arc<Tally>,
}

impl Follower {
    /// Follows for as long as it is let.
    pub(crate) async fn run(self) {
        let mut trouble = Trouble::default();
        // What is on the disk may be of this generation and still be another's: the zone's name and
        // its time to live are not counted in it.
        let mut known = None;
        loop {
            match self.client.read(known, WAIT).await {
                Ok(told) => {
                    self.tally.note_heard();
                    trouble.over();
                    let Some(names) = told else { continue };
                    let generation = names.generation;
                    match self.take(names).await {
                        Ok(()) => known = Some(generation),
                        Err(error) => trouble.refused(&error).await,
                    }
                }
                Err(error) => trouble.unreachable(&error).await,
            }
        }
    }

    /// Serves names, once they are on the disk.
    pub(crate) async fn take(&self, names: PublishedNames) -> Result<(), TakeError> {
        let present = self.publish.borrow().clone();
        if let Some(present) = &present {
            let known = &present.names;
            if known.store != names.store {
                return Err(TakeError::OtherStore {
                    known: known.store.clone(),
                    told: names.store,
                });
            }
            if known.generation > names.generation {
                return Err(TakeError::Older {
                    known: known.generation,
                    told: names.generation,
                });
            }
            if *known == names {
                return Ok(());
            }
        }
        let zone = Zone::new(&names, &self.servers, &self.own)?;
        let (kept, keep) = (self.kept.clone(), names.clone());
        match blocking::run(move || kept.keep(&keep)).await {
            Ok(Ok(())) => {}
            // Names that are known to be wrong would be worse than those that a restart forgets.
            Ok(Err(error)) => tracing::error!(
                error = %chain(&error), generation = names.generation,
                "New names are served, and are not on the disk: until the control plane is reached, a restart would bring the old ones back"
            ),
            Err(_stopped) => return Ok(()),
        }
        tracing::info!(
            generation = names.generation,
            names = names.names.len(),
            "Serving a new generation of the names"
        );
        let next = Arc::new(Generation { names, zone });
        self.publish.send_replace(Some(next));
        Ok(())
    }
}

/// What keeps news away: told once, however long it lasts.
#[derive(Default)]
struct Trouble {
    told: Option<String>,
    pause: Option<Duration>,
}

impl Trouble {
    fn over(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("The control plane is heard again");
        }
        self.pause = None;
    }

    async fn unreachable(&mut self, error: &RequestError) {
        let text = chain(error).to_string();
        if self.told.as_ref() != Some(&text) {
            tracing::warn!(
                error = text,
                "No news of the names; the last ones are served on"
            );
            self.told = Some(text);
        }
        self.rest().await;
    }

    async fn refused(&mut self, error: &TakeError) {
        let text = chain(error).to_string();
        if self.told.as_ref() != Some(&text) {
            tracing::error!(
                error = text,
                "Refused new names; the last ones are served on"
            );
            self.told = Some(text);
        }
        self.rest().await;
    }

    async fn rest(&mut self) {
        let (first, most) = RETRY;
        let pause = self.pause.map_or(first, |before| (before * 2).min(most));
        self.pause = Some(pause);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
