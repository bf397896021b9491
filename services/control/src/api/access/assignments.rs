//! `accessPolicyAssignments`: who comes in with a token, and by which policy (`arm.md` 2.4, 6.3).

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{AssignmentName, CacheRecord, ObjectId, OperationId, PolicyAssignment, PolicyName};

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
    view::assignment_json,
};

const KIND: &str = "accessPolicyAssignments";
/// The longest alias, in characters.
const LONGEST_ALIAS: usize = 256;

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Kind,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let all = cache.access.assignments.iter();
    Ok(answer::list(
        all.map(|given| assignment_json(cache, given)).collect(),
    ))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, assignment)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let found = assignment.parse().ok();
    let found = found.and_then(|name| cache.access.assignment(&name));
    let found = found.ok_or_else(|| nothing(cache, KIND, &assignment))?;
    Ok(answer::ok(&assignment_json(cache, found)))
}

/// What a body asks for.
struct Requested {
    object_id: ObjectId,
    alias: String,
    policy: PolicyName,
}

impl Requested {
    fn read(body: Fields) -> Result<Self, ApiError> {
        const ID: &str = "objectId";
        const ALIAS: &str = "objectIdAlias";
        const POLICY: &str = "accessPolicyName";
        let takes = "an object with `objectId`, `objectIdAlias` and `accessPolicyName`";
        let mut of = properties(body, takes)?;
        let id = of.text(ID)?;
        let id = id.ok_or_else(|| of.missing(ID, "the GUID of a user, group or application"))?;
        let alias = of.text(ALIAS)?;
        let alias = alias.ok_or_else(|| of.missing(ALIAS, "what people call them"))?;
        let fits = (1..=LONGEST_ALIAS).contains(&alias.chars().count());
        if !fits || alias.chars().any(char::is_control) {
            let why = format!("it takes 1 to {LONGEST_ALIAS} printable characters");
            return Err(of.refused(ALIAS, why));
        }
        let policy = of.text(POLICY)?;
        let policy = policy.ok_or_else(|| of.missing(POLICY, "the name of an access policy"))?;
        let asked = Self {
            object_id: id.parse().map_err(|error| of.refused(ID, error))?,
            alias,
            policy: policy.parse().map_err(|error| of.refused(POLICY, error))?,
        };
        of.skip(&["provisioningState"]);
        of.finish()?;
        Ok(asked)
    }

    /// The assignment of that name in a cache.
    fn of(
        &self,
        cache: &CacheRecord,
        name: &AssignmentName,
    ) -> Result<impl Fn(model::AccessProgress) -> PolicyAssignment + use<>, ApiError> {
        let Some(policy) = cache.access.policy_name(&self.policy) else {
            return Err(ApiError::body(format!(
                "The field `properties.accessPolicyName` cannot be taken: the cache `{}` has no access policy `{}`; GET {}/accessPolicies lists them.",
                cache.id.name, self.policy, cache.id
            )));
        };
        let mut others = cache.access.assignments.iter();
        let other = others.find(|given| given.object_id == self.object_id && given.name != *name);
        if let Some(other) = other {
            return Err(ApiError::conflict(format!(
                "The object ID {} has a policy by the assignment `{}` already, and can have one; change that one, or delete it.",
                self.object_id, other.name
            )));
        }
        let (name, object_id, alias) = (name.clone(), self.object_id.clone(), self.alias.clone());
        Ok(move |progress| PolicyAssignment {
            name: name.clone(),
            object_id: object_id.clone(),
            alias: alias.clone(),
            policy: policy.clone(),
            progress,
        })
    }
}

/// Gives somebody a policy, or another one.
pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, assignment)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let assignment: AssignmentName = assignment.parse().map_err(|error| bad_name(&error))?;
    let asked = Requested::read(body)?;
    let id = OperationId::new(plane.dice.guid());
    let (status, body, op) = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        let old = cache.access.assignment(&assignment);
        let status = if old.is_some() {
            StatusCode::OK
        } else {
            room(cache, &cache.access.assignments, "assignments")?;
            StatusCode::CREATED
        };
        let made = asked.of(cache, old.map_or(&assignment, |old| &old.name))?;
        let next = edited(cache, |access, progress| {
            let given = made(progress);
            let all = &mut access.assignments;
            all.retain(|old| old.name != given.name);
            all.push(given);
            all.sort_by(|a, b| a.name.cmp(&b.name));
        });
        let (change, op) = followed(&plane, cache, &next, &id);
        let shown = next.access.assignment(&assignment);
        let shown = shown.map(|given| assignment_json(&next, given));
        Ok(Plan::Commit(
            change,
            (status, shown.unwrap_or_default(), op),
        ))
    })
    .await?;
    Ok(put_answer(&caller, status, &body, &op))
}

/// Takes somebody's policy away: their connections end.
pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, assignment)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let assignment: AssignmentName = assignment.parse().map_err(|error| bad_name(&error))?;
    let id = OperationId::new(plane.dice.guid());
    let op = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        if cache.access.assignment(&assignment).is_none() {
            return Ok(Plan::Answer(None));
        }
        let next = edited(cache, |access, _| {
            access.assignments.retain(|old| old.name != assignment);
        });
        let (change, op) = followed(&plane, cache, &next, &id);
        Ok(Plan::Commit(change, Some(op)))
    })
    .await?;
    Ok(delete_answer(&caller, op.as_ref()))
}
