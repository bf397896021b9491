use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use crate::harness::{TOKEN, VERSION, World, premium};

const LOG: &str = "providers/Microsoft.Insights/eventtypes/management/values";
const LOG_VERSION: &str = "api-version=2015-04-01";

impl World {
    pub(super) fn log(&self, query: &str) -> String {
        format!("{}/{LOG}?{LOG_VERSION}{query}", self.sub)
    }

    /// A page of the activity log, newest first.
    pub(super) async fn in_log(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&self.log(query)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["value"].as_array().unwrap().clone()
    }

    /// Waits until the log has records that pass; gives all that do, oldest first.
    pub(super) async fn until_in_log(
        &self,
        count: usize,
        passes: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let found = async || {
            let mut told = self.in_log("&$top=1000").await;
            told.retain(&passes);
            told.reverse();
            (told.len() >= count).then_some(told)
        };
        self.eventually("the log tells it", found).await
    }

    pub(super) async fn correlated(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        correlation: &str,
    ) -> crate::harness::Answer {
        let body = body.map_or_else(Vec::new, |body| serde_json::to_vec(&body).unwrap());
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?{VERSION}"))
            .header("host", "test.example:99")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("x-ms-correlation-request-id", correlation)
            .header("x-ms-client-request-id", "mine")
            .header("x-forwarded-for", "198.51.100.1, 203.0.113.7:4711")
            .body(Body::from(body));
        self.send(request.unwrap()).await
    }
}

fn is(name: &str, status: &str) -> impl Fn(&Value) -> bool {
    let (name, status) = (name.to_owned(), status.to_owned());
    move |event| event["operationName"]["value"] == *name && event["status"]["value"] == *status
}

fn changes(event: &Value) -> Vec<String> {
    let text = event["properties"]["changes"].as_str().unwrap();
    let all: Vec<Value> = serde_json::from_str(text).unwrap();
    all.iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["what"].as_str().unwrap(),
                one["before"],
                one["after"]
            )
        })
        .collect()
}

#[tokio::test]
async fn a_request_and_what_it_led_to_are_told_with_one_correlation() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let path = world.cache("east");
    let made = world
        .correlated("PUT", &path, Some(premium("eastus")), "c-1")
        .await;
    assert_eq!(made.header("x-ms-correlation-request-id"), "c-1");
    world.done(&made).await;
    let of_request = "&$filter=correlationId%20eq%20'C-1'";
    let both = async || {
        let told = world.in_log(of_request).await;
        (told.len() == 2).then_some(told)
    };
    let told = world.eventually("request and end", both).await;
    let (end, request) = (&told[0], &told[1]);
    assert_eq!(
        request["operationName"]["value"],
        "Microsoft.Cache/redis/write"
    );
    assert_eq!(request["status"]["value"], "Accepted");
    assert_eq!(request["subStatus"]["value"], "Created");
    assert_eq!(request["caller"], "operator");
    assert_eq!(request["resourceGroupName"], "g");
    assert_eq!(
        request["resourceId"],
        path.replace("/redis/", "/Redis/").as_str()
    );
    assert_eq!(request["httpRequest"]["clientIpAddress"], "203.0.113.7");
    assert_eq!(request["httpRequest"]["clientRequestId"], "mine");
    assert_eq!(request["httpRequest"]["method"], "PUT");
    let shown = changes(request);
    assert!(
        shown.contains(&"region null \"eastus\"".to_owned()),
        "{shown:?}"
    );
    assert_eq!(end["status"]["value"], "Succeeded");
    assert_eq!(end["operationId"], request["operationId"]);
    assert_ne!(end["eventDataId"], request["eventDataId"]);

    let body = json!({"properties": {"redisConfiguration": {"maxmemory-policy": "noeviction"}}});
    world
        .done(&world.ask("PATCH", &path, Some(body)).await)
        .await;
    let changed = |event: &Value| {
        is("Microsoft.Cache/redis/write", "Accepted")(event)
            && event["httpRequest"]["method"] == "PATCH"
    };
    let told = world.until_in_log(1, changed).await;
    assert_eq!(
        changes(&told[0]),
        ["redisConfiguration.maxmemory-policy null \"noeviction\""]
    );
    world.stop().await;
}

