//! When a cache's nodes are restarted, and for what: `arm.md` 1.3, and Godwit's own status.

use std::time::Duration;

use model::{
    CacheRecord, GivenOrder, Hindrance, Newer, NodeObserved, PastUpgrade, PatchWindow,
    RollStanding, RollWhat, Timestamp, hindrance,
};
use serde_json::{Map, Value, json};

use super::operation::time;
use crate::{
    observations::Seen,
    reconciler::{pair_engines, upgrade_of},
    store::State,
};

/// A cache's patch schedule, when it has one.
pub(crate) fn schedule_json(cache: &CacheRecord) -> Option<Value> {
    let schedule = cache.maintenance.schedule.as_ref()?;
    let entries: Vec<_> = schedule.windows().iter().map(entry_json).collect();
    Some(json!({
        "id": format!("{}/patchSchedules/default", cache.id),
        "name": format!("{}/default", cache.id.name),
        "type": "Microsoft.Cache/Redis/PatchSchedules",
        "location": cache.region.display_name(),
        "properties": { "scheduleEntries": entries },
    }))
}

fn entry_json(window: &PatchWindow) -> Value {
    let (hours, minutes) = (window.minutes / 60, window.minutes % 60);
    let length = match (hours, minutes) {
        (hours, 0) => format!("PT{hours}H"),
        (0, minutes) => format!("PT{minutes}M"),
        (hours, minutes) => format!("PT{hours}H{minutes}M"),
    };
    json!({
        "dayOfWeek": window.day.to_string(),
        "startHourUtc": window.start_hour,
        "maintenanceWindow": length,
    })
}

/// Reads a length as ISO 8601 writes it, such as `PT5H`; a day has 24 hours.
pub(crate) fn duration_of(text: &str) -> Option<Duration> {
    if text.eq_ignore_ascii_case("P1D") {
        return Some(Duration::from_secs(24 * 3_600));
    }
    // Without a sign, and not as people write it.
    let iso = text.starts_with(['P', 'p']);
    let length: jiff::SignedDuration = text.parse().ok().filter(|_| iso)?;
    Duration::try_from(length).ok()
}

/// What is to be told of upgrades of a cache's engine: the one that waits or is under way, and those
/// that ended since a moment.
pub(crate) fn upgrade_notifications(
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
    (since, now): (Timestamp, Timestamp),
) -> Vec<Value> {
    let mut told = Vec::new();
    let given = cache.maintenance.order.as_ref();
    if let Some(GivenOrder {
        order, at, from, ..
    }) = given
        && let RollWhat::Upgrade { to } = &order.what
    {
        let from = from.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "The nodes of `{}` are being restarted with {to}.",
            cache.id.name
        );
        told.push(notification(
            *at,
            "InProgress",
            (&from, &to.to_string()),
            &message,
        ));
    } else if let Some(waiting) = waiting(state, seen, cache, now) {
        told.push(waiting);
    }
    let past = cache.maintenance.past.iter().rev();
    told.extend(past.filter(|past| past.at >= since).map(past_json));
    told
}

fn waiting(state: &State, seen: &Seen, cache: &CacheRecord, now: Timestamp) -> Option<Value> {
    let at = seen.installed(&cache.region)?.since;
    match upgrade_of(seen, cache) {
        Newer::Nothing => None,
        Newer::Ready { from, to } => {
            let message = plan_of(state, seen, cache, (&to, now));
            let (from, to) = (from.told_from(&to), to.told_from(&from));
            Some(notification(at, "Pending", (&from, &to), &message))
        }
        Newer::Refused { why } => {
            let message = format!("The installed engine is not used: {why}.");
            let to = seen.installed(&cache.region)?.build.to_string();
            Some(notification(at, "Refused", ("", &to), &message))
        }
    }
}

