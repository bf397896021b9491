//! `godwit link delete`.

use clap::Args;
use model::CacheName;

use super::linked;
use crate::{arguments::Waiting, failure::Failure, session::Session, talk::Talk};

/// Unlink two caches; both keep the data that they hold, and both take writes
///
/// Example: godwit link delete demo-east
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Either of the two caches
    cache: CacheName,
    /// The other one, to be sure
    other: Option<CacheName>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let pair = linked(session, &self.cache).await?;
        let (primary, secondary) = (&pair.primary.name, &pair.secondary.name);
        if let Some(other) = &self.other
            && (*other == self.cache || ![primary, secondary].contains(&other))
        {
            let failure = Failure::new(format!(
                "`{}` is not linked with `{other}`; nothing was unlinked",
                self.cache
            ));
            let command = session.command(&format!("link delete {primary} {secondary}"));
            return Err(failure.hint(format!(
                "`{secondary}` follows `{primary}`; to unlink these: `{command}`"
            )));
        }
        let started = session
            .management
            .delete_link(&pair.primary, secondary)
            .await?;
        if self.waiting.no_wait {
            Talk.say(&format!(
                "unlinking `{secondary}` from `{primary}` has begun"
            ));
            return Ok(());
        }
        let title = format!("unlinking `{secondary}` from `{primary}`");
        session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!(
            "`{primary}` and `{secondary}` are no longer linked; both keep their data and take writes"
        ));
        Ok(())
    }
}