#[tokio::test]
async fn refusals_are_told_with_their_sentences_and_reads_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let refused = world.delete(&world.cache("east")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let told = world
        .until_in_log(1, is("Microsoft.Cache/redis/delete", "Failed"))
        .await;
    let properties = &told[0]["properties"];
    assert_eq!(properties["errorCode"], "Conflict");
    assert_eq!(properties["statusMessage"], refused.message());
    assert_eq!(told[0]["level"], "Error");

    let before = world.in_log("&$top=1000").await.len();
    world.get(&world.cache("east")).await;
    let preflight = format!(
        "{}/linkedServers/east/failoverPreflight",
        world.cache("west")
    );
    world.ask("POST", &preflight, None).await;
    world.put("/no/such/route", json!({})).await;
    let keys = format!("{}/listKeys", world.cache("east"));
    world.ask("POST", &keys, None).await;
    let name = "Microsoft.Cache/redis/listKeys/action";
    world.until_in_log(1, is(name, "Succeeded")).await;
    let after = world.in_log("&$top=1000").await;
    let operations = |event: &&Value| event["category"]["value"] == "Administrative";
    let new = after.len() - before;
    assert_eq!(
        after.iter().take(new).filter(operations).count(),
        1,
        "{after:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_happens_on_links_is_in_the_same_place() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let failover = world.link("west", "east", "Secondary").await;
    world.done(&failover).await;
    let unlink = format!("{}/linkedServers/west", world.cache("east"));
    world.done(&world.delete(&unlink).await).await;
    world
        .until_in_log(1, is("Godwit.Cache/linkedServers/Unlinked", "Succeeded"))
        .await;
    // From either side, whichever cache a request named.
    for name in ["east", "west"] {
        let path = format!("{}/linkedServers", world.cache(name));
        let query = format!("&$filter=resourceUri%20eq%20'{path}'&$top=1000");
        let told = world.in_log(&query).await;
        let names: Vec<_> = told
            .iter()
            .map(|event| event["operationName"]["value"].as_str().unwrap())
            .collect();
        for wanted in [
            "Microsoft.Cache/redis/linkedServers/write",
            "Microsoft.Cache/redis/linkedServers/delete",
            "Godwit.Cache/linkedServers/LinkCreated",
            "Godwit.Cache/linkedServers/FailoverDecided",
            "Godwit.Cache/linkedServers/Unlinked",
        ] {
            assert!(names.contains(&wanted), "{name}: {wanted}: {names:?}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn the_log_is_read_in_pages_by_filters_and_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let ended = |event: &Value| event["eventName"]["value"] == "EndOperation";
    world.until_in_log(2, ended).await;
    let all = world.in_log("&$top=1000").await;
    let mut paged = Vec::new();
    let mut next = Some(world.log("&$top=2&$filter=eventTimestamp%20ge%20'2020-01-01T00:00:00'"));
    while let Some(path) = next {
        let page = world.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let values = page.body["value"].as_array().unwrap();
        assert!(values.len() <= 2);
        paged.extend(values.clone());
        let link = page.body["nextLink"].as_str();
        next = link.map(|link| {
            link.strip_prefix("http://test.example:99")
                .unwrap()
                .to_owned()
        });
    }
    assert_eq!(paged, all);
    let parts = world
        .in_log("&$select=caller%20,%20eventTimestamp&$top=1")
        .await;
    let names: Vec<_> = parts[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["caller", "eventTimestamp"]);
    for (filter, some) in [
        ("resourceGroupName eq 'G'", true),
        ("resourceGroupName eq 'other'", false),
        ("caller eq 'Operator'", true),
        ("caller eq 'somebody'", false),
        ("status eq 'succeeded'", true),
        ("status eq 'failed'", false),
        ("resourceProvider eq 'microsoft.cache'", true),
        ("eventTimestamp le '2020-01-01T00:00:00Z'", false),
    ] {
        let told = world
            .in_log(&format!("&$filter={}", filter.replace(' ', "%20")))
            .await;
        assert_eq!(!told.is_empty(), some, "{filter}");
    }
    for bad in [
        "&$filter=level%20eq%20'x'",
        "&$select=secret",
        "&$top=0",
        "&after=x",
    ] {
        let refused = world.get(&world.log(bad)).await;
        assert_eq!(refused.code(), "InvalidQuery", "{bad}");
    }
    let newest = all[0]["number"].as_u64().unwrap();
    let after = world.in_log(&format!("&after={}", newest - 2)).await;
    let numbers: Vec<_> = after
        .iter()
        .map(|one| one["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [newest - 1, newest]);
    world.stop().await;
}

#[tokio::test]
async fn an_accepted_request_is_told_although_everything_died_before_the_log_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    // The log cannot be written from here on, and nothing is refused for that.
    world.plane.history.close().await;
    let path = world.cache("east");
    let made = world
        .correlated("PUT", &path, Some(premium("eastus")), "c-1")
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let keys = format!("{path}/listKeys");
    assert_eq!(world.ask("POST", &keys, None).await.status, StatusCode::OK);
    world.done(&made).await;
    world.stop().await;

    let world = World::start(dir.path()).await;
    let told = world
        .until_in_log(2, |event| event["correlationId"] == "c-1")
        .await;
    assert_eq!(told.len(), 2, "each once: {told:?}");
    assert_eq!(told[0]["status"]["value"], "Accepted");
    assert_eq!(told[1]["status"]["value"], "Succeeded");
    let shown = changes(&told[0]);
    assert!(
        shown.contains(&"region null \"eastus\"".to_owned()),
        "{shown:?}"
    );
    world.stop().await;
    // What was taken is not told again.
    let world = World::start(dir.path()).await;
    let told = world
        .until_in_log(2, |event| event["correlationId"] == "c-1")
        .await;
    assert_eq!(told.len(), 2, "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn strangers_do_not_flood_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    for _ in 0..300 {
        let request = Request::builder()
            .method("DELETE")
            .uri(format!("{}?{VERSION}", world.cache("hunter2")))
            .header("authorization", "Bearer hunter2")
            .header("x-forwarded-for", "203.0.113.9");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let security = |event: &Value| event["category"]["value"] == "Security";
    let told = world.until_in_log(1, security).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["httpRequest"]["clientIpAddress"], "203.0.113.9");
    assert!(!told[0].to_string().contains("hunter2"), "{told:?}");
    assert_eq!(world.plane.activity.counted().unauthenticated, 300);
    world.stop().await;
}

/// Requests about a cache with a secret in every place that takes a text.
fn with_secret_everywhere(path: &str, secret: &str) -> Vec<(&'static str, String, Value)> {
    let path = path.to_owned();
    let account = format!("AccountName=acc;AccountKey={secret}==;EndpointSuffix=x.net");
    let sas = format!("https://acc.blob.test/c?sv=2024&sig={secret}");
    let configuration = json!({
        "maxmemory-policy": "noeviction",
        "rdb-storage-connection-string": account, "aof-storage-connection-string-0": account,
    });
    let properties = json!({"redisConfiguration": configuration, "tenantSettings": {"t": account}});
    let tags = json!({"place": sas, "api-key": secret, "note": format!("password={secret}")});
    vec![
        ("PATCH", path.clone(), json!({"tags": tags})),
        ("PATCH", path.clone(), json!({"properties": properties})),
        (
            "PATCH",
            path.clone(),
            json!({"properties": {"publicNetworkAccess": secret}}),
        ),
        (
            "PATCH",
            path.clone(),
            json!({"properties": {secret: account}}),
        ),
        (
            "POST",
            format!("{path}/regenerateKey"),
            json!({"keyType": "Primary"}),
        ),
        ("POST", format!("{path}/listKeys"), json!({})),
        (
            "POST",
            format!("{path}/export"),
            json!({"container": sas, "prefix": "p"}),
        ),
        ("POST", format!("{path}/import"), json!({"files": [sas]})),
        (
            "PUT",
            format!("{path}/accessPolicies/{secret}"),
            json!({"properties": {"permissions": secret}}),
        ),
        (
            "PUT",
            format!("{path}/firewallRules/rule"),
            json!({"properties": {"startIP": secret, "endIP": "x"}}),
        ),
        ("PUT", format!("{path}/linkedServers/{secret}"), json!({})),
    ]
}

#[tokio::test]
async fn no_secret_is_in_the_log_wherever_it_was_put() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let path = world.cache("east");
    let secret = "Zm9vYmFyMDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3A";
    let requests = with_secret_everywhere(&path, secret);
    for (method, path, body) in requests {
        world.correlated(method, &path, Some(body), secret).await;
    }
    let is_key = |event: &Value| {
        event["operationName"]["value"] == "Microsoft.Cache/redis/regenerateKey/action"
    };
    let told = world.until_in_log(1, is_key).await;
    assert_eq!(
        changes(&told[0]),
        ["keys.primary \"[redacted]\" \"[redacted]\""]
    );
    let keys = {
        let state = world.plane.store.state();
        let caches = state.caches.iter();
        caches
            .flat_map(|cache| [cache.keys.primary.clone(), cache.keys.secondary.clone()])
            .collect::<Vec<_>>()
    };
    crate::activity::finish(&world.plane).await;
    let shown = Value::Array(world.in_log("&$top=1000").await).to_string();
    let mut bytes = Vec::new();
    for file in ["history.db", "history.db-wal"] {
        bytes.extend(std::fs::read(dir.path().join(file)).unwrap_or_default());
    }
    let kept = String::from_utf8_lossy(&bytes);
    let secrets = keys.iter().map(|key| key.reveal()).chain([secret, TOKEN]);
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
        assert!(!kept.contains(secret), "{secret} is kept");
    }
    assert!(
        kept.contains("noeviction") || shown.contains("place"),
        "the rest is there"
    );
    world.stop().await;
}

#[tokio::test]
async fn records_are_kept_for_ninety_days() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let record = crate::activity::tests::refusal("old", "Conflict");
    // The control plane itself forgets by its own clock.
    let now = world.plane.clock.now();
    let kept = now.plus_ms(90 * 24 * 3_600_000);
    assert!(world.plane.history.add_records(vec![record], now).await);
    world.plane.history.prune(kept).await;
    assert!(is_told(&world).await);
    world.plane.history.prune(kept.plus_ms(1)).await;
    assert!(!is_told(&world).await);
    world.stop().await;
}

async fn is_told(world: &World) -> bool {
    let wanted = crate::history::Wanted {
        top: 10,
        ..crate::history::Wanted::default()
    };
    let told = world.plane.history.records(wanted).await.unwrap();
    told.iter().any(|kept| kept.record.id == "id-old")
}
