//! Resource groups.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{OperationId, Region};
use serde_json::{Value, json};

use super::{
    ApiError, answer,
    body::Fields,
    caller::{Caller, Leads},
    decide::{Plan, decide},
    filter::{Filter, Subject},
    find::{find_group, find_subscription, group_name},
    page::Page,
    query::Asked,
};
use crate::{
    plane::Plane,
    records::{GroupRecord, OperationRecord, Outcome, Work},
    store::{Change, State as Records, Versioned},
};

/// Fields that answers carry and that clients send back.
const READ_ONLY: [&str; 5] = ["id", "name", "type", "properties", "managedBy"];
/// The type of a group.
const KIND: &str = "Microsoft.Resources/resourceGroups";
/// As many tags as the managed service takes.
const MAX_TAGS: usize = 50;

type Names = Path<(String, String)>;

pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let location = body.text("location")?;
    let tags = tags(&mut body)?;
    body.skip(&READ_ONLY);
    let region = match location {
        None => None,
        Some(text) => {
            let region: Region = text
                .parse()
                .map_err(|error| body.refused("location", error))?;
            Some(region)
        }
    };
    let missing = body.missing("location", "a region, such as `eastus`");
    body.finish()?;
    let (status, record) = decide(&plane, |state| {
        let subscription = find_subscription(state, &subscription)?;
        let name = group_name(&name)?;
        let Some(old) = state.group(&subscription.id, &name) else {
            let record = GroupRecord {
                subscription: subscription.id.clone(),
                name,
                location: region.clone().ok_or_else(|| missing.clone())?,
                tags: tags.clone().unwrap_or_default(),
                deleting: false,
            };
            let change = Change::new().insert(&record);
            return Ok(Plan::Commit(change, (StatusCode::CREATED, record)));
        };
        not_deleting(old)?;
        if region.as_ref().is_some_and(|region| *region != old.location) {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "InvalidResourceGroupLocation",
                format!(
                    "The resource group '{}' is in '{}' and cannot move; leave `location` as it is.",
                    old.name, old.location
                ),
            ));
        }
        let record = GroupRecord {
            tags: tags.clone().unwrap_or_else(|| old.tags.clone()),
            ..GroupRecord::clone(old)
        };
        Ok(Plan::Commit(
            Change::new().replace(old, &record),
            (StatusCode::OK, record),
        ))
    })
    .await?;
    Ok(answer::json_response(status, &shown(&record)))
}

pub(super) async fn patch(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let tags = tags(&mut body)?;
    body.skip(&READ_ONLY);
    body.finish()?;
    let record = decide(&plane, |state| {
        let old = find_group(state, &subscription, &name)?;
        not_deleting(old)?;
        let record = GroupRecord {
            tags: tags.clone().unwrap_or_else(|| old.tags.clone()),
            ..GroupRecord::clone(old)
        };
        Ok(Plan::Commit(Change::new().replace(old, &record), record))
    })
    .await?;
    Ok(answer::ok(&shown(&record)))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    Ok(answer::ok(&shown(find_group(
        &state,
        &subscription,
        &name,
    )?)))
}

pub(super) async fn exists(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
) -> StatusCode {
    match find_group(&plane.store.state(), &subscription, &name) {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::NOT_FOUND,
    }
}

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
    page: Page,
    asked: Asked,
    caller: Caller,
) -> Result<Response, ApiError> {
    let filter = Filter::read(asked.get("$filter"))?;
    let state = plane.store.state();
    let subscription = find_subscription(&state, &subscription)?;
    let groups = state.groups_behind(&subscription.id, page.after.as_deref());
    let groups = groups.filter(|group| {
        let subject = Subject {
            name: group.name.as_str(),
            kind: KIND,
            group: group.name.as_str(),
            location: group.location.as_str(),
            tags: &group.tags,
        };
        caller.sees(&group.subscription, &group.name) && filter.passes(&subject)
    });
    let groups = page.cut(groups.cloned());
    let name = |group: &Versioned<GroupRecord>| group.name.folded();
    Ok(page.show(groups, name, |group| shown(group)).await)
}

/// Deletes the group with all that is in it. Linked caches stay until they are unlinked, and the
/// group stays with them.
pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let id = OperationId::new(plane.dice.guid());
    let op = decide(&plane, |state| {
        let group = find_group(state, &subscription, &name)?;
        if let Some(running) = being_deleted_by(state, group) {
            return Ok(Plan::Answer(running.clone()));
        }
        let op = OperationRecord {
            id: id.clone(),
            subscription: group.subscription.clone(),
            region: group.location.clone(),
            work: Work::DeleteGroup {
                group: group.name.clone(),
            },
            started: plane.clock.now(),
            outcome: Outcome::InProgress,
            failover: None,
            origin: None,
        };
        let going = GroupRecord {
            deleting: true,
            ..GroupRecord::clone(group)
        };
        let change = Change::new().replace(group, &going).insert(&op);
        Ok(Plan::Commit(change, op))
    })
    .await?;
    let headers = caller.follow(&op, &Leads::ToResult);
    Ok(answer::empty(StatusCode::ACCEPTED, headers))
}

/// The operation that deletes a group. Groups of two subscriptions may have one name.
fn being_deleted_by<'a>(state: &'a Records, group: &GroupRecord) -> Option<&'a OperationRecord> {
    let mut operations = state.operations.restless().map(|op| &**op);
    operations.find(|op| {
        let same = matches!(&op.work, Work::DeleteGroup { group: name } if *name == group.name);
        same && op.subscription == group.subscription && op.is_running()
    })
}

fn shown(group: &GroupRecord) -> Value {
    let state = if group.deleting {
        "Deleting"
    } else {
        "Succeeded"
    };
    json!({
        "id": format!("/subscriptions/{}/resourceGroups/{}", group.subscription, group.name),
        "name": group.name,
        "type": KIND,
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": state},
    })
}

/// Refuses what cannot be done in a group that is being deleted.
pub(super) fn not_deleting(group: &GroupRecord) -> Result<(), ApiError> {
    if !group.deleting {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "ResourceGroupBeingDeleted",
        format!(
            "The resource group '{}' is being deleted; wait until it is gone, or use another group.",
            group.name
        ),
    ))
}

/// Reads `tags`.
pub(super) fn tags(body: &mut Fields) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    let Some(tags) = body.texts("tags")? else {
        return Ok(None);
    };
    if tags.len() > MAX_TAGS {
        return Err(body.refused("tags", format!("{} tags; use up to {MAX_TAGS}", tags.len())));
    }
    for (name, value) in &tags {
        if name.is_empty() || name.chars().count() > 512 || value.chars().count() > 256 {
            let shown: String = name.chars().take(40).collect();
            let why = format!(
                "the tag `{}` is too long or without a name; use names of 1-512 and values of up to 256 characters",
                shown.escape_debug()
            );
            return Err(body.refused("tags", why));
        }
    }
    Ok(Some(tags))
}
