//! A gateway before an engine.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use gateway::{Entry, Gateway, GatewayStatus, Limits, Place};
use model::{
    AccessKeys, CacheId, Door, Doors, EngineKind, FirewallRule, FrontDoor, Region, Secret,
};
use runtime::{lanes::Lanes, tasks::Tasks};
use rustls::{
    ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject as _,
};
use tls::{Authority, FrontTls, Identity};
use tokio::time::Instant;

use crate::{
    client::Client,
    node::{Node, PASSWORD},
};

pub(crate) const KEY: &str = "canary-key-one";
pub(crate) const OTHER_KEY: &str = "canary-key-two";

/// A gateway, with the engine behind it.
pub(crate) struct Rig {
    pub(crate) node: Node,
    pub(crate) gateway: Gateway,
    pub(crate) doors: Doors,
    pub(crate) front: FrontTls,
    pub(crate) authority: Arc<Authority>,
    _tasks: Tasks,
}

pub(crate) fn entry() -> Entry {
    Entry {
        keys: AccessKeys {
            primary: Secret::new(KEY),
            secondary: Secret::new(OTHER_KEY),
        },
        door: FrontDoor {
            plain: true,
            ..FrontDoor::default()
        },
        verifier: None,
        max_clients: 1000,
    }
}

pub(crate) fn rule(start: &str, end: &str) -> FirewallRule {
    FirewallRule::new("rule", start.parse().unwrap(), end.parse().unwrap()).unwrap()
}

pub(crate) fn cache(name: &str) -> CacheId {
    format!("/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/{name}")
        .parse()
        .unwrap()
}

pub(crate) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// The client's side of what `authority` certifies.
pub(crate) fn trusting(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Waits for something that is on its way.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Rig {
    pub(crate) fn start(kind: EngineKind) -> Self {
        Self::with(kind, entry(), Limits::default())
    }

    pub(crate) fn with(kind: EngineKind, entry: Entry, limits: Limits) -> Self {
        let authority = Arc::new(tls::testing::authority());
        let name = region("eastus");
        let identity = tls::testing::identity(&authority, &name);
        Self::of("demo-east", kind, entry, limits, authority, identity)
    }

    /// One gateway of several in a deployment.
    pub(crate) fn of(
        name: &str,
        kind: EngineKind,
        entry: Entry,
        limits: Limits,
        authority: Arc<Authority>,
        identity: Identity,
    ) -> Self {
        let node = Node::start(kind);
        let tasks = Tasks::new();
        let lanes = Lanes::start(2).unwrap();
        let gateway = Gateway::open(&tasks, lanes, cache(name), identity, entry, limits);
        let front = tls::testing::front(&authority);
        let any = Door {
            ip: Ipv4Addr::LOCALHOST.into(),
            tls: 0,
            plain: Some(0),
        };
        let doors = Doors {
            direct: any,
            geo: any,
        };
        let doors = gateway.listen(doors, &front).unwrap();
        let rig = Self {
            node,
            gateway,
            doors,
            front,
            authority,
            _tasks: tasks,
        };
        rig.gateway.lead(rig.here());
        rig
    }

    /// The place that is this rig's engine.
    pub(crate) fn here(&self) -> Place {
        Place::Here {
            engine: self.node.address,
            client: Secret::new(PASSWORD),
            writable: true,
        }
    }

    /// A client of the direct endpoint that has not logged in.
    pub(crate) fn stranger(&self) -> Client {
        Client::connect(self.doors.direct.plain().unwrap())
    }

    /// A client of the direct endpoint that has logged in.
    pub(crate) fn client(&self) -> Client {
        logged_in(self.stranger())
    }

    /// A client of the geo endpoint that has logged in.
    pub(crate) fn geo_client(&self) -> Client {
        logged_in(Client::connect(self.doors.geo.plain().unwrap()))
    }

    pub(crate) fn status(&self) -> GatewayStatus {
        self.gateway.status()
    }
}

fn logged_in(mut client: Client) -> Client {
    assert_eq!(client.run(&format!("AUTH {KEY}")), "OK");
    client
}
