//! What a body asks of a cache, checked field by field: what this version does not do is refused,
//! never taken by half.

use std::collections::BTreeMap;

use model::{
    CacheRecord, CacheSpec, Identity, Region, ResizeRefused, Sku, Tier, check_databases,
    check_persistence, engine_settings, is_read_only_key, is_storage_key, without_storage_secret,
};

use super::kept::{IdentityAsked, Placement};
use crate::{
    api::{ApiError, body::Fields, groups::tags},
    view::displayed_configuration,
};

/// Top-level fields that answers carry and that clients send back.
const READ_ONLY: [&str; 5] = ["id", "name", "type", "etag", "systemData"];
/// The same, in `properties`.
const READ_ONLY_PROPERTIES: [&str; 8] = [
    "provisioningState",
    "hostName",
    "port",
    "sslPort",
    "accessKeys",
    "linkedServers",
    "instances",
    "privateEndpointConnections",
];

/// The fields of a PUT or PATCH; what is absent is `None`.
#[derive(Debug, Clone, Default)]
pub(super) struct Requested {
    pub(super) location: Option<Region>,
    tags: Option<BTreeMap<String, String>>,
    zones: Option<Vec<String>>,
    sku: Option<Sku>,
    configuration: BTreeMap<String, String>,
    replicas: Option<i64>,
    shards: Option<i64>,
    enable_non_ssl_port: Option<bool>,
    minimum_tls_version: Option<&'static str>,
    public_network_access: Option<&'static str>,
    disable_access_key_authentication: Option<bool>,
    update_channel: Option<&'static str>,
    zonal_allocation_policy: Option<&'static str>,
    tenant_settings: Option<BTreeMap<String, String>>,
    pub(super) placement: Placement,
    pub(super) identity: Option<IdentityAsked>,
}

impl Requested {
    pub(super) fn read(mut body: Fields) -> Result<Self, ApiError> {
        let mut asked = Self::default();
        if let Some(text) = body.text("location")? {
            let region = text
                .parse()
                .map_err(|error| body.refused("location", error))?;
            asked.location = Some(region);
        }
        asked.tags = tags(&mut body)?;
        asked.zones = body.text_list("zones")?;
        if let Some(identity) = body.object("identity")? {
            asked.identity = Some(IdentityAsked::read(identity)?);
        }
        body.skip(&READ_ONLY);
        if let Some(properties) = body.object("properties")? {
            asked.read_properties(properties)?;
        }
        body.finish()?;
        Ok(asked)
    }

    fn read_properties(&mut self, mut of: Fields) -> Result<(), ApiError> {
        if let Some(sku) = of.object("sku")? {
            self.sku = Some(read_sku(sku)?);
        }
        self.configuration = of.texts("redisConfiguration")?.unwrap_or_default();
        self.shards = of.whole("shardCount")?;
        self.enable_non_ssl_port = of.flag("enableNonSslPort")?;
        self.disable_access_key_authentication = of.flag("disableAccessKeyAuthentication")?;
        self.public_network_access = of.one_of("publicNetworkAccess", &["Enabled", "Disabled"])?;
        self.tenant_settings = of.texts("tenantSettings")?;
        self.update_channel = of.one_of("updateChannel", &["Stable", "Preview"])?;
        self.zonal_allocation_policy = of.one_of(
            "zonalAllocationPolicy",
            &["Automatic", "UserDefined", "NoZones"],
        )?;
        self.read_replicas(&mut of)?;
        self.read_restricted(&mut of)?;
        of.skip(&READ_ONLY_PROPERTIES);
        of.finish()
    }

    /// One number under two names.
    fn read_replicas(&mut self, of: &mut Fields) -> Result<(), ApiError> {
        let master = of.whole("replicasPerMaster")?;
        let primary = of.whole("replicasPerPrimary")?;
        if let (Some(a), Some(b)) = (master, primary)
            && a != b
        {
            let why = format!("it is {b}, and `replicasPerMaster`, which means the same, is {a}");
            return Err(of.refused("replicasPerPrimary", why));
        }
        self.replicas = primary.or(master);
        Ok(())
    }

