//! The engines alone: a primary with its replica, and a second pair chained behind it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use engine::{CLIENT_USER, Credentials, INTERNAL_USER, Node, NodeConfig};
use model::{EngineSettings, Secret, Sku, Tier, engine_settings};
use tokio::time::Instant;
use wan::Wan;

use super::{
    Ground, Rig, Yard,
    way::{self, Way},
};
use crate::{client::Endpoint, info::Info, waiting};

const KEY: &str = "a-password-of-the-clients";
const INTERNAL: &str = "a-password-of-the-bench";
const LOOK: Duration = Duration::from_millis(1);

pub(super) struct Native {
    ground: Ground,
    nodes: [Node; 2],
    /// Which of the nodes takes writes.
    primary: usize,
    way: Option<Way>,
    yard: Yard,
}

impl Native {
    pub(super) fn start(ground: &Ground) -> anyhow::Result<Self> {
        let yard = Yard::new(ground, "native")?;
        let settings = engine_settings(Sku::new(Tier::Premium, 1)?, &[].into())?;
        let start = |name: &str, replica_of: Option<SocketAddr>| {
            let config = config(&yard, &settings, name, replica_of);
            let starting = Node::start(&ground.program, &config);
            ground.runtime.block_on(starting).context("start a node")
        };
        let nodes = [start("p0", None)?, start("s0", None)?];
        for (node, name) in nodes.iter().zip(["p1", "s1"]) {
            start(name, Some(node.address()))?;
        }
        let [first, _] = &nodes;
        let way = Way::start(ground, first.address())?;
        Ok(Self {
            ground: ground.clone(),
            nodes,
            primary: 0,
            way,
            yard,
        })
    }

    fn node(&self, index: usize) -> &Node {
        let [first, second] = &self.nodes;
        if index == 0 { first } else { second }
    }
}

fn config(
    yard: &Yard,
    settings: &EngineSettings,
    name: &str,
    replica_of: Option<SocketAddr>,
) -> NodeConfig {
    NodeConfig {
        directory: yard.path().join(name),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        settings: settings.clone(),
        clients: Secret::new(KEY),
        internal: Credentials {
            user: INTERNAL_USER.to_owned(),
            password: Secret::new(INTERNAL),
        },
        replica_of,
        load_saved: false,
        load_append_only: false,
        serve_stale: true,
        refuses_writes: false,
    }
}

fn client_of(node: &Node) -> Endpoint {
    Endpoint {
        address: node.address(),
        user: CLIENT_USER.to_owned(),
        password: KEY.to_owned(),
    }
}

impl Rig for Native {
    fn primary(&self) -> Endpoint {
        client_of(self.node(self.primary))
    }

    fn secondary(&self) -> Endpoint {
        client_of(self.node(1 - self.primary))
    }

    fn link(&mut self) -> anyhow::Result<()> {
        let node = self.node(1 - self.primary);
        let upstream = match &self.way {
            Some(way) => way.wan().address(),
            None => self.node(self.primary).address(),
        };
        let following = node.follow(upstream);
        self.ground
            .runtime
            .block_on(following)
            .context("follow the primary")
    }

    fn linked(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn fail_over(&mut self) -> anyhow::Result<Duration> {
        let heir = self.node(1 - self.primary).address();
        let internal = Endpoint {
            address: self.node(self.primary).address(),
            user: INTERNAL_USER.to_owned(),
            password: INTERNAL.to_owned(),
        };
        let mut client = internal.connect()?;
        let (ip, port) = (heir.ip().to_string(), heir.port().to_string());
        let began = Instant::now();
        let command: [&[u8]; 4] = [b"FAILOVER", b"TO", ip.as_bytes(), port.as_bytes()];
        client.text(&command).context("fail over")?;
        waiting::until_true("the failover is over", LOOK, || {
            let info = Info::ask(&mut client)?;
            Ok(!info.is_failing_over() && !info.is_primary())
        })?;
        let took = began.elapsed();
        self.primary = 1 - self.primary;
        Ok(took)
    }

    fn yard(&self) -> &Yard {
        &self.yard
    }

    fn wan(&self) -> anyhow::Result<&Wan> {
        way::of(self.way.as_ref())
    }
}
