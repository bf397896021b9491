//! One base URL with one token: requests, their time limits, and what becomes of bad answers.

use std::{error::Error, fmt, io, net::IpAddr, time::Duration};

use bytes::Bytes;
use model::Secret;
use reqwest::{
    Body, Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap},
    redirect,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::timeout;

/// A connection that is not there by then will not be.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// An answer that is larger than this is no answer of a control plane.
const ANSWER_LIMIT: usize = 64 << 20;
/// As much of an unexpected answer as an error shows.
const SHOWN: usize = 200;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL is not one.
    #[error("`{url}` is not a URL such as http://127.0.0.1:8080")]
    BadUrl {
        /// The text that was given.
        url: String,
    },
    /// The token would travel in the clear.
    #[error("refuse to send a token to {url} over plain http; use https, or http on loopback")]
    Plaintext {
        /// The base URL.
        url: String,
    },
    /// What is to be trusted is no certificate.
    #[error("trust an authority for {url}: that is no certificate in PEM")]
    Authority {
        /// The base URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: reqwest::Error,
    },
    /// The TLS stack does not start.
    #[error("set up TLS for {url}")]
    Tls {
        /// The base URL.
        url: String,
        /// What it says.
        #[source]
        source: reqwest::Error,
    },
}

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody accepts connections there.
    #[error("nothing listens at {url}; is `godwit up` running?")]
    NothingListens {
        /// The base URL.
        url: String,
    },
    /// No connection came about, for another reason: the name, the network, the certificate.
    #[error("connect to {url}")]
    NoConnection {
        /// The base URL.
        url: String,
        /// What the attempt met.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not come in time.
    #[error("{method} {path} at {url}: no answer within {} s", limit.as_secs_f64())]
    Silent {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The base URL.
        url: String,
        /// The time limit of this request.
        limit: Duration,
    },
    /// The connection failed before the answer was whole.
    #[error("{method} {path} at {url}: the connection broke")]
    Broken {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The base URL.
        url: String,
        /// What the attempt met.
        #[source]
        source: reqwest::Error,
    },
    /// The control plane refused, in its own words.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The error code, such as `ResourceNotFound`.
        code: String,
        /// The message, one or more sentences.
        message: String,
    },
    /// Something answered that does not speak the protocol.
    #[error(
        "{method} {path} at {url}: answered {status} with {found}; is that a godwit control plane?"
    )]
    Foreign {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The base URL.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of what it answered, or what is wrong with it.
        found: String,
    },
}

impl RequestError {
    /// The HTTP status, when there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Foreign { status, .. } => Some(status.as_u16()),
            Self::NothingListens { .. }
            | Self::NoConnection { .. }
            | Self::Silent { .. }
            | Self::Broken { .. } => None,
        }
    }

    /// The control plane's error code, when it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::NothingListens { .. }
            | Self::NoConnection { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::Foreign { .. } => None,
        }
    }

    /// The thing that was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// The control plane was not there, or went away before its answer was whole: the same request
    /// may succeed later. Whether it had an effect is not known.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::NothingListens { .. }
            | Self::NoConnection { .. }
            | Self::Silent { .. }
            | Self::Broken { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Foreign { .. } => false,
        }
    }
}

/// An answer that was good: 2xx.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
    asked: Asked,
}

/// What was asked, for errors.
#[derive(Clone)]
struct Asked {
    method: Method,
    path: String,
    url: String,
    limit: Duration,
}

/// A good answer whose body is still to come.
pub(crate) struct Stream {
    response: Response,
    asked: Asked,
}

/// A base URL and a token.
#[derive(Clone)]
pub(crate) struct Connection {
    http: Client,
    base: Url,
    token: Secret,
}