/// When the installed engine is brought in, or what has to be so first.
fn plan_of(
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
    (to, now): (&model::EngineBuild, Timestamp),
) -> String {
    let name = &cache.id.name;
    let hindered = hinders(state, seen, cache, to);
    let failed = cache.maintenance.has_failed(to);
    match (&cache.maintenance.schedule, hindered) {
        (_, Some(why)) => format!("{} is installed; {why}.", to.version),
        (_, None) if failed => format!(
            "{} is installed, and the last attempt to bring it in failed; it is tried again with `godwit cache upgrade {name}`.",
            to.version
        ),
        (Some(schedule), None) => {
            let next = time(schedule.next(now)).unwrap_or_default();
            format!(
                "{} is installed and is brought in within the patch window that begins at {next}.",
                to.version
            )
        }
        (None, None) => format!(
            "{} is installed; `{name}` has no patch schedule, and is upgraded with `godwit cache upgrade {name}`.",
            to.version
        ),
    }
}

fn hinders(
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
    to: &model::EngineBuild,
) -> Option<Hindrance> {
    let observed = seen.cache(&cache.region, &cache.uid);
    hindrance(cache, observed, pair_engines(state, seen, cache), to)
}

fn past_json(past: &PastUpgrade) -> Value {
    let from = past
        .from
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (state, message) = match &past.failed {
        None => ("Succeeded", format!("Every node runs {}.", past.to)),
        Some(why) => ("Failed", format!("Not every node runs {}: {why}.", past.to)),
    };
    notification(past.at, state, (&from, &past.to.to_string()), &message)
}

fn notification(at: Timestamp, state: &str, (from, to): (&str, &str), message: &str) -> Value {
    let facts = [
        ("state", state),
        ("from", from),
        ("to", to),
        ("message", message),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let facts: Map<_, _> = facts
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    json!({
        "name": format!("EngineUpgrade-{}", at.0),
        "timestamp": time(at),
        "upsellNotification": facts,
    })
}

/// What runs, what is installed, and what is under way.
pub(crate) fn maintenance_status(
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
    now: Timestamp,
) -> Value {
    let maintenance = &cache.maintenance;
    let observed = seen.cache(&cache.region, &cache.uid);
    let (available, refused, plan) = match upgrade_of(seen, cache) {
        Newer::Nothing => (None, None, None),
        Newer::Ready { from, to } => {
            let plan = plan_of(state, seen, cache, (&to, now));
            (Some(to.told_from(&from)), None, Some(plan))
        }
        Newer::Refused { why } => (None, Some(why), None),
    };
    let nodes = observed
        .into_iter()
        .flat_map(|seen| &seen.shards)
        .map(|shard| {
            let node = |node: &NodeObserved| {
                json!({
                    "node": node.index,
                    "leads": node.leads,
                    "engine": node.build.as_ref().map(ToString::to_string),
                    "build": node.build.as_ref().map(|build| build.build.clone()),
                })
            };
            let nodes: Vec<_> = shard.nodes.iter().map(node).collect();
            json!({ "shard": shard.shard, "nodes": nodes })
        });
    json!({
        "available": available,
        "refused": refused,
        "plan": plan,
        "windowOpen": maintenance.schedule.as_ref().map(|schedule| schedule.is_open(now)),
        "nextWindow": maintenance
            .schedule
            .as_ref()
            .and_then(|schedule| time(schedule.next(now))),
        "order": maintenance.order.as_ref().map(|given| order_json(given, observed)),
        "lastUpgrade": maintenance.past.last().map(past_json),
        "engines": nodes.collect::<Vec<_>>(),
    })
}

fn order_json(given: &GivenOrder, observed: Option<&model::CacheObserved>) -> Value {
    let standing = observed.and_then(|seen| given.standing(seen));
    let doing = match standing {
        None => "waits for its agent".to_owned(),
        Some(RollStanding::UnderWay { doing }) => doing.clone(),
        Some(RollStanding::Done) => "is done".to_owned(),
        Some(RollStanding::Stopped { why }) => why.clone(),
    };
    json!({
        "order": given.order.id,
        "what": given.order.what.to_string(),
        "since": time(given.at),
        "operation": given.operation,
        "doing": doing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_iso_8601_writes_them() {
        let hours = |n: u64| Some(Duration::from_secs(n * 3_600));
        assert_eq!(duration_of("PT5H"), hours(5));
        assert_eq!(duration_of("PT300M"), hours(5));
        assert_eq!(duration_of("P1D"), hours(24));
        assert_eq!(duration_of("5 h"), None);
        assert_eq!(duration_of("-PT5H"), None);
    }
}
