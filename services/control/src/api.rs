//! The HTTP face: the management API in the managed service's shape, and the agents' API.
//!
//! A request comes in through [`door`], which knows who is asking and in which spelling; the
//! routes below are in lower case and never see another.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{Method, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{get, head, post, put},
};

use crate::{metrics, plane::Plane};

mod access;
mod activity;
mod agents;
mod answer;
mod body;
mod caches;
mod caller;
mod certificates;
mod decide;
mod door;
mod error;
mod find;
mod groups;
mod insights;
mod links;
mod login;
mod lost_writes;
mod names;
mod note;
mod operations;
mod prices;
mod providers;
mod query;
mod roles;
mod service_principals;
mod subscriptions;
mod transfers;

pub(crate) use door::service;
pub(crate) use error::ApiError;
pub(crate) use login::{Attempts, Believed};

/// Every route, by its lower-case form.
fn routes(plane: Arc<Plane>) -> Router {
    Router::new()
        .merge(management())
        .merge(resources())
        .merge(access::routes())
        .merge(activity::routes())
        .merge(agents::routes())
        .merge(certificates::routes())
        .merge(prices::routes())
        .merge(roles::routes())
        .merge(service_principals::routes())
        .merge(transfers::routes())
        .route(names::PATH, get(names::show))
        .route("/metrics", get(scrape))
        .fallback(async |uri: axum::http::Uri| ApiError::no_such_route(uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: axum::http::Uri| {
            ApiError::no_such_method(&method, uri.path())
        })
        .with_state(plane)
}

/// What Prometheus reads.
async fn scrape(State(plane): State<Arc<Plane>>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(&plane),
    )
}

fn management() -> Router<Arc<Plane>> {
    const GROUPS: &str = "/subscriptions/{subscription}/resourcegroups";
    const GROUP: &str = "/subscriptions/{subscription}/resourcegroups/{group}";
    const CACHE_PROVIDER: &str = "/subscriptions/{subscription}/providers/microsoft.cache";
    Router::new()
        .route("/tenants", get(subscriptions::tenants))
        .route("/subscriptions", get(subscriptions::list))
        .route("/subscriptions/{subscription}", get(subscriptions::show))
        .route(
            "/subscriptions/{subscription}/locations",
            get(subscriptions::locations),
        )
        .route(
            "/subscriptions/{subscription}/resources",
            get(groups::subscription_resources),
        )
        .route(GROUPS, get(groups::list))
        .route(
            GROUP,
            put(groups::put)
                .patch(groups::patch)
                .get(groups::show)
                .merge(head(groups::exists))
                .delete(groups::delete),
        )
        .route(&format!("{GROUP}/resources"), get(groups::resources))
        .route(
            "/subscriptions/{subscription}/providers",
            get(providers::list),
        )
        .route(CACHE_PROVIDER, get(providers::show))
        .route(
            &format!("{CACHE_PROVIDER}/register"),
            post(providers::register),
        )
        .route(
            "/providers/microsoft.cache/operations",
            get(providers::operations),
        )
        .route(
            &format!("{CACHE_PROVIDER}/locations/{{location}}/asyncoperations/{{operation}}"),
            get(operations::show),
        )
        .route(
            &format!("{CACHE_PROVIDER}/locations/{{location}}/operationresults/{{operation}}"),
            get(operations::result),
        )
}

fn resources() -> Router<Arc<Plane>> {
    const CACHE_PROVIDER: &str = "/subscriptions/{subscription}/providers/microsoft.cache";
    const CACHES: &str =
        "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis";
    let cache = |rest: &str| format!("{CACHES}/{{name}}{rest}");
    Router::new()
        .route(
            &format!("{CACHE_PROVIDER}/redis"),
            get(caches::list_in_subscription),
        )
        .route(
            &format!("{CACHE_PROVIDER}/checknameavailability"),
            post(caches::check_name),
        )
        .route(CACHES, get(caches::list_in_group))
        .route(
            &cache(""),
            put(caches::put)
                .patch(caches::patch)
                .get(caches::show)
                .delete(caches::delete),
        )
        .route(&cache("/listkeys"), post(caches::list_keys))
        .route(&cache("/regeneratekey"), post(caches::regenerate_key))
        .route(&cache("/runtimestatus"), get(caches::runtime_status))
        .route(&cache("/patchschedules/{schedule}"), get(caches::schedule))
        .route(&cache("/lostwrites"), get(lost_writes::list))
        .route(
            &cache("/lostwrites/{receipt}"),
            get(lost_writes::show).delete(lost_writes::discard),
        )
        .route(
            &cache("/lostwrites/{receipt}/content"),
            get(lost_writes::content),
        )
        .route(&cache("/lostwrites/{receipt}/keys"), get(lost_writes::keys))
        .route(&cache("/writtensince"), get(lost_writes::written_since))
        .route(&cache("/linkedservers"), get(links::list))
        .route(
            &cache("/linkedservers/{other}"),
            put(links::put).get(links::show).delete(links::delete),
        )
        .route(
            &cache("/linkedservers/{other}/runtimestatus"),
            get(links::runtime_status),
        )
        .route(
            &cache("/linkedservers/{other}/replicationsettings"),
            get(links::show_settings).patch(links::patch_settings),
        )
        .route(
            &cache("/linkedservers/{other}/acceptemptysource"),
            post(links::accept_empty_source),
        )
        .route(
            &cache("/linkedservers/{other}/failoverpreflight"),
            post(links::preflight),
        )
        .route(
            &cache("/linkedservers/{other}/acceptunsaved"),
            post(links::accept_unsaved),
        )
        .route(
            &cache("/linkedservers/{other}/acknowledgeautofailover"),
            post(links::acknowledge),
        )
        .route(
            &cache("/linkedservers/{other}/lostwrites"),
            get(links::lost_writes),
        )
        .route(&cache("/linkedservers/{other}/events"), get(links::events))
        .route(&cache("/linkedservers/{other}/egress"), get(links::egress))
        .route(
            &cache("/providers/microsoft.insights/metrics"),
            get(insights::metrics),
        )
        .route(
            &cache("/providers/microsoft.insights/metricdefinitions"),
            get(insights::definitions),
        )
}

#[cfg(test)]
mod tests;