impl Connection {
    /// Beside the system's authorities `authority` is trusted, a certificate in PEM, if there is one.
    pub(crate) fn new(
        url: &str,
        token: Secret,
        authority: Option<&str>,
    ) -> Result<Self, BuildError> {
        let bad = || BuildError::BadUrl {
            url: url
                .chars()
                .take(SHOWN)
                .collect::<String>()
                .escape_debug()
                .to_string(),
        };
        let base = Url::parse(url).map_err(|_not_a_url| bad())?;
        let host = base.host_str().ok_or_else(bad)?.to_owned();
        let hidden = !base.username().is_empty() || base.password().is_some();
        if hidden || base.query().is_some() || base.fragment().is_some() {
            return Err(bad());
        }
        let shown = shown(&base);
        let mut http = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .user_agent(concat!("godwit/", env!("CARGO_PKG_VERSION")));
        match base.scheme() {
            "https" => {
                http = http.https_only(true);
                if let Some(pem) = authority {
                    let own = trusted(pem).map_err(|source| BuildError::Authority {
                        url: shown.clone(),
                        source,
                    })?;
                    http = http.tls_certs_merge(own);
                }
            }
            "http" if is_loopback(&host) => {
                // Without TLS there is nothing to verify, and a machine without CA certificates
                // (a bare container) must not keep the client from starting.
                http = http.tls_certs_only(std::iter::empty());
            }
            "http" => return Err(BuildError::Plaintext { url: shown }),
            _ => return Err(bad()),
        }
        // Fails when the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http
            .build()
            .map_err(|source| BuildError::Tls { url: shown, source })?;
        Ok(Self { http, base, token })
    }

    pub(crate) fn base(&self) -> String {
        shown(&self.base)
    }

    /// The path and query of a URL that an answer named, relative to the base URL.
    pub(crate) fn within(&self, url: &str) -> Option<(String, Vec<(String, String)>)> {
        let url = self.base.join(url).ok()?;
        let prefix = self.base.path().trim_end_matches('/');
        let path = url.path();
        let path = path.strip_prefix(prefix).unwrap_or(path).to_owned();
        Some((path, url.query_pairs().into_owned().collect()))
    }

    /// Asks for `path`, which begins with `/` and is escaped already. Only a 2xx is an answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
        limit: Duration,
    ) -> Result<Answer, RequestError> {
        let (mut request, asked) = self.begin(method, path, limit);
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answered(request.timeout(limit), asked).await
    }

    /// Posts a body of bytes to `path`, as [`Connection::ask`] asks.
    pub(crate) async fn send(
        &self,
        path: &str,
        body: Body,
        limit: Duration,
    ) -> Result<Answer, RequestError> {
        let (request, asked) = self.begin(Method::POST, path, limit);
        let request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body)
            .timeout(limit);
        answered(request, asked).await
    }

    fn begin(&self, method: Method, path: &str, limit: Duration) -> (RequestBuilder, Asked) {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let asked = Asked {
            method: method.clone(),
            path: path.to_owned(),
            url: self.base(),
            limit,
        };
        let request = self.http.request(method, url);
        (request.bearer_auth(self.token.reveal()), asked)
    }

    /// Asks for `path`, whose body may be of any length. `limit` is for its beginning, and for each
    /// piece that comes after it.
    pub(crate) async fn stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Stream, RequestError> {
        let (request, asked) = self.begin(Method::GET, path, limit);
        let request = request.query(query);
        let Ok(sent) = timeout(limit, request.send()).await else {
            return Err(asked.silent());
        };
        let response = sent.map_err(|source| asked.failed(source))?;
        let status = response.status();
        let mut stream = Stream { response, asked };
        if status.is_success() {
            return Ok(stream);
        }
        let mut body = Vec::new();
        while let Some(chunk) = stream.chunk().await? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Err(stream.asked.refused(status, &body))
    }
}

fn trusted(pem: &str) -> Result<Vec<Certificate>, reqwest::Error> {
    Certificate::from_pem_bundle(pem.as_bytes())
}

impl Stream {
    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        match timeout(self.asked.limit, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|source| self.asked.failed(source)),
            Err(_elapsed) => Err(self.asked.silent()),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.asked.path).finish()
    }
}

