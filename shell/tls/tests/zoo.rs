//! Everybody who must not get in, at both ends of a connection, and what is said of each.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use model::{Region, StoreId, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer,
    KeyPair, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use runtime::{clock::Clock, dice::Dice};
use rustls::{
    ClientConfig, DigitallySignedStruct, HandshakeKind, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tls::{AgentKey, Authority, Certified, Identity, Protocol, TlsError, testing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ALPN: &[u8] = Protocol::Relay.alpn();

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, dialled) = tokio::join!(listener.accept(), dialled);
    (accepted.unwrap().0, dialled.unwrap())
}

/// A certificate chain with a key, whoever signed it.
#[derive(Clone)]
struct Forged(Arc<SingleCertAndKey>);

impl Forged {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let key = ring::sign::any_ecdsa_type(&der.into()).unwrap();
        Self(Arc::new(CertifiedKey::new(chain, key).into()))
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// What the authority writes for `westus`, to be spoilt.
fn params(store: &StoreId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("westus");
    params.subject_alt_names = vec![uri(&format!("godwit://{store}/regions/westus"))];
    params.extended_key_usages = vec![Usage::ServerAuth, Usage::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, common);
    names
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// The authority's own pen.
fn issuer(authority: &Authority) -> Issuer<'static, KeyPair> {
    let pem = authority.to_pem();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.reveal().as_bytes()).unwrap();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("Godwit {}", authority.certificate().store()));
    Issuer::new(params, key)
}

fn forge(authority: &Authority, spoil: impl FnOnce(&mut CertificateParams)) -> Forged {
    let mut params = params(authority.certificate().store());
    spoil(&mut params);
    let key = key();
    let made = params.signed_by(&key, &issuer(authority)).unwrap();
    Forged::new(vec![made.der().clone()], &key)
}

/// Believes everything.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn rogue_client(
    version: &'static SupportedProtocolVersion,
    shown: Option<Forged>,
    protocols: &[&[u8]],
) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match shown {
        Some(shown) => config.with_client_cert_resolver(shown.0),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config
}

/// `server` is dialled by somebody with this configuration.
async fn accept_from(server: &Identity, config: ClientConfig) -> Result<Region, TlsError> {
    let (near, far) = tcp().await;
    let rogue = async {
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("agent.invalid").unwrap();
        if let Ok(mut stream) = connector.connect(name, far).await {
            let _refused = stream.read(&mut [0; 1]).await;
        }
    };
    let accepted = async { server.accept(near).await.map(|(_stream, peer)| peer.region) };
    tokio::join!(accepted, rogue).0
}

/// `client` dials the agent of `westus`, and somebody with this certificate answers.
async fn connect_to(client: &Identity, shown: Forged, protocols: &[&[u8]]) -> Result<(), TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(shown.0);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let (near, far) = tcp().await;
    let rogue = async {
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(far).await {
            let _refused = stream.read(&mut [0; 1]).await;
        }
    };
    let west = region("westus");
    let connected = async { client.connect(near, &west, Protocol::Relay).await.map(drop) };
    tokio::join!(connected, rogue).0
}

/// Neither as client nor as server does `shown` get anybody in; both times the reason has `why`.
async fn refused(agent: &Identity, shown: Forged, why: &str) {
    let client = rogue_client(&TLS13, Some(shown.clone()), &[ALPN]);
    let errors = [
        accept_from(agent, client).await.map(drop).unwrap_err(),
        connect_to(agent, shown, &[ALPN]).await.unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.contains(why), "{text}");
        let presented = error.presented().unwrap();
        assert!(
            text.contains(&presented) || presented.contains("westus"),
            "{presented}"
        );
    }
}

fn deployment() -> (Authority, Identity) {
    let authority = testing::authority();
    let agent = testing::identity(&authority, &region("eastus"));
    (authority, agent)
}

#[tokio::test]
async fn what_the_authority_would_write_gets_in() {
    let (authority, agent) = deployment();
    let good = forge(&authority, |_| {});
    let client = rogue_client(&TLS13, Some(good.clone()), &[ALPN]);
    assert_eq!(accept_from(&agent, client).await.unwrap(), region("westus"));
    connect_to(&agent, good, &[ALPN]).await.unwrap();
}

#[tokio::test]
async fn somebody_without_a_certificate() {
    let (_authority, agent) = deployment();
    let error = accept_from(&agent, rogue_client(&TLS13, None, &[ALPN])).await;
    let error = error.unwrap_err();
    assert!(matches!(error, TlsError::Anonymous), "{error:?}");
    assert_eq!(error.presented(), None);
}

#[tokio::test]
async fn another_authority() {
    let (authority, agent) = deployment();
    let store = authority.certificate().store();
    let why = &format!("issued by another control plane, expected that of store {store}");
    let other = testing::authority();
    let spoil = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![uri(&format!("godwit://{store}/regions/westus"))];
    };
    refused(&agent, forge(&other, spoil), why).await;
    // One that says to be the same.
    let twin = Authority::create(store, Clock.now()).unwrap();
    refused(&agent, forge(&twin, |_| {}), why).await;
}

