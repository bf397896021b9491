//! What Godwit keeps and shows for clients that set it, and has no use for itself: where in a virtual
//! network a cache was put, and its managed identity (`arm.md` 2.1).

use std::{collections::BTreeMap, net::Ipv4Addr};

use model::{CacheRecord, IDENTITY_KINDS, Identity};
use runtime::dice::Dice;
use serde_json::Value;

use crate::api::{ApiError, body::Fields};

/// As many user-assigned identities as a cache may have.
const MOST_IDENTITIES: usize = 20;

/// `subnetId` and `staticIP`, which are said when a cache is created.
#[derive(Debug, Clone, Default)]
pub(super) struct Placement {
    pub(super) subnet_id: Option<String>,
    pub(super) static_ip: Option<String>,
}

impl Placement {
    pub(super) fn read(of: &mut Fields) -> Result<Self, ApiError> {
        const SUBNET: &str = "subnetId";
        const ADDRESS: &str = "staticIP";
        let subnet_id = of.text(SUBNET)?;
        if subnet_id.as_deref().is_some_and(|id| !is_subnet(id)) {
            let rule = "it takes `/subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/subnets/…`";
            return Err(of.refused(SUBNET, rule));
        }
        let static_ip = of.text(ADDRESS)?;
        let is_address = |text: &String| text.parse::<Ipv4Addr>().is_ok();
        if static_ip.as_ref().is_some_and(|text| !is_address(text)) {
            return Err(of.refused(ADDRESS, "it takes an IPv4 address"));
        }
        Ok(Self {
            subnet_id,
            static_ip,
        })
    }

    /// Refuses an address outside of any network.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.static_ip.is_none() || self.subnet_id.is_some() {
            return Ok(());
        }
        Err(ApiError::body(
            "The field `properties.staticIP` cannot be taken without `properties.subnetId`, the network that it is an address of.",
        ))
    }

    /// Refuses another place than the one that a cache has.
    pub(super) fn same(&self, cache: &CacheRecord) -> Result<(), ApiError> {
        let fields = [
            ("subnetId", &self.subnet_id, &cache.spec.subnet_id),
            ("staticIP", &self.static_ip, &cache.spec.static_ip),
        ];
        for (field, asked, has) in fields {
            let Some(asked) = asked else { continue };
            if !has
                .as_ref()
                .is_some_and(|has| has.eq_ignore_ascii_case(asked))
            {
                return Err(ApiError::body(format!(
                    "The field `properties.{field}` cannot be taken: it is set when a cache is created, and the cache `{}` keeps what it has.",
                    cache.id.name
                )));
            }
        }
        Ok(())
    }
}

fn is_subnet(id: &str) -> bool {
    let parts: Vec<_> = id.split('/').collect();
    let [
        "",
        subscriptions,
        subscription,
        groups,
        group,
        providers,
        provider,
        networks,
        network,
        subnets,
        subnet,
    ] = parts[..]
    else {
        return false;
    };
    let fixed = [
        (subscriptions, "subscriptions"),
        (groups, "resourceGroups"),
        (providers, "providers"),
        (networks, "virtualNetworks"),
        (subnets, "subnets"),
    ];
    let named = [subscription, group, network, subnet];
    let of_networks = ["Microsoft.Network", "Microsoft.ClassicNetwork"];
    fixed
        .iter()
        .all(|(given, word)| given.eq_ignore_ascii_case(word))
        && of_networks
            .iter()
            .any(|word| provider.eq_ignore_ascii_case(word))
        && named
            .iter()
            .all(|name| !name.is_empty() && name.len() <= 90)
}

/// `identity` of a body.
#[derive(Debug, Clone)]
pub(super) struct IdentityAsked {
    kind: &'static str,
    /// User-assigned ones by resource ID; `None` takes one away.
    users: BTreeMap<String, Option<()>>,
}

impl IdentityAsked {
    pub(super) fn read(mut of: Fields) -> Result<Self, ApiError> {
        const KIND: &str = "type";
        const USERS: &str = "userAssignedIdentities";
        let [none, system, user, both] = IDENTITY_KINDS;
        let asked = of.one_of(
            KIND,
            &[none, system, user, both, "SystemAssigned,UserAssigned"],
        )?;
        let kind = asked.ok_or_else(|| of.missing(KIND, &IDENTITY_KINDS.join(" or ")))?;
        let kind = if kind.contains(',') { both } else { kind };
        let mut users = BTreeMap::new();
        if let Some(given) = of.given(USERS).filter(|given| !given.is_null()) {
            let Value::Object(given) = given else {
                return Err(of.wrong(USERS, &given, "an object"));
            };
            for (id, value) in given {
                let plain = id.len() <= 1_024 && id.bytes().all(|b| b.is_ascii_graphic());
                if !plain || !id.starts_with('/') {
                    return Err(of.refused(USERS, "its keys are resource IDs"));
                }
                // What is in it is the service's to say.
                users.insert(id, (!value.is_null()).then_some(()));
            }
        }
        if users.len() > MOST_IDENTITIES {
            let rule = format!("a cache has up to {MOST_IDENTITIES} identities");
            return Err(of.refused(USERS, rule));
        }
        if kind.contains("UserAssigned") == users.is_empty() {
            let rule = format!("`{user}` and they come together");
            return Err(of.refused(USERS, rule));
        }
        of.skip(&["principalId", "tenantId"]);
        of.finish()?;
        Ok(Self { kind, users })
    }

    /// The identity of a cache that has `present`; new IDs are rolled.
    pub(super) fn identity(&self, present: &Identity, dice: &Dice) -> Identity {
        present.changed(self.kind, &self.users, || dice.guid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_known_by_their_id() {
        for good in [
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/x",
            "/Subscriptions/s/resourcegroups/g/providers/microsoft.classicnetwork/virtualnetworks/n/Subnets/x",
        ] {
            assert!(is_subnet(good), "{good}");
        }
        for bad in [
            "",
            "x",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/virtualNetworks/n/subnets/x",
            "/subscriptions//resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/x",
        ] {
            assert!(!is_subnet(bad), "{bad}");
        }
    }
}
