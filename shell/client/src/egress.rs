//! What links sent to other regions, and what that costs.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::resources::or_default;

/// What a link sent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LinkEgress {
    /// All of it.
    pub properties: EgressProperties,
}

/// See [`LinkEgress`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressProperties {
    /// The currency of every cost.
    #[serde(deserialize_with = "or_default")]
    pub currency: String,
    /// By period and way, the oldest first.
    pub rows: Vec<EgressRow>,
    /// All rows together.
    pub total: EgressTotal,
    /// Ways that have no price.
    pub unpriced: Vec<EgressWay>,
}

/// What went one way in one period.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressRow {
    /// A month or a day of UTC.
    pub period: String,
    /// From where.
    pub from: String,
    /// Where to.
    pub to: String,
    /// Before compression.
    pub raw_bytes: u64,
    /// On the wire.
    pub wire_bytes: u64,
    /// What compression saved, in percent.
    pub saved_percent: Option<f64>,
    /// What it costs; `None`: the way has no price.
    pub cost: Option<f64>,
}

/// See [`EgressProperties::total`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressTotal {
    /// Before compression.
    pub raw_bytes: u64,
    /// On the wire.
    pub wire_bytes: u64,
    /// What compression saved, in percent.
    pub saved_percent: Option<f64>,
    /// What it costs; `None`: some of it has no price.
    pub cost: Option<f64>,
}

/// A way from one region to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EgressWay {
    /// From where.
    pub from: String,
    /// Where to.
    pub to: String,
}

/// What traffic between regions costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EgressPrices {
    /// All of it.
    pub properties: PriceTable,
}

/// See [`EgressPrices`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PriceTable {
    /// The currency of every price.
    #[serde(deserialize_with = "or_default")]
    pub currency: String,
    /// The prices.
    pub prices: Vec<Price>,
}

/// The price of one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Price {
    /// From where.
    pub from: String,
    /// Where to.
    pub to: String,
    /// For a gigabyte (10⁹ bytes) on the wire, in decimal.
    pub per_gb: String,
}

impl PriceTable {
    pub(crate) fn body(&self) -> Value {
        let prices = self
            .prices
            .iter()
            .map(|price| json!({"from": price.from, "to": price.to, "perGb": price.per_gb}));
        json!({"properties": {
            "currency": self.currency,
            "prices": prices.collect::<Vec<_>>(),
        }})
    }
}
