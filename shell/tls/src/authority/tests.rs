use std::{collections::BTreeSet, net::IpAddr};

use rustls::pki_types::pem::PemObject as _;
use x509_cert::{
    TbsCertificate,
    der::pem::encode_string,
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName},
};

use super::*;
use crate::{
    AgentKey, Certified, CertifiedError, HostNames, ServerCertificate, ServerCertificateError,
    ServerNames, testing,
};

/// Made with openssl; asks to be the authority of another deployment.
const PRESUMPTUOUS: &str = include_str!("requests/presumptuous.pem");
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn authority() -> Authority {
    Authority::create(&StoreId::new("store-1"), NOW).unwrap()
}

fn issue(authority: &Authority, request: &str) -> Result<IssuedCertificate, IssueError> {
    authority.issue(&region("eastus"), request, NOW, &Dice::from_seed(1))
}

fn tbs(pem: &str) -> TbsCertificate {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    Certificate::from_der(&der)
        .unwrap()
        .tbs_certificate()
        .clone()
}

#[test]
fn the_authority_decides_what_is_in_a_certificate() {
    let authority = authority();
    let issued = issue(&authority, PRESUMPTUOUS).unwrap();
    let tbs = tbs(&issued.certificate);
    assert_eq!(tbs.subject().to_string(), "CN=eastus");
    assert_eq!(tbs.issuer().to_string(), "CN=Godwit store-1");
    let found = tbs.get_extension::<BasicConstraints>().unwrap();
    assert!(found.is_some_and(|(is_critical, limits)| is_critical && !limits.ca));
    let (_, usage) = tbs.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let (_, purposes) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    let purposes = purposes.0.iter().map(ToString::to_string);
    // Server and client authentication (RFC 5280, 4.2.1.12).
    assert!(purposes.eq(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]));
    let (_, names) = tbs.get_extension::<SubjectAltName>().unwrap().unwrap();
    assert_eq!(names.0.len(), 1);
    let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let claims = Claims::read(&der).unwrap();
    assert_eq!(claims.uri.unwrap(), "godwit://store-1/regions/eastus");
    assert_eq!(claims.not_before, Timestamp(NOW.0 - 5 * 60 * 1000));
    assert_eq!(claims.not_after, NOW.plus_ms(30 * DAY_MS));
}

#[test]
fn no_two_certificates_have_one_serial() {
    let authority = authority();
    let request = AgentKey::generate().unwrap().request().unwrap();
    let dice = Dice::from_seed(1);
    let mut serials: Vec<_> = (0..100)
        .map(|_| {
            authority
                .issue(&region("eastus"), &request, NOW, &dice)
                .unwrap()
        })
        .map(|issued| tbs(&issued.certificate).serial_number().as_bytes().to_vec())
        .collect();
    assert!(
        serials
            .iter()
            .all(|serial| serial.len() == 16 && serial[0] < 0x80)
    );
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 100);
}

#[test]
fn requests_that_prove_nothing_are_refused() {
    let authority = authority();
    for other in [
        include_str!("requests/rsa.pem"),
        include_str!("requests/p384.pem"),
        include_str!("requests/sha512.pem"),
    ] {
        assert!(matches!(
            issue(&authority, other),
            Err(IssueError::Algorithm)
        ));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(PRESUMPTUOUS.as_bytes()).unwrap();
    let spoilt = |index: usize| {
        let mut der = der.to_vec();
        der[index] ^= 1;
        encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der).unwrap()
    };
    // Whichever bit is flipped, no certificate comes of it.
    for index in 0..der.len() {
        assert!(issue(&authority, &spoilt(index)).is_err(), "byte {index}");
    }
    let name = der.windows(4).position(|bytes| bytes == b"root").unwrap();
    assert!(matches!(
        issue(&authority, &spoilt(name)),
        Err(IssueError::Signature)
    ));
    for nothing in [
        "",
        "x",
        "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n",
        authority.certificate_pem(),
    ] {
        assert!(matches!(
            issue(&authority, nothing),
            Err(IssueError::Unreadable)
        ));
    }
}

#[test]
fn an_authority_is_the_same_after_it_was_kept() {
    let before = authority();
    let after = Authority::from_pem(&before.to_pem()).unwrap();
    assert_eq!(after.certificate(), before.certificate());
    assert_eq!(after.certificate_pem(), before.certificate_pem());
    let key = AgentKey::generate().unwrap();
    let issued = issue(&after, &key.request().unwrap()).unwrap();
    let certified = Certified::new(&key, issued).unwrap();
    assert_eq!(certified.authority(), before.certificate());
    assert_eq!(*certified.region(), region("eastus"));
}

#[test]
fn what_is_no_authority_is_not_read() {
    let (one, other) = (authority(), authority());
    let (certificate, key) = (one.certificate_pem(), other.to_pem());
    let key = key.reveal().strip_prefix(other.certificate_pem()).unwrap();
    let read = |text: String| Authority::from_pem(&Secret::new(text)).unwrap_err();
    assert!(matches!(read(String::new()), AuthorityError::Certificate));
    assert!(matches!(read(certificate.to_owned()), AuthorityError::Key));
    assert!(matches!(read(key.to_owned()), AuthorityError::Certificate));
    assert!(matches!(
        read(format!("{certificate}{key}")),
        AuthorityError::Mismatch
    ));
    let agent = testing::certified(&one, &region("eastus"));
    let leaf = format!("{}{}", agent.issued().certificate, agent.key().reveal());
    assert!(matches!(read(leaf), AuthorityError::Certificate));
    let odd = Authority::create(&StoreId::new("a/b"), NOW).unwrap_err();
    assert!(odd.to_string().contains("`a/b`"), "{odd}");
}

