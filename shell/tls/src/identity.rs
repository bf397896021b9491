//! What an agent is to the other agents: accepts and dials in its own name.

use std::{fmt, io, sync::Arc, time::Duration};

use model::{Region, Timestamp};
use parking_lot::RwLock;
use rustls::{
    AlertDescription, ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    pki_types::{DnsName, ServerName},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
    version::TLS13,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    Alert, Certified, Protocol, Refusal, TlsError, TlsStream,
    farewell::farewell,
    provider::provider,
    verifier::{Rules, Verdict, Verifier},
};

/// How long a handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who is at the other end of a stream: an agent of the same deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The region whose agent it is.
    pub region: Region,
    /// What it wants to speak.
    pub protocol: Protocol,
}

/// An agent's identity. Clones are one: a certificate that is replaced is replaced for all, for
/// connections that are made from then on; those that stand go on.
#[derive(Clone)]
pub struct Identity {
    region: Region,
    current: Arc<RwLock<Option<Arc<Current>>>>,
}

struct Current {
    certified: Certified,
    rules: Arc<Rules>,
    signing: Arc<SingleCertAndKey>,
}

impl Identity {
    /// The identity that `certified` proves.
    #[must_use]
    pub fn new(certified: Certified) -> Self {
        let identity = Self::vacant(certified.region().clone());
        identity.replace(certified);
        identity
    }

    /// The identity of the agent of `region`, with no certificate yet: no connection is accepted
    /// or made before [`Identity::replace`].
    #[must_use]
    pub fn vacant(region: Region) -> Self {
        Self {
            region,
            current: Arc::default(),
        }
    }

    /// Goes on with another certificate.
    ///
    /// # Panics
    ///
    /// When it is that of another region's agent.
    pub fn replace(&self, certified: Certified) {
        assert_eq!(*certified.region(), self.region, "an agent has one region");
        *self.current.write() = Some(Arc::new(Current::new(certified)));
    }

