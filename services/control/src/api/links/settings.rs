//! How a link moves its bytes: `replicationSettings`, which the managed service does not have.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::{LinkRecord, ReplicationSettings};
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
        let next = LinkRecord {
            settings,
            ..LinkRecord::clone(link)
        };
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
    set(&mut body, "source", &mut settings.source, |body, value| {
        let text = word(body, "source", &value, "a text")?.to_ascii_lowercase();
        serde_json::from_value(text.clone().into())
            .map_err(|_unknown| body.refused("source", not(&text, "`replica` or `primary`")))
    })?;
    set(
        &mut body,
        "compression",
        &mut settings.compression,
        |body, value| {
            let text = word(body, "compression", &value, "`off` or a level from 1 to 9")?;
            text.parse()
                .map_err(|error| body.refused("compression", error))
        },
    )?;
    set(
        &mut body,
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
    set(
        &mut body,
        "journal",
        &mut settings.journal,
        |body, value| {
            let text = word(body, "journal", &value, "a number of bytes, or `unlimited`")?;
            text.parse().map_err(|error| body.refused("journal", error))
        },
    )?;
    set(
        &mut body,
        "secondaryReads",
        &mut settings.secondary_reads,
        |body, value| {
            let text = word(body, "secondaryReads", &value, "a text")?.to_ascii_lowercase();
            serde_json::from_value(text.clone().into()).map_err(|_unknown| {
                body.refused("secondaryReads", not(&text, "`refused` or `stale`"))
            })
        },
    )?;
    body.finish()?;
    let checked = settings.check();
    checked.map_err(|error| ApiError::body(format!("The settings cannot be taken: {error}.")))?;
    Ok(settings)
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
