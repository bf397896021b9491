//! `godwit link create`.

use clap::Args;
use model::CacheName;

use super::{pair_of, settings::SettingsArgs, show};
use crate::{arguments::Waiting, failure::Failure, session::Session, talk::Talk};

/// Link two caches: the second loses its data and follows the first
///
/// SECONDARY gets the data of PRIMARY and every change from then on; it can be read, not written.
///
/// Both must be Premium, have one replica, and run the same engine version. SECONDARY must be at
/// least as large as PRIMARY, and as large for failovers.
///
/// Example: godwit link create demo-east demo-west
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The cache that takes writes
    primary: CacheName,
    /// The cache that follows; its data is erased
    secondary: CacheName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    waiting: Waiting,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (first, second) = (self.primary, self.secondary);
        let change = self.settings.change();
        self.settings.check_new()?;
        if first == second {
            return Err(Failure::usage("a cache cannot be linked with itself"));
        }
        let primary = session.find(&first).await?.body;
        let secondary = session.find(&second).await?.body;
        if let Some(pair) = pair_of(session, &primary).await?
            && [&pair.primary.name, &pair.secondary.name].contains(&&second)
        {
            if pair.primary.name == first && !change.is_empty() {
                let update = session.command(&format!("link update {first}"));
                return Err(
                    Failure::new(format!("`{second}` follows `{first}` already"))
                        .hint(format!("to change how: `{update}` with the same options")),
                );
            }
            if pair.primary.name == first {
                Talk.say(&format!("`{second}` follows `{first}` already"));
                return show(session, &pair.primary, &pair.secondary.name).await;
            }
            let failover = session.command(&format!("failover {first}"));
            return Err(Failure::new(format!(
                "`{first}` follows `{second}`: they are linked the other way round"
            ))
            .hint(format!("to make `{first}` the geo-primary: `{failover}`")));
        }
        let warning = format!("all data of `{second}` is erased and replaced by that of `{first}`");
        if !self.yes && !Talk.confirm(&warning, &format!("Let `{second}` follow `{first}`?"))? {
            return Err(Failure::new("nothing was linked"));
        }
        let location = &secondary.location;
        let started = session
            .management
            .create_link(&primary.id, &secondary.id, location, &change)
            .await?;
        let warnings = started.json.pointer("/properties/warnings");
        let warnings = warnings.and_then(serde_json::Value::as_array);
        for warning in warnings.into_iter().flatten() {
            Talk.warn(warning.as_str().unwrap_or_default());
        }
        if self.waiting.no_wait {
            Talk.say(&format!("linking `{second}` to `{first}` has begun"));
            return session.form.write(&started.json, || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("link watch {first}"))
                )
            });
        }
        let title = format!("linking `{second}` to `{first}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!(
            "`{second}` follows `{first}` ({:.1} s)",
            ended.took.as_secs_f64()
        ));
        show(session, &primary.id, &second).await
    }
}
