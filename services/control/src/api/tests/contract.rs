//! The contract with clients that exist (`arm.md` 1 to 3 and 9), a table at a time. What is said of
//! one subject at length is in that subject's own file.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use crate::harness::{Answer, TOKEN, World, premium};

/// A request, and what its answer must be: status, and values by JSON pointer.
struct Case {
    what: &'static str,
    method: &'static str,
    path: String,
    body: Option<Value>,
    status: u16,
    holds: Vec<(&'static str, Value)>,
}

fn case(what: &'static str, method: &'static str, path: impl Into<String>, status: u16) -> Case {
    Case {
        what,
        method,
        path: path.into(),
        body: None,
        status,
        holds: Vec::new(),
    }
}

impl Case {
    fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn holds(mut self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.holds.push((pointer, value.into()));
        self
    }

    /// The error's code.
    fn code(self, code: &'static str) -> Self {
        self.holds("/error/code", code)
    }

    async fn check(self, world: &World) -> Answer {
        let answer = world.ask(self.method, &self.path, self.body).await;
        let what = self.what;
        assert_eq!(answer.status.as_u16(), self.status, "{what}: {answer:?}");
        for (pointer, value) in self.holds {
            let found = answer.body.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(*found, value, "{what}: {pointer} of {answer:?}");
        }
        answer
    }
}

/// What is read of caches that are there.
fn shapes(world: &World, east: &str) -> Vec<Case> {
    let lower = east
        .to_lowercase()
        .replace("/subscriptions/", "/SUBSCRIPTIONS/");
    let names = |name: &str| json!({"name": name, "type": "Microsoft.Cache/Redis"});
    let check = format!(
        "{}/providers/Microsoft.Cache/CheckNameAvailability",
        world.sub
    );
    let of_group = format!(
        "{}/resourceGroups/G/providers/Microsoft.Cache/redis",
        world.sub
    );
    let of_subscription = format!("{}/providers/microsoft.cache/Redis", world.sub);
    vec![
        case("names keep their case", "GET", &lower, 200).holds("/name", "Demo-East"),
        case("keys are not shown", "GET", east, 200).holds("/properties/accessKeys", Value::Null),
        case("unlinked is an empty list", "GET", east, 200)
            .holds("/properties/linkedServers", json!([])),
        case("not clustered has no shardCount", "GET", east, 200)
            .holds("/properties/shardCount", Value::Null),
        case("both names of replicas", "GET", east, 200)
            .holds("/properties/replicasPerMaster", 1)
            .holds("/properties/replicasPerPrimary", 1),
        case("by group", "GET", of_group, 200)
            .holds("/value/0/name", "Demo-East")
            .holds("/value/0/properties/accessKeys", Value::Null)
            .holds("/nextLink", Value::Null),
        case("by subscription", "GET", of_subscription, 200).holds("/value/1/name", "west"),
        case("a free name", "POST", &check, 200)
            .with(names("free"))
            .holds("", Value::Null),
        case("a taken name", "POST", &check, 409)
            .with(names("DEMO-east"))
            .code("NameNotAvailable"),
    ]
}

/// Codes, targets and sentences.
fn refusals(world: &World, east: &str) -> Vec<Case> {
    let absent = world.cache("absent");
    let gone =
        "The Resource 'Microsoft.Cache/Redis/absent' under resource group 'g' was not found.";
    vec![
        case("an absent cache", "GET", &absent, 404)
            .code("ResourceNotFound")
            .holds("/error/message", gone),
        case("deleting an absent cache", "DELETE", &absent, 204),
        case(
            "a link that is not there",
            "GET",
            format!("{east}/linkedServers/west"),
            404,
        )
        .code("ResourceNotFound"),
        case(
            "unlinking what is not linked",
            "DELETE",
            format!("{east}/linkedServers/west"),
            200,
        ),
        case("an unknown field is named", "PUT", &absent, 400)
            .with(json!({"location": "eastus", "properties": {"sise": 1}}))
            .code("InvalidRequestBody")
            .holds("/error/target", "properties.sise"),
        case("a wrong value is named", "PATCH", east, 400)
            .with(json!({"properties": {"updateChannel": "Weekly"}}))
            .holds("/error/target", "properties.updateChannel"),
        case(
            "a group that is not there",
            "GET",
            absent.replace("/g/", "/h/"),
            404,
        )
        .code("ResourceGroupNotFound"),
        case(
            "a path that is none",
            "GET",
            format!("{east}/nothing/here"),
            404,
        )
        .code("NotFound"),
        case("a method that is none", "POST", east, 405).code("MethodNotAllowed"),
    ]
}

/// Which versions of the API are spoken.
fn versions(east: &str) -> Vec<Case> {
    vec![
        case(
            "a version before the first",
            "GET",
            format!("{east}?api-version=2014-04-01"),
            400,
        )
        .code("NoRegisteredProviderFound"),
        case(
            "the first version",
            "GET",
            format!("{east}?api-version=2015-08-01"),
            200,
        ),
        case(
            "the last",
            "GET",
            format!("{east}?api-version=2025-08-01-preview"),
            200,
        ),
        case(
            "no version at all",
            "GET",
            format!("{east}?api-version="),
            400,
        )
        .code("MissingApiVersionParameter"),
        case("no date", "GET", format!("{east}?api-version=latest"), 400)
            .code("InvalidApiVersionParameter"),
    ]
}

#[tokio::test]
async fn codes_and_shapes_of_a_life() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let (east, west) = (world.cache("Demo-East"), world.cache("west"));
    let id = |name: &str| world.cache(name).replace("/redis/", "/Redis/");
    let cases = [
        case("create", "PUT", &east, 201)
            .with(premium("EastUS"))
            .holds("/id", id("Demo-East"))
            .holds("/name", "Demo-East")
            .holds("/type", "Microsoft.Cache/Redis")
            .holds("/location", "East US")
            .holds("/properties/provisioningState", "Creating")
            .holds("/properties/hostName", "demo-east.zone.test"),
        case("create the other", "PUT", &west, 201).with(premium("west us")),
    ];
    for case in cases {
        let made = case.check(&world).await;
        world.done(&made).await;
    }
    let mut cases = shapes(&world, &east);
    cases.extend(refusals(&world, &east));
    cases.extend(versions(&east));
    for case in cases {
        case.check(&world).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_given_is_kept_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let subnet =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/x";
    let user = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u";
    let path = world.cache("kept");
    let mut body = premium("eastus");
    body["zones"] = json!(["1", "2"]);
    body["tags"] = json!({"A": "b", "c": ""});
    body["identity"] =
        json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {user: {}}});
    body["properties"]["tenantSettings"] = json!({"x": "y"});
    body["properties"]["subnetId"] = json!(subnet);
    body["properties"]["staticIP"] = json!("10.0.0.4");
    body["properties"]["updateChannel"] = json!("preview");
    body["properties"]["zonalAllocationPolicy"] = json!("UserDefined");
    let made = case("create", "PUT", &path, 201)
        .with(body)
        .holds("/zones", json!(["1", "2"]))
        .holds("/tags", json!({"A": "b", "c": ""}))
        .holds("/identity/type", "SystemAssigned, UserAssigned")
        .holds("/properties/tenantSettings", json!({"x": "y"}))
        .holds("/properties/subnetId", subnet)
        .holds("/properties/staticIP", "10.0.0.4")
        .holds("/properties/updateChannel", "Preview")
        .holds("/properties/zonalAllocationPolicy", "UserDefined")
        .check(&world)
        .await;
    world.done(&made).await;
    let tenant = &world.get("/tenants").await.body["value"][0]["tenantId"];
    let identity = &made.body["identity"];
    assert_eq!(identity["tenantId"], *tenant);
    let principal = identity["principalId"].clone();
    assert!(
        identity["userAssignedIdentities"][user]["clientId"].is_string(),
        "{identity}"
    );
    let cases = [
        case("tags are replaced as a whole", "PATCH", &path, 200)
            .with(json!({"tags": {"only": "one"}}))
            .holds("/tags", json!({"only": "one"}))
            .holds("/zones", json!(["1", "2"])),
        case("what is absent stays", "PATCH", &path, 200)
            .with(json!({"properties": {"enableNonSslPort": false}}))
            .holds("/tags", json!({"only": "one"}))
            .holds("/identity/principalId", principal.clone()),
        case("an identity keeps its principal", "PATCH", &path, 200)
            .with(json!({"identity": {"type": "SystemAssigned"}}))
            .holds("/identity/type", "SystemAssigned")
            .holds("/identity/principalId", principal)
            .holds("/identity/userAssignedIdentities", Value::Null),
        case("no identity is none to show", "PATCH", &path, 200)
            .with(json!({"identity": {"type": "None"}}))
            .holds("/identity", Value::Null),
        case("the place stays", "PATCH", &path, 400)
            .with(json!({"properties": {"staticIP": "10.0.0.5"}}))
            .code("InvalidRequestBody"),
        case("the same place may be sent back", "PATCH", &path, 200)
            .with(json!({"properties": {"subnetId": subnet, "staticIP": "10.0.0.4"}})),
        case("a cache does not move", "PUT", &path, 409)
            .with(premium("westus"))
            .code("InvalidResourceLocation"),
    ];
    for case in cases {
        let answer = case.check(&world).await;
        if answer.status.is_success() {
            world.done(&answer).await;
        }
    }
    world.stop().await;
}

