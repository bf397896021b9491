//! `agent/<region>`: what desired state must know of a region's agent while it is not heard from.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use model::{EngineVersion, Region};
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table};

/// An agent, as it last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentRecord {
    /// Its region.
    pub(crate) region: Region,
    /// Where other regions reach its outbound halves.
    pub(crate) relay_address: Option<SocketAddr>,
    /// The engine that new caches get there.
    pub(crate) engine: Option<EngineVersion>,
    /// From where the agents of other regions dialled it last.
    #[serde(default)]
    pub(crate) peers: BTreeMap<Region, IpAddr>,
}

/// The key of a region's agent.
pub(crate) fn key(region: &Region) -> Key {
    Key::new(AgentRecord::PREFIX, region.as_str())
}

impl Record for AgentRecord {
    const PREFIX: &'static str = "agent/";

    fn key(&self) -> Key {
        key(&self.region)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.agents
    }
}