    /// Fields of which this version takes only some values.
    fn read_restricted(&mut self, of: &mut Fields) -> Result<(), ApiError> {
        if let Some(version) = of.text("redisVersion")?
            && !["6", "6.0", "latest"].contains(&version.to_ascii_lowercase().as_str())
        {
            return Err(of.refused(
                "redisVersion",
                "use `6`, `6.0` or `latest`; the engine is the one that the region's agent runs",
            ));
        }
        if let Some(version) = of.one_of("minimumTlsVersion", &["1.0", "1.1", "1.2", "1.3"])? {
            if version < "1.2" {
                let why = "TLS below 1.2 is not served; use 1.2 or 1.3";
                return Err(of.refused("minimumTlsVersion", why));
            }
            self.minimum_tls_version = Some(version);
        }
        self.placement = Placement::read(of)?;
        Ok(())
    }

    /// The specification of a new cache.
    pub(super) fn created(&self) -> Result<CacheSpec, ApiError> {
        let Some(sku) = self.sku else {
            return Err(ApiError::body(
                "The field `properties.sku` is missing; it takes an object with `name`, `family` and `capacity`.",
            ));
        };
        self.check_shards(None)?;
        let spec = CacheSpec {
            sku,
            shards: None,
            replicas: self.replicas_for(sku, sku.default_replicas())?,
            configuration: settable(&self.configuration),
            enable_non_ssl_port: self.enable_non_ssl_port.unwrap_or(false),
            minimum_tls_version: self.minimum_tls_version.map(str::to_owned),
            public_network_access: self.public_network_access.unwrap_or("Enabled").to_owned(),
            update_channel: self.update_channel.unwrap_or("Stable").to_owned(),
            zonal_allocation_policy: self.zonal_allocation_policy.map(str::to_owned),
            disable_access_key_authentication: self
                .disable_access_key_authentication
                .unwrap_or(false),
            tenant_settings: self.tenant_settings.clone().unwrap_or_default(),
            zones: self.zones.clone().unwrap_or_default(),
            subnet_id: self.placement.subnet_id.clone(),
            static_ip: self.placement.static_ip.clone(),
            identity: Identity::default(),
            tags: self.tags.clone().unwrap_or_default(),
        };
        check_configuration(sku, &self.configuration)?;
        check_databases(sku, &self.configuration).map_err(not_configurable)?;
        check_persistence(sku, &spec.configuration).map_err(not_configurable)?;
        somebody_may_come_in(&spec)?;
        Ok(spec)
    }

