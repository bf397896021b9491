//! Which region the managed service pairs with which, for recommending where a geo-secondary should
//! be. From its documentation, *Azure region pairs and nonpaired regions* (January 2025). A region of
//! an operator's own has no pair here.

use crate::Region;

/// Regions that are each other's pair.
const MUTUAL: &[(&str, &str)] = &[
    ("australiacentral", "australiacentral2"),
    ("australiaeast", "australiasoutheast"),
    ("canadacentral", "canadaeast"),
    ("centralindia", "southindia"),
    ("centralus", "eastus2"),
    ("chinaeast", "chinanorth"),
    ("chinaeast2", "chinanorth2"),
    ("chinaeast3", "chinanorth3"),
    ("eastasia", "southeastasia"),
    ("eastus", "westus"),
    ("francecentral", "francesouth"),
    ("germanynorth", "germanywestcentral"),
    ("japaneast", "japanwest"),
    ("koreacentral", "koreasouth"),
    ("northcentralus", "southcentralus"),
    ("northeurope", "westeurope"),
    ("norwayeast", "norwaywest"),
    ("southafricanorth", "southafricawest"),
    ("swedencentral", "swedensouth"),
    ("switzerlandnorth", "switzerlandwest"),
    ("uaecentral", "uaenorth"),
    ("uksouth", "ukwest"),
    ("usdodcentral", "usdodeast"),
    ("usgovtexas", "usgovvirginia"),
    ("westcentralus", "westus2"),
];

/// Regions whose pair is another one's: `(region, its pair)`.
const ONE_WAY: &[(&str, &str)] = &[
    ("brazilsouth", "southcentralus"),
    ("brazilsoutheast", "brazilsouth"),
    ("usgovarizona", "usgovtexas"),
    ("westindia", "southindia"),
    ("westus3", "eastus"),
];

impl Region {
    /// The region that is recommended for the other side of its caches' links; `None`: none is.
    #[must_use]
    pub fn pair(&self) -> Option<Self> {
        let name = self.as_str();
        let mutual = MUTUAL.iter().find_map(|(one, other)| {
            if name == *one {
                Some(*other)
            } else {
                (name == *other).then_some(*one)
            }
        });
        let one_way = || {
            let mut all = ONE_WAY.iter();
            all.find(|(region, _)| *region == name)
                .map(|(_, pair)| *pair)
        };
        mutual.or_else(one_way)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pair(name: &str) -> Option<String> {
        let region: Region = name.parse().unwrap();
        region.pair().map(|pair| pair.to_string())
    }

    #[test]
    fn pairs_go_both_ways_but_for_some() {
        assert_eq!(pair("East US").as_deref(), Some("westus"));
        assert_eq!(pair("westus").as_deref(), Some("eastus"));
        assert_eq!(pair("westus3").as_deref(), Some("eastus"));
        assert_eq!(pair("brazilsouth").as_deref(), Some("southcentralus"));
        assert_eq!(pair("southcentralus").as_deref(), Some("northcentralus"));
        assert_eq!(pair("qatarcentral"), None);
        assert_eq!(pair("mars1"), None);
    }

    #[test]
    fn every_region_has_one_pair_that_is_a_region() {
        let mut seen = BTreeSet::new();
        let mutual = MUTUAL.iter().flat_map(|(one, other)| [one, other]);
        for name in mutual.chain(ONE_WAY.iter().map(|(region, _)| region)) {
            assert!(seen.insert(*name), "{name} twice");
            let back = pair(name).unwrap();
            assert!(back.parse::<Region>().is_ok() && back != *name);
        }
    }
}