#[test]
fn nothing_outlives_the_authority() {
    let authority = authority();
    let end = authority.certificate().expires();
    assert_eq!(end, NOW.plus_ms(3650 * DAY_MS));
    let key = AgentKey::generate().unwrap();
    let request = key.request().unwrap();
    let at = |now| authority.issue(&region("eastus"), &request, now, &Dice::from_seed(1));
    let last = at(Timestamp(end.0 - DAY_MS)).unwrap();
    assert_eq!(Certified::new(&key, last).unwrap().validity().until, end);
    let error = at(end).unwrap_err().to_string();
    assert!(error.contains("expired on 2037-01-"), "{error}");
}

#[test]
fn a_key_and_a_certificate_belong_together() {
    let (one, twin) = (authority(), authority());
    let (key, other) = (AgentKey::generate().unwrap(), AgentKey::generate().unwrap());
    let issued = issue(&one, &key.request().unwrap()).unwrap();
    let mismatch = Certified::new(&other, issued.clone()).unwrap_err();
    assert!(
        matches!(mismatch, CertifiedError::Mismatch(_)),
        "{mismatch}"
    );
    let foreign = IssuedCertificate {
        authority: twin.certificate_pem().to_owned(),
        ..issued.clone()
    };
    let mismatch = Certified::new(&key, foreign).unwrap_err();
    assert!(
        matches!(mismatch, CertifiedError::Mismatch(_)),
        "{mismatch}"
    );
    let empty = IssuedCertificate {
        certificate: String::new(),
        ..issued
    };
    let unreadable = Certified::new(&key, empty).unwrap_err();
    assert!(matches!(unreadable, CertifiedError::Unreadable));
}

#[test]
fn no_key_is_shown() {
    let authority = authority();
    let certified = testing::certified(&authority, &region("eastus"));
    let shown = format!(
        "{authority:?} {certified:?} {:?}",
        AgentKey::generate().unwrap()
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
    assert!(
        shown.contains("store-1") && shown.contains("eastus"),
        "{shown}"
    );
}

#[test]
fn a_server_certificate_is_for_the_zone_and_names_no_agent() {
    let authority = authority();
    let names = ["127.77.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let names = ServerNames::new("zone.test", names).unwrap();
    let dice = Dice::from_seed(1);
    let issued = authority
        .issue_server(&region("eastus"), &names, PRESUMPTUOUS, NOW, &dice)
        .unwrap();
    let tbs = tbs(&issued.certificate);
    assert_eq!(tbs.subject().to_string(), "CN=caches in eastus");
    let (_, purposes) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    let purposes = purposes.0.iter().map(ToString::to_string);
    assert!(purposes.eq(["1.3.6.1.5.5.7.3.1"]));
    let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let claims = Claims::read(&der).unwrap();
    let named = [
        "DNS:*.zone.test",
        "DNS:*.geo.zone.test",
        "DNS:*.privatelink.zone.test",
        "IP:127.77.0.1",
        "IP:::1",
    ];
    assert_eq!(claims.names(), named);
    assert_eq!(claims.uri, None);
    assert_eq!(claims.not_after, NOW.plus_ms(30 * DAY_MS));
}

#[test]
fn a_server_certificate_is_no_agents() {
    let authority = authority();
    let key = AgentKey::generate().unwrap();
    let request = key.request().unwrap();
    let names = ServerNames::new("zone.test", ["127.0.0.1".parse().unwrap()]).unwrap();
    let issued = authority
        .issue_server(
            &region("eastus"),
            &names,
            &request,
            NOW,
            &Dice::from_seed(1),
        )
        .unwrap();
    let shown = ServerCertificate::issued(&key, &issued).unwrap();
    assert!(shown.covers_zone("zone.test") && !shown.covers_zone("test"));
    assert!(shown.covers_private_endpoints("zone.test"));
    let addresses = |text: &str| BTreeSet::from([text.parse::<IpAddr>().unwrap()]);
    assert!(shown.covers_addresses(&BTreeSet::new()));
    assert!(shown.covers_addresses(&addresses("127.0.0.1")));
    assert!(!shown.covers_addresses(&addresses("127.0.0.2")));
    // An agent's certificate is for servers, too, and names no host. The other way:
    let agents = authority.issue(&region("eastus"), &request, NOW, &Dice::from_seed(1));
    let shown = ServerCertificate::issued(&key, &agents.unwrap()).unwrap();
    assert!(!shown.covers_zone("zone.test"));
    let mut foreign = issued.clone();
    foreign.authority = testing::authority().certificate_pem().to_owned();
    let error = ServerCertificate::issued(&key, &foreign).unwrap_err();
    assert!(
        matches!(error, ServerCertificateError::Issuer(_)),
        "{error:?}"
    );
    let error = Certified::new(&key, issued).unwrap_err();
    assert!(matches!(error, CertifiedError::Name(_)), "{error:?}");
}

#[test]
fn the_control_planes_own_certificate_is_for_its_names_and_no_cache_or_agent() {
    let authority = authority();
    let mut names = HostNames::here();
    names.add("godwit.example").unwrap();
    names.add("10.0.0.7").unwrap();
    let own = authority
        .certify_own(&names, NOW, &Dice::from_seed(1))
        .unwrap();
    let named = [
        "DNS:godwit.example",
        "DNS:localhost",
        "IP:10.0.0.7",
        "IP:127.0.0.1",
        "IP:::1",
    ];
    assert_eq!(own.names(), named);
    assert!(!own.covers_zone("zone.test"));
    assert_eq!(own.validity().until, NOW.plus_ms(30 * DAY_MS));
    let again = authority.certify_own(&names, NOW, &Dice::from_seed(1));
    assert!(!format!("{:?}", again.unwrap()).contains("PRIVATE"));
}
