//! The parts of a control plane that every request and every pass of the reconciler needs.

use model::{Region, Secret};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use tls::Authority;

use crate::{
    chronicle::Failovers, desired::Desired, geo_metrics::GeoMetrics, history::History,
    latest::Latest, names::Names, observations::Observations, store::Store, transfers::Transfers,
};

/// The parts, put together once.
pub(crate) struct Plane {
    pub(crate) store: Store,
    pub(crate) observations: Observations,
    pub(crate) desired: Desired,
    /// The names of every cache.
    pub(crate) names: Names,
    /// Certifies the agents.
    pub(crate) authority: Authority,
    pub(crate) history: History,
    pub(crate) geo_metrics: GeoMetrics,
    /// The caches' figures, for whoever scrapes.
    pub(crate) latest: Latest,
    /// Failovers that have ended.
    pub(crate) failovers: Failovers,
    /// Bodies that agents send to clients.
    pub(crate) transfers: Transfers,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    /// What a client of the management API must show.
    pub(crate) token: Secret,
    /// What an agent must show.
    pub(crate) agent_token: Secret,
    /// What may be shown to read the names alone.
    pub(crate) names_token: Option<Secret>,
    /// The DNS zone of every endpoint.
    pub(crate) zone: String,
    /// The regions that caches can be in.
    pub(crate) regions: Vec<Region>,
    /// Cancelled when long polls and transfers are to end.
    pub(crate) stopping: Tasks,
}

impl Plane {
    /// The direct endpoint's name of a cache.
    pub(crate) fn host(&self, name: &model::CacheName) -> String {
        format!("{}.{}", name.folded(), self.zone)
    }

    /// The geo endpoint's name of a cache.
    pub(crate) fn geo_host(&self, name: &model::CacheName) -> String {
        format!("{}.geo.{}", name.folded(), self.zone)
    }
}
