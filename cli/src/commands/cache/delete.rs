//! `godwit cache delete`.

use clap::Args;
use model::CacheName;

use crate::{arguments::Waiting, failure::Failure, session::Session, talk::Talk};

/// Delete a cache with its data; a linked cache has to be unlinked first
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Its name
    name: CacheName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.name;
        let cache = session.find(&name).await?.body;
        let other = cache
            .properties
            .linked_servers
            .first()
            .and_then(|link| link.other());
        if let Some(other) = other {
            let unlink = session.command(&format!("link delete {name}"));
            let failure = Failure::new(format!(
                "`{name}` is linked with `{other}` and cannot be deleted"
            ));
            return Err(failure.hint(format!("unlink it first: `{unlink}`")));
        }
        let warning = format!("this deletes `{name}` with all its data");
        if !self.yes && !Talk.confirm(&warning, &format!("Delete `{name}`?"))? {
            return Err(Failure::new("nothing was deleted"));
        }
        let started = session.management.delete_cache(&cache.id).await?;
        if self.waiting.no_wait {
            Talk.say(&format!("deleting `{name}` has begun"));
            return Ok(());
        }
        let title = format!("deleting `{name}`");
        session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!("deleted `{name}`"));
        Ok(())
    }
}
