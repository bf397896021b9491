//! The HTTP face: the management API in the managed service's shape, and the agents' API.
//!
//! A request comes in through [`door`], which knows who is asking and in which spelling; the
//! routes below are in lower case and never see another.

use std::sync::Arc;

use axum::{
    Router,
    http::Method,
    routing::{get, head, post, put},
};

use crate::plane::Plane;

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
mod links;
mod operations;
mod providers;
mod subscriptions;

pub(crate) use door::service;
pub(crate) use error::ApiError;

/// Every route, by its lower-case form.
fn routes(plane: Arc<Plane>) -> Router {
    Router::new()
        .merge(management())
        .merge(resources())
        .merge(agents::routes())
        .merge(certificates::routes())
        .fallback(async |uri: axum::http::Uri| ApiError::no_such_route(uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: axum::http::Uri| {
            ApiError::no_such_method(&method, uri.path())
        })
        .with_state(plane)
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
        .route(&cache("/linkedservers"), get(links::list))
        .route(
            &cache("/linkedservers/{other}"),
            put(links::put).get(links::show).delete(links::delete),
        )
        .route(
            &cache("/linkedservers/{other}/runtimestatus"),
            get(links::runtime_status),
        )
}

#[cfg(test)]
mod tests;
