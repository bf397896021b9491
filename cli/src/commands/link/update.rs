//! `godwit link update`.

use clap::Args;
use model::CacheName;

use super::{
    linked,
    settings::{SettingsArgs, describe},
};
use crate::{failure::Failure, session::Session, talk::Talk};

/// Change how a link moves its bytes, at once and without a full sync
///
/// Example: godwit link update demo-east --rate-limit 10MB/s --compression 3
#[derive(Debug, Args)]
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
                "say what: --compression, --rate-limit, --journal, --source or --secondary-reads",
            ));
        }
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
