//! `godwit link update`.

use clap::Args;
use model::CacheName;

use super::{
    linked,
    settings::{SettingsArgs, describe},
};
use crate::{failure::Failure, session::Session, talk::Talk};

/// Change how a link moves its bytes and fails over, at once and without a full sync
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  godwit link update demo-east --rate-limit 10MB/s --compression 3
  godwit link update demo-east --fencing lease --lease 10s
  godwit link update demo-east --auto-failover after=30s,max-lag=5s
  godwit link update demo-east --auto-failover off --fencing none")]
pub(crate) struct Update {
    /// Either of its two caches
    cache: CacheName,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Update {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let change = self.settings.change();
        if change.is_empty() {
            let failure = Failure::usage("nothing is to be changed");
            return Err(failure.hint(
                "say what: --compression, --rate-limit, --journal, --source, --secondary-reads, --fencing, --lease or --auto-failover",
            ));
        }
        self.settings.check_change()?;
        let pair = linked(session, &self.cache).await?;
        let (primary, secondary) = (&pair.primary, &pair.secondary.name);
        let management = &session.management;
        let changed = management
            .change_link_settings(primary, secondary, &change)
            .await?;
        Talk.say(&format!(
            "the link of `{}` and `{secondary}` has these settings now",
            primary.name
        ));
        session
            .form
            .write(&changed.json, || describe(&changed.body))
    }
}