async fn answered(request: RequestBuilder, asked: Asked) -> Result<Answer, RequestError> {
    let mut response = request
        .send()
        .await
        .map_err(|source| asked.failed(source))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|source| asked.failed(source))?
    {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            let found = format!("more than {ANSWER_LIMIT} bytes");
            return Err(asked.foreign(status, found));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        let answer = Answer {
            status,
            headers,
            body,
            asked,
        };
        return Ok(answer);
    }
    Err(asked.refused(status, &body))
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let found = if self.body.is_empty() {
                "an empty body".to_owned()
            } else {
                format!("a body that is not understood ({error})")
            };
            self.asked.foreign(self.status, found)
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> Result<&str, RequestError> {
        std::str::from_utf8(&self.body).map_err(|_binary| {
            let found = "a body that is not text".to_owned();
            self.asked.foreign(self.status, found)
        })
    }

    /// A part of the body, as what it should be.
    pub(crate) fn part<T: DeserializeOwned>(&self, value: &Value) -> Result<T, RequestError> {
        T::deserialize(value).map_err(|error| {
            let found = format!("a body that is not understood ({error})");
            self.asked.foreign(self.status, found)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Asked {
    fn failed(&self, source: reqwest::Error) -> RequestError {
        let Self {
            method,
            path,
            url,
            limit: _,
        } = self.clone();
        let source = source.without_url();
        if source.is_connect() {
            return if is_refused_connection(&source) {
                RequestError::NothingListens { url }
            } else {
                RequestError::NoConnection { url, source }
            };
        }
        if source.is_timeout() {
            return self.silent();
        }
        RequestError::Broken {
            method,
            path,
            url,
            source,
        }
    }

    fn silent(&self) -> RequestError {
        let Self {
            method,
            path,
            url,
            limit,
        } = self.clone();
        RequestError::Silent {
            method,
            path,
            url,
            limit,
        }
    }

    fn foreign(&self, status: StatusCode, found: String) -> RequestError {
        let Self {
            method,
            path,
            url,
            limit: _,
        } = self.clone();
        RequestError::Foreign {
            method,
            path,
            url,
            status,
            found,
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> RequestError {
        #[derive(Deserialize)]
        struct Envelope {
            error: Inner,
        }
        #[derive(Deserialize)]
        struct Inner {
            code: String,
            message: String,
        }
        match serde_json::from_slice::<Envelope>(body) {
            Ok(Envelope {
                error: Inner { code, message },
            }) => RequestError::Refused {
                status,
                code,
                message,
            },
            Err(_not_an_error_body) => {
                let text = String::from_utf8_lossy(body);
                let start: String = text.trim().chars().take(SHOWN).collect();
                let found = if start.is_empty() {
                    "an empty body".to_owned()
                } else {
                    format!("`{}`", start.escape_debug())
                };
                self.foreign(status, found)
            }
        }
    }
}

fn is_refused_connection(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn shown(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(url: &str) -> Result<Connection, BuildError> {
        Connection::new(url, Secret::new("t"), None)
    }

    #[test]
    fn takes_http_on_loopback_and_https_anywhere() {
        for good in [
            "http://127.0.0.1:8080",
            "http://[::1]:8080/",
            "http://localhost:1/prefix",
        ] {
            let made = build(good).unwrap();
            assert_eq!(made.base(), good.trim_end_matches('/'));
        }
    }

    #[test]
    fn refuses_to_carry_a_token_in_the_clear() {
        let error = build("http://192.0.2.1:8080").err().unwrap();
        assert!(matches!(error, BuildError::Plaintext { .. }), "{error}");
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        for bad in [
            "",
            "127.0.0.1:8080",
            "ftp://127.0.0.1",
            "http://a:b@127.0.0.1",
            "http://127.0.0.1/?x=1",
        ] {
            let error = build(bad).err().unwrap();
            assert!(matches!(error, BuildError::BadUrl { .. }), "{bad}: {error}");
        }
    }
}
