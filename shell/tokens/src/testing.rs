//! An issuer on loopback that signs whatever it is told to, for tests of whatever believes tokens.

mod signing;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use model::{IssuerKeys, Timestamp, TokenIssuer};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use signing::SigningKey;

/// The audience of [`TestIssuer::rules`].
pub const AUDIENCE: &str = "https://caches.test";

/// An issuer with a discovery document and keys that can be exchanged.
pub struct TestIssuer {
    name: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    document: Value,
    /// The key set, as it is served.
    keys: String,
    /// Answered in place of everything else.
    status: Option<StatusCode>,
    /// Fetches of the document.
    fetched: u32,
}

impl TestIssuer {
    /// Serves, in `tasks`, an issuer that has these keys.
    pub async fn start(tasks: &Tasks, keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let name = format!("http://{address}/tenant");
        let shared = Arc::new(Mutex::new(Shared {
            document: json!({"issuer": name, "jwks_uri": format!("{name}/keys")}),
            keys: String::new(),
            status: None,
            fetched: 0,
        }));
        let service = Router::new()
            .route("/tenant/.well-known/openid-configuration", get(document))
            .route("/tenant/keys", get(key_set))
            .with_state(Arc::clone(&shared));
        tasks.spawn("issuer", async move {
            axum::serve(listener, service)
                .await
                .expect("loopback stays");
        });
        let issuer = Self { name, shared };
        issuer.publish(keys);
        issuer
    }

    /// Its `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules by which its tokens for [`AUDIENCE`] are believed.
    #[must_use]
    pub fn rules(&self) -> TokenIssuer {
        TokenIssuer {
            issuer: self.name.clone(),
            audiences: vec![AUDIENCE.to_owned()],
            keys: IssuerKeys::Discovered,
        }
    }

    /// Has these keys from now on.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.serve_keys(key_set_of(keys));
    }

    /// Serves this text as its key set.
    pub fn serve_keys(&self, text: String) {
        self.shared.lock().keys = text;
    }

    /// Serves this as its discovery document.
    pub fn serve_document(&self, document: Value) {
        self.shared.lock().document = document;
    }

    /// Answers everything with this status; `None`: as it should.
    pub fn break_with(&self, status: Option<u16>) {
        let status = status.map(|code| StatusCode::from_u16(code).expect("this is a status"));
        self.shared.lock().status = status;
    }

    /// How often it was asked for its keys, by its discovery document.
    #[must_use]
    pub fn fetched(&self) -> u32 {
        self.shared.lock().fetched
    }

    /// The claims of a token for `object_id` that is valid from `now` for `lifetime`.
    #[must_use]
    pub fn claims(&self, object_id: &str, now: Timestamp, lifetime: Duration) -> Value {
        let seconds = now.0 / 1000;
        json!({
            "iss": self.name,
            "aud": AUDIENCE,
            "oid": object_id,
            "sub": "somebody",
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + lifetime.as_secs(),
        })
    }

    /// A token for `object_id` that is valid from `now` for `lifetime`.
    #[must_use]
    pub fn token(
        &self,
        key: &SigningKey,
        object_id: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> String {
        key.sign(&key.header(), &self.claims(object_id, now, lifetime))
    }
}

/// A JSON Web Key Set of these keys' public halves.
#[must_use]
pub fn key_set_of(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public().clone()).collect();
    json!({ "keys": keys }).to_string()
}

async fn document(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let mut shared = shared.lock();
    shared.fetched += 1;
    answer(shared.status, shared.document.to_string())
}

async fn key_set(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let shared = shared.lock();
    answer(shared.status, shared.keys.clone())
}

fn answer(status: Option<StatusCode>, body: String) -> Response {
    match status {
        Some(status) => status.into_response(),
        None => ([(CONTENT_TYPE, "application/json")], body).into_response(),
    }
}
