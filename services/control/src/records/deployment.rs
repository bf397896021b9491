//! `deployment/settings`: what the control plane was last started with and agents are told. A start
//! with others is a commit, so that agents hear of it as of any other news.

use model::TokenIssuer;
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table};

/// What every region is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeploymentRecord {
    /// The DNS zone of every endpoint's name.
    pub(crate) zone: String,
    /// Whose tokens let clients in.
    pub(crate) issuers: Vec<TokenIssuer>,
}

/// The key of the only one.
pub(crate) fn key() -> Key {
    Key::new(DeploymentRecord::PREFIX, "settings")
}

impl Record for DeploymentRecord {
    const PREFIX: &'static str = "deployment/";

    fn key(&self) -> Key {
        key()
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.deployment
    }
}