/// What an accepted request is followed by: whether each header is there, and where it leads.
fn followed(answer: &Answer, location: &str) {
    assert_eq!(answer.header("retry-after"), "1", "{answer:?}");
    let operation = answer.leads("azure-asyncoperation");
    assert!(
        operation.starts_with("/subscriptions/") && operation.contains("/asyncOperations/"),
        "{operation}"
    );
    let leads = answer.leads("location");
    assert!(leads.contains(location), "{leads}");
    assert!(leads.ends_with("?api-version=2024-11-01"), "{leads}");
}

#[tokio::test]
async fn every_long_running_operation_is_followed_in_its_shape() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let (east, link) = (
        world.cache("east"),
        format!("{}/linkedServers/west", world.cache("east")),
    );
    // A: the resource, to be followed by itself.
    let patched = case("change", "PATCH", &east, 200)
        .with(json!({"properties": {"enableNonSslPort": true}}))
        .holds("/name", "east")
        .check(&world)
        .await;
    followed(&patched, "/Redis/east?");
    assert!(patched.body["properties"]["accessKeys"]["primaryKey"].is_string());
    let operation = world.get(&patched.leads("azure-asyncoperation")).await;
    for field in [
        "id",
        "name",
        "status",
        "startTime",
        "endTime",
        "percentComplete",
        "properties",
        "error",
    ] {
        assert!(
            operation.body.get(field).is_some(),
            "{field}: {operation:?}"
        );
    }
    world.done(&patched).await;
    // C: a link.
    let linked = case("link", "PUT", &link, 201)
        .with(world.link_body("west", "Secondary"))
        .holds("/properties/serverRole", "Secondary")
        .holds("/properties/provisioningState", "Creating")
        .holds(
            "/properties/geoReplicatedPrimaryHostName",
            "west.geo.zone.test",
        )
        .holds("/properties/primaryHostName", "east.zone.test")
        .check(&world)
        .await;
    followed(&linked, "/linkedServers/west?");
    // The mirror is there from the first moment.
    case(
        "mirror",
        "GET",
        format!("{}/linkedServers/east", world.cache("west")),
        200,
    )
    .holds("/properties/serverRole", "Primary")
    .holds("/properties/linkedRedisCacheLocation", "East US")
    .check(&world)
    .await;
    world.done(&linked).await;
    // The failover is the same request the other way round, of a resource that exists.
    let mirror = format!("{}/linkedServers/east", world.cache("west"));
    let swapped = case("fail over", "PUT", &mirror, 200)
        .with(world.link_body("east", "Secondary"))
        .check(&world)
        .await;
    followed(&swapped, "/linkedServers/east?");
    world.done(&swapped).await;
    case("repeat it", "PUT", &mirror, 200)
        .with(world.link_body("east", "Secondary"))
        .holds("/properties/primaryHostName", "west.zone.test")
        .holds(
            "/properties/geoReplicatedPrimaryHostName",
            "east.geo.zone.test",
        )
        .check(&world)
        .await;
    unlinking_and_deleting(&world, &link).await;
    world.stop().await;
}

