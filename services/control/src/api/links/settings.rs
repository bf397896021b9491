//! How a link moves its bytes: `replicationSettings`, which the managed service does not have.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::{AutoFailover, LinkRecord, ReplicationSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Names, find_link};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    store::Change,
    view::settings_resource,
};

pub(in crate::api) async fn show_settings(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    Ok(answer::ok(&settings_resource(cache, link)))
}

/// Changes some settings; they hold at once. A `null` puts a setting back to its default.
pub(in crate::api) async fn patch_settings(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    body: Fields,
) -> Result<Response, ApiError> {
    let (cache, link) = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        let link = find_link(state, cache, &other)?;
        let settings = merged(body.clone(), &link.settings)?;
        if link.provisioning_state() == "Deleting" {
            return Err(ApiError::conflict(format!(
                "The settings of the link of `{}` and `{}` cannot change while it is Deleting; ask again when that is over.",
                link.primary.id.name, link.secondary.id.name
            )));
        }
        if settings == link.settings {
            return Ok(Plan::Answer((cache.clone(), LinkRecord::clone(link))));
        }
        let next = link.with_settings(settings);
        let change = Change::new().replace(link, &next);
        Ok(Plan::Commit(change, (cache.clone(), next)))
    })
    .await?;
    Ok(answer::ok(&settings_resource(&cache, &link)))
}

/// The settings that `body` makes of `present`: what it does not name stays.
pub(super) fn merged(
    mut body: Fields,
    present: &ReplicationSettings,
) -> Result<ReplicationSettings, ApiError> {
    let mut settings = present.clone();
    body.skip(&["id", "name", "type"]);
    moving(&mut body, &mut settings)?;
    fencing(&mut body, &mut settings)?;
    body.finish()?;
    let checked = settings.check();
    checked.map_err(|error| ApiError::body(format!("The settings cannot be taken: {error}.")))?;
    Ok(settings)
}

/// How bytes are moved.
fn moving(body: &mut Fields, settings: &mut ReplicationSettings) -> Result<(), ApiError> {
    set(body, "source", &mut settings.source, |body, value| {
        one_of(body, "source", &value, "`replica` or `primary`")
    })?;
    set(
        body,
        "compression",
        &mut settings.compression,
        |body, value| {
            let text = word(body, "compression", &value, "`off` or a level from 1 to 9")?;
            text.parse()
                .map_err(|error| body.refused("compression", error))
        },
    )?;
    set(
        body,
        "rateLimit",
        &mut settings.rate_limit,
        |body, value| {
            let rate = value.as_u64().and_then(|rate| rate.try_into().ok());
            let takes = "a whole number of bytes a second, or null for none";
            match rate {
                Some(rate) => Ok(Some(rate)),
                None if value.is_number() => {
                    let given = value.to_string();
                    Err(body.refused("rateLimit", not(&given, takes)))
                }
                None => Err(body.wrong("rateLimit", &value, takes)),
            }
        },
    )?;
    set(body, "journal", &mut settings.journal, |body, value| {
        let text = word(body, "journal", &value, "a number of bytes, or `unlimited`")?;
        text.parse().map_err(|error| body.refused("journal", error))
    })?;
    set(
        body,
        "secondaryReads",
        &mut settings.secondary_reads,
        |body, value| one_of(body, "secondaryReads", &value, "`refused` or `stale`"),
    )
}

/// What keeps two caches from taking writes at a time, and when that is relied upon.
fn fencing(body: &mut Fields, settings: &mut ReplicationSettings) -> Result<(), ApiError> {
    set(body, "fencing", &mut settings.fencing, |body, value| {
        one_of(body, "fencing", &value, "`none` or `lease`")
    })?;
    match body.given("leaseSeconds") {
        None => {}
        Some(Value::Null) => {
            settings.lease_seconds = ReplicationSettings::default().lease_seconds;
        }
        Some(value) => {
            settings.lease_seconds = seconds(body, "leaseSeconds", &value)?;
        }
    }
    set(
        body,
        "autoFailover",
        &mut settings.auto_failover,
        |body, value| {
            let mut of = body.inner("autoFailover", value)?;
            let mut needed = |name| {
                let given = of.given(name).filter(|value| !value.is_null());
                let given = given.ok_or_else(|| of.missing(name, "a whole number of seconds"))?;
                seconds(&of, name, &given)
            };
            let auto = AutoFailover {
                after: needed("after")?,
                max_lag: needed("maxLag")?,
            };
            of.finish()?;
            Ok(Some(auto))
        },
    )
}

fn seconds<T: TryFrom<u64>>(body: &Fields, name: &str, value: &Value) -> Result<T, ApiError> {
    const TAKES: &str = "a whole number of seconds";
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| {
        if value.is_number() {
            body.refused(name, not(&value.to_string(), TAKES))
        } else {
            body.wrong(name, value, TAKES)
        }
    })
}

/// One of some words, whatever its case.
fn one_of<T: DeserializeOwned>(
    body: &Fields,
    name: &str,
    value: &Value,
    words: &str,
) -> Result<T, ApiError> {
    let text = word(body, name, value, "a text")?.to_ascii_lowercase();
    serde_json::from_value(text.clone().into())
        .map_err(|_unknown| body.refused(name, not(&text, words)))
}

/// Reads one setting, when the body has it.
fn set<T: Default>(
    body: &mut Fields,
    name: &str,
    into: &mut T,
    read: impl FnOnce(&Fields, Value) -> Result<T, ApiError>,
) -> Result<(), ApiError> {
    *into = match body.given(name) {
        None => return Ok(()),
        Some(Value::Null) => T::default(),
        Some(value) => read(body, value)?,
    };
    Ok(())
}

/// A text; a number is taken as the text of it.
fn word(body: &Fields, name: &str, value: &Value, takes: &str) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(body.wrong(name, value, takes))
        }
    }
}

fn not(given: &str, wanted: &str) -> String {
    let shown: String = given.chars().take(64).collect();
    format!("`{}` is not {wanted}", shown.escape_debug())
}
