//! `godwit failover CACHE`.

use clap::Args;
use model::CacheName;

use super::link::pair;
use crate::{
    arguments::{Common, Waiting},
    failure::Failure,
    output::milliseconds,
    session::Session,
    talk::Talk,
};

/// Make the geo-secondary of a link its geo-primary, without losing a write
///
/// Writes to the geo-primary wait, everything that it has accepted crosses over, CACHE is promoted,
/// and the former geo-primary follows it. When that cannot be done in time, nothing changes: the
/// geo-primary goes on as before. Only when the geo-primary has lost all its data is CACHE promoted
/// with what it holds.
///
/// Example: godwit failover demo-west
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// The cache that is to take writes: the present geo-secondary
    cache: CacheName,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    common: Common,
}

impl Failover {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let session = Session::open(self.common).await?;
        let name = self.cache;
        let Some(pair) = pair(&session, &name).await? else {
            let create = session.command(&format!("link create PRIMARY {name}"));
            let failure = Failure::new(format!(
                "`{name}` is not linked, so there is no role to take over"
            ));
            return Err(failure.hint(format!("link it first: `{create}`")));
        };
        if pair.primary.name == name {
            let secondary = &pair.secondary.name;
            let command = session.command(&format!("failover {secondary}"));
            let failure = Failure::new(format!("`{name}` is the geo-primary already"));
            return Err(failure.hint(format!(
                "to make `{secondary}` the geo-primary: `{command}`"
            )));
        }
        let (old, new) = (&pair.primary, &pair.secondary);
        let started = session
            .management
            .put_link(new, old, &pair.primary_location)
            .await?;
        if self.waiting.no_wait {
            Talk.say(&format!("failing over to `{name}` has begun"));
            return session.form.write(&started.json, || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("link watch {name}"))
                )
            });
        }
        let title = format!("failing over to `{name}`");
        let took = session.finish(&title, started.ticket.as_ref()).await?;
        let ms = took.as_secs_f64() * 1_000.0;
        Talk.say(&format!(
            "`{}` is the geo-primary now, and `{}` follows it ({})",
            new.name,
            old.name,
            milliseconds(ms)
        ));
        super::link::show(&session, new, &old.name).await
    }
}
