use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use serde_json::Value;

use super::super::openapi::{documented, whole};
use crate::harness::{World, region};

/// A method and a path as the router has it, with nothing said of parameters but where they are.
type Route = (String, String);

fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        if segment.starts_with('{') {
            "{}".to_owned()
        } else {
            segment.to_ascii_lowercase()
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Every route of a router. It tells them to nobody but in its debug output: first what is at each
/// `RouteId(7)`, then the paths of these.
fn routes(router: &Router) -> BTreeSet<Route> {
    let text = format!("{router:#?}");
    let (own, _fallbacks) = text.split_once("fallback_router:").unwrap();
    let (routers, paths) = own.split_once("node: Node").unwrap();
    let paths: BTreeMap<usize, &str> = by_id(paths)
        .map(|(id, path)| (id, path.split('"').nth(1).unwrap()))
        .collect();
    let mut found = BTreeSet::new();
    for (id, router) in by_id(routers) {
        for line in router.lines().map(str::trim) {
            let (method, endpoint) = line.split_once(": ").unwrap_or_default();
            let is_method = ["get", "head", "delete", "patch", "post", "put"].contains(&method);
            if is_method && !endpoint.starts_with("None") {
                found.insert((method.to_ascii_uppercase(), shape(paths[&id])));
            }
        }
    }
    assert!(found.len() >= paths.len(), "not understood: {text}");
    found
}

fn by_id(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split("RouteId(").skip(1).map(|part| {
        let (id, rest) = part.split_once(')').unwrap();
        (id.trim().trim_end_matches(',').parse().unwrap(), rest)
    })
}

#[tokio::test]
async fn every_route_is_documented_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let served = routes(&super::super::routes(world.plane.clone()));
    assert!(served.len() > 50, "{served:#?}");
    let documented: BTreeSet<Route> = documented()
        .into_iter()
        .map(|(method, path)| (method, shape(&path)))
        .collect();
    let missing: Vec<_> = served.difference(&documented).collect();
    assert!(missing.is_empty(), "not in the document: {missing:#?}");
    let made_up: Vec<_> = documented.difference(&served).collect();
    assert!(made_up.is_empty(), "no such route: {made_up:#?}");
    world.stop().await;
}

#[test]
fn operations_are_named_once() {
    let document = whole(&[region("eastus")]);
    let mut names = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = whole(&[region("eastus")]);
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    if let Some(reference) = value["$ref"].as_str() {
        references.push(reference.to_owned());
    }
    let members = value.as_object().into_iter().flat_map(|map| map.values());
    let items = value.as_array().into_iter().flatten();
    members
        .chain(items)
        .for_each(|value| collect(value, references));
}

#[tokio::test]
async fn the_document_is_served_without_a_version_and_names_the_regions() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let request = axum::http::Request::builder()
        .uri("/openapi.json")
        .header("authorization", format!("Bearer {}", crate::harness::TOKEN));
    let answer = world
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["openapi"], "3.1.0");
    let places = &answer.body["components"]["schemas"]["Location"]["enum"];
    assert!(places.to_string().contains("West US"), "{places}");
    world.stop().await;
}
