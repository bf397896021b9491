//! Private endpoints: `privateEndpointConnections`, and the `privateLinkResources` that they are of.
//! The PUT makes one, and says whether it may be (`docs/adr/0026-private-endpoints.md`).

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use model::{
    CacheObserved, CacheRecord, Consent, EndpointName, Lifecycle, MOST_PRIVATE_ENDPOINTS,
    OperationId, PrivateEndpoint, is_listenable, no_endpoint_while_linked,
};

use super::{
    ApiError, answer,
    body::Fields,
    caches::being_deleted,
    caller::{Caller, Leads},
    decide::{Plan, decide},
    find::find_cache,
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work},
    store::{Change, State as Records, Versioned},
    view::{GROUP, private_door, private_endpoint_json, private_link_resource_json},
};

/// The longest `description` and `actionsRequired`, in characters.
const LONGEST: usize = 512;
/// The longest resource ID.
const LONGEST_ID: usize = 1024;

type Kind = Path<(String, String, String)>;
type Names = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const CACHE: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}";
    Router::new()
        .route(
            &format!("{CACHE}/privatelinkresources"),
            get(list_resources),
        )
        .route(&format!("{CACHE}/privateendpointconnections"), get(list))
        .route(
            &format!("{CACHE}/privateendpointconnections/{{endpoint}}"),
            get(show).put(put).delete(delete),
        )
}

/// What private endpoints may be of.
async fn list_resources(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Kind,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    Ok(answer::list(vec![private_link_resource_json(
        &plane, cache,
    )]))
}

async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Kind,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let seen = plane.observations.seen();
    let observed = seen.cache(&cache.region, &cache.uid);
    let all = cache.private_endpoints.iter();
    let shown = all.map(|endpoint| private_endpoint_json(&plane, cache, observed, endpoint));
    Ok(answer::list(shown.collect()))
}

async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, endpoint)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let found = endpoint.parse().ok();
    let found = found.and_then(|name| find(cache, &name));
    let found = found.ok_or_else(|| nothing(cache, &endpoint))?;
    let seen = plane.observations.seen();
    let observed = seen.cache(&cache.region, &cache.uid);
    Ok(answer::ok(&private_endpoint_json(
        &plane, cache, observed, found,
    )))
}

fn find<'a>(cache: &'a CacheRecord, name: &EndpointName) -> Option<&'a PrivateEndpoint> {
    cache
        .private_endpoints
        .iter()
        .find(|endpoint| endpoint.name == *name)
}

fn nothing(cache: &CacheRecord, name: &str) -> ApiError {
    let name: String = name.chars().take(80).collect();
    let id = &cache.id;
    let resource = format!(
        "Microsoft.Cache/Redis/{}/privateEndpointConnections/{name}",
        id.name
    );
    ApiError::no_resource(&resource, &id.group)
}

fn endpoint_name(text: &str) -> Result<EndpointName, ApiError> {
    let bad = |error| ApiError::bad_request("InvalidResourceName", format!("{error}."));
    text.parse().map_err(bad)
}

/// What a body asks for; what is absent is `None`.
#[derive(Debug, Default)]
struct Requested {
    address: Option<IpAddr>,
    resource: Option<String>,
    consent: Option<Consent>,
    description: Option<String>,
    actions_required: Option<String>,
}

