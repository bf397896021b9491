//! Fetches an issuer's keys: its discovery document, and the key set that it names.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use serde_json::Value;

use crate::{
    error::shown,
    keys::{KeySet, KeySetError},
    place::{Place, PlaceError},
    strict,
};

/// For both documents together.
const LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// No document of an issuer is larger.
const LARGEST: usize = 256 << 10;

/// Keys that were not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("set up TLS for {url}")]
    Tls {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("fetch {url}")]
    Fetch {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("no answer from {url} within {} s", LIMIT.as_secs())]
    Late { url: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} answered with more than {LARGEST} bytes")]
    TooLarge { url: String },
    #[error("{url} is no discovery document: JSON with `issuer` and `jwks_uri`")]
    Document { url: String },
    #[error("{url} is the document of the issuer `{presented}`, not of this one")]
    OtherIssuer { url: String, presented: String },
    #[error("use the address of the keys that {url} names")]
    Place {
        url: String,
        #[source]
        source: PlaceError,
    },
    #[error("read the keys at {url}")]
    Keys {
        url: String,
        #[source]
        source: KeySetError,
    },
}

/// Fetches the keys of `issuer`, whose discovery document is at `discovery`.
pub(crate) async fn fetch(issuer: &str, discovery: &Place) -> Result<KeySet, FetchError> {
    let url = discovery.url().to_string();
    let fetching = tokio::time::timeout(LIMIT, both(issuer, discovery));
    fetching
        .await
        .unwrap_or_else(|_elapsed| Err(FetchError::Late { url }))
}

async fn both(issuer: &str, discovery: &Place) -> Result<KeySet, FetchError> {
    let url = || discovery.url().to_string();
    let bytes = get(discovery).await?;
    let odd = || FetchError::Document { url: url() };
    let document = strict::object(&bytes).ok_or_else(odd)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let presented = text("issuer").ok_or_else(odd)?;
    if presented != issuer {
        return Err(FetchError::OtherIssuer {
            url: url(),
            presented: shown(presented),
        });
    }
    let keys = Place::parse(text("jwks_uri").ok_or_else(odd)?);
    let keys = keys.map_err(|source| FetchError::Place { url: url(), source })?;
    if keys.is_here() && !discovery.is_here() {
        let source = PlaceError::Plaintext(keys.url().to_string());
        return Err(FetchError::Place { url: url(), source });
    }
    let bytes = get(&keys).await?;
    KeySet::read(&bytes).map_err(|source| FetchError::Keys {
        url: keys.url().to_string(),
        source,
    })
}

async fn get(place: &Place) -> Result<Vec<u8>, FetchError> {
    let url = || place.url().to_string();
    let failed = |source: reqwest::Error| FetchError::Fetch {
        url: url(),
        source: source.without_url(),
    };
    let client = client(place).map_err(|source| FetchError::Tls { url: url(), source })?;
    let mut answer = client
        .get(place.url().clone())
        .send()
        .await
        .map_err(failed)?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(FetchError::Status { url: url(), status });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(FetchError::TooLarge { url: url() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A client for one document: they are fetched a few times an hour, and nobody is kept waiting by
/// connections that are not kept.
fn client(place: &Place) -> Result<Client, reqwest::Error> {
    // Fails when the process has a provider already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("godwit/", env!("CARGO_PKG_VERSION")));
    if place.is_here() {
        client.no_proxy().tls_certs_only(std::iter::empty()).build()
    } else {
        client.https_only(true).build()
    }
}
