//! `firewallRules`: ranges of addresses that may connect (`arm.md` 6.7). Without a rule everybody
//! may.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{CacheRecord, FirewallRule, RuleName};

use super::{Kind, Names, bad_name, changeable, edited, nothing, properties, room};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    store::Change,
    view::rule_json,
};

const KIND: &str = "firewallRules";

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Kind,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let rules = cache.access.firewall.iter();
    Ok(answer::list(
        rules.map(|rule| rule_json(cache, rule)).collect(),
    ))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, rule)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let found = cache.access.rule(&rule);
    let found = found.ok_or_else(|| nothing(cache, KIND, &rule))?;
    Ok(answer::ok(&rule_json(cache, found)))
}

/// Makes a rule, or puts another range in its place.
pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, rule)): Names,
    body: Fields,
) -> Result<Response, ApiError> {
    let rule: RuleName = rule.parse().map_err(|error| bad_name(&error))?;
    let mut asked = read(&rule, body)?;
    let (status, cache) = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        if !cache.spec.is_public() {
            return Err(closed(cache));
        }
        let status = match cache.access.rule(rule.as_str()) {
            Some(old) => {
                asked.name.clone_from(&old.name);
                StatusCode::OK
            }
            None => {
                room(cache, &cache.access.firewall, "firewall rules")?;
                StatusCode::CREATED
            }
        };
        let next = edited(cache, |access, _| {
            let rules = &mut access.firewall;
            rules.retain(|old| old.name != asked.name);
            rules.push(asked.clone());
            rules.sort_by_key(|rule| rule.name.to_ascii_lowercase());
        });
        if next == **cache {
            return Ok(Plan::Answer((status, next)));
        }
        let change = Change::new().replace(cache, &next);
        Ok(Plan::Commit(change, (status, next)))
    })
    .await?;
    Ok(answer::json_response(status, &rule_json(&cache, &asked)))
}

fn read(name: &RuleName, body: Fields) -> Result<FirewallRule, ApiError> {
    const ENDS: [&str; 2] = ["startIP", "endIP"];
    let mut of = properties(body, "an object with `startIP` and `endIP`")?;
    let mut address = |field: &str| -> Result<IpAddr, ApiError> {
        let text = of.text(field)?;
        let text = text
            .ok_or_else(|| of.missing(field, "an address, such as 203.0.113.7 or 2001:db8::7"))?;
        text.trim().parse().map_err(|_no_address| {
            let shown: String = text.chars().take(80).collect();
            let why = format!("`{}` is no IPv4 or IPv6 address", shown.escape_debug());
            of.refused(field, why)
        })
    };
    let (start, end) = (address(ENDS[0])?, address(ENDS[1])?);
    let rule = FirewallRule::new(name.as_str(), start, end);
    let rule = rule.map_err(|error| of.refused(ENDS[1], error))?;
    of.finish()?;
    Ok(rule)
}

fn closed(cache: &CacheRecord) -> ApiError {
    ApiError::conflict(format!(
        "The cache `{}` takes no firewall rule while its `publicNetworkAccess` is Disabled: nobody can connect. Enable that first.",
        cache.id.name
    ))
}

pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, rule)): Names,
) -> Result<Response, ApiError> {
    let status = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        if cache.access.rule(&rule).is_none() {
            return Ok(Plan::Answer(StatusCode::NO_CONTENT));
        }
        let next = edited(cache, |access, _| {
            let other = |old: &FirewallRule| !old.name.eq_ignore_ascii_case(&rule);
            access.firewall.retain(other);
        });
        let change = Change::new().replace(cache, &next);
        Ok(Plan::Commit(change, StatusCode::OK))
    })
    .await?;
    Ok(answer::empty(status, HeaderMap::new()))
}
