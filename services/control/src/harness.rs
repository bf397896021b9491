//! A control plane to test with, and agents that do as they are told.

mod agent;
mod signed_in;

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use model::{EngineKind, EngineVersion, IssuerKeys, Region, RegionObserved, Secret, TokenIssuer};
use psync::{Offset, Position};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use crate::{ApiConfig, Config, NamesConfig, api, plane::Plane, run};

pub(crate) use agent::{Agent, agent_request};
pub(crate) use signed_in::{PRINCIPALS, Someone};

pub(crate) const TOKEN: &str = "management-token";
pub(crate) const AGENT_TOKEN: &str = "agents-token";
pub(crate) const NAMES_TOKEN: &str = "names-token";
pub(crate) const VERSION: &str = "api-version=2024-11-01";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn config(data: &Path) -> Config {
    Config {
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        api: ApiConfig::default(),
        token: Secret::new(TOKEN),
        agent_token: Secret::new(AGENT_TOKEN),
        zone: "zone.test".to_owned(),
        names: NamesConfig {
            token: Some(Secret::new(NAMES_TOKEN)),
            ttl_seconds: 5,
        },
        issuers: vec![issuer("https://issuer.test")],
        regions: ["eastus", "westus"].map(region).to_vec(),
        webhook: None,
        crash: runtime::crash::Points::none(),
    }
}

pub(crate) fn issuer(name: &str) -> TokenIssuer {
    TokenIssuer {
        issuer: name.to_owned(),
        audiences: vec!["https://redis.azure.com".to_owned()],
        keys: IssuerKeys::Discovered,
    }
}

pub(crate) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

pub(crate) fn engine() -> EngineVersion {
    EngineVersion {
        kind: EngineKind::Valkey,
        major: 8,
        minor: 0,
        patch: 1,
    }
}

pub(crate) fn position(offset: u64) -> Position {
    Position::new("a".repeat(40).parse().unwrap(), Offset(offset))
}

/// A running control plane.
pub(crate) struct World {
    pub(crate) plane: Arc<Plane>,
    pub(crate) service: Router,
    tasks: Tasks,
    pub(crate) sub: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The path and query of a header's URL, which must be absolute and on the caller's host.
    pub(crate) fn leads(&self, name: &str) -> String {
        let url = self.header(name);
        let rest = url.strip_prefix("http://test.example:99");
        rest.unwrap_or_else(|| panic!("{name}: {url}")).to_owned()
    }
}