    /// The specification of a cache after a change. What is equal passes; a linked cache keeps its
    /// size, its replicas, and its want of persistence.
    pub(super) fn updated(&self, cache: &CacheRecord) -> Result<CacheSpec, ApiError> {
        let old = &cache.spec;
        let sku = self.sku.unwrap_or(old.sku);
        let (from, to) = (old.sku.tier(), sku.tier());
        if to < from {
            return Err(not_resizable(&ResizeRefused::Downgrade { from, to }));
        }
        self.check_shards(old.shards)?;
        let kept = if sku.tier() == old.sku.tier() {
            old.replicas
        } else {
            old.replicas.max(sku.default_replicas())
        };
        let replicas = self.replicas_for(sku, kept)?;
        let asked = self.news(old.sku, &old.configuration);
        let mut configuration = old.configuration.clone();
        configuration.extend(settable(&asked));
        let take = |new: Option<&'static str>, old: &String| {
            new.map_or_else(|| old.clone(), str::to_owned)
        };
        let mut spec = CacheSpec {
            sku,
            replicas,
            configuration,
            enable_non_ssl_port: self.enable_non_ssl_port.unwrap_or(old.enable_non_ssl_port),
            minimum_tls_version: self
                .minimum_tls_version
                .map(str::to_owned)
                .or_else(|| old.minimum_tls_version.clone()),
            public_network_access: take(self.public_network_access, &old.public_network_access),
            disable_access_key_authentication: self
                .disable_access_key_authentication
                .unwrap_or(old.disable_access_key_authentication),
            update_channel: take(self.update_channel, &old.update_channel),
            zonal_allocation_policy: self
                .zonal_allocation_policy
                .map(str::to_owned)
                .or_else(|| old.zonal_allocation_policy.clone()),
            tenant_settings: self
                .tenant_settings
                .clone()
                .unwrap_or_else(|| old.tenant_settings.clone()),
            zones: self.zones.clone().unwrap_or_else(|| old.zones.clone()),
            tags: self.tags.clone().unwrap_or_else(|| old.tags.clone()),
            ..old.clone()
        };
        if cache.link.is_some() {
            while_linked(cache, &spec)?;
        }
        check_configuration(sku, &asked)?;
        check_persistence(sku, &spec.configuration).map_err(not_configurable)?;
        somebody_may_come_in(&spec)?;
        no_rules_behind_a_closed_door(cache, &spec)?;
        keep_databases(cache, &mut spec)?;
        Ok(spec)
    }

    /// The configuration that was asked for, without what was only sent back as it is shown.
    fn news(&self, sku: Sku, set: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let shown = displayed_configuration(sku, set);
        let asked = self.configuration.iter();
        asked
            .filter(|(key, value)| shown.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    fn check_shards(&self, present: Option<u16>) -> Result<(), ApiError> {
        if self.shards.is_none() || self.shards == present.map(i64::from) {
            return Ok(());
        }
        Err(ApiError::body(
            "The field `properties.shardCount` cannot be taken: this version of Godwit makes no clustered caches; leave it out.",
        ))
    }

    fn replicas_for(&self, sku: Sku, kept: u8) -> Result<u8, ApiError> {
        let Some(asked) = self.replicas else {
            return Ok(kept);
        };
        let allowed = match sku.tier() {
            Tier::Premium => 1..=3,
            Tier::Basic | Tier::Standard => sku.default_replicas()..=sku.default_replicas(),
        };
        match u8::try_from(asked) {
            Ok(replicas) if allowed.contains(&replicas) => Ok(replicas),
            Ok(_) | Err(_) => Err(ApiError::body(format!(
                "The field `properties.replicasPerPrimary` is {asked}; {} caches have {} to {}.",
                sku.tier(),
                allowed.start(),
                allowed.end()
            ))),
        }
    }
}

fn read_sku(mut of: Fields) -> Result<Sku, ApiError> {
    let tiers = ["Basic", "Standard", "Premium"];
    let missing = of.missing("name", "Basic, Standard or Premium");
    let tier = match of.one_of("name", &tiers)? {
        Some("Basic") => Tier::Basic,
        Some("Standard") => Tier::Standard,
        Some(_) => Tier::Premium,
        None => return Err(missing),
    };
    let family = of.one_of("family", &["C", "P"])?;
    let family = family.ok_or_else(|| of.missing("family", "C or P"))?;
    let capacity = of.whole("capacity")?;
    let capacity = capacity.ok_or_else(|| of.missing("capacity", "a whole number"))?;
    let sku = Sku::new(tier, capacity).map_err(|error| of.refused("capacity", error))?;
    if sku.family() != family {
        let why = format!("{tier} caches are of family {}", sku.family());
        return Err(of.refused("family", why));
    }
    of.finish()?;
    Ok(sku)
}

/// A size that the cache does not get.
pub(super) fn not_resizable(refused: &ResizeRefused) -> ApiError {
    ApiError::body(format!(
        "The field `properties.sku` cannot be taken: {refused}."
    ))
}

fn not_configurable(error: impl std::error::Error) -> ApiError {
    ApiError::body(format!(
        "The field `properties.redisConfiguration` cannot be taken: {error}."
    ))
}

/// The keys that are stored: answers make the others anew. Keys of storage accounts are not: nothing
/// is written there, and a secret that nobody uses is better not kept.
fn settable(configuration: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let pairs = configuration.iter();
    pairs
        .filter(|(key, _)| !is_read_only_key(key))
        .map(|(key, value)| {
            let value = if is_storage_key(key) {
                without_storage_secret(value)
            } else {
                value.clone()
            };
            (key.clone(), value)
        })
        .collect()
}

fn check_configuration(sku: Sku, configuration: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let settings = engine_settings(sku, configuration);
    settings.map(drop).map_err(not_configurable)
}

/// Without access keys there must be tokens.
fn somebody_may_come_in(spec: &CacheSpec) -> Result<(), ApiError> {
    if !spec.disable_access_key_authentication || spec.takes_tokens() {
        return Ok(());
    }
    Err(ApiError::body(
        "The field `properties.disableAccessKeyAuthentication` cannot be true while `aad-enabled` of `redisConfiguration` is not: nobody could come in. Set `aad-enabled` to `true`, too.",
    ))
}

/// A cache that is closed to everybody has no use for rules, and whoever opens it again would not
/// look for them.
fn no_rules_behind_a_closed_door(cache: &CacheRecord, spec: &CacheSpec) -> Result<(), ApiError> {
    let rules = cache.access.firewall.len();
    if spec.is_public() || rules == 0 {
        return Ok(());
    }
    Err(ApiError::body(format!(
        "The field `properties.publicNetworkAccess` cannot be Disabled while the cache `{}` has firewall rules, and it has {rules}: they would apply to nobody, since private endpoints are not subject to them. Delete them first.",
        cache.id.name
    )))
}

/// What must stay while a cache is linked.
fn while_linked(cache: &CacheRecord, spec: &CacheSpec) -> Result<(), ApiError> {
    let refuse = |what: &str| {
        Err(ApiError::body(format!(
            "The cache `{}` is linked, and {what} while it is. Unlink it first.",
            cache.id.name
        )))
    };
    if spec.sku != cache.spec.sku {
        return refuse("a linked cache cannot be scaled");
    }
    if spec.replicas != cache.spec.replicas {
        return refuse("the number of its replicas cannot be changed");
    }
    if spec.is_persistent() {
        return refuse("persistence cannot be enabled");
    }
    Ok(())
}

/// The number of databases is chosen when a cache is created, or follows its size upward. It never
/// goes down: whoever uses those that would go would lose what is in them.
fn keep_databases(cache: &CacheRecord, spec: &mut CacheSpec) -> Result<(), ApiError> {
    const KEY: &str = "databases";
    let refuse = |why: String| {
        Err(ApiError::body(format!(
            "The field `properties.redisConfiguration` cannot be taken: {why}."
        )))
    };
    let Ok(before) = engine_settings(cache.spec.sku, &cache.spec.configuration) else {
        return Ok(());
    };
    let was = cache.spec.configuration.get(KEY);
    let asked = spec.configuration.get(KEY);
    if asked != was && asked.is_some_and(|asked| *asked != before.databases.to_string()) {
        return refuse(format!(
            "`{KEY}` is {} since the cache was created and cannot be changed; it follows the size upward when it was not chosen then",
            before.databases
        ));
    }
    if was.is_none() && spec.sku.databases() >= before.databases {
        spec.configuration.remove(KEY);
    } else {
        let kept = before.databases.to_string();
        spec.configuration.insert(KEY.to_owned(), kept);
    }
    match engine_settings(spec.sku, &spec.configuration) {
        Ok(_) => Ok(()),
        Err(error) => refuse(format!(
            "with what is already set it does not fit {}: {error}",
            spec.sku
        )),
    }
}
