//! `godwit link resume`.

use clap::Args;
use client::status::LinkStatus;
use model::CacheName;

use super::{Pair, linked};
use crate::{failure::Failure, session::Session, talk::Talk};

/// Let a link go on that stands still until a person has said what may be lost
///
/// A link whose geo-primary lost all its data stands still, because an empty geo-primary would wipe
/// what the geo-secondary holds. --accept-empty-source lets it. To go on with that data instead,
/// fail over to the geo-secondary, or unlink.
///
/// After a forced failover the former geo-primary does not follow while some of what it took can
/// not be saved, because following would wipe it. --accept-unsaved lets it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  godwit link resume demo-east --accept-empty-source
  godwit link resume demo-east --accept-unsaved")]
pub(crate) struct Resume {
    /// Either of its two caches
    cache: CacheName,
    /// Let the geo-primary go on empty; the geo-secondary loses what it holds
    #[arg(
        long,
        required_unless_present = "accept_unsaved",
        conflicts_with = "accept_unsaved"
    )]
    accept_empty_source: bool,
    /// Let the former geo-primary follow; what it took and could not be saved is lost for good
    #[arg(long)]
    accept_unsaved: bool,
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
        let (warning, question) = if self.accept_unsaved {
            unsaved(&status, &pair)
        } else {
            empty_source(&status, &pair)
        };
        if !self.yes && !Talk.confirm(&warning, &question)? {
            return Err(Failure::new("nothing was changed"));
        }
        let resumed = if self.accept_unsaved {
            let resumed = management.accept_unsaved(&pair.primary, secondary).await?;
            Talk.say(&format!(
                "`{secondary}` gives up what could not be saved, and follows `{primary}`"
            ));
            resumed
        } else {
            let resumed = management
                .accept_empty_source(&pair.primary, secondary)
                .await?;
            Talk.say(&format!(
                "`{primary}` goes on empty, and `{secondary}` follows it"
            ));
            resumed
        };
        session.form.write(&resumed.json, || {
            let watch = session.command(&format!("link watch {primary}"));
            format!("to see how it goes: {watch}")
        })
    }
}

fn empty_source(status: &LinkStatus, pair: &Pair) -> (String, String) {
    let (primary, secondary) = (&pair.primary.name, &pair.secondary.name);
    let lost = match keys(status) {
        Some(1) => "the 1 key".to_owned(),
        Some(keys) => format!("all {keys} keys"),
        None => "all data (how much is not known, since its agent does not report)".to_owned(),
    };
    (
        format!("{lost} that `{secondary}` still holds will be lost: `{primary}` goes on empty"),
        format!("Give them up and let `{secondary}` follow the empty `{primary}`?"),
    )
}

fn unsaved(status: &LinkStatus, pair: &Pair) -> (String, String) {
    let (primary, secondary) = (&pair.primary.name, &pair.secondary.name);
    let why = status.rejoin.as_ref().and_then(|rejoin| rejoin.why.clone());
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    (
        format!(
            "what `{secondary}` took before `{primary}` took over from it, and what could not be saved of that{why}, will be lost for good"
        ),
        format!("Give it up and let `{secondary}` follow `{primary}`?"),
    )
}

/// Keys that the geo-secondary holds; `None` while nobody knows.
fn keys(status: &LinkStatus) -> Option<u64> {
    let shards = status.shards.iter();
    let all: Option<Vec<u64>> = shards.map(|shard| shard.secondary.as_ref()?.keys).collect();
    Some(all.filter(|all| !all.is_empty())?.iter().sum())
}
