//! A gateway before an engine that runs already, for benches and test suites.
//!
//! `gateway ENGINE PASSWORD KEY DIRECT-TLS DIRECT-PLAIN [CERTIFICATE.pem KEY.pem] [MAX-CLIENTS]`:
//! the engine's address; the password of its user `godwit-client`; the access key; where to listen
//! on 127.0.0.1 with TLS and without (0: any; what it came to be is printed). Without files, TLS
//! has no certificate and takes nobody. With `--open` (feature `testing`) nobody has to log in, and
//! nothing is refused: so the engines' test suites run through it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example says what is wrong by ending"
)]

use std::{fs, net::Ipv4Addr};

use gateway::{Entry, Gateway, Limits, Place};
use model::{AccessKeys, CacheId, Door, Doors, FrontDoor, Region, Secret};
use runtime::{lanes::Lanes, tasks::Tasks};
use tls::{FrontTls, Identity, ServerCertificate};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(serve());
}

#[cfg(feature = "testing")]
fn admit_everybody(gateway: &Gateway) {
    gateway.admit_everybody();
}

#[cfg(not(feature = "testing"))]
fn admit_everybody(_gateway: &Gateway) {
    panic!("--open takes the feature `testing`");
}

async fn serve() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let before = words.len();
    words.retain(|word| word != "--open");
    let open = words.len() < before;
    let (needed, more) = words.split_at_checked(5).unwrap();
    let [engine, password, key, tls, plain] = needed else {
        panic!("five words are needed");
    };
    let port = |text: &String| text.parse().unwrap();
    let (files, more) = if more.len() >= 2 {
        more.split_at(2)
    } else {
        more.split_at(0)
    };
    let front = FrontTls::new().unwrap();
    if let [chain, own] = files {
        let read = |path: &String| fs::read_to_string(path).unwrap();
        let own = Secret::new(read(own));
        front.set_certificate(ServerCertificate::from_pem(&read(chain), &own).unwrap());
    }
    let entry = Entry {
        keys: AccessKeys {
            primary: Secret::new(key),
            secondary: Secret::new(key),
        },
        door: FrontDoor {
            plain: true,
            ..FrontDoor::default()
        },
        verifier: None,
        max_clients: more.first().map_or(20_000, |most| most.parse().unwrap()),
    };
    let cache: CacheId = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/example/providers/Microsoft.Cache/Redis/example"
        .parse()
        .unwrap();
    let region: Region = "example".parse().unwrap();
    let tasks = Tasks::new();
    let limits = Limits::default();
    let lanes = Lanes::for_processors().unwrap();
    let gateway = Gateway::open(
        &tasks,
        lanes,
        cache,
        Identity::vacant(region),
        entry,
        limits,
    );
    gateway.lead(Place::Here {
        engine: engine.parse().unwrap(),
        client: Secret::new(password),
        writable: true,
    });
    if open {
        admit_everybody(&gateway);
    }
    let ip = Ipv4Addr::LOCALHOST.into();
    let direct = Door {
        ip,
        tls: port(tls),
        plain: Some(port(plain)),
    };
    let geo = Door {
        ip,
        tls: 0,
        plain: None,
    };
    let doors = gateway.listen(Doors { direct, geo }, &front).unwrap();
    println!("listens: {doors:?}");
    tokio::signal::ctrl_c().await.unwrap();
}
