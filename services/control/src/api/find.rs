//! Resources by the names in a path, or the API's error when they are not there.

use model::{CacheId, CacheRecord, GroupName, SubscriptionId};

use super::ApiError;
use crate::{
    records::{GroupRecord, SubscriptionRecord, subscription},
    store::{State, Versioned},
};

pub(super) fn find_subscription<'a>(
    state: &'a State,
    id: &str,
) -> Result<&'a Versioned<SubscriptionRecord>, ApiError> {
    let none = || ApiError::no_subscription(id);
    let id: SubscriptionId = id.parse().map_err(|_invalid| none())?;
    let found = state.subscriptions.get(&subscription::key(&id));
    found.ok_or_else(none)
}

pub(super) fn group_name(name: &str) -> Result<GroupName, ApiError> {
    let bad = |error| ApiError::bad_request("InvalidResourceGroup", format!("{error}."));
    name.parse().map_err(bad)
}

pub(super) fn find_group<'a>(
    state: &'a State,
    subscription: &str,
    name: &str,
) -> Result<&'a Versioned<GroupRecord>, ApiError> {
    let subscription = find_subscription(state, subscription)?;
    let name = group_name(name)?;
    let found = state.group(&subscription.id, &name);
    found.ok_or_else(|| ApiError::no_group(&name))
}

/// The ID of a cache that may or may not exist, in a group that does.
pub(super) fn cache_id(
    state: &State,
    subscription: &str,
    group: &str,
    name: &str,
) -> Result<CacheId, ApiError> {
    let group = find_group(state, subscription, group)?;
    let bad = |error| ApiError::bad_request("InvalidResourceName", format!("{error}."));
    Ok(CacheId {
        subscription: group.subscription.clone(),
        group: group.name.clone(),
        name: name.parse().map_err(bad)?,
    })
}

pub(super) fn find_cache<'a>(
    state: &'a State,
    subscription: &str,
    group: &str,
    name: &str,
) -> Result<&'a Versioned<CacheRecord>, ApiError> {
    let id = cache_id(state, subscription, group, name)?;
    state.cache(&id).ok_or_else(|| ApiError::no_cache(&id))
}
