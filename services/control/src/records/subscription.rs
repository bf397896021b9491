//! `subscription/<id>`: a subscription. The first start makes one.

use model::SubscriptionId;
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table};

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubscriptionRecord {
    /// A GUID.
    pub(crate) id: SubscriptionId,
    /// What people call it.
    pub(crate) display_name: String,
    /// The tenant that owns it: a GUID.
    pub(crate) tenant: String,
}

/// The key of a subscription.
pub(crate) fn key(id: &SubscriptionId) -> Key {
    Key::new(SubscriptionRecord::PREFIX, id.as_str())
}

impl Record for SubscriptionRecord {
    const PREFIX: &'static str = "subscription/";

    fn key(&self) -> Key {
        key(&self.id)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.subscriptions
    }
}
