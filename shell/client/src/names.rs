//! The names of caches, for whoever serves DNS.

use std::{fmt, time::Duration};

use model::{PublishedNames, Secret};
use reqwest::{Method, StatusCode};

use crate::{BuildError, RequestError, connection::Connection, management::API_VERSION};

/// How much longer than it was asked to a long poll may take.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// A client that reads names. Clones share their connections.
#[derive(Clone)]
pub struct Names(Connection);

impl Names {
    /// A client of the control plane at `url`, with the token for names or the management token.
    pub fn new(url: &str, token: Secret) -> Result<Self, BuildError> {
        Self::trusting(url, token, None)
    }

    /// The same; over https `authority` is trusted beside the system's authorities: a certificate in
    /// PEM, such as the deployment's own.
    pub fn trusting(url: &str, token: Secret, authority: Option<&str>) -> Result<Self, BuildError> {
        Connection::new(url, token, authority).map(Self)
    }

    /// Asks for every name. Answers as soon as they differ from what the generation `known` had, and
    /// at once when there is no `known`; `None` when nothing changed for `wait`.
    pub async fn read(
        &self,
        known: Option<u64>,
        wait: Duration,
    ) -> Result<Option<PublishedNames>, RequestError> {
        let known = known.map(|generation| generation.to_string());
        let wait_ms = wait.as_millis().to_string();
        let mut query = vec![("api-version", API_VERSION), ("wait", wait_ms.as_str())];
        if let Some(known) = &known {
            query.push(("generation", known));
        }
        let path = "/providers/Godwit.Cache/names";
        let limit = wait + POLL_GRACE;
        let answer = self
            .0
            .ask(Method::GET, path, &query, None::<&()>, limit)
            .await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        answer.json().map(Some)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Names").field(&self.0.base()).finish()
    }
}
