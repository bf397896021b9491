//! Names of resources: parsed once at the door, compared without regard to case, shown as given.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A name that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: {rule}")]
pub struct NameError {
    /// What the name was to be, such as `cache name`.
    pub what: &'static str,
    /// The text that was given, with control characters escaped.
    pub given: String,
    /// The rule in a sentence without its full stop.
    pub rule: &'static str,
}

fn check(ok: bool, what: &'static str, given: &str, rule: &'static str) -> Result<(), NameError> {
    if ok {
        return Ok(());
    }
    let given = given.chars().take(80).collect::<String>();
    Err(NameError {
        what,
        given: given.escape_debug().to_string(),
        rule,
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as it was first written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form that two spellings of the same name share: lower case.
            #[must_use]
            pub fn folded(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.folded().hash(state);
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.folded().cmp(&other.folded())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// A cache's name: a DNS label, unique in a deployment (`arm.md` 1.3 gives the rule).
    CacheName
}
name! {
    /// A resource group's name.
    GroupName
}
name! {
    /// A subscription: a GUID, kept in lower case.
    SubscriptionId
}
name! {
    /// A region in its short spelling: lower-case letters and digits, such as `eastus`.
    Region
}

mod access;

pub use access::{AssignmentName, EndpointName, ObjectId, PolicyName, RuleName};

/// Tells a GUID as it is written without braces.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

impl FromStr for CacheName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let ok = (1..=63).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        let rule =
            "use 1-63 letters, digits and single hyphens, with a letter or digit at both ends";
        check(ok, "cache name", text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let ok = (1..=90).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.()".contains(&b))
            && !text.ends_with('.');
        let rule = "use 1-90 letters, digits, `-`, `_`, `.`, `(` and `)`, not ending in `.`";
        check(ok, "resource group name", text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for SubscriptionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(
            is_guid(text),
            "subscription ID",
            text,
            "use a GUID, such as 5d0c4f30-0000-4000-8000-000000000001",
        )?;
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl FromStr for Region {
    type Err = NameError;

    /// Accepts every spelling that clients send: `eastus`, `EastUS`, `East US`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let short: String = text
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let ok = (1..=40).contains(&short.len())
            && short
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && short.starts_with(|c: char| c.is_ascii_lowercase());
        check(
            ok,
            "region",
            text,
            "use letters and digits, such as `eastus` or `East US`",
        )?;
        Ok(Self(short))
    }
}

/// Regions whose display name is not the short one with a capital: `(short, display)`.
const DISPLAY: &[(&str, &str)] = &[
    ("australiacentral", "Australia Central"),
    ("australiacentral2", "Australia Central 2"),
    ("australiaeast", "Australia East"),
    ("australiasoutheast", "Australia Southeast"),
    ("austriaeast", "Austria East"),
    ("brazilsouth", "Brazil South"),
    ("brazilsoutheast", "Brazil Southeast"),
    ("canadacentral", "Canada Central"),
    ("canadaeast", "Canada East"),
    ("centralindia", "Central India"),
    ("centralus", "Central US"),
    ("chinaeast", "China East"),
    ("chinaeast2", "China East 2"),
    ("chinaeast3", "China East 3"),
    ("chinanorth", "China North"),
    ("chinanorth2", "China North 2"),
    ("chinanorth3", "China North 3"),
    ("eastasia", "East Asia"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("francecentral", "France Central"),
    ("francesouth", "France South"),
    ("germanynorth", "Germany North"),
    ("germanywestcentral", "Germany West Central"),
    ("indonesiacentral", "Indonesia Central"),
    ("israelcentral", "Israel Central"),
    ("italynorth", "Italy North"),
    ("japaneast", "Japan East"),
    ("japanwest", "Japan West"),
    ("koreacentral", "Korea Central"),
    ("koreasouth", "Korea South"),
    ("malaysiawest", "Malaysia West"),
    ("mexicocentral", "Mexico Central"),
    ("newzealandnorth", "New Zealand North"),
    ("northcentralus", "North Central US"),
    ("northeurope", "North Europe"),
    ("norwayeast", "Norway East"),
    ("norwaywest", "Norway West"),
    ("polandcentral", "Poland Central"),
    ("qatarcentral", "Qatar Central"),
    ("southafricanorth", "South Africa North"),
    ("southafricawest", "South Africa West"),
    ("southcentralus", "South Central US"),
    ("southeastasia", "Southeast Asia"),
    ("southindia", "South India"),
    ("spaincentral", "Spain Central"),
    ("swedencentral", "Sweden Central"),
    ("swedensouth", "Sweden South"),
    ("switzerlandnorth", "Switzerland North"),
    ("switzerlandwest", "Switzerland West"),
    ("uaecentral", "UAE Central"),
    ("uaenorth", "UAE North"),
    ("uksouth", "UK South"),
    ("ukwest", "UK West"),
    ("usdodcentral", "US DoD Central"),
    ("usdodeast", "US DoD East"),
    ("usgovarizona", "US Gov Arizona"),
    ("usgovtexas", "US Gov Texas"),
    ("usgovvirginia", "US Gov Virginia"),
    ("westcentralus", "West Central US"),
    ("westeurope", "West Europe"),
    ("westindia", "West India"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
];

impl Region {
    /// The name for people and for API answers, such as `East US`; an unknown region is its own.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let known = DISPLAY.iter().find(|(short, _)| *short == self.0);
        known.map_or(self.0.as_str(), |(_, display)| display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_names_follow_the_rule() {
        for good in ["a", "demo-east", "A1", &"x".repeat(63)] {
            assert!(good.parse::<CacheName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "a_b", "a.b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<CacheName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_compare_without_case_and_show_as_given() {
        let (a, b): (CacheName, CacheName) = ("Demo".parse().unwrap(), "dEMO".parse().unwrap());
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "Demo");
    }

    #[test]
    fn regions_have_one_spelling() {
        for spelling in ["eastus", "EastUS", "East US"] {
            let region: Region = spelling.parse().unwrap();
            assert_eq!(region.as_str(), "eastus");
            assert_eq!(region.display_name(), "East US");
        }
        assert_eq!("mars1".parse::<Region>().unwrap().display_name(), "mars1");
        assert!("".parse::<Region>().is_err() && "east/us".parse::<Region>().is_err());
    }

    #[test]
    fn subscriptions_are_guids() {
        let id: SubscriptionId = "5D0C4F30-0000-4000-8000-000000000001".parse().unwrap();
        assert_eq!(id.as_str(), "5d0c4f30-0000-4000-8000-000000000001");
        assert!("5d0c4f30".parse::<SubscriptionId>().is_err());
    }
}
