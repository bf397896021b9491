//! Identities from a throw-away authority, for tests of whatever runs over them.

use model::{Region, StoreId};
use runtime::{clock::Clock, dice::Dice};

use crate::{AgentKey, Authority, Certified, Identity};

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