    /// The region whose agent this is.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// When the certificate that is in use expires.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let current = self.current.read();
        let current = current.as_ref()?;
        Some(current.certified.validity().until)
    }

    /// The key and certificate that are in use.
    #[must_use]
    pub fn certified(&self) -> Option<Certified> {
        let current = self.current.read();
        current.as_ref().map(|current| current.certified.clone())
    }

    /// Accepts the connection of another agent of the deployment, and says whose it is and which
    /// protocol it dialled for.
    pub async fn accept(&self, tcp: TcpStream) -> Result<(TlsStream, PeerIdentity), TlsError> {
        let verdict = Verdict::default();
        let config = self.current()?.server(Arc::clone(&verdict))?;
        let shaken = TlsAcceptor::from(Arc::new(config)).accept(tcp);
        let stream = match timeout(HANDSHAKE, shaken.into_fallible()).await {
            Err(_elapsed) => return Err(TlsError::Late),
            Ok(Err((error, tcp))) => {
                farewell(tcp).await;
                return Err(failure(error, &Protocol::ALL, &verdict));
            }
            Ok(Ok(stream)) => TlsStream::new(stream.into()),
        };
        let protocol = agreed(&stream, &Protocol::ALL)?;
        let region = admitted(&verdict)?;
        Ok((stream, PeerIdentity { region, protocol }))
    }

    /// Makes a connection to the agent of `region`, to speak `protocol`: whoever answers has to prove
    /// to be it. When the other side refuses this agent's certificate, the first read of the stream
    /// says so.
    pub async fn connect(
        &self,
        tcp: TcpStream,
        region: &Region,
        protocol: Protocol,
    ) -> Result<TlsStream, TlsError> {
        let verdict = Verdict::default();
        let current = self.current()?;
        let config = current.client(region, protocol, Arc::clone(&verdict))?;
        let shaken = TlsConnector::from(Arc::new(config)).connect(unused_name(), tcp);
        let stream = match timeout(HANDSHAKE, shaken).await {
            Err(_elapsed) => return Err(TlsError::Late),
            Ok(Err(error)) => return Err(failure(error, &[protocol], &verdict)),
            Ok(Ok(stream)) => TlsStream::new(stream.into()),
        };
        agreed(&stream, &[protocol])?;
        admitted(&verdict)?;
        Ok(stream)
    }

    fn current(&self) -> Result<Arc<Current>, TlsError> {
        let current = self.current.read().clone();
        current.ok_or_else(|| TlsError::NoIdentity {
            region: self.region.clone(),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("region", &self.region)
            .field("certified", &self.certified())
            .finish()
    }
}

impl Current {
    fn new(certified: Certified) -> Self {
        let mut roots = RootCertStore::empty();
        let root = certified.authority().der().clone();
        roots
            .add(root)
            .expect("a certified key was checked against this root");
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let rules = Rules {
            store: certified.store().clone(),
            clients: clients
                .build()
                .expect("there is one root and no revocation list"),
            roots,
        };
        Self {
            rules: Arc::new(rules),
            signing: Arc::new(SingleCertAndKey::from(certified.signing())),
            certified,
        }
    }

    /// Each connection has a verifier of its own, which remembers who was there.
    fn verifier(&self, expected: Option<Region>, verdict: Verdict) -> Arc<Verifier> {
        Arc::new(Verifier {
            rules: Arc::clone(&self.rules),
            expected,
            verdict,
        })
    }

    fn server(&self, verdict: Verdict) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Protocol)?
            .with_client_cert_verifier(self.verifier(None, verdict))
            .with_cert_resolver(Arc::clone(&self.signing) as _);
        config.alpn_protocols = Protocol::ALL.map(|each| each.alpn().to_vec()).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    fn client(
        &self,
        region: &Region,
        protocol: Protocol,
        verdict: Verdict,
    ) -> Result<ClientConfig, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Protocol)?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Some(region.clone()), verdict))
            .with_client_cert_resolver(Arc::clone(&self.signing) as _);
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Ok(config)
    }
}

/// The library wants a name; it is neither sent nor verified.
fn unused_name() -> ServerName<'static> {
    let name = DnsName::try_from("agent.invalid").expect("this is a host name");
    ServerName::DnsName(name)
}

/// What both sides of a finished handshake speak, if it is one of `wanted`.
fn agreed(stream: &TlsStream, wanted: &[Protocol]) -> Result<Protocol, TlsError> {
    let presented = stream.alpn();
    let known = |protocol: &Protocol| Some(protocol.alpn()) == presented;
    let found = wanted.iter().copied().find(known);
    found.ok_or_else(|| TlsError::Application {
        wanted: wanted.to_vec(),
        presented: presented.map(|name| String::from_utf8_lossy(name).escape_debug().to_string()),
    })
}

/// Whom the handshake verified.
fn admitted(verdict: &Verdict) -> Result<Region, TlsError> {
    let found = verdict.lock().take();
    Ok(found.ok_or(TlsError::Anonymous)??)
}

/// Why a handshake failed.
fn failure(error: io::Error, wanted: &[Protocol], verdict: &Verdict) -> TlsError {
    let inner = error.get_ref();
    let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return TlsError::Broken(error);
    };
    match (verdict.lock().take(), tls) {
        (Some(Err(refusal)), _) => refusal.into(),
        // The certificate was believed, and the proof that goes with it was not.
        (Some(Ok(presented)), rustls::Error::InvalidCertificate(_)) => {
            Refusal::Key { presented }.into()
        }
        (_, rustls::Error::NoCertificatesPresented) => TlsError::Anonymous,
        (
            _,
            rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol),
        ) => TlsError::Application {
            wanted: wanted.to_vec(),
            presented: None,
        },
        (_, tls) => match Alert::of(tls) {
            Some(alert) => TlsError::RefusedByPeer(alert),
            None => TlsError::Protocol(tls.clone()),
        },
    }
}
