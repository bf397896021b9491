//! `prices/<subscription>`: what traffic between regions costs, as the operator says.

use model::{EgressPrices, SubscriptionId};
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table};

/// The prices of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PricesRecord {
    /// The subscription.
    pub(crate) subscription: SubscriptionId,
    /// The prices.
    pub(crate) egress: EgressPrices,
}

/// The key of a subscription's prices.
pub(crate) fn key(subscription: &SubscriptionId) -> Key {
    Key::new(PricesRecord::PREFIX, subscription.as_str())
}

impl Record for PricesRecord {
    const PREFIX: &'static str = "prices/";

    fn key(&self) -> Key {
        key(&self.subscription)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.prices
    }
}

impl State {
    /// The prices of a subscription; without any, none is known.
    pub(crate) fn prices_of(&self, subscription: &SubscriptionId) -> EgressPrices {
        let known = self.prices.get(&key(subscription));
        known.map_or_else(EgressPrices::default, |known| known.egress.clone())
    }
}
