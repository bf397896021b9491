//! Clients come in over loopback, with what they may speak; certificates change under them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use model::TlsVersion;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tls::{Authority, FrontError, FrontStream, FrontTls, Mismatch, testing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

type Dialled = std::io::Result<TlsStream<TcpStream>>;

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, dialled) = tokio::join!(listener.accept(), dialled);
    (accepted.unwrap().0, dialled.unwrap())
}

/// A client that trusts `authority`, and resumes what it can.
fn client(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let pem = authority.certificate_pem();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn meet(
    front: &FrontTls,
    minimum: TlsVersion,
    client: &TlsConnector,
    name: &str,
) -> (Result<FrontStream, FrontError>, Dialled) {
    let (near, far) = tcp().await;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio::join!(front.accept(near, minimum), client.connect(name, far))
}

/// Bytes go both ways.
async fn talk(near: &mut FrontStream, far: &mut TlsStream<TcpStream>) {
    let mut bytes = [0; 4];
    far.write_all(b"PING").await.unwrap();
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"PING");
    near.write_all(b"PONG").await.unwrap();
    near.flush().await.unwrap();
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"PONG");
}

#[tokio::test]
async fn versions_are_spoken_from_the_minimum_up() {
    use TlsVersion::{V1_2, V1_3};
    let authority = testing::authority();
    let front = testing::front(&authority);
    let both: &[&'static SupportedProtocolVersion] = &[&TLS12, &TLS13];
    let rows: [(&[&'static SupportedProtocolVersion], _, Option<TlsVersion>); 6] = [
        (&[&TLS12], V1_2, Some(V1_2)),
        (&[&TLS13], V1_2, Some(V1_3)),
        (both, V1_2, Some(V1_3)),
        (&[&TLS12], V1_3, None),
        (&[&TLS13], V1_3, Some(V1_3)),
        (both, V1_3, Some(V1_3)),
    ];
    for (versions, minimum, spoken) in rows {
        let connector = TlsConnector::from(Arc::new(client(&authority, versions)));
        let name = "cache.zone.test";
        let (accepted, dialled) = meet(&front, minimum, &connector, name).await;
        match spoken {
            Some(version) => {
                let mut near = accepted.unwrap();
                assert_eq!(near.version(), Some(version));
                assert_eq!(near.server_name(), Some(name));
                talk(&mut near, &mut dialled.unwrap()).await;
            }
            None => {
                let error = accepted.map(drop).unwrap_err();
                assert!(
                    matches!(error, FrontError::Refused(Mismatch::Version, _)),
                    "{error:?}"
                );
                assert!(dialled.unwrap_err().to_string().contains("ProtocolVersion"));
            }
        }
    }
}

#[tokio::test]
async fn every_name_of_the_zone_and_the_address_are_proved() {
    let authority = testing::authority();
    let front = testing::front(&authority);
    let connector = TlsConnector::from(Arc::new(client(&authority, &[&TLS13])));
    for (name, asked) in [
        ("a.zone.test", Some("a.zone.test")),
        ("A.Geo.Zone.TEST", Some("a.geo.zone.test")),
        ("127.0.0.1", None),
    ] {
        let (accepted, dialled) = meet(&front, TlsVersion::V1_2, &connector, name).await;
        assert_eq!(accepted.unwrap().server_name(), asked);
        dialled.unwrap();
    }
    for name in [
        "zone.test",
        "a.b.zone.test",
        "a.zone.test.evil.test",
        "127.0.0.2",
    ] {
        let (accepted, dialled) = meet(&front, TlsVersion::V1_2, &connector, name).await;
        assert!(
            dialled
                .unwrap_err()
                .to_string()
                .contains("not valid for name"),
            "{name}"
        );
        let error = accepted.map(drop).unwrap_err();
        assert!(
            matches!(error, FrontError::Refused(Mismatch::Untrusted, _)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_exchanged_certificate_leaves_connections_and_sessions_alone() {
    let (old, new) = (testing::authority(), testing::authority());
    let front = testing::front(&old);
    for version in [&TLS12, &TLS13] {
        front.set_certificate(testing::server_certificate(&old));
        let connector = TlsConnector::from(Arc::new(client(&old, &[version])));
        let minimum = TlsVersion::V1_2;
        let (accepted, dialled) = meet(&front, minimum, &connector, "a.zone.test").await;
        let (mut near, mut far) = (accepted.unwrap(), dialled.unwrap());
        talk(&mut near, &mut far).await;
        assert_eq!(far.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));

        front
            .clone()
            .set_certificate(testing::server_certificate(&new));
        talk(&mut near, &mut far).await;
        let (accepted, dialled) = meet(&front, minimum, &connector, "a.zone.test").await;
        let (mut resumed, mut dialled) = (accepted.unwrap(), dialled.unwrap());
        talk(&mut resumed, &mut dialled).await;
        let kind = dialled.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Resumed));
        // Another name is another session: it gets the new certificate, which `old` did not issue.
        let (_, refused) = meet(&front, minimum, &connector, "b.zone.test").await;
        assert!(refused.unwrap_err().to_string().contains("UnknownIssuer"));
        let trusting = TlsConnector::from(Arc::new(client(&new, &[version])));
        let (accepted, dialled) = meet(&front, minimum, &trusting, "b.zone.test").await;
        talk(&mut accepted.unwrap(), &mut dialled.unwrap()).await;
        talk(&mut near, &mut far).await;
    }
}

#[tokio::test]
async fn without_a_certificate_nobody_comes_in() {
    let front = FrontTls::new().unwrap();
    let (near, _far) = tcp().await;
    let error = front.accept(near, TlsVersion::V1_2).await.unwrap_err();
    assert!(matches!(error, FrontError::NoCertificate), "{error:?}");
    assert!(front.certificate().is_none());
}

#[tokio::test]
async fn bytes_that_are_not_tls_are_answered_by_an_alert_and_the_end() {
    let front = testing::front(&testing::authority());
    for garbage in [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"PING\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 512],
        &[0x16; 64],
        &[0x16, 3, 1, 0xff, 0xff],
        // The hello of SSL 2.
        &[0x80, 0x2e, 0x01, 0x00, 0x02, 0x00, 0x15],
    ] {
        let (near, mut far) = tcp().await;
        let client = async {
            far.write_all(garbage).await.unwrap();
            far.shutdown().await.unwrap();
            let mut told = Vec::new();
            far.read_to_end(&mut told).await.unwrap();
            told
        };
        let (accepted, told) = tokio::join!(front.accept(near, TlsVersion::V1_2), client);
        let error = accepted.map(drop).unwrap_err();
        if matches!(error, FrontError::Refused(Mismatch::NotTls, _)) {
            assert_eq!(told.first(), Some(&0x15), "{garbage:?}: {told:?}");
        } else {
            // It ended before there was enough to judge.
            assert!(matches!(error, FrontError::Broken(_)), "{error:?}");
            assert!(told.is_empty(), "{garbage:?}: {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_ended() {
    let front = testing::front(&testing::authority());
    for beginning in [&b""[..], &[0x16, 3, 1, 1, 0, 1, 0]] {
        let (near, mut far) = tcp().await;
        far.write_all(beginning).await.unwrap();
        let error = front.accept(near, TlsVersion::V1_2).await.unwrap_err();
        assert!(matches!(error, FrontError::Late), "{error:?}");
    }
}

#[tokio::test]
async fn an_end_is_told_in_both_directions() {
    let authority = testing::authority();
    let front = testing::front(&authority);
    let connector = TlsConnector::from(Arc::new(client(&authority, &[&TLS13])));
    let (accepted, dialled) = meet(&front, TlsVersion::V1_2, &connector, "a.zone.test").await;
    let (mut near, mut far) = (accepted.unwrap(), dialled.unwrap());
    far.write_all(b"PING").await.unwrap();
    far.shutdown().await.unwrap();
    let mut read = Vec::new();
    near.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"PING");
    near.write_all(b"PONG").await.unwrap();
    near.shutdown().await.unwrap();
    read.clear();
    // Without the closing alert this would be an unexpected end.
    far.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"PONG");
}