#[tokio::test]
async fn a_self_signed_certificate_with_the_authoritys_name() {
    let (authority, agent) = deployment();
    let key = key();
    let mut params = params(authority.certificate().store());
    params.distinguished_name = name(&format!("Godwit {}", authority.certificate().store()));
    let made = params.self_signed(&key).unwrap();
    let shown = Forged::new(vec![made.der().clone()], &key);
    refused(&agent, shown, "issued by another control plane").await;
}

#[tokio::test]
async fn a_certificate_that_an_agent_issued() {
    let (authority, agent) = deployment();
    for is_ca in [IsCa::ExplicitNoCa, IsCa::NoCa] {
        let middle_key = key();
        let mut middle = params(authority.certificate().store());
        middle.is_ca = is_ca;
        let middle_der = middle.signed_by(&middle_key, &issuer(&authority)).unwrap();
        let own = key();
        let leaf = params(authority.certificate().store());
        let leaf = leaf
            .signed_by(&own, &Issuer::from_params(&middle, &middle_key))
            .unwrap();
        let chain = vec![leaf.der().clone(), middle_der.der().clone()];
        refused(&agent, Forged::new(chain, &own), "another control plane").await;
    }
}

#[tokio::test]
async fn expired_and_not_yet_valid() {
    let (authority, agent) = deployment();
    let old = forge(&authority, |params| {
        params.not_after = date_time_ymd(2021, 2, 3)
    });
    refused(&agent, old, "expired on 2021-02-03T00:00:00Z").await;
    let new = forge(&authority, |params| {
        params.not_before = date_time_ymd(2089, 2, 3)
    });
    refused(&agent, new, "not valid before 2089-02-03T00:00:00Z").await;
}

#[tokio::test]
async fn certificates_for_something_else() {
    let (authority, agent) = deployment();
    let why = "not for connections between agents";
    let code = forge(&authority, |params| {
        params.extended_key_usages = vec![Usage::CodeSigning]
    });
    refused(&agent, code, why).await;
    let server = forge(&authority, |params| {
        params.extended_key_usages = vec![Usage::ServerAuth]
    });
    let error = accept_from(&agent, rogue_client(&TLS13, Some(server), &[ALPN])).await;
    assert!(error.unwrap_err().to_string().contains(why));
    let client = forge(&authority, |params| {
        params.extended_key_usages = vec![Usage::ClientAuth]
    });
    let error = connect_to(&agent, client, &[ALPN]).await;
    assert!(error.unwrap_err().to_string().contains(why));
}

#[tokio::test]
async fn names_that_are_not_one_agents() {
    let (authority, agent) = deployment();
    let store = authority.certificate().store();
    let own = format!("godwit://{store}/regions/westus");
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let names = [
        vec![],
        vec![uri("godwit://another-store/regions/westus")],
        vec![uri(&own), uri(&format!("godwit://{store}/regions/eastus"))],
        vec![uri(&own), uri(&own)],
        vec![uri(&own), dns("westus.example")],
        vec![dns("westus")],
        vec![dns(&own.replace("godwit://", ""))],
        vec![uri(&format!("{own}\0"))],
        vec![uri(&format!("{own}\0.example"))],
        vec![uri(&format!("godwit://{store}\0/regions/westus"))],
        vec![uri(&format!("godwit://{store}/regions/WestUS"))],
        vec![uri(&format!("godwit://{store}/regions/westus/"))],
        vec![uri(&format!("godwit://{store}"))],
        vec![SanType::Rfc822Name("westus".try_into().unwrap())],
    ];
    for alternatives in names {
        let shown = forge(&authority, |params| params.subject_alt_names = alternatives);
        refused(&agent, shown, "does not name one agent of store").await;
    }
}

