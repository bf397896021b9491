//! `GET /openapi.json`: this API as an OpenAPI document, so that programs know what can be asked,
//! what it takes and what is answered.
//!
//! The operations are listed here, a file for each kind of resource; the shapes of bodies and
//! parameters are JSON Schema, in `openapi/*.json` beside them. A test holds the lists against the
//! router's own (`tests/openapi.rs`), so that no route is missing and none is made up.

mod access;
mod activity;
mod agents;
mod caches;
mod figures;
mod links;
mod login;
mod maintenance;
mod management;
mod operation;
mod surface;
mod transfers;

use std::sync::Arc;

use axum::{extract::State, response::Response};
use model::Region;
use serde_json::{Map, Value, json};

use super::{answer, door::VERSION};
use crate::plane::Plane;
use operation::Operation;

/// Where it is served.
pub(super) const PATH: &str = "/openapi.json";
/// The shapes, by topic: each a `components` object's `schemas`.
const SCHEMAS: [&str; 11] = [
    include_str!("openapi/access.json"),
    include_str!("openapi/activity.json"),
    include_str!("openapi/caches.json"),
    include_str!("openapi/figures.json"),
    include_str!("openapi/links.json"),
    include_str!("openapi/login.json"),
    include_str!("openapi/maintenance.json"),
    include_str!("openapi/management.json"),
    include_str!("openapi/status.json"),
    include_str!("openapi/surface.json"),
    include_str!("openapi/transfers.json"),
];
/// The parameters of paths and queries, by name.
const PARAMETERS: &str = include_str!("openapi/parameters.json");

pub(super) async fn show(State(plane): State<Arc<Plane>>) -> Response {
    answer::ok(&document(&plane.regions))
}

/// Every operation.
fn operations() -> Vec<Operation> {
    let mut all = management::operations();
    all.extend(caches::operations());
    all.extend(links::operations());
    all.extend(access::operations());
    all.extend(agents::operations());
    all.extend(activity::operations());
    all.extend(figures::operations());
    all.extend(login::operations());
    all.extend(maintenance::operations());
    all.extend(surface::operations());
    all.extend(transfers::operations());
    all
}

/// The document of a deployment with these regions.
fn document(regions: &[Region]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path.clone()).or_insert(json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = operation.json();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Godwit control plane",
            "version": VERSION,
            "summary": "Caches, their links and failovers, in the managed service's shape",
            "description": "What is not said here is said in docs/api.md. Paths, names of fields and values of a fixed set are matched without regard to case, and `null` is as good as absent; this document has the usual spelling and leaves nulls out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The management token, or below `/agents/` the agents' token."},
            },
            "schemas": schemas(regions),
            "parameters": read(PARAMETERS),
            "headers": {
                "AsyncOperation": {
                    "description": "Where the operation can be followed: an absolute URL.",
                    "schema": {"type": "string"},
                },
                "Location": {
                    "description": "The resource, or where the operation's result will be: an absolute URL.",
                    "schema": {"type": "string"},
                },
                "RetryAfter": {
                    "description": "Seconds until the next look.",
                    "schema": {"type": "string"},
                },
            },
        },
    })
}

fn schemas(regions: &[Region]) -> Value {
    let mut all = Map::new();
    for part in SCHEMAS {
        if let Value::Object(schemas) = read(part) {
            all.extend(schemas);
        }
    }
    let names = regions.iter().map(Region::display_name);
    let names: Vec<_> = names
        .map(|name| name.to_string())
        .chain(regions.iter().map(|region| region.as_str().to_owned()))
        .collect();
    all.insert(
        "Location".to_owned(),
        json!({
            "type": "string", "enum": names,
            "description": "A region of this deployment; any other spelling of its name does as well.",
        }),
    );
    Value::Object(all)
}

/// Reads one of the files above.
fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the files of this document are JSON; a test reads them")
}

#[cfg(test)]
pub(super) fn documented() -> Vec<(String, String)> {
    let all = operations().into_iter();
    all.map(|operation| (operation.method.to_string(), operation.path))
        .collect()
}

#[cfg(test)]
pub(super) fn whole(regions: &[Region]) -> Value {
    document(regions)
}
