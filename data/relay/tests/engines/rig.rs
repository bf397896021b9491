//! Two engines, the two halves between them, and a WAN that can be cut.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use model::{EngineKind, Epoch, LinkId, Secret, ShardIndex};
use relay::{
    Credentials, Inbound, InboundStatus, Outbound, OutboundStatus, Peer, Phase, ShardKey, Source,
};
use runtime::tasks::Tasks;
use tokio::time::{Instant, sleep};

use crate::{
    node::{Node, PASSWORD, USER},
    proxy::Proxy,
};

pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct Rig {
    pub(crate) tasks: Tasks,
    pub(crate) outbound: Outbound,
    pub(crate) inbound: Inbound,
    pub(crate) wan: Proxy,
    pub(crate) primary: Node,
    pub(crate) secondary: Node,
}

pub(crate) fn key() -> ShardKey {
    ShardKey {
        link: LinkId::new("link-1"),
        shard: ShardIndex(0),
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials {
        user: USER.to_owned(),
        password: Secret::new(PASSWORD),
    }
}

pub(crate) fn source(node: &Node, epoch: u64) -> Source {
    Source {
        epoch: Epoch(epoch),
        engine: node.address,
        credentials: credentials(),
        engine_version: node.version(),
    }
}

impl Rig {
    /// Engines that run, halves that do not know each other yet.
    pub(crate) async fn new(kind: EngineKind, options: &[(&str, &str)]) -> Self {
        Self::with(Node::start(kind, options), Node::start(kind, options)).await
    }

    pub(crate) async fn with(primary: Node, secondary: Node) -> Self {
        let tasks = Tasks::new();
        let outbound = Outbound::bind(&tasks, ANY).await.unwrap();
        let inbound = Inbound::bind(&tasks, ANY, key(), credentials())
            .await
            .unwrap();
        let wan = Proxy::start(&tasks, outbound.address()).await;
        Self {
            tasks,
            outbound,
            inbound,
            wan,
            primary,
            secondary,
        }
    }

    pub(crate) fn peer(&self, epoch: u64) -> Peer {
        Peer {
            outbound: self.wan.address,
            epoch: Epoch(epoch),
        }
    }

    pub(crate) fn link(&self) {
        self.outbound.serve(key(), source(&self.primary, 1));
        self.inbound.follow(self.peer(1));
        self.replicate();
    }

    /// Has the secondary replicate from the inbound.
    pub(crate) fn replicate(&self) {
        replicate(&self.secondary, self.inbound.address());
    }

    pub(crate) fn out(&self) -> OutboundStatus {
        self.outbound.status(&key()).unwrap()
    }

    pub(crate) fn inb(&self) -> InboundStatus {
        self.inbound.status()
    }

    pub(crate) async fn until_streaming(&self) {
        let both = || {
            let here = (self.out().phase, self.inb().phase);
            here == (Phase::Streaming, Phase::Streaming)
        };
        self.eventually("both halves stream", both).await;
    }

    pub(crate) async fn until_equal(&self) {
        let equal = || self.primary.position() == self.secondary.position();
        self.eventually("the engines stand at the same position", equal)
            .await;
        assert_eq!(self.primary.digest(), self.secondary.digest());
    }

    /// Waits for a condition, and tells how things stand when it does not come.
    pub(crate) async fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "not in 40 s: {what}\n{:#?}\n{:#?}",
                self.outbound.status(&key()),
                self.inb()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.inbound.stop().await;
        assert!(self.tasks.stop(Duration::from_secs(10)).await);
    }
}

pub(crate) fn replicate(node: &Node, from: SocketAddr) {
    let words = format!("REPLICAOF {} {}", from.ip(), from.port());
    let answer = node.run(&words);
    assert!(answer.starts_with("OK"), "{answer}");
}

/// Writes of every sort that replicates in its own way.
pub(crate) fn write_some(node: &Node, from: u32, count: u32) {
    let mut client = node.client();
    let mut sent = 0;
    for n in from..from + count {
        let (key, value) = (format!("key:{}", n % 5000), format!("value {n}"));
        let (list, set) = (format!("list:{}", n % 50), format!("set:{}", n % 50));
        client.send(&[b"SET", key.as_bytes(), value.as_bytes()]);
        client.send(&[b"RPUSH", list.as_bytes(), value.as_bytes()]);
        client.send(&[b"SADD", set.as_bytes(), value.as_bytes()]);
        client.send(&[b"INCRBYFLOAT", b"float", b"0.1"]);
        sent += 4;
        if n % 10 == 0 {
            for words in [
                &[b"MULTI".as_slice()][..],
                &[b"INCR", b"a"],
                &[b"INCR", b"b"],
                &[b"EXEC"],
            ] {
                client.send(words);
            }
            client.send(&[b"SPOP", set.as_bytes()]);
            sent += 5;
        }
    }
    for _ in 0..sent {
        // The answer of EXEC is an array; its two elements are lines of their own.
        if client.reply() == "*2" {
            client.reply();
            client.reply();
        }
    }
}
