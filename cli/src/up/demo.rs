//! `godwit up --demo`: two linked caches with data and a small load, and a line that shows them.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Context as _, bail};
use client::{CacheChange, Management, Sight, Started};
use indicatif::{ProgressBar, ProgressStyle};
use model::{CacheId, CacheName, GroupName, Region, Secret, Sku, SubscriptionId, Tier};
use tokio::time::{MissedTickBehavior, interval};

use super::load::{Load, Seen};
use crate::talk::Talk;

/// Between two status lines where there is no terminal to redraw.
const PLAIN_EVERY: u64 = 5;

/// The two caches of the demo.
struct Pair {
    api: Management,
    east: CacheId,
    west: CacheId,
}

/// What another terminal has to add to commands.
pub(super) struct Flags {
    /// To `godwit`: which deployment.
    pub(super) godwit: String,
    /// To `redis-cli`: over TLS, and whom to trust.
    pub(super) client: String,
}

/// Makes what is missing, then shows the pair for ever.
pub(super) async fn run(
    url: &str,
    token: Secret,
    regions: &[Region],
    flags: &Flags,
    talk: &Talk,
) -> anyhow::Result<()> {
    let api = Management::new(url, token)?;
    let subscriptions = api.subscriptions().await?.body;
    let Some(subscription) = subscriptions.first().map(|s| s.subscription_id.clone()) else {
        bail!("the control plane has no subscription");
    };
    let [one, two, ..] = regions else {
        bail!("the demo needs two regions")
    };
    let pair = Pair {
        east: id(&subscription, "demo-east")?,
        west: id(&subscription, "demo-west")?,
        api,
    };
    pair.api
        .put_group(&subscription, &pair.east.group, one.as_str())
        .await?;
    pair.ensure_cache(&pair.east, one, talk).await?;
    pair.ensure_cache(&pair.west, two, talk).await?;
    pair.ensure_link(two, talk).await?;
    let mut load = Load::start(&pair.api, &pair.east, &pair.west).await?;
    let written = load.seed().await?;
    if written > 0 {
        talk.say(&format!(
            "Wrote {written} keys of every type to the geo-primary."
        ));
    }
    pair.show_what_to_try(flags, talk).await?;
    pair.watch(load, talk).await
}

fn id(subscription: &SubscriptionId, name: &str) -> anyhow::Result<CacheId> {
    let group: GroupName = "default".parse()?;
    let name: CacheName = name.parse()?;
    Ok(CacheId {
        subscription: subscription.clone(),
        group,
        name,
    })
}

impl Pair {
    async fn ensure_cache(&self, id: &CacheId, region: &Region, talk: &Talk) -> anyhow::Result<()> {
        match self.api.cache(id).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let change = CacheChange {
            location: Some(region.to_string()),
            sku: Some(Sku::new(Tier::Premium, 1)?),
            ..CacheChange::default()
        };
        let what = format!(
            "Creating `{}` (Premium P1) in {}",
            id.name,
            region.display_name()
        );
        let started = self.api.create_cache(id, &change).await?;
        self.follow(&what, &started, talk).await
    }

    async fn ensure_link(&self, other_region: &Region, talk: &Talk) -> anyhow::Result<()> {
        if !self.api.links(&self.east).await?.body.is_empty() {
            return Ok(());
        }
        let what = format!("Linking `{}` to `{}`", self.east.name, self.west.name);
        let started = self
            .api
            .put_link(&self.east, &self.west, other_region.as_str())
            .await?;
        self.follow(&what, &started, talk).await
    }

    async fn follow(&self, what: &str, started: &Started, talk: &Talk) -> anyhow::Result<()> {
        let bar = spinner();
        bar.set_message(what.to_owned());
        if let Some(ticket) = &started.ticket {
            let waited = self.api.wait(ticket, |sight| {
                if let Sight::Progress(operation) = sight
                    && let Some(waiting) = &operation.properties.waiting_for
                {
                    bar.set_message(format!("{what}: {waiting}"));
                }
            });
            waited.await.with_context(|| what.to_owned())?;
        }
        bar.finish_and_clear();
        talk.say(&format!("{what}: done"));
        Ok(())
    }

    async fn show_what_to_try(&self, flags: &Flags, talk: &Talk) -> anyhow::Result<()> {
        let (east, west) = (&self.east.name, &self.west.name);
        let Flags {
            godwit: flag,
            client,
        } = flags;
        talk.say("");
        talk.say("Try, in another terminal:");
        for id in [&self.east, &self.west] {
            let name = &id.name;
            let status = self.api.cache_status(id).await?.body;
            let endpoints = status.endpoints.into_iter();
            for (endpoint, what) in endpoints.flat_map(|endpoints| {
                [
                    (endpoints.direct, "this cache"),
                    (endpoints.geo, "whichever takes writes"),
                ]
            }) {
                if let (Some(address), Some(port)) = (endpoint.address, endpoint.tls_port) {
                    talk.say(&format!(
                        "  REDISCLI_AUTH=\"$(godwit cache keys {name} --show primary{flag})\" redis-cli{client} -h {address} -p {port}   # {what}"
                    ));
                }
            }
        }
        talk.say("     GET demo:counter · XINFO STREAM demo:orders · SET x 1 (refused by the geo-secondary)");
        talk.say(&format!(
            "  godwit failover {west}{flag}      # swap the roles; no write is lost"
        ));
        talk.say(&format!("  godwit link show {east} {west}{flag}"));
        talk.say(&format!(
            "  godwit link delete {east} {west}{flag}   # both keep the data and take writes"
        ));
        talk.say("");
        Ok(())
    }

    async fn watch(&self, mut load: Load, talk: &Talk) -> anyhow::Result<()> {
        let live = std::io::stderr().is_terminal();
        let bar = spinner();
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u64;
        loop {
            tokio::select! {
                _ = second.tick() => {}
                () = load.write() => continue,
            }
            let line = self.line(&load.take_seen()).await;
            if live {
                bar.set_message(line);
            } else if count.is_multiple_of(PLAIN_EVERY) {
                talk.say(&line);
            }
            count += 1;
        }
    }

    async fn line(&self, seen: &Seen) -> String {
        let load = match &seen.trouble {
            Some(trouble) => format!("{} writes/s ({trouble})", seen.acknowledged),
            None => format!("{} writes/s", seen.acknowledged),
        };
        let status = match self.api.link_status(&self.east, &self.west.name).await {
            Ok(status) => status.body,
            Err(error) if error.is_not_found() => return format!("not linked · {load}"),
            Err(error) => return format!("{error} · {load}"),
        };
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        let shard = status.shards.first();
        let lag = shard.and_then(|shard| shard.lag_ms);
        let behind = shard.and_then(|shard| shard.bytes_behind);
        let lag = lag.map_or_else(|| "lag unknown".to_owned(), |ms| format!("lag {ms:.1} ms"));
        let behind = behind.map_or_else(String::new, |bytes| format!(" · {bytes} bytes behind"));
        let state = status.provisioning_state.clone().unwrap_or_default();
        let why = status
            .reasons
            .first()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        format!(
            "primary {} → secondary {} · link {state}{why} · {lag}{behind} · {load}",
            name(&status.primary),
            name(&status.secondary)
        )
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