#[tokio::test]
async fn the_agent_of_another_region() {
    let (authority, agent) = deployment();
    let store = authority.certificate().store();
    let north = forge(&authority, |params| {
        params.subject_alt_names = vec![uri(&format!("godwit://{store}/regions/northus"))];
    });
    // Whoever is dialled may be told apart by what is asked for later: the peer is named.
    let client = rogue_client(&TLS13, Some(north.clone()), &[ALPN]);
    assert_eq!(
        accept_from(&agent, client).await.unwrap(),
        region("northus")
    );
    let error = connect_to(&agent, north, &[ALPN]).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the agent of `northus`, expected `westus`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_copied_certificate_without_its_key() {
    let (authority, agent) = deployment();
    let real = params(authority.certificate().store());
    let real = real.signed_by(&key(), &issuer(&authority)).unwrap();
    let copied = Forged::new(vec![real.der().clone()], &key());
    refused(&agent, copied, "does not have the key").await;
}

#[tokio::test]
async fn a_client_of_an_older_tls() {
    let (authority, agent) = deployment();
    let old = rogue_client(&TLS12, Some(forge(&authority, |_| {})), &[ALPN]);
    let error = accept_from(&agent, old).await.unwrap_err();
    assert!(
        error.to_string().contains("does not speak TLS 1.3"),
        "{error}"
    );
}

#[tokio::test]
async fn other_protocols_within_tls() {
    let (authority, agent) = deployment();
    let good = forge(&authority, |_| {});
    let others: [&[&[u8]]; 3] = [&[b"h2"], &[b"godwit/2"], &[]];
    for protocols in others {
        let client = rogue_client(&TLS13, Some(good.clone()), protocols);
        let errors = [
            accept_from(&agent, client).await.map(drop).unwrap_err(),
            connect_to(&agent, good.clone(), protocols)
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, TlsError::Application { .. }), "{error:?}");
            assert!(error.to_string().contains("does not speak `godwit/1`"));
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_tls() {
    let (_authority, agent) = deployment();
    for garbage in [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 512],
        &[0x16; 64],
    ] {
        let (near, mut far) = tcp().await;
        far.write_all(garbage).await.unwrap();
        far.shutdown().await.unwrap();
        let error = agent.accept(near).await.map(drop).unwrap_err();
        assert!(
            matches!(error, TlsError::Protocol(_) | TlsError::Broken(_)),
            "{error:?}"
        );
        let (near, mut far) = tcp().await;
        far.write_all(garbage).await.unwrap();
        far.shutdown().await.unwrap();
        let error = agent
            .connect(near, &region("westus"), Protocol::Relay)
            .await
            .map(drop);
        let error = error.unwrap_err();
        assert!(
            matches!(error, TlsError::Protocol(_) | TlsError::Broken(_)),
            "{error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_never_finishes() {
    let (_authority, agent) = deployment();
    // Nothing, and the beginning of a record that never ends.
    for beginning in [&b""[..], &[0x16, 3, 1, 1, 0, 1, 0]] {
        let (near, mut far) = tcp().await;
        far.write_all(beginning).await.unwrap();
        let error = agent.accept(near).await.map(drop).unwrap_err();
        assert!(matches!(error, TlsError::Late), "{error:?}");
        let (near, _far) = tcp().await;
        let error = agent
            .connect(near, &region("westus"), Protocol::Relay)
            .await
            .map(drop);
        assert!(matches!(error, Err(TlsError::Late)), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_is_resumed() {
    let (authority, agent) = deployment();
    // This client would resume: it keeps every ticket that it is given.
    let config = rogue_client(&TLS13, Some(forge(&authority, |_| {})), &[ALPN]);
    let connector = TlsConnector::from(Arc::new(config));
    for _ in 0..3 {
        let (near, far) = tcp().await;
        let name = ServerName::try_from("agent.invalid").unwrap();
        let (accepted, connected) = tokio::join!(agent.accept(near), connector.connect(name, far));
        let (mut stream, mut far) = (accepted.unwrap().0, connected.unwrap());
        stream.write_all(b"x").await.unwrap();
        stream.flush().await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        let (_tcp, session) = far.get_ref();
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(session.tls13_tickets_received(), 0);
    }
}

#[tokio::test]
async fn a_refused_dialler_reads_why() {
    let (authority, agent) = deployment();
    let long_ago = Timestamp(Clock.now().0 - 40 * 24 * 60 * 60 * 1000);
    let key = AgentKey::generate().unwrap();
    let request = key.request().unwrap();
    let dice = Dice::from_system();
    let issued = authority.issue(&region("westus"), &request, long_ago, &dice);
    let old = Identity::new(Certified::new(&key, issued.unwrap()).unwrap());
    let (near, far) = tcp().await;
    let dialler = async {
        let mut stream = old
            .connect(far, &region("eastus"), Protocol::Relay)
            .await
            .unwrap();
        // It has begun to talk by the time it is refused.
        let _lost = stream.write_all(&[7; 10_000]).await;
        stream.read(&mut [0; 1]).await.unwrap_err().to_string()
    };
    let (accepted, told) = tokio::join!(agent.accept(near), dialler);
    let error = accepted.map(drop).unwrap_err().to_string();
    assert!(error.contains("certificate expired on"), "{error}");
    assert!(
        told.contains("not valid by the other side's clock"),
        "{told}"
    );
}

#[tokio::test]
async fn what_caches_show_to_clients() {
    let (authority, agent) = deployment();
    let caches = forge(&authority, |params| {
        params.subject_alt_names = vec![
            SanType::DnsName("*.zone.test".try_into().unwrap()),
            SanType::DnsName("*.geo.zone.test".try_into().unwrap()),
        ];
        params.extended_key_usages = vec![Usage::ServerAuth];
    });
    let client = rogue_client(&TLS13, Some(caches.clone()), &[ALPN]);
    let error = accept_from(&agent, client).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not for connections between agents"),
        "{error}"
    );
    let error = connect_to(&agent, caches, &[ALPN]).await.unwrap_err();
    assert!(
        error.to_string().contains("does not name one agent"),
        "{error}"
    );
}
