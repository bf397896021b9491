//! An endpoint, and one attempt to tell it something.

use std::{fmt, net::IpAddr, time::Duration};

use model::Secret;
use reqwest::{
    Certificate, Client, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use tokio::time::timeout;

use crate::{SecretError, SigningKey};

/// A connection that is not there by then will not be.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// An attempt that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(15);

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It is not a URL of a web server.
    #[error("the webhook's URL is not one such as https://hooks.example.com/godwit")]
    Url,
    /// What is told would travel in the clear.
    #[error("refuse to send events to {host} over plain http; use https, or http on this machine")]
    Plaintext {
        /// The host.
        host: String,
    },
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The authority is not in PEM.
    #[error("read the certificates that the webhook is verified by; the file is to be PEM")]
    Authority {
        /// What it says.
        #[source]
        source: reqwest::Error,
    },
    /// There is none in the file.
    #[error(
        "there is no certificate among those that the webhook is to be verified by; the file is to be PEM"
    )]
    NoAuthority,
    /// The TLS stack does not start.
    #[error("set up TLS for the webhook at {host}")]
    Tls {
        /// The host.
        host: String,
        /// What it says.
        #[source]
        source: reqwest::Error,
    },
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The endpoint was not reached, or the connection broke.
    #[error("reach the webhook at {place}")]
    Unreached {
        /// Scheme, host and port.
        place: String,
        /// What the attempt met.
        #[source]
        source: reqwest::Error,
    },
    /// It did not answer in time.
    #[error("the webhook at {place} did not answer within {} s", LIMIT.as_secs())]
    Late {
        /// Scheme, host and port.
        place: String,
    },
    /// It answered that it does not take the message.
    #[error("the webhook at {place} answered {status}")]
    Refused {
        /// Scheme, host and port.
        place: String,
        /// The answer.
        status: StatusCode,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl DeliveryError {
    /// When the endpoint wants to be asked again, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unreached { .. } | Self::Late { .. } => None,
        }
    }
}

/// What is told.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its name, the same at every attempt: the receiver knows by it what it has already.
    pub id: &'a str,
    /// The time of the attempt, in seconds since the Unix epoch.
    pub seconds: u64,
    /// JSON.
    pub body: &'a [u8],
}

/// Somebody's endpoint.
pub struct Endpoint {
    http: Client,
    url: Url,
    key: SigningKey,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.place()).finish()
    }
}

impl Endpoint {
    /// An endpoint with the secret that its messages are signed with. `authority`: the certificates
    /// (PEM) that it is verified by, instead of those that the system trusts.
    pub fn new(url: &str, secret: &Secret, authority: Option<&[u8]>) -> Result<Self, BuildError> {
        let url = Url::parse(url.trim()).map_err(|_not_a_url| BuildError::Url)?;
        let host = url.host_str().ok_or(BuildError::Url)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(BuildError::Url);
        }
        let key = SigningKey::new(secret)?;
        // Fails when the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("godwit/", env!("CARGO_PKG_VERSION")));
        match url.scheme() {
            "https" => http = http.https_only(true),
            "http" if is_here(&host) => {
                // A machine without CA certificates must not keep the client from starting.
                http = http.no_proxy().tls_certs_only(std::iter::empty());
            }
            "http" => return Err(BuildError::Plaintext { host }),
            _ => return Err(BuildError::Url),
        }
        if let Some(pem) = authority.filter(|_| url.scheme() == "https") {
            let certificates = Certificate::from_pem_bundle(pem);
            let certificates = certificates.map_err(|source| BuildError::Authority { source })?;
            if certificates.is_empty() {
                return Err(BuildError::NoAuthority);
            }
            http = http.tls_certs_only(certificates);
        }
        let http = http
            .build()
            .map_err(|source| BuildError::Tls { host, source })?;
        Ok(Self { http, url, key })
    }

    /// Scheme, host and port: what may be shown of the URL.
    #[must_use]
    pub fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Tries once to deliver a message. It may have arrived although this says that it has not.
    pub async fn deliver(&self, message: Message<'_>) -> Result<(), DeliveryError> {
        let Message { id, seconds, body } = message;
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", self.key.sign(id, seconds, body))
            .body(body.to_vec());
        let place = self.place();
        let answer = match timeout(LIMIT, request.send()).await {
            Err(_elapsed) => return Err(DeliveryError::Late { place }),
            Ok(Err(error)) => {
                let source = error.without_url();
                return Err(DeliveryError::Unreached { place, source });
            }
            Ok(Ok(answer)) => answer,
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let seconds = answer.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(DeliveryError::Refused {
            place,
            status,
            retry_after: seconds.map(Duration::from_secs),
        })
    }
}

fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        Router,
        body::Bytes,
        http::{HeaderMap, StatusCode as Status},
        routing::post,
    };
    use tokio::{net::TcpListener, sync::mpsc};

    use super::*;

    fn secret() -> Secret {
        Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    #[test]
    fn only_verified_or_near_endpoints_are_taken() {
        for good in [
            "https://hooks.example.com/x?y=z",
            "http://127.0.0.1:9/x",
            "http://localhost:9",
            "http://[::1]:9/",
        ] {
            assert!(Endpoint::new(good, &secret(), None).is_ok(), "{good}");
        }
        for bad in [
            "",
            "hooks.example.com",
            "ftp://hooks.example.com",
            "https://a:b@hooks.example.com",
            "http://hooks.example.com",
        ] {
            assert!(Endpoint::new(bad, &secret(), None).is_err(), "{bad}");
        }
        let pem = Endpoint::new("https://hooks.example.com", &secret(), Some(b"nothing"));
        assert!(pem.is_err(), "no certificate in it");
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        let url = "https://hooks.example.com:444/services/T0/hunter2?key=hunter2";
        let endpoint = Endpoint::new(url, &secret(), None).unwrap();
        assert_eq!(endpoint.place(), "https://hooks.example.com:444");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_message_arrives_signed_and_a_refusal_says_when_to_come_again() {
        let (heard, mut hears) = mpsc::channel::<(HeaderMap, Bytes)>(4);
        let heard = Arc::new(heard);
        let take = move |headers: HeaderMap, body: Bytes| {
            let heard = Arc::clone(&heard);
            async move {
                heard.send((headers, body)).await.unwrap();
                Status::NO_CONTENT
            }
        };
        let busy = async || (Status::TOO_MANY_REQUESTS, [("retry-after", "7")]);
        let app = Router::new()
            .route("/take", post(take))
            .route("/busy", post(busy));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = IntoFuture::into_future(axum::serve(listener, app));
        let asking = async {
            let message = Message {
                id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
                seconds: 1_614_265_330,
                body: br#"{"test": 2432232314}"#,
            };
            let url = |path: &str| format!("http://{address}/{path}");
            let endpoint = Endpoint::new(&url("take"), &secret(), None).unwrap();
            endpoint.deliver(message).await.unwrap();
            let (headers, body) = hears.recv().await.unwrap();
            assert_eq!(body, message.body);
            assert_eq!(headers["webhook-id"], message.id);
            assert_eq!(headers["webhook-timestamp"], "1614265330");
            assert_eq!(
                headers["webhook-signature"],
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
            );
            let endpoint = Endpoint::new(&url("busy"), &secret(), None).unwrap();
            let error = endpoint.deliver(message).await.unwrap_err();
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            assert!(error.to_string().contains("429"), "{error}");
            let endpoint = Endpoint::new("http://127.0.0.1:1/", &secret(), None).unwrap();
            let error = endpoint.deliver(message).await.unwrap_err();
            assert!(matches!(error, DeliveryError::Unreached { .. }), "{error}");
        };
        tokio::select! {
            _served = serving => panic!("the server ended"),
            () = asking => {}
        }
    }
}
