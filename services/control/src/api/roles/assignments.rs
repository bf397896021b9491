//! Role assignments at a subscription or at one of its groups.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{ObjectId, Role, Scope};
use serde_json::{Value, json};

use super::{
    super::{
        ApiError, answer,
        body::Fields,
        decide::{Plan, decide},
        find::find_group,
        query::Asked,
    },
    definitions, find_scope,
};
use crate::{
    plane::Plane,
    records::{RoleAssignmentRecord, roles_of},
    store::{Change, State as Records, Versioned},
    view::time,
};

/// Roles of one service principal.
const MOST: usize = 200;
/// Fields that answers carry and that clients send back.
const READ_ONLY: [&str; 4] = ["id", "name", "type", "systemData"];

type Whole = State<Arc<Plane>>;
type InSubscription = Path<(String, String)>;
type InGroup = Path<(String, String, String)>;

pub(super) async fn list_in_subscription(
    State(plane): Whole,
    Path(subscription): Path<String>,
    asked: Asked,
) -> Result<Response, ApiError> {
    list(&plane, &subscription, None, &asked)
}

pub(super) async fn list_in_group(
    State(plane): Whole,
    Path((subscription, group)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, ApiError> {
    list(&plane, &subscription, Some(&group), &asked)
}

pub(super) async fn show_in_subscription(
    State(plane): Whole,
    Path((subscription, id)): InSubscription,
) -> Result<Response, ApiError> {
    show(&plane, &subscription, None, &id)
}

pub(super) async fn show_in_group(
    State(plane): Whole,
    Path((subscription, group, id)): InGroup,
) -> Result<Response, ApiError> {
    show(&plane, &subscription, Some(&group), &id)
}

pub(super) async fn put_in_subscription(
    State(plane): Whole,
    Path((subscription, id)): InSubscription,
    body: Fields,
) -> Result<Response, ApiError> {
    put(&plane, &subscription, None, &id, body).await
}

pub(super) async fn put_in_group(
    State(plane): Whole,
    Path((subscription, group, id)): InGroup,
    body: Fields,
) -> Result<Response, ApiError> {
    put(&plane, &subscription, Some(&group), &id, body).await
}

pub(super) async fn delete_in_subscription(
    State(plane): Whole,
    Path((subscription, id)): InSubscription,
) -> Result<Response, ApiError> {
    delete(&plane, &subscription, None, &id).await
}

pub(super) async fn delete_in_group(
    State(plane): Whole,
    Path((subscription, group, id)): InGroup,
) -> Result<Response, ApiError> {
    delete(&plane, &subscription, Some(&group), &id).await
}

/// Those that hold at the scope, those above it and those below it; with `$filter` those of one
/// principal, or with `atScope()` none from below.
fn list(
    plane: &Plane,
    subscription: &str,
    group: Option<&str>,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let scope = find_scope(&state, subscription, group)?;
    let filter = asked
        .get("$filter")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let at_scope = filter.contains("atscope()");
    let of = filter.split('\'').nth(1).map(ToOwned::to_owned);
    let (own, own_group) = (scope.subscription.as_str(), scope.group.as_ref());
    let holds = |found: &Scope| {
        let here = found.covers(own, own_group.map(|group| group.as_str()));
        let below = scope.covers(
            found.subscription.as_str(),
            found.group.as_ref().map(|group| group.as_str()),
        );
        here || (below && !at_scope)
    };
    let all = state.role_assignments.iter();
    let wanted = all.filter(|one| {
        let is_theirs = of.as_ref().is_none_or(|id| one.principal.as_str() == id);
        is_theirs && holds(&one.scope)
    });
    Ok(answer::list(wanted.map(|one| shown(one)).collect()))
}

fn show(
    plane: &Plane,
    subscription: &str,
    group: Option<&str>,
    id: &str,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let scope = find_scope(&state, subscription, group)?;
    let found = find(&state, &scope, id);
    let found = found.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(
            "RoleAssignmentNotFound",
            format!(
                "The role assignment '{}' is not found at {scope}.",
                id.escape_debug()
            ),
        )
    })?;
    Ok(answer::ok(&shown(found)))
}

/// The assignment with this ID, if it is at exactly this scope: who may change one scope may not
/// change another by it.
fn find<'a>(
    state: &'a Records,
    scope: &Scope,
    id: &str,
) -> Option<&'a Versioned<RoleAssignmentRecord>> {
    let id: ObjectId = id.parse().ok()?;
    let found = state.role_assignment(&id)?;
    (found.scope == *scope).then_some(found)
}

