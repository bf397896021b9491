//! Private endpoints: listeners past the firewall, and past what is public.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
};

use gateway::{Limits, PrivateListener};
use model::{Door, EngineKind, PrivateDoor};

use crate::{
    client::Client,
    rig::{KEY, Rig, entry, rule, trusting, until},
    tunnels::pair,
};

both!(
    a_private_endpoint_lets_in_whom_no_rule_does,
    a_private_endpoint_that_is_not_to_be_there_ends,
    the_geo_name_at_a_private_endpoint_leads_to_the_geo_primary,
);

/// A private endpoint at ports that are free.
fn office() -> PrivateListener {
    let free = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let door = Door {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        tls: free(),
        plain: Some(free()),
    };
    ("office".into(), door)
}

fn private(name: &str) -> Vec<PrivateDoor> {
    let name = name.to_owned();
    vec![PrivateDoor {
        name,
        address: None,
    }]
}

/// The gateway listens at one private endpoint and nowhere else.
fn closed_but_for(rig: &Rig, office: &PrivateListener) {
    let mut closed = entry();
    closed.door.public = false;
    closed.door.private = private("office");
    rig.gateway.admit(closed);
    rig.gateway.listen(rig.doors, &rig.front).unwrap();
    let opened = rig
        .gateway
        .listen_privately(std::slice::from_ref(office), &rig.front);
    let [Ok(door)] = opened.as_slice() else {
        panic!("{opened:?}")
    };
    assert_eq!(*door, office.1);
}

async fn a_private_endpoint_lets_in_whom_no_rule_does(kind: EngineKind) {
    let rig = Rig::start(kind);
    let office = office();
    let mut barred = entry();
    barred.door.firewall = vec![rule("192.0.2.1", "192.0.2.2")];
    barred.door.private = private("office");
    rig.gateway.admit(barred);
    let opened = rig
        .gateway
        .listen_privately(std::slice::from_ref(&office), &rig.front);
    assert!(opened[0].is_ok(), "{opened:?}");
    assert_eq!(rig.stranger().rest(), "", "a rule bars the public door");
    let plain = office.1.plain().unwrap();
    let mut inside = Client::connect(plain);
    assert_eq!(inside.run(&format!("AUTH {KEY}")), "OK");
    let config = Arc::new(trusting(&rig.authority));
    let name = "demo-east.privatelink.zone.test";
    let mut encrypted = Client::encrypted(office.1.tls(), &config, name).unwrap();
    assert_eq!(encrypted.run(&format!("AUTH {KEY}")), "OK");
    // The same while nothing is public.
    closed_but_for(&rig, &office);
    assert_eq!(inside.run("PING"), "PONG");
    assert_eq!(encrypted.run("PING"), "PONG");
    let wrong = Client::connect(plain).run("AUTH wrong");
    assert!(wrong.contains("WRONGPASS"), "{wrong}");
    let direct = rig.doors.direct.tls();
    until("the public door is closed", || {
        TcpStream::connect(direct).is_err()
    })
    .await;
    // Without TLS it listens only where the entry says so.
    let mut encrypted_only = entry();
    encrypted_only.door.plain = false;
    encrypted_only.door.private = private("office");
    rig.gateway.admit(encrypted_only);
    until("the plain door is closed", || {
        TcpStream::connect(plain).is_err()
    })
    .await;
    let opened = rig
        .gateway
        .listen_privately(std::slice::from_ref(&office), &rig.front);
    assert!(
        matches!(opened[0], Ok(door) if door.plain.is_none()),
        "{opened:?}"
    );
    assert_eq!(encrypted.run("PING"), "PONG");
}

async fn a_private_endpoint_that_is_not_to_be_there_ends(kind: EngineKind) {
    let rig = Rig::start(kind);
    let office = office();
    closed_but_for(&rig, &office);
    let plain = office.1.plain().unwrap();
    let mut inside = Client::connect(plain);
    assert_eq!(inside.run(&format!("AUTH {KEY}")), "OK");
    // Somebody else has the address of another one.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let other = Door {
        plain: None,
        tls: taken.local_addr().unwrap().port(),
        ..office.1
    };
    let both = [office.clone(), ("other".into(), other)];
    let opened = rig.gateway.listen_privately(&both, &rig.front);
    assert!(opened[0].is_ok() && opened[1].is_err(), "{opened:?}");
    assert_eq!(inside.run("PING"), "PONG");
    // Its name is not there any more: whoever came by it goes.
    let mut without = entry();
    without.door.public = false;
    rig.gateway.admit(without);
    assert!(inside.rest().starts_with("-ERR "));
    until("nobody listens", || TcpStream::connect(plain).is_err()).await;
}

async fn the_geo_name_at_a_private_endpoint_leads_to_the_geo_primary(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    let office = office();
    closed_but_for(&west.rig, &office);
    let config = Arc::new(trusting(&west.rig.authority));
    let reach = |name: &str| Client::encrypted(office.1.tls(), &config, name).unwrap();
    let login = format!("AUTH {KEY}");
    let mut direct = reach("demo-westus.privatelink.zone.test");
    assert_eq!(direct.run(&login), "OK");
    assert_eq!(direct.run("SET where west"), "OK");
    let mut geo = reach("demo-westus.geo.zone.test");
    assert_eq!(geo.run(&login), "OK");
    assert_eq!(geo.run("SET where east"), "OK");
    assert_eq!(east.rig.node.run("GET where"), "east");
    assert_eq!(direct.run("GET where"), "west");
    // The other side is closed as well, and has a private endpoint of its own.
    let mut closed = entry();
    closed.door.public = false;
    closed.door.private = private("other");
    east.rig.gateway.admit(closed.clone());
    assert_eq!(geo.run("GET where"), "east");
    // Without one nobody comes in there, whichever way they came.
    closed.door.private.clear();
    east.rig.gateway.admit(closed);
    assert!(!geo.rest().contains("east"));
    let mut late = reach("demo-westus.geo.zone.test");
    late.send(&login);
    let told = "-NOPERM the geo-primary is not reached from public networks, nor by a private endpoint\r\n";
    assert_eq!(late.rest(), told);
}
