//! `godwit cache update`.

use clap::Args;
use client::CacheChange;
use model::CacheName;

use super::{Size, TierName, entrance::Entrance, map, show::show, size, without_keys};
use crate::{
    arguments::{Waiting, pair},
    failure::Failure,
    session::Session,
    talk::Talk,
};

/// Change a cache's size, settings, tags, or how clients come in
///
/// What is not named stays as it is.
///
/// Example: godwit cache update demo-east --set maxmemory-policy=allkeys-lru --tag team=web
#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["sku", "replicas", "set", "tag", "untag"])]
#[group(args = Entrance::OPTIONS)]
pub(crate) struct Update {
    /// Its name
    name: CacheName,
    /// The new size; a linked cache keeps its size
    #[arg(long, value_parser = size)]
    sku: Option<Size>,
    /// The tier of the new size, when the size does not tell it
    #[arg(long, value_enum, requires = "sku")]
    tier: Option<TierName>,
    /// Replicas of each primary
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// A setting to add or change; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A tag to add or change; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    /// A tag to remove; repeat it for more
    #[arg(long, value_name = "KEY")]
    untag: Vec<String>,
    #[command(flatten)]
    entrance: Entrance,
    #[command(flatten)]
    waiting: Waiting,
}

impl Update {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.name;
        let cache = session.find(&name).await?.body;
        let sku = self.sku.map(|size| size.sku(self.tier)).transpose()?;
        let tags = (!self.tag.is_empty() || !self.untag.is_empty()).then(|| {
            let mut tags = cache.tags;
            tags.extend(self.tag);
            tags.retain(|key, _| !self.untag.contains(key));
            tags
        });
        let mut change = CacheChange {
            location: None,
            sku,
            replicas: self.replicas,
            configuration: map(self.set),
            tags,
            ..CacheChange::default()
        };
        self.entrance.add_to(&mut change);
        let started = session.management.update_cache(&cache.id, &change).await?;
        if self.waiting.no_wait {
            Talk.say(&format!("changing `{name}` has begun"));
            return session.form.write(&without_keys(started.json), || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("cache show {name}"))
                )
            });
        }
        let title = format!("changing `{name}`");
        session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!("changed `{name}`"));
        show(session, &cache.id).await
    }
}
