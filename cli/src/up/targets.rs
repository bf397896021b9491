//! Where Prometheus finds the agents and the DNS server (its `file_sd_configs`): their ports change
//! with each start.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use model::Region;
use runtime::durable;
use serde_json::{Value, json};

use super::supervisor::Plan;

/// The file's name in the data directory.
const FILE: &str = "metrics-targets.json";

/// The file, and the regions by agent.
pub(super) struct Targets {
    path: PathBuf,
    pub(super) regions: Vec<Region>,
}

impl Targets {
    pub(super) fn new(plan: &Plan) -> Self {
        let regions = plan.regions.iter();
        Self {
            path: plan.data.join(FILE),
            regions: regions.map(|(region, _)| region.clone()).collect(),
        }
    }

    /// Writes down where the metrics of each agent and of the DNS server are read.
    pub(super) fn write(
        &self,
        addresses: &[Option<SocketAddr>],
        dns: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let agents = self.regions.iter().zip(addresses);
        let targets = agents.filter_map(|(region, address)| {
            let target = address.as_ref()?.to_string();
            Some(json!({"targets": [target], "labels": {"region": region.as_str()}}))
        });
        let dns = dns.map(|at| json!({"targets": [at.to_string()], "labels": {"service": "dns"}}));
        let text = Value::Array(targets.chain(dns).collect()).to_string();
        durable::write_durable(&self.path, text.as_bytes()).context("tell where metrics are read")
    }
}
