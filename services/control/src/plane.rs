//! The parts of a control plane that every request and every pass of the reconciler needs.

use model::{Region, Secret};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use tls::Authority;

use crate::{
    activity::Activity,
    api::{Attempts, Believed},
    chronicle::Failovers,
    desired::Desired,
    egress::Egress,
    geo_metrics::GeoMetrics,
    history::History,
    latest::Latest,
    names::Names,
    notifier::Webhook,
    observations::Observations,
    reconciler::Passes,
    store::Store,
    transfers::Transfers,
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
    /// What the activity log is to tell and the history does not have yet.
    pub(crate) activity: Activity,
    pub(crate) history: History,
    pub(crate) geo_metrics: GeoMetrics,
    /// How long the reconciler's passes take.
    pub(crate) passes: Passes,
    /// What links sent.
    pub(crate) egress: Egress,
    /// The caches' figures, for whoever scrapes.
    pub(crate) latest: Latest,
    /// Failovers that have ended.
    pub(crate) failovers: Failovers,
    /// Who is told what the activity log tells, if anybody is.
    pub(crate) webhook: Option<Webhook>,
    /// Failures to sign in.
    pub(crate) sign_ins: Attempts,
    /// The keys whose tokens are believed.
    pub(crate) token_keys: Believed,
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

    /// The name of a cache's private endpoints.
    pub(crate) fn private_host(&self, name: &model::CacheName) -> String {
        format!("{}.{}", name.folded(), self.private_zone())
    }

    /// The zone of the private endpoints of every cache.
    pub(crate) fn private_zone(&self) -> String {
        format!("privatelink.{}", self.zone)
    }
}
