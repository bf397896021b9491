//! What a failover would meet: `failoverPreflight`, which changes nothing.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::{Behind, Finding, Level, Member, Preflight};
use serde_json::{Value, json};

use super::{Names, failover::limits, find_link, put::side};
use crate::{
    admission::dials_from,
    api::{ApiError, answer, body::Fields, find::find_cache},
    behind::behind,
    plane::Plane,
    reconciler::link_seen,
    store::{State as Records, Versioned},
};

pub(in crate::api) async fn preflight(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let forced = body.flag("force")?.unwrap_or(false);
    let limits = limits(&mut body)?;
    // Taken as the failover takes it: it is no matter of what is found.
    body.skip(&["abortAfterMs"]);
    body.finish()?;
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    let seen = plane.observations.seen();
    let (primary, secondary) = (
        cache_of(&state, &link.primary)?,
        cache_of(&state, &link.secondary)?,
    );
    let behind = behind(&seen, link);
    let sides = link_seen(&seen, link);
    let findings = model::preflight(&Preflight {
        link,
        primary: side(&seen, primary),
        secondary: side(&seen, secondary),
        seen: sides,
        behind: &behind,
        limits,
        forced,
        dials_from: dials_from(&state, &link.secondary.region, &link.primary.region),
        now: plane.clock.now(),
    });
    let last = seen.last(&link.primary.region);
    let last = last.filter(|heard| heard.cache(&link.primary.uid).is_some());
    let possible = findings
        .iter()
        .all(|finding| finding.level != Level::Blocker);
    Ok(answer::ok(&json!({
        "link": link.id,
        "primary": link.primary.id.name.as_str(),
        "secondary": link.secondary.id.name.as_str(),
        "kind": if forced { "Forced" } else { "Planned" },
        "possible": possible,
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        "shards": behind.iter().map(behind_json).collect::<Vec<_>>(),
        "primaryHeard": sides.primary.is_some(),
        "primaryLastHeardMs": last.map(|heard| {
            u64::try_from(seen.age(heard).as_millis()).unwrap_or(u64::MAX)
        }),
        "fencing": link.settings.fencing,
        "leaseLeftMs": sides.away.lease_left_ms,
    })))
}

fn cache_of<'a>(
    state: &'a Records,
    member: &Member,
) -> Result<&'a Versioned<model::CacheRecord>, ApiError> {
    let found = state.cache(&member.id);
    found.ok_or_else(|| ApiError::no_cache(&member.id))
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "level": finding.level.to_string(),
        "code": finding.code.to_string(),
        "message": finding.message,
    })
}

fn behind_json(behind: &Behind) -> Value {
    json!({
        "shard": behind.shard,
        "bytesBehind": behind.bytes,
        "lagMs": behind.lag_ms,
        "asOfMs": behind.as_of_ms,
    })
}
