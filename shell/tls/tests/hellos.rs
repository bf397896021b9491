//! What a client says first, octet by octet, and what it is answered: nothing old is spoken, and
//! names that are no host names are not taken for some.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use model::TlsVersion;
use tls::{FrontError, FrontTls, Mismatch, testing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TLS_1_2: [u8; 2] = [3, 3];
/// The first octet of a record: an alert, or a part of the handshake.
const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;
/// Alerts (RFC 8446, 6).
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;

fn short(octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap();
    [&length.to_be_bytes()[..], octets].concat()
}

fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[0, kind][..], &short(content)].concat()
}

/// The hello of a client that speaks `version` at most, in a record.
fn hello(version: [u8; 2], extensions: &[Vec<u8>]) -> Vec<u8> {
    // ECDHE with ECDSA, ECDHE with RSA, RSA.
    hello_of(version, &[0xc02b, 0xc00a, 0xc014, 0x002f], extensions)
}

/// The same of a client that has these cipher suites, and null compression.
fn hello_of(version: [u8; 2], ciphers: &[u16], extensions: &[Vec<u8>]) -> Vec<u8> {
    let ciphers: Vec<u8> = ciphers.iter().flat_map(|one| one.to_be_bytes()).collect();
    let ciphers = short(&ciphers);
    let mut body = [&version[..], &[7; 32], &[0], &ciphers, &[1, 0]].concat();
    if !extensions.is_empty() {
        body.extend(short(&extensions.concat()));
    }
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &short(&message)].concat()
}

/// What a client of TLS 1.2 says of signatures and groups.
fn usual() -> Vec<Vec<u8>> {
    vec![
        extension(13, &short(&[4, 3, 8, 4])),
        extension(10, &short(&[0, 0x1d, 0, 0x17])),
        extension(11, &[1, 0]),
    ]
}

/// The hello of a client of TLS 1.2 that asks for these names (RFC 6066, 3).
fn named(names: &[(u8, &[u8])]) -> Vec<u8> {
    let mut extensions = usual();
    let list: Vec<_> = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind][..], &short(name)].concat())
        .collect();
    extensions.push(extension(0, &short(&list)));
    hello(TLS_1_2, &extensions)
}

/// Says `bytes`, and hears the first record; what the server says of it once it is alone.
async fn say(front: &FrontTls, minimum: TlsVersion, bytes: &[u8]) -> (Vec<u8>, FrontError) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut far = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let near = listener.accept().await.unwrap().0;
    let client = async {
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let mut told = Vec::new();
        far.read_to_end(&mut told).await.unwrap();
        told
    };
    let (accepted, told) = tokio::join!(front.accept(near, minimum), client);
    (told, accepted.map(drop).unwrap_err())
}

/// The alert that a record is.
fn alert(record: &[u8]) -> u8 {
    assert_eq!((record[0], record.len()), (ALERT, 7), "{record:?}");
    record[6]
}

#[tokio::test]
async fn nothing_older_than_1_2_is_spoken() {
    let front = testing::front(&testing::authority());
    for old in [[3, 0], [3, 1], [3, 2]] {
        for minimum in [TlsVersion::V1_2, TlsVersion::V1_3] {
            // As such a client would say it, and with what a newer one would add.
            let renegotiation = [0xff, 1, 0, 1, 0].to_vec();
            for extensions in [vec![], vec![renegotiation, extension(11, &[1, 0])]] {
                let (told, error) = say(&front, minimum, &hello(old, &extensions)).await;
                alert(&told);
                assert!(
                    matches!(error, FrontError::Refused(Mismatch::Version, _)),
                    "{old:?}: {error:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_of_1_2_is_told_that_1_3_is_wanted() {
    let front = testing::front(&testing::authority());
    let hello = named(&[(0, b"a.zone.test")]);
    let (told, _gone) = say(&front, TlsVersion::V1_2, &hello).await;
    assert_eq!(told[0], HANDSHAKE);
    let (told, error) = say(&front, TlsVersion::V1_3, &hello).await;
    assert_eq!(alert(&told), PROTOCOL_VERSION);
    assert!(matches!(error, FrontError::Refused(Mismatch::Version, _)));
}

#[tokio::test]
async fn ciphers_without_secrecy_or_integrity_are_not_spoken() {
    let front = testing::front(&testing::authority());
    for good in [0xc02b, 0xc02c, 0xcca9] {
        let hello = hello_of(TLS_1_2, &[good], &usual());
        let (told, _gone) = say(&front, TlsVersion::V1_2, &hello).await;
        assert_eq!(told[0], HANDSHAKE, "{good:04x}");
    }
    // RSA key transport, finite-field groups, CBC, RC4, 3DES, export, no encryption, anonymous; and
    // ECDHE for another kind of certificate.
    for bad in [
        0x009c, 0x009d, 0x002f, 0x009e, 0xc009, 0xc023, 0xc007, 0x0005, 0x000a, 0xc008, 0x0003,
        0xc006, 0x0000, 0xc018, 0xc02f,
    ] {
        let hello = hello_of(TLS_1_2, &[bad], &usual());
        let (told, error) = say(&front, TlsVersion::V1_2, &hello).await;
        assert_eq!(alert(&told), HANDSHAKE_FAILURE, "{bad:04x}");
        assert!(matches!(error, FrontError::Refused(Mismatch::Handshake, _)));
    }
}

#[tokio::test]
async fn names_that_are_no_host_names_are_refused() {
    let front = testing::front(&testing::authority());
    let long = [b'a'; 256];
    let odd: [&[u8]; 9] = [
        b"a.zone.test\0",
        b"a.zone.test\0.evil.test",
        b"a b.zone.test",
        b"*.zone.test",
        b".",
        b"a..zone.test",
        b"-a.zone.test",
        "é.zone.test".as_bytes(),
        &long,
    ];
    for name in odd {
        let (told, error) = say(&front, TlsVersion::V1_2, &named(&[(0, name)])).await;
        let text = String::from_utf8_lossy(name);
        assert_eq!(alert(&told), ILLEGAL_PARAMETER, "{text}");
        assert!(
            matches!(error, FrontError::Refused(..)),
            "{text}: {error:?}"
        );
    }
    // No name at all, an empty one, and two of them.
    for names in [&[][..], &[(0, &b""[..])], &[(0, b"a.test"), (0, b"b.test")]] {
        let (told, error) = say(&front, TlsVersion::V1_2, &named(names)).await;
        let alert = alert(&told);
        assert!(
            [ILLEGAL_PARAMETER, DECODE_ERROR].contains(&alert),
            "{names:?}: {alert}"
        );
        assert!(
            matches!(error, FrontError::Refused(..)),
            "{names:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn addresses_in_the_place_of_names_are_no_names() {
    let front = testing::front(&testing::authority());
    for address in [&b"127.0.0.1"[..], b"::1"] {
        let (told, gone) = say(&front, TlsVersion::V1_2, &named(&[(0, address)])).await;
        assert_eq!(told[0], HANDSHAKE);
        assert!(matches!(gone, FrontError::Broken(_)), "{gone:?}");
    }
}