impl World {
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_as(config(data)).await
    }

    pub(crate) async fn start_as(config: Config) -> Self {
        let control = run::build(config, Clock, Dice::from_system()).await;
        let plane = control.unwrap().into_plane();
        let tasks = Tasks::new();
        run::start(&plane, &tasks);
        let subscription = plane
            .store
            .state()
            .subscriptions
            .iter()
            .next()
            .unwrap()
            .id
            .clone();
        Self {
            service: api::service(Arc::clone(&plane)),
            plane,
            tasks,
            sub: format!("/subscriptions/{subscription}"),
        }
    }

    /// A world with two agents, the group `g`, and nothing else.
    pub(crate) async fn with_agents(data: &Path) -> (Self, Agent, Agent) {
        let world = Self::start(data).await;
        let (east, west) = (world.agent("eastus"), world.agent("westus"));
        let group = format!("{}/resourcegroups/g", world.sub);
        let made = world.put(&group, json!({"location": "eastus"})).await;
        assert_eq!(made.status, StatusCode::CREATED);
        world
            .until("both agents report", || {
                let seen = world.plane.observations.seen();
                ["eastus", "westus"]
                    .iter()
                    .all(|name| seen.region(&region(name)).is_some())
            })
            .await;
        (world, east, west)
    }

    /// The same with the Premium caches `east` and `west`.
    pub(crate) async fn with_caches(data: &Path) -> (Self, Agent, Agent) {
        let (world, east, west) = Self::with_agents(data).await;
        for (name, place) in [("east", "eastus"), ("west", "westus")] {
            let made = world.put(&world.cache(name), premium(place)).await;
            assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
            world.done(&made).await;
        }
        (world, east, west)
    }

    /// The same, linked.
    pub(crate) async fn with_link(data: &Path) -> (Self, Agent, Agent) {
        let (world, east, west) = Self::with_caches(data).await;
        let made = world.link("east", "west", "Secondary").await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        world.done(&made).await;
        (world, east, west)
    }

    /// Stops everything; the store is free afterwards.
    pub(crate) async fn stop(self) {
        assert!(self.tasks.stop(Duration::from_secs(10)).await);
        self.plane.store.close().await;
    }

    pub(crate) fn cache(&self, name: &str) -> String {
        format!(
            "{}/resourceGroups/g/providers/Microsoft.Cache/redis/{name}",
            self.sub
        )
    }

    pub(crate) fn revision(&self) -> u64 {
        self.plane.store.state().revision
    }

    /// Starts an agent.
    pub(crate) fn agent(&self, name: &str) -> Agent {
        let agent = Agent::new(region(name));
        self.tasks
            .spawn("fake agent", agent.clone().run(self.service.clone()));
        agent
    }

    /// Reports what an agent could have reported.
    pub(crate) async fn report(&self, report: &RegionObserved) -> model::ReportAnswer {
        let body = Body::from(serde_json::to_vec(report).unwrap());
        let answer = self
            .send(agent_request("POST", "/agents/v1/report", body))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        serde_json::from_value(answer.body).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map_or_else(Vec::new, |body| serde_json::to_vec(&body).unwrap());
        self.ask_raw(method, path, body).await
    }

    pub(crate) async fn ask_raw(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        self.ask_with(TOKEN, method, path, body).await
    }

    /// Asks with somebody's token.
    pub(crate) async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or_else(Vec::new, |body| serde_json::to_vec(&body).unwrap());
        self.ask_with(token, method, path, body).await
    }

    async fn ask_with(&self, token: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let uri = if path.contains("api-version") {
            path.to_owned()
        } else if path.contains('?') {
            format!("{path}&{VERSION}")
        } else {
            format!("{path}?{VERSION}")
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "test.example:99")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(self.service.clone(), request).await
    }

    /// Asks for a link, or for a failover.
    pub(crate) async fn link(&self, own: &str, other: &str, role: &str) -> Answer {
        let path = format!("{}/linkedServers/{other}", self.cache(own));
        self.put(&path, self.link_body(other, role)).await
    }

    pub(crate) fn link_body(&self, other: &str, role: &str) -> Value {
        let place = if other.starts_with("west") {
            "West US"
        } else {
            "eastus"
        };
        json!({"properties": {
            "linkedRedisCacheId": self.cache(other),
            "linkedRedisCacheLocation": place,
            "serverRole": role,
        }})
    }

    /// Follows an accepted request to its end, which must be good.
    pub(crate) async fn done(&self, accepted: &Answer) {
        let end = self.ended(accepted).await;
        assert_eq!(end.body["status"], "Succeeded", "{end:?}");
    }

    /// Follows an accepted request to its end.
    pub(crate) async fn ended(&self, accepted: &Answer) -> Answer {
        let path = accepted.leads("azure-asyncoperation");
        let deadline = Instant::now() + PATIENCE;
        let mut states = self.plane.store.watch();
        loop {
            states.borrow_and_update();
            let answer = self.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            if answer.body["status"] != "InProgress" {
                return answer;
            }
            let changed = tokio::time::timeout_at(deadline, states.changed()).await;
            assert!(changed.is_ok(), "still running: {answer:?}");
        }
    }

    /// Waits until `is_so`.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "gave up: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks until there is an answer.
    pub(crate) async fn eventually<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(Instant::now() < deadline, "gave up: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The provisioning state of a cache.
    pub(crate) async fn state_of(&self, name: &str) -> String {
        let answer = self.get(&self.cache(name)).await;
        let state = answer.body["properties"]["provisioningState"].as_str();
        state.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }
}

pub(crate) fn premium(place: &str) -> Value {
    json!({
        "location": place,
        "properties": {"sku": {"name": "Premium", "family": "P", "capacity": 1}},
    })
}

async fn send(service: Router, request: Request<Body>) -> Answer {
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        serde_json::from_slice(&bytes).unwrap_or_else(|_not_json| text())
    };
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}
