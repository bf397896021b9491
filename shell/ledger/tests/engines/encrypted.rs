//! The same workload over TLS: to the engine that proves its name, and to no other.

use std::net::TcpListener;

use ledger::{Endpoint, SettleError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tls::Trust;

use crate::{
    pair::{Node, only, start, until, until_more, workload},
    with_both_engines,
};

with_both_engines! {
    a_workload_runs_over_tls => encrypted;
    an_engine_that_proves_another_name_gets_nothing => another_name;
    an_engine_of_another_authority_gets_nothing => another_authority;
}

/// An authority, and where it is kept.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Has the engine speak TLS as `name`; gives its port.
    fn encrypt(&self, node: &Node, name: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let [chain, secret] = ["cert.pem", "key.pem"].map(|file| node.directory().join(file));
        runtime::durable::write_durable(&chain, certificate.pem().as_bytes()).unwrap();
        runtime::durable::write_durable(&secret, key.serialize_pem().as_bytes()).unwrap();
        let mut port = 0;
        until("the engine has a port for TLS", || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            port = free.local_addr().unwrap().port();
            drop(free);
            let set = format!(
                "CONFIG SET tls-cert-file {} tls-key-file {} tls-ca-cert-file {} tls-auth-clients no tls-port {port}",
                chain.display(),
                secret.display(),
                chain.display(),
            );
            node.try_run::<()>(&set).is_ok()
        });
        port
    }

    fn endpoint(&self, port: u16, name: &str) -> Endpoint {
        let trust = Trust::from_pem(&self.pem).unwrap();
        Endpoint::new("127.0.0.1", port, "hunter2").over_tls(trust.in_server(name).unwrap())
    }
}

fn encrypted(program: &str) {
    let node = Node::start(program);
    let authority = Authority::new();
    let port = authority.encrypt(&node, "east.godwit.test");
    let endpoint = authority.endpoint(port, "east.godwit.test");
    let ledger = ledger::blocking::Ledger::start(&workload(12), vec![endpoint.clone()]).unwrap();
    until_more(&ledger, 1_000);
    let score = ledger.settle(&endpoint).unwrap();
    assert!(score.is_clean(), "{score:?}");
    assert_eq!(score.total().unknown(), 0, "{score:?}");
}

fn another_name(program: &str) {
    let node = Node::start(program);
    let authority = Authority::new();
    let port = authority.encrypt(&node, "west.godwit.test");
    refused(&node, &authority.endpoint(port, "east.godwit.test"));
}

fn another_authority(program: &str) {
    let node = Node::start(program);
    let port = Authority::new().encrypt(&node, "east.godwit.test");
    let endpoint = Authority::new().endpoint(port, "east.godwit.test");
    refused(&node, &endpoint);
}

/// Nobody writes to `endpoint`, nor is it read from, and it is said why.
fn refused(node: &Node, endpoint: &Endpoint) {
    let ledger = start(&only(ledger::Kind::Sequence), &[node]);
    until_more(&ledger, 10);
    ledger.learn(vec![endpoint.clone()]);
    until("the clients say why they do not write", || {
        let trouble = ledger.sight().trouble.unwrap_or_default();
        trouble.contains("invalid peer certificate")
    });
    let unread: Result<_, SettleError> = ledger.settle(endpoint);
    assert!(unread.is_err(), "{unread:?}");
}