impl Requested {
    fn read(mut body: Fields) -> Result<Self, ApiError> {
        const STATE: &str = "privateLinkServiceConnectionState";
        body.skip(&["id", "name", "type", "etag", "systemData"]);
        let properties = body.object("properties")?;
        let takes = "an object with `privateLinkServiceConnectionState`";
        let mut of = properties.ok_or_else(|| body.missing("properties", takes))?;
        body.finish()?;
        let mut asked = Self::default();
        if let Some(text) = of.text("address")? {
            let rule = "it takes an IPv4 or IPv6 address of the host that runs the cache";
            let address: Option<IpAddr> = text.parse().ok();
            let address = address.filter(|address| is_listenable(*address));
            asked.address = Some(address.ok_or_else(|| of.refused("address", rule))?);
        }
        if let Some(mut endpoint) = of.object("privateEndpoint")? {
            asked.resource = endpoint.text("id")?;
            if asked
                .resource
                .as_deref()
                .is_some_and(|id| !is_resource_id(id))
            {
                let rule = format!("it takes a resource ID of up to {LONGEST_ID} characters");
                return Err(endpoint.refused("id", rule));
            }
            endpoint.finish()?;
        }
        if let Some(mut state) = of.object(STATE)? {
            let status = state.one_of("status", &Consent::WORDS)?;
            asked.consent = status.and_then(Consent::of);
            asked.description = words(&mut state, "description")?;
            asked.actions_required = words(&mut state, "actionsRequired")?;
            state.finish()?;
        }
        if let Some(groups) = of.text_list("groupIds")?
            && !groups.iter().all(|group| group.eq_ignore_ascii_case(GROUP))
        {
            let rule = format!("a private endpoint of a cache is of `{GROUP}`");
            return Err(of.refused("groupIds", rule));
        }
        of.skip(&[
            "provisioningState",
            "hostName",
            "tlsPort",
            "plainPort",
            "problem",
        ]);
        of.finish()?;
        Ok(asked)
    }

    /// The endpoint that is asked for, where there is `old` by that name.
    fn endpoint(
        &self,
        cache: &CacheRecord,
        name: &EndpointName,
        old: Option<&PrivateEndpoint>,
        observed: Option<&CacheObserved>,
    ) -> Result<PrivateEndpoint, ApiError> {
        let Some(old) = old else {
            return Ok(PrivateEndpoint {
                name: name.clone(),
                address: self.address,
                resource: self.resource.clone(),
                // Whoever may decide says so.
                consent: self.consent.unwrap_or(Consent::Pending),
                description: self.description.clone().unwrap_or_default(),
                actions_required: self.actions_required.clone().unwrap_or_default(),
            });
        };
        let given = || private_door(observed, old)?.door.map(|door| door.ip);
        let known = old.address.or_else(given);
        if known.is_some() && self.address.is_some_and(|asked| Some(asked) != known) {
            return Err(ApiError::body(format!(
                "The field `properties.address` cannot be taken: the private endpoint `{}` of the cache `{}` keeps its address; delete it and make another.",
                old.name, cache.id.name
            )));
        }
        let take = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        Ok(PrivateEndpoint {
            name: old.name.clone(),
            address: match known {
                Some(_) => old.address,
                None => self.address,
            },
            resource: self.resource.clone().or_else(|| old.resource.clone()),
            consent: self.consent.unwrap_or(old.consent),
            description: take(&self.description, &old.description),
            actions_required: take(&self.actions_required, &old.actions_required),
        })
    }
}

fn words(of: &mut Fields, name: &str) -> Result<Option<String>, ApiError> {
    let text = of.text(name)?;
    let fits = |text: &String| {
        text.chars().count() <= LONGEST && !text.chars().any(|c| c.is_control() && c != '\n')
    };
    if text.as_ref().is_none_or(fits) {
        return Ok(text);
    }
    let rule = format!("it takes up to {LONGEST} printable characters");
    Err(of.refused(name, rule))
}

fn is_resource_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    let whole = parts.iter().skip(1).all(|part| !part.is_empty());
    let rest = parts.len() > 2 && parts.first().is_some_and(|first| first.is_empty());
    rest && whole && text.len() <= LONGEST_ID && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Makes a private endpoint, or says whether it may be.
