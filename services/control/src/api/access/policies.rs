//! `accessPolicies`: what those may do who come in with a token (`arm.md` 2.4, 6.4). Three are
//! built in; the others are the cache's own.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{
    AccessPolicy, BUILT_IN_POLICIES, CacheRecord, OperationId, PolicyName, built_in_permissions,
    check_permissions,
};
use serde_json::Value;

use super::{
    Kind, Names, bad_name, changeable, delete_answer, edited, followed, nothing, properties,
    put_answer, room,
};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caller::Caller,
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    view::{built_in_json, policy_json},
};

const KIND: &str = "accessPolicies";

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Kind,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let built_in = BUILT_IN_POLICIES.iter();
    let built_in = built_in.map(|policy| built_in_json(cache, *policy));
    let own = cache.access.policies.iter();
    let own = own.map(|policy| policy_json(cache, policy));
    Ok(answer::list(built_in.chain(own).collect()))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, policy)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let shown = find(cache, &policy);
    let shown = shown.ok_or_else(|| nothing(cache, KIND, &policy))?;
    Ok(answer::ok(&shown))
}

fn find(cache: &CacheRecord, name: &str) -> Option<Value> {
    let mut built_in = BUILT_IN_POLICIES.iter();
    if let Some(policy) = built_in.find(|(built_in, _)| built_in.eq_ignore_ascii_case(name)) {
        return Some(built_in_json(cache, *policy));
    }
    let own = cache.access.policy(&name.parse().ok()?)?;
    Some(policy_json(cache, own))
}

/// Makes a policy, or changes what it permits.
pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, policy)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let policy = policy_name(&policy)?;
    let permissions = read(body)?;
    let id = OperationId::new(plane.dice.guid());
    let (status, body, op) = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        let old = cache.access.policy(&policy);
        let status = if old.is_some() {
            StatusCode::OK
        } else {
            room(cache, &cache.access.policies, "access policies")?;
            StatusCode::CREATED
        };
        let policy = old.map_or(&policy, |old| &old.name);
        let next = edited(cache, |access, progress| {
            let policies = &mut access.policies;
            policies.retain(|old| old.name != *policy);
            policies.push(AccessPolicy {
                name: policy.clone(),
                permissions: permissions.clone(),
                progress,
            });
            policies.sort_by(|a, b| a.name.cmp(&b.name));
        });
        let (change, op) = followed(&plane, cache, &next, &id);
        let shown = find(&next, policy.as_str()).unwrap_or_default();
        Ok(Plan::Commit(change, (status, shown, op)))
    })
    .await?;
    Ok(put_answer(&caller, status, &body, &op))
}

fn policy_name(text: &str) -> Result<PolicyName, ApiError> {
    let name: PolicyName = text.parse().map_err(|error| bad_name(&error))?;
    if built_in_permissions(&name).is_some() {
        return Err(ApiError::conflict(format!(
            "The access policy `{name}` is built in, and cannot be changed or deleted; choose another name."
        )));
    }
    Ok(name)
}

fn read(body: Fields) -> Result<String, ApiError> {
    const PERMISSIONS: &str = "permissions";
    let mut of = properties(body, "an object with `permissions`")?;
    let permissions = of.text(PERMISSIONS)?;
    let permissions =
        permissions.ok_or_else(|| of.missing(PERMISSIONS, "ACL words, such as `+get ~*`"))?;
    check_permissions(&permissions).map_err(|error| of.refused(PERMISSIONS, error))?;
    of.skip(&["provisioningState", "type"]);
    of.finish()?;
    Ok(permissions)
}

/// Deletes a policy that nobody has.
pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, policy)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let policy = policy_name(&policy)?;
    let id = OperationId::new(plane.dice.guid());
    let op = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        if cache.access.policy(&policy).is_none() {
            return Ok(Plan::Answer(None));
        }
        if let Some(given) = cache.access.assigned(&policy) {
            return Err(ApiError::conflict(format!(
                "The access policy `{policy}` cannot be deleted, since the assignment `{}` ({}) has it; delete that first, or give it another policy.",
                given.name, given.alias
            )));
        }
        let next = edited(cache, |access, _| {
            access.policies.retain(|old| old.name != policy);
        });
        let (change, op) = followed(&plane, cache, &next, &id);
        Ok(Plan::Commit(change, Some(op)))
    })
    .await?;
    Ok(delete_answer(&caller, op.as_ref()))
}
