//! `godwit link …`.

mod candidates;
mod cost;
mod create;
mod delete;
mod events;
mod failovers;
mod list;
mod prices;
mod resume;
mod settings;
mod shard;
mod show;
mod update;
mod watch;

use clap::Subcommand;
use client::resources::{Cache, Link, ServerRole};
use model::{CacheId, CacheName};

pub(super) use show::show;

use crate::{failure::Failure, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Create),
    Candidates(candidates::Candidates),
    /// List the links
    List,
    /// Show the link of a cache: roles, health, settings, each shard, the last events
    Show {
        /// Either of its two caches
        cache: CacheName,
    },
    Update(update::Update),
    Watch(watch::Watch),
    Events(events::Events),
    Cost(cost::Cost),
    /// See and set what traffic between regions costs
    #[command(subcommand)]
    Prices(prices::Prices),
    Resume(resume::Resume),
    Delete(delete::Delete),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create(create) => create.run(session).await,
        Command::Candidates(candidates) => candidates.run(session).await,
        Command::List => list::run(session).await,
        Command::Show { cache } => {
            let pair = linked(session, &cache).await?;
            show::show_all(session, &pair.primary, &pair.secondary.name).await
        }
        Command::Update(update) => update.run(session).await,
        Command::Watch(watch) => watch.run(session).await,
        Command::Events(events) => events.run(session).await,
        Command::Cost(cost) => cost.run(session).await,
        Command::Prices(prices) => prices::run(prices, session).await,
        Command::Resume(resume) => resume.run(session).await,
        Command::Delete(delete) => delete.run(session).await,
    }
}

/// Two linked caches by their roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) primary: CacheId,
    pub(super) primary_location: String,
    pub(super) secondary: CacheId,
    pub(super) state: String,
}

impl Pair {
    /// Reads a link that `cache` has.
    fn of(cache: &Cache, link: &Link) -> Self {
        let properties = &link.properties;
        let other = properties.linked_redis_cache_id.clone();
        let state = properties.provisioning_state.clone();
        match properties.server_role {
            ServerRole::Primary => Self {
                primary: other,
                primary_location: properties.linked_redis_cache_location.clone(),
                secondary: cache.id.clone(),
                state,
            },
            ServerRole::Secondary => Self {
                primary: cache.id.clone(),
                primary_location: cache.location.clone(),
                secondary: other,
                state,
            },
        }
    }
}

/// The link of a cache, if it has one.
pub(super) async fn pair(session: &Session, name: &CacheName) -> Result<Option<Pair>, Failure> {
    let cache = session.find(name).await?.body;
    pair_of(session, &cache).await
}

async fn pair_of(session: &Session, cache: &Cache) -> Result<Option<Pair>, Failure> {
    let links = session.management.links(&cache.id).await?.body;
    Ok(links.first().map(|link| Pair::of(cache, link)))
}

/// The link of a cache that should have one.
async fn linked(session: &Session, name: &CacheName) -> Result<Pair, Failure> {
    let found = pair(session, name).await?;
    found.ok_or_else(|| {
        let create = session.command(&format!("link create {name} SECONDARY"));
        Failure::not_found(format!("`{name}` is not linked"))
            .hint(format!("`{create}` links it; the secondary loses its data"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_sides_of_a_link_tell_the_same_roles() {
        let id = |name: &str| {
            format!(
                "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/{name}"
            )
        };
        let cache = |name: &str, location: &str| -> Cache {
            serde_json::from_value(json!({"id": id(name), "name": name, "location": location}))
                .unwrap()
        };
        let link = |other: &str, location: &str, role: &str| -> Link {
            serde_json::from_value(json!({"name": other, "properties": {
                "linkedRedisCacheId": id(other), "linkedRedisCacheLocation": location,
                "serverRole": role, "provisioningState": "Succeeded",
            }}))
            .unwrap()
        };
        let from_a = Pair::of(&cache("a", "East US"), &link("b", "West US", "Secondary"));
        let from_b = Pair::of(&cache("b", "West US"), &link("a", "East US", "Primary"));
        assert_eq!(from_a, from_b);
        assert_eq!(from_a.primary.name.as_str(), "a");
        assert_eq!(from_a.primary_location, "East US");
    }
}