/// Who gets which role.
struct Requested {
    principal: ObjectId,
    role: Role,
}

impl Requested {
    fn read(mut body: Fields) -> Result<Self, ApiError> {
        const ROLE: &str = "roleDefinitionId";
        const WHO: &str = "principalId";
        body.skip(&READ_ONLY);
        let of = body.object("properties")?;
        let mut of = of.ok_or_else(|| body.missing("properties", "an object"))?;
        body.finish()?;
        let role = of.text(ROLE)?;
        let role = role.ok_or_else(|| of.missing(ROLE, "the ID of a role definition"))?;
        let guid = role.rsplit('/').next().unwrap_or_default();
        let role = Role::of_guid(guid).ok_or_else(|| definitions::unknown(&role))?;
        let who = of.text(WHO)?;
        let who = who.ok_or_else(|| of.missing(WHO, "the object ID of a service principal"))?;
        let principal = who.parse().map_err(|error| of.refused(WHO, error))?;
        of.one_of("principalType", &["ServicePrincipal"])?;
        // What answers carry, and what these have none of.
        of.skip(&[
            "scope",
            "condition",
            "conditionVersion",
            "createdOn",
            "updatedOn",
            "createdBy",
            "updatedBy",
            "delegatedManagedIdentityResourceId",
            "description",
        ]);
        of.finish()?;
        Ok(Self { principal, role })
    }
}

async fn put(
    plane: &Plane,
    subscription: &str,
    group: Option<&str>,
    id: &str,
    body: Fields,
) -> Result<Response, ApiError> {
    let asked = Requested::read(body)?;
    let id: ObjectId = id.parse().map_err(|error| {
        ApiError::bad_request(
            "InvalidRoleAssignmentId",
            format!("The name of a role assignment is a GUID: {error}."),
        )
    })?;
    let (status, record) = decide(plane, |state| {
        let scope = find_scope(state, subscription, group)?;
        let principal = state.service_principal(&asked.principal).ok_or_else(|| {
            ApiError::bad_request(
                "PrincipalNotFound",
                format!(
                    "Principal {} does not exist in the directory; `godwit sp list` shows the object IDs.",
                    asked.principal
                ),
            )
        })?;
        let record = RoleAssignmentRecord {
            id: id.clone(),
            principal: asked.principal.clone(),
            role: asked.role,
            scope,
            created: plane.clock.now(),
        };
        if let Some(old) = state.role_assignment(&id) {
            if same(old, &record) {
                return Ok(Plan::Answer((StatusCode::OK, RoleAssignmentRecord::clone(old))));
            }
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        let mut own = state.role_assignments.list(roles_of(&record.principal));
        if own.any(|one| same(one, &record)) {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "RoleAssignmentExists",
                "The role assignment already exists.",
            ));
        }
        if state.role_assignments.list(roles_of(&record.principal)).count() >= MOST {
            return Err(ApiError::conflict(format!(
                "The principal has {MOST} roles, as many as one may have; remove one first."
            )));
        }
        // Neither may go while this comes: a group of the same name would have the role.
        let mut change = Change::new().expect(principal).insert(&record);
        if let Some(group) = group {
            change = change.expect(find_group(state, subscription, group)?);
        }
        Ok(Plan::Commit(change, (StatusCode::CREATED, record)))
    })
    .await?;
    Ok(answer::json_response(status, &shown(&record)))
}

fn same(one: &RoleAssignmentRecord, other: &RoleAssignmentRecord) -> bool {
    (&one.principal, one.role, &one.scope) == (&other.principal, other.role, &other.scope)
}

async fn delete(
    plane: &Plane,
    subscription: &str,
    group: Option<&str>,
    id: &str,
) -> Result<Response, ApiError> {
    let gone = decide(plane, |state| {
        let scope = find_scope(state, subscription, group)?;
        let Some(old) = find(state, &scope, id) else {
            return Ok(Plan::Answer(None));
        };
        Ok(Plan::Commit(Change::new().remove(old), Some(shown(old))))
    })
    .await?;
    Ok(match gone {
        Some(was) => answer::ok(&was),
        None => answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()),
    })
}

fn shown(record: &RoleAssignmentRecord) -> Value {
    let RoleAssignmentRecord {
        id,
        principal,
        role,
        scope,
        created,
    } = record;
    let at = time(*created);
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}"),
        "name": id,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": definitions::id(
                &format!("/subscriptions/{}", scope.subscription), *role
            ),
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "scope": scope.to_string(),
            "condition": null,
            "conditionVersion": null,
            "createdOn": at,
            "updatedOn": at,
        },
    })
}