async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, endpoint)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let endpoint = endpoint_name(&endpoint)?;
    let asked = Requested::read(body)?;
    let id = OperationId::new(plane.dice.guid());
    let (status, cache, made, op) = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        let old = find(cache, &endpoint);
        let seen = plane.observations.seen();
        let observed = seen.cache(&cache.region, &cache.uid);
        let made = asked.endpoint(cache, &endpoint, old, observed)?;
        let opens = made.consent == Consent::Approved
            && old.is_none_or(|old| old.consent != Consent::Approved);
        if old.is_none() || opens {
            not_linked(state, cache)?;
        }
        let status = if old.is_some() {
            StatusCode::OK
        } else {
            room(cache, &made)?;
            StatusCode::CREATED
        };
        let mut next = CacheRecord::clone(cache);
        next.private_endpoints.retain(|one| one.name != made.name);
        next.private_endpoints.push(made.clone());
        next.private_endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        let (change, op) = followed(&plane, cache, next, &made, &id);
        Ok(Plan::Commit(
            change,
            (status, CacheRecord::clone(cache), made, op),
        ))
    })
    .await?;
    let seen = plane.observations.seen();
    let observed = seen.cache(&cache.region, &cache.uid);
    let body = private_endpoint_json(&plane, &cache, observed, &made);
    let id = body["id"].as_str().unwrap_or_default();
    let headers = caller.follow(&op, &Leads::To(id));
    Ok(answer::with_headers(
        answer::json_response(status, &body),
        headers,
    ))
}

fn changeable<'a>(
    state: &'a Records,
    (subscription, group, name): (&str, &str, &str),
) -> Result<&'a Versioned<CacheRecord>, ApiError> {
    let cache = find_cache(state, subscription, group, name)?;
    if cache.lifecycle == Lifecycle::Deleting {
        return Err(being_deleted(cache));
    }
    Ok(cache)
}

fn not_linked(state: &Records, cache: &CacheRecord) -> Result<(), ApiError> {
    let Some(link) = state.link_of(cache) else {
        return Ok(());
    };
    let other = &link.other(&cache.uid).id.name;
    Err(ApiError::body(no_endpoint_while_linked(
        &cache.id.name,
        other,
    )))
}

fn room(cache: &CacheRecord, made: &PrivateEndpoint) -> Result<(), ApiError> {
    let all = &cache.private_endpoints;
    if all.len() >= MOST_PRIVATE_ENDPOINTS {
        return Err(ApiError::conflict(format!(
            "The cache `{}` has {MOST_PRIVATE_ENDPOINTS} private endpoints, as many as a cache may have; delete one first.",
            cache.id.name
        )));
    }
    let same = |one: &&PrivateEndpoint| made.address.is_some() && one.address == made.address;
    match all.iter().find(same) {
        None => Ok(()),
        Some(other) => Err(ApiError::conflict(format!(
            "The private endpoint `{}` of the cache `{}` has this address already; use that one, or another address.",
            other.name, cache.id.name
        ))),
    }
}

/// The change of a cache, and the operation that waits for its agent.
fn followed(
    plane: &Plane,
    cache: &Versioned<CacheRecord>,
    mut next: CacheRecord,
    endpoint: &PrivateEndpoint,
    id: &OperationId,
) -> (Change, OperationRecord) {
    let changes = next.front_door() != cache.front_door();
    if changes {
        next.revision += 1;
    }
    let started = plane.clock.now();
    let op = OperationRecord {
        id: id.clone(),
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work: Work::PrivateEndpoint {
            cache: cache.id.clone(),
            uid: cache.uid.clone(),
            endpoint: endpoint.name.folded(),
        },
        started,
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    };
    let op = if changes { op } else { op.succeeded(started) };
    (Change::new().replace(cache, &next).insert(&op), op)
}

/// Ends a private endpoint: its connections end, too.
async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, endpoint)): Names,
) -> Result<Response, ApiError> {
    let endpoint = endpoint_name(&endpoint)?;
    let status = decide(&plane, |state| {
        let cache = changeable(state, (&subscription, &group, &name))?;
        if find(cache, &endpoint).is_none() {
            return Ok(Plan::Answer(StatusCode::NO_CONTENT));
        }
        let mut next = CacheRecord::clone(cache);
        next.private_endpoints.retain(|one| one.name != endpoint);
        if next.front_door() != cache.front_door() {
            next.revision += 1;
        }
        let change = Change::new().replace(cache, &next);
        Ok(Plan::Commit(change, StatusCode::OK))
    })
    .await?;
    Ok(answer::empty(status, HeaderMap::new()))
}
