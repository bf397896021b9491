//! Identities from a throw-away authority, for tests of whatever runs over them.

use std::net::{IpAddr, Ipv4Addr};

use model::{Region, StoreId};
use runtime::{clock::Clock, dice::Dice};

use crate::{AgentKey, Authority, Certified, FrontTls, Identity, ServerCertificate, ServerNames};

/// The authority of a deployment that is nobody's.
#[must_use]
pub fn authority() -> Authority {
    let store = StoreId::new(Dice::from_system().guid());
    Authority::create(&store, Clock.now()).expect("a GUID can be a name")
}

/// A new key for the agent of `region`, certified as of now.
#[must_use]
pub fn certified(authority: &Authority, region: &Region) -> Certified {
    let key = AgentKey::generate().expect("the system has randomness");
    let request = key.request().expect("a new key signs");
    let issued = authority
        .issue(region, &request, Clock.now(), &Dice::from_system())
        .expect("the request is in order");
    Certified::new(&key, issued).expect("the certificate was issued for this key")
}

/// The agent of `region`, certified as of now.
#[must_use]
pub fn identity(authority: &Authority, region: &Region) -> Identity {
    Identity::new(certified(authority, region))
}

/// The zone of [`server_certificate`].
pub const ZONE: &str = "zone.test";

/// A new key for the caches of [`ZONE`] and 127.0.0.1, certified as of now.
#[must_use]
pub fn server_certificate(authority: &Authority) -> ServerCertificate {
    let names = ServerNames::new(ZONE, [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let names = names.expect("this is a zone and the address of a host");
    let key = AgentKey::generate().expect("the system has randomness");
    let request = key.request().expect("a new key signs");
    let region = "eastus".parse().expect("this is a region");
    let issued = authority
        .issue_server(&region, &names, &request, Clock.now(), &Dice::from_system())
        .expect("the request is in order");
    ServerCertificate::issued(&key, &issued).expect("the certificate was issued for this key")
}

/// A front that shows [`server_certificate`].
#[must_use]
pub fn front(authority: &Authority) -> FrontTls {
    let front = FrontTls::new().expect("the system has randomness");
    front.set_certificate(server_certificate(authority));
    front
}
