//! A control plane that says what it is told to say, and the binary run against it.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::Response,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, sync::Mutex};

const SUBSCRIPTION: &str = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001";
const GROUP: &str = "/resourceGroups/default";
/// The look at the one operation that accepted requests lead to.
pub(crate) const OPERATION: &str = "GET /op";

/// Status and body of an answer, and whether it begins an operation.
pub(crate) type Says = (u16, Value, bool);

#[derive(Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Says>>,
    /// Bodies of bytes, by the request that asks for them.
    bytes: BTreeMap<String, Vec<u8>>,
    asked: Vec<(String, Value)>,
}

pub(crate) struct Fake {
    script: Arc<Mutex<Script>>,
    url: String,
}

/// How a run of the binary ended.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Fake {
    /// Answers by method and path, the last of each again and again. Paths are shortened: no
    /// subscription, no group, no provider.
    pub(crate) async fn start(answers: impl IntoIterator<Item = (String, Says)>) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        let fake = Self { script, url };
        for (request, answer) in answers {
            fake.also(&request, answer).await;
        }
        fake
    }

    pub(crate) async fn also(&self, request: &str, answer: Says) {
        let mut script = self.script.lock().await;
        script
            .answers
            .entry(request.to_owned())
            .or_default()
            .push_back(answer);
    }

    /// Answers a request with bytes.
    pub(crate) async fn holds(&self, request: &str, bytes: impl Into<Vec<u8>>) {
        let mut script = self.script.lock().await;
        script.bytes.insert(request.to_owned(), bytes.into());
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The body of the last such request.
    pub(crate) async fn body(&self, request: &str) -> Value {
        let script = self.script.lock().await;
        let mut asked = script.asked.iter().rev();
        asked.find(|(key, _)| key == request).unwrap().1.clone()
    }

    /// The requests that change something.
    pub(crate) async fn writes(&self) -> Vec<String> {
        let script = self.script.lock().await;
        let keys = script.asked.iter().map(|(key, _)| key.clone());
        keys.filter(|key| !key.starts_with("GET ")).collect()
    }

    pub(crate) async fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.run_with(arguments, &[]).await
    }

    /// Runs the binary with a token and this control plane, unless `environment` says otherwise.
    pub(crate) async fn run_with<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        environment: &[(&str, &str)],
    ) -> Ran {
        let mut command = godwit();
        command
            .env("GODWIT_TOKEN", "t")
            .env("GODWIT_ENDPOINT", &self.url);
        command.args(arguments).envs(environment.iter().copied());
        ended(command).await
    }

    /// Runs the binary with a reader of its standard output that goes away at once.
    pub(crate) async fn run_unread<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        let mut command = godwit();
        command
            .env("GODWIT_TOKEN", "t")
            .env("GODWIT_ENDPOINT", &self.url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.args(arguments).spawn().unwrap();
        drop(child.stdout.take());
        ran(child.wait_with_output().await.unwrap())
    }

    /// Runs the binary in a directory, with nothing in the environment.
    pub(crate) async fn run_in<'a>(
        &self,
        directory: &Path,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Ran {
        let mut command = godwit();
        command.args(arguments).current_dir(directory);
        ended(command).await
    }
}

fn godwit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn ended(mut command: Command) -> Ran {
    ran(command.output().await.unwrap())
}

fn ran(output: Output) -> Ran {
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response<Body> {
    let path = request.uri().path().replace("/resourceGroups/default", "");
    let path = path.replace("/providers/Microsoft.Cache/Redis", "/redis");
    let path = path
        .replace("/providers/Microsoft.Cache/redis", "/redis")
        .replace(SUBSCRIPTION, "");
    let key = format!("{} {path}", request.method());
    let token = request.headers().get("authorization").cloned();
    let sent = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let sent = serde_json::from_slice(&sent).unwrap_or(Value::Null);
    let mut script = script.lock().await;
    script.asked.push((key.clone(), sent));
    if let Some(bytes) = script.bytes.get(&key) {
        return Response::new(Body::from(bytes.clone()));
    }
    let subscription = SUBSCRIPTION.trim_start_matches("/subscriptions/");
    let (status, body, begins) = if token.is_none_or(|token| token != "Bearer t") {
        refused(
            401,
            "AuthenticationFailed",
            "the token is not the one that is wanted",
        )
    } else if key == "GET /subscriptions" {
        says(
            200,
            json!({"value": [{"subscriptionId": subscription, "displayName": "Godwit"}]}),
        )
    } else {
        match script.answers.get_mut(&key) {
            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
            Some(queue) => queue.front().cloned().unwrap(),
            None => refused(404, "NotScripted", &key),
        }
    };
    let mut response = Response::builder().status(status);
    if begins {
        response = response.header("azure-asyncoperation", "http://elsewhere.invalid/op?t=1");
    }
    response.body(Body::from(body.to_string())).unwrap()
}

pub(crate) fn says(status: u16, body: Value) -> Says {
    (status, body, false)
}

pub(crate) fn accepted(status: u16, body: Value) -> Says {
    (status, body, true)
}

pub(crate) fn refused(status: u16, code: &str, message: &str) -> Says {
    says(status, json!({"error": {"code": code, "message": message}}))
}

pub(crate) fn list(request: &str, value: impl IntoIterator<Item = Value>) -> (String, Says) {
    let value: Vec<_> = value.into_iter().collect();
    (request.to_owned(), says(200, json!({"value": value})))
}

fn id(name: &str) -> String {
    format!("{SUBSCRIPTION}{GROUP}/providers/Microsoft.Cache/Redis/{name}")
}

/// A cache, linked with `other` unless that is empty.
pub(crate) fn cache(name: &str, other: &str) -> Value {
    let linked: Vec<_> = [other]
        .iter()
        .filter(|other| !other.is_empty())
        .map(|other| json!({"id": format!("{}/linkedServers/{other}", id(name))}))
        .collect();
    json!({
        "id": id(name), "name": name, "location": "East US", "type": "Microsoft.Cache/Redis",
        "properties": {
            "provisioningState": "Succeeded", "hostName": format!("{name}.zone"),
            "sku": {"name": "Premium", "family": "P", "capacity": 1}, "linkedServers": linked,
        },
    })
}

/// The link of `own` to `other`, which has that role.
pub(crate) fn link(own: &str, other: &str, role: &str) -> Value {
    json!({
        "id": format!("{}/linkedServers/{other}", id(own)), "name": other,
        "properties": {
            "linkedRedisCacheId": id(other), "linkedRedisCacheLocation": "East US",
            "serverRole": role, "provisioningState": "Succeeded",
            "primaryHostName": "a.zone", "geoReplicatedPrimaryHostName": format!("{other}.geo.zone"),
        },
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake ends with the test's runtime"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
