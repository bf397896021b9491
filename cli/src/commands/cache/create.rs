//! `godwit cache create`.

use clap::Args;
use client::CacheChange;
use model::{CacheId, CacheName, GroupName};

use super::{Size, TierName, entrance::Entrance, map, show::show, size, without_keys};
use crate::{
    arguments::{Waiting, pair},
    failure::{Exit, Failure},
    session::Session,
    talk::Talk,
};

/// Create a cache
///
/// Examples:
///   godwit cache create demo-east --location eastus
///   godwit cache create small -l eastus --sku C0 --tier basic --set maxmemory-policy=allkeys-lru
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Create {
    /// Its name: 1-63 letters, digits and single hyphens, unique in the deployment
    name: CacheName,
    /// The region; `godwit region list` lists them
    #[arg(long, short, value_name = "REGION")]
    location: String,
    /// The size: C0-C6 (Basic and Standard) or P1-P5 (Premium, which links need)
    #[arg(long, default_value = "P1", value_parser = size)]
    sku: Size,
    /// The tier, when the size does not tell it [default: premium for P sizes, standard for C]
    #[arg(long, value_enum)]
    tier: Option<TierName>,
    /// Replicas of each primary [default: 1; Basic has none]
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// A setting, such as maxmemory-policy=allkeys-lru; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A tag; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    #[command(flatten)]
    entrance: Entrance,
    #[command(flatten)]
    waiting: Waiting,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.name;
        let sku = self.sku.sku(self.tier)?;
        refuse_existing(session, &name).await?;
        let (group, on_demand) = session.group_of_new()?;
        if on_demand {
            ensure_group(session, &group, &self.location).await?;
        }
        let id = session.id(group, name.clone());
        let mut change = CacheChange {
            location: Some(self.location),
            sku: Some(sku),
            replicas: self.replicas,
            configuration: map(self.set),
            tags: (!self.tag.is_empty()).then(|| map(self.tag)),
            ..CacheChange::default()
        };
        self.entrance.add_to(&mut change);
        let started = session.management.create_cache(&id, &change).await;
        let started = started.map_err(|error| advise(session, error.into()))?;
        if self.waiting.no_wait {
            Talk.say(&format!("creating `{name}` has begun"));
            return session.form.write(&without_keys(started.json), || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("cache show {name}"))
                )
            });
        }
        let title = format!("creating `{name}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!(
            "created `{name}` ({:.1} s)",
            ended.took.as_secs_f64()
        ));
        show(session, &id).await
    }
}

/// The API would take a creation of an existing cache for an update of it.
async fn refuse_existing(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let (management, subscription) = (&session.management, &session.subscription);
    let all = management.caches(subscription, None).await?.body;
    let Some(there) = all.iter().find(|cache| cache.name == *name) else {
        return Ok(());
    };
    let CacheId { group, .. } = &there.id;
    let update = session.command(&format!("cache update {name}"));
    Err(Failure::new(format!(
        "there is a cache `{name}` already, in group `{group}`"
    ))
    .hint(format!(
        "choose another name, or change that one: `{update}`"
    )))
}

async fn ensure_group(session: &Session, group: &GroupName, location: &str) -> Result<(), Failure> {
    let (management, subscription) = (&session.management, &session.subscription);
    match management.group(subscription, group).await {
        Ok(_there) => Ok(()),
        Err(error) if error.is_not_found() => {
            let made = management.put_group(subscription, group, location).await;
            made.map_err(|error| advise(session, error.into()))?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn advise(session: &Session, failure: Failure) -> Failure {
    if failure.exit() == Exit::NotFound {
        let command = session.command("group create NAME --location REGION");
        return failure.or_hint(|| format!("leave --group out, or make the group: `{command}`"));
    }
    let command = session.command("region list");
    failure.or_hint(|| format!("`{command}` lists the regions"))
}
