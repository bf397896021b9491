//! `godwit link resume`.

use clap::Args;
use client::status::LinkStatus;
use model::CacheName;

use super::linked;
use crate::{failure::Failure, session::Session, talk::Talk};

/// Let a link go on whose geo-primary lost all its data
///
/// Such a link stands still, because an empty geo-primary would wipe what the geo-secondary holds.
/// To go on with that data instead, fail over to the geo-secondary, or unlink.
///
/// Example: godwit link resume demo-east --accept-empty-source
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Either of its two caches
    cache: CacheName,
    /// Let the geo-primary go on empty; the geo-secondary loses what it holds
    #[arg(long, required = true)]
    accept_empty_source: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Resume {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let pair = linked(session, &self.cache).await?;
        let (primary, secondary) = (&pair.primary.name, &pair.secondary.name);
        let management = &session.management;
        let status = management.link_status(&pair.primary, secondary).await?.body;
        if status.healthy == Some(true) {
            return Err(Failure::new(format!(
                "the link of `{primary}` and `{secondary}` is healthy; there is nothing to accept"
            )));
        }
        let lost = match keys(&status) {
            Some(1) => "the 1 key".to_owned(),
            Some(keys) => format!("all {keys} keys"),
            None => "all data (how much is not known, since its agent does not report)".to_owned(),
        };
        let warning = format!(
            "{lost} that `{secondary}` still holds will be lost: `{primary}` goes on empty"
        );
        let question = format!("Give them up and let `{secondary}` follow the empty `{primary}`?");
        if !self.yes && !Talk.confirm(&warning, &question)? {
            return Err(Failure::new("nothing was changed"));
        }
        let resumed = management
            .accept_empty_source(&pair.primary, secondary)
            .await?;
        Talk.say(&format!(
            "`{primary}` goes on empty, and `{secondary}` follows it"
        ));
        session.form.write(&resumed.json, || {
            let watch = session.command(&format!("link watch {primary}"));
            format!("to see how it goes: {watch}")
        })
    }
}

/// Keys that the geo-secondary holds; `None` while nobody knows.
fn keys(status: &LinkStatus) -> Option<u64> {
    let shards = status.shards.iter();
    let all: Option<Vec<u64>> = shards.map(|shard| shard.secondary.as_ref()?.keys).collect();
    Some(all.filter(|all| !all.is_empty())?.iter().sum())
}