async fn unlinking_and_deleting(world: &World, link: &str) {
    let east = world.cache("east");
    // D: unlinking; both headers are the same, and the end has no body to fetch.
    let unlinked = case("unlink", "DELETE", link, 202).check(world).await;
    followed(&unlinked, "/asyncOperations/");
    assert_eq!(
        unlinked.header("location"),
        unlinked.header("azure-asyncoperation")
    );
    world.done(&unlinked).await;
    case("the link is gone", "GET", link, 404)
        .check(world)
        .await;
    case("and may be unlinked again", "DELETE", link, 200)
        .check(world)
        .await;
    // B: deletion, by its result.
    let gone = case("delete", "DELETE", &east, 202).check(world).await;
    followed(&gone, "/operationresults/");
    world.done(&gone).await;
    let result = world.get(&gone.leads("location")).await;
    assert_eq!(result.status, StatusCode::OK);
    assert_eq!(result.body["status"], "Succeeded");
    for header in ["azure-asyncoperation", "location", "retry-after"] {
        assert_eq!(result.header(header), "", "{header}");
    }
}

#[tokio::test]
async fn everything_that_can_be_done_is_listed_and_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let listed = world.get("/providers/Microsoft.Cache/operations").await;
    let mut names: Vec<String> = listed.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| operation["name"].as_str().unwrap().to_owned())
        .collect();
    let before = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), before, "each once");
    for name in &names {
        let Some(rest) = name.strip_prefix("Microsoft.Cache/redis/") else {
            continue;
        };
        let (kind, verb) = rest.rsplit_once('/').unwrap_or(("", rest));
        let (method, one) = match verb {
            "read" => ("GET", false),
            "write" => ("PUT", true),
            "delete" => ("DELETE", true),
            "action" => ("POST", false),
            _ => panic!("{name}"),
        };
        // Whatever it answers, somebody is there to answer it.
        let mut path = world.cache("absent");
        for part in kind.split('/').filter(|part| !part.is_empty()) {
            match part {
                "linkedServers" if kind != part => path.push_str("/linkedServers/other"),
                "metricDefinitions" => {
                    path.push_str("/providers/Microsoft.Insights/metricDefinitions")
                }
                "patchSchedules" => path.push_str("/patchSchedules/default"),
                part => path.push_str(&format!("/{part}")),
            }
        }
        let single = kind
            .split('/')
            .next_back()
            .is_some_and(|last| last.ends_with('s'));
        let is_settings = kind.ends_with("replicationSettings");
        if one && single && !is_settings && !kind.ends_with("patchSchedules") {
            path.push_str("/one");
        }
        let method = if is_settings && verb == "write" {
            "PATCH"
        } else {
            method
        };
        let answer = world.ask(method, &path, Some(json!({}))).await;
        assert_ne!(answer.code(), "NotFound", "{name}: {method} {path}");
        assert_ne!(answer.code(), "MethodNotAllowed", "{name}: {method} {path}");
    }
    let provider = world
        .get(&format!("{}/providers/Microsoft.Cache", world.sub))
        .await;
    assert_eq!(provider.body["registrationState"], "Registered");
    world.stop().await;
}

