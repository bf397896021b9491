//! `/providers/Godwit.Cache/servicePrincipals`: programs that sign in with a secret. Godwit's own: the
//! managed service has its directory for that.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use model::{ObjectId, Secret};
use serde_json::{Value, json};

use super::{
    ApiError, answer,
    body::Fields,
    caller::Caller,
    decide::{Plan, decide},
};
use crate::{
    plane::Plane,
    records::{SecretRecord, ServicePrincipalRecord, roles_of, service_principal},
    store::{Change, State as Records, Versioned},
    view::time,
};

/// Service principals of a deployment.
const MOST: usize = 1000;
/// Secrets of one, while an old one is on its way out.
const MOST_SECRETS: usize = 4;
/// Characters of a name.
const LONGEST_NAME: usize = 120;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const ALL: &str = "/providers/godwit.cache/serviceprincipals";
    Router::new()
        .route(ALL, get(list).post(create))
        .route(&format!("{ALL}/{{id}}"), get(show).delete(delete))
        .route(&format!("{ALL}/{{id}}/reset"), post(reset))
}

async fn list(State(plane): State<Arc<Plane>>) -> Response {
    let state = plane.store.state();
    let mut all: Vec<_> = state.service_principals.iter().collect();
    all.sort_by_key(|one| one.name.to_lowercase());
    answer::list(all.into_iter().map(|one| shown(one)).collect())
}

async fn show(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    Ok(answer::ok(&shown(find(&state, &id)?)))
}

async fn create(
    State(plane): State<Arc<Plane>>,
    caller: Caller,
    mut body: Fields,
) -> Result<Response, ApiError> {
    const NAME: &str = "name";
    let name = body.text(NAME)?.map(|name| name.trim().to_owned());
    let name = name.ok_or_else(|| body.missing(NAME, "what people are to call it"))?;
    let is_plain = !name.chars().any(char::is_control);
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || !is_plain {
        let why = format!("use 1-{LONGEST_NAME} characters on one line");
        return Err(body.refused(NAME, why));
    }
    body.finish()?;
    let (kept, secret) = made_secret(&plane)?;
    let (application, object) = (guid(&plane)?, guid(&plane)?);
    let record = decide(&plane, |state| {
        let mut all = state.service_principals.iter();
        if all.any(|one| one.name.to_lowercase() == name.to_lowercase()) {
            return Err(ApiError::conflict(format!(
                "There is a service principal '{name}' already; use another name, or give that one another secret (`reset`)."
            )));
        }
        if state.service_principals.iter().count() >= MOST {
            return Err(ApiError::conflict(format!(
                "There are {MOST} service principals, as many as there may be; delete one first."
            )));
        }
        let tenant = state.subscriptions.iter().next().map(|one| &one.tenant);
        let record = ServicePrincipalRecord {
            application: application.clone(),
            object: object.clone(),
            name: name.clone(),
            tenant: tenant.cloned().unwrap_or_default(),
            created: plane.clock.now(),
            secrets: vec![kept.clone()],
        };
        Ok(Plan::Commit(Change::new().insert(&record), record))
    })
    .await?;
    tell(&caller, "A service principal was made", &record);
    Ok(with_secret(StatusCode::CREATED, &record, &kept, &secret))
}

/// Gives another secret. Those before are worth nothing from then on, nor are the tokens that they
/// brought; with `keep` they stay.
async fn reset(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    caller: Caller,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let keep = body.flag("keep")?.unwrap_or(false);
    body.finish()?;
    let (kept, secret) = made_secret(&plane)?;
    let record = decide(&plane, |state| {
        let old = find(state, &id)?;
        let mut secrets = if keep { old.secrets.clone() } else { Vec::new() };
        if secrets.len() >= MOST_SECRETS {
            return Err(ApiError::conflict(format!(
                "The service principal '{}' has {MOST_SECRETS} secrets, as many as one may have; reset it without `keep`.",
                old.name
            )));
        }
        secrets.push(kept.clone());
        let record = ServicePrincipalRecord {
            secrets,
            ..ServicePrincipalRecord::clone(old)
        };
        Ok(Plan::Commit(Change::new().replace(old, &record), record))
    })
    .await?;
    tell(&caller, "A service principal has another secret", &record);
    Ok(with_secret(StatusCode::OK, &record, &kept, &secret))
}

/// Deletes it with its roles. Its tokens are worth nothing from then on.
async fn delete(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let found = decide(&plane, |state| {
        let Ok(old) = find(state, &id) else {
            return Ok(Plan::Answer(None));
        };
        let roles = state.role_assignments.list(roles_of(&old.object));
        let change = roles.fold(Change::new().remove(old), |change, role| {
            change.remove(role)
        });
        Ok(Plan::Commit(
            change,
            Some(ServicePrincipalRecord::clone(old)),
        ))
    })
    .await?;
    Ok(match found {
        Some(was) => {
            tell(&caller, "A service principal was deleted", &was);
            answer::ok(&shown(&was))
        }
        None => answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()),
    })
}

/// Writes down who changed who can sign in.
fn tell(caller: &Caller, what: &str, record: &ServicePrincipalRecord) {
    tracing::info!(
        by = caller.principal.name,
        name = record.name,
        application = record.application.as_str(),
        "{what}"
    );
}

/// By its application ID or its object ID.
fn find<'a>(
    state: &'a Records,
    id: &str,
) -> Result<&'a Versioned<ServicePrincipalRecord>, ApiError> {
    let guid: Option<ObjectId> = id.parse().ok();
    let found = guid.and_then(|id| {
        let by_application = state.service_principals.get(&service_principal::key(&id));
        by_application.or_else(|| state.service_principal(&id))
    });
    found.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(
            "ServicePrincipalNotFound",
            format!(
                "There is no service principal with the application ID or object ID '{}'.",
                id.escape_debug()
            ),
        )
    })
}

fn made_secret(plane: &Plane) -> Result<(SecretRecord, Secret), ApiError> {
    let mut secret = plane.dice.token();
    while secret.reveal().starts_with('-') {
        // Command lines would take it for an option.
        secret = plane.dice.token();
    }
    let kept = SecretRecord {
        id: guid(plane)?,
        digest: service_principal::digest(&secret),
        created: plane.clock.now(),
    };
    Ok((kept, secret))
}

fn guid(plane: &Plane) -> Result<ObjectId, ApiError> {
    let guid = plane.dice.guid().parse();
    guid.map_err(|_dice_roll_guids| ApiError::conflict("No ID could be made; ask again."))
}

/// The one answer that shows a secret.
fn with_secret(
    status: StatusCode,
    record: &ServicePrincipalRecord,
    kept: &SecretRecord,
    secret: &Secret,
) -> Response {
    let mut body = shown(record);
    body["secretId"] = json!(kept.id);
    body["secret"] = secret.reveal().into();
    let mut response = answer::json_response(status, &body);
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn shown(record: &ServicePrincipalRecord) -> Value {
    let application = &record.application;
    let secrets = record.secrets.iter();
    let secrets = secrets.map(|one| json!({"id": one.id, "createdAt": time(one.created)}));
    json!({
        "id": format!("/providers/Godwit.Cache/servicePrincipals/{application}"),
        "type": "Godwit.Cache/servicePrincipals",
        "name": record.name,
        "appId": application,
        "objectId": record.object,
        "tenantId": record.tenant,
        "createdAt": time(record.created),
        "secrets": secrets.collect::<Vec<_>>(),
    })
}
