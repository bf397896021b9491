//! What `dig` makes of the answers.

use std::{net::SocketAddr, process::Command};

use crate::deployment::{Deployment, names};

/// `dig` with these arguments: status, flags, and how many answers and authorities; and what of
/// EDNS.
fn dig(server: SocketAddr, arguments: &str) -> String {
    let output = Command::new("dig")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), "+time=10", "+tries=1"])
        .args(arguments.split(' '))
        .output()
        .expect("dig is not there: scripts/install-engines.sh --tests");
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |mark: &str| {
        let found = text.split_once(mark).map(|(_, after)| after);
        found.and_then(|after| after.split([',', ';', '\n']).next())
    };
    let edns = after("EDNS: version: ").map(|version| {
        let flags = text
            .split_once("EDNS: version: ")
            .and_then(|(_, after)| after.split_once("flags:"))
            .and_then(|(_, after)| after.split(';').next());
        format!(" edns{version}{}", flags.unwrap_or_default())
    });
    format!(
        "{} {} {}+{}{}",
        after("status: ").unwrap_or("-"),
        after(";; flags: ").unwrap_or("-"),
        after("ANSWER: ").unwrap_or("-"),
        after("AUTHORITY: ").unwrap_or("-"),
        edns.unwrap_or_default(),
    )
}

/// The questions of ISC's EDNS compliance test (RFC 8906 8), and what else no server may get wrong.
const QUESTIONS: &[(&str, &str)] = &[
    ("+norec +noedns redis.example soa", "NOERROR qr aa 1+0"),
    (
        "+norec +edns=0 +nocookie redis.example soa",
        "NOERROR qr aa 1+0 edns0",
    ),
    (
        "+norec +edns=1 +noednsneg +nocookie redis.example soa",
        "BADVERS qr 0+0 edns0",
    ),
    (
        "+norec +edns=0 +ednsopt=100 +nocookie redis.example soa",
        "NOERROR qr aa 1+0 edns0",
    ),
    (
        "+norec +edns=1 +noednsneg +ednsopt=100 +nocookie redis.example soa",
        "BADVERS qr 0+0 edns0",
    ),
    (
        "+norec +edns=0 +ednsflags=0x40 +nocookie redis.example soa",
        "NOERROR qr aa 1+0 edns0",
    ),
    (
        "+norec +edns=1 +noednsneg +ednsflags=0x40 +nocookie redis.example soa",
        "BADVERS qr 0+0 edns0",
    ),
    (
        "+norec +dnssec redis.example soa",
        "NOERROR qr aa 1+0 edns0 do",
    ),
    (
        "+norec +dnssec +bufsize=512 +ignore redis.example dnskey",
        "NOERROR qr aa 0+1 edns0 do",
    ),
    (
        "+norec +dnssec +bufsize=512 +tcp redis.example dnskey",
        "NOERROR qr aa 0+1 edns0 do",
    ),
    (
        "+norec +edns=0 +nsid +subnet=0.0.0.0/0 +expire +cookie redis.example soa",
        "NOERROR qr aa 1+0 edns0",
    ),
    (
        "+norec +noedns +cd redis.example soa",
        "NOERROR qr aa cd 1+0",
    ),
    ("+norec +noedns +ad redis.example soa", "NOERROR qr aa 1+0"),
    (
        "+norec +noedns +zflag redis.example soa",
        "NOERROR qr aa 1+0",
    ),
    ("+norec +noedns redis.example type1000", "NOERROR qr aa 0+1"),
    ("+norec +noedns +header-only +opcode=15", "NOTIMP qr 0+0"),
    (
        "+norec +noedns +header-only redis.example",
        "FORMERR qr 0+0",
    ),
    (
        "+noedns +opcode=notify redis.example soa",
        "NOTIMP qr rd 0+0",
    ),
    (
        "+noedns +tcp west.geo.redis.example",
        "NOERROR qr aa rd 2+0",
    ),
    ("+noedns none.redis.example", "NXDOMAIN qr aa rd 0+1"),
    ("+noedns east.redis.example aaaa", "NOERROR qr aa rd 0+1"),
    (
        "+noedns +notcp east.redis.example any",
        "NOERROR qr aa rd 1+0",
    ),
    ("+noedns example.com", "REFUSED qr rd 0+0"),
    ("+noedns version.bind ch txt", "REFUSED qr rd 0+0"),
];

#[tokio::test(flavor = "multi_thread")]
async fn dig_finds_what_the_standards_say() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let server = world.server().await;
    world.until_generation(server.address, 1).await;
    for (arguments, expected) in QUESTIONS {
        assert_eq!(dig(server.address, arguments), *expected, "{arguments}");
    }
    let transfer = Command::new("dig")
        .arg(format!("@{}", server.address.ip()))
        .args(["-p", &server.address.port().to_string()])
        .args(["redis.example", "axfr"])
        .output()
        .unwrap();
    let said = String::from_utf8(transfer.stdout).unwrap();
    assert!(said.contains("Transfer failed"), "{said}");
    server.stop().await;
}