#[tokio::test]
async fn no_refusal_reads_as_if_something_had_to_be_registered() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    // Of this code clients register the provider, and ask again for ever.
    for (method, path) in [
        ("DELETE", world.cache("east")),
        ("PUT", world.cache("EAST").replace("/g/", "/other/")),
        ("POST", format!("{}/listKeys", world.cache("absent"))),
    ] {
        let refused = world.ask(method, &path, Some(premium("eastus"))).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
        assert_ne!(refused.code(), "MissingSubscriptionRegistration");
    }
    world.stop().await;
}

#[tokio::test]
async fn regions_tell_their_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let places = world.get(&format!("{}/locations", world.sub)).await.body;
    let pair =
        |name: &str| json!([{"name": name, "id": format!("{}/locations/{name}", world.sub)}]);
    assert_eq!(
        places["value"][0]["metadata"]["pairedRegion"],
        pair("westus")
    );
    assert_eq!(
        places["value"][1]["metadata"]["pairedRegion"],
        pair("eastus")
    );
    world.stop().await;
}

#[tokio::test]
async fn bodies_and_urls_are_those_of_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    // Some clients name a charset, some send no content type at all.
    for content in [
        None,
        Some("application/json; charset=utf-8"),
        Some("text/json"),
    ] {
        let mut request = Request::builder()
            .method("PUT")
            .uri(format!("{}?api-version=2023-04-01", world.cache("a")))
            .header("host", "other.example")
            .header("authorization", format!("Bearer {TOKEN}"));
        if let Some(content) = content {
            request = request.header("content-type", content);
        }
        let body = Body::from(premium("eastus").to_string());
        let made = world.send(request.body(body).unwrap()).await;
        assert!(matches!(made.status.as_u16(), 200 | 201 | 409), "{made:?}");
        let operation = made.header("azure-asyncoperation");
        let own = operation.is_empty()
            || operation.starts_with("http://other.example/subscriptions/")
                && operation.ends_with("?api-version=2023-04-01");
        assert!(own, "{operation}");
        assert_eq!(
            made.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
    world.stop().await;
}
