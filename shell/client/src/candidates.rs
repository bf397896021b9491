//! Which caches could be the geo-secondary of a cache.

use model::CacheName;
use serde::Deserialize;

use crate::resources::{SkuBody, or_default};

/// A cache that could be thought of as a geo-secondary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its name.
    pub name: CacheName,
    /// Its region, as the control plane spells it.
    #[serde(default, deserialize_with = "or_default")]
    pub location: String,
    /// Its tier and size.
    #[serde(default)]
    pub sku: Option<SkuBody>,
    /// It is in the region that is recommended.
    #[serde(default, deserialize_with = "or_default")]
    pub in_recommended_region: bool,
    /// It can be linked now.
    #[serde(default, deserialize_with = "or_default")]
    pub is_compatible: bool,
    /// Everything that is in the way, if it cannot.
    #[serde(default, deserialize_with = "or_default")]
    pub reasons: Vec<Reason>,
    /// Once linked, the two can swap roles.
    #[serde(default, deserialize_with = "or_default")]
    pub can_fail_over: bool,
    /// Everything that is in the way of that.
    #[serde(default, deserialize_with = "or_default")]
    pub failover_reasons: Vec<Reason>,
}

/// Something that is in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// A word for programs.
    #[serde(deserialize_with = "or_default")]
    pub code: String,
    /// The cache that it is about, when it is about one.
    pub cache: Option<CacheName>,
    /// A sentence.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
}
