//! `godwit cache upgrade`.

use clap::Args;
use model::CacheName;

use crate::{
    arguments::Waiting, failure::Failure, output::milliseconds, session::Session, talk::Talk,
};

const AFTER_HELP: &str = "\
Examples:
  godwit cache show demo-west               # is a newer engine available?
  godwit cache upgrade demo-west            # the geo-secondary goes first
  godwit cache upgrade demo-east --now      # whatever its patch schedule says

See docs/maintenance.md.";

/// Restart a cache's nodes with the engine that is installed now, one after another
///
/// The replica goes first; then it takes the primary's place, and the former primary follows. Clients
/// stay connected, no acknowledged write is lost, and a link goes on without a full sync. When a node
/// does not come up with the newer engine it gets the one of before, and no other is touched.
///
/// A cache with a patch schedule is upgraded by itself in its window; outside of it nothing happens
/// without --now.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Upgrade {
    /// The cache's name
    cache: CacheName,
    /// At once, whatever its patch schedule says
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Upgrade {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.cache;
        let cache = session.find(&name).await?.body;
        let management = &session.management;
        let started = management.upgrade_engine(&cache.id, self.now).await?;
        let message = started.json["message"].as_str().unwrap_or_default();
        Talk.say(message);
        if started.ticket.is_none() || self.waiting.no_wait {
            return Ok(());
        }
        let title = format!("upgrading `{name}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        let took = milliseconds(ended.took.as_secs_f64() * 1_000.0);
        Talk.say(&format!(
            "upgraded `{name}`; every node is in step ({took})"
        ));
        Ok(())
    }
}
