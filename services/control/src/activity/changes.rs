//! What a request changed: each setting before and after, by comparing the records that its change
//! writes with those that were there.

use serde_json::{Map, Value};

use super::{record::Changed, redaction};
use crate::store::{Change, State};

/// As many settings of one request are told.
const MOST: usize = 50;
/// No value is longer than this many characters.
const LONGEST: usize = 200;
/// Kinds of records whose content is what people ask for.
const KINDS: [&str; 6] = [
    "cache/",
    "group/",
    "link/",
    "prices/",
    "role-assignment/",
    "service-principal/",
];
/// Members that tell how a change is carried out, and not what it is.
const OWN: [&str; 21] = [
    "accept_empty",
    "attempt",
    "created",
    "epoch",
    "id",
    "key",
    "last_abort",
    "last_auto",
    "lease_untold",
    "lifecycle",
    "longest_lease",
    "phase",
    "progress",
    "revision",
    "since",
    "standing",
    "subscription",
    "suspect_empty",
    "transfer",
    "uid",
    "deleting",
];
/// Members that stand for their content.
const TRANSPARENT: [&str; 4] = ["access", "egress", "spec", "settings"];
/// Members that the API calls otherwise.
const CALLED: [(&str, &str); 6] = [
    ("configuration", "redisConfiguration"),
    ("firewall", "firewallRules"),
    ("assignments", "accessPolicyAssignments"),
    ("policies", "accessPolicies"),
    ("replicas", "replicasPerPrimary"),
    ("shards", "shardCount"),
];
/// Members whose own members have names of people's choice.
const MAPS: [&str; 3] = ["configuration", "tags", "tenant_settings"];

/// Each setting that `change` changes in `state`.
pub(super) fn changes(state: &State, change: &Change) -> Vec<Changed> {
    let mut found = Vec::new();
    let writes = change.writes();
    let mut of_people: Vec<_> = writes
        .filter(|(key, _)| KINDS.iter().any(|kind| key.as_str().starts_with(kind)))
        .collect();
    // What the request is about comes before what follows from it.
    of_people.sort_by_key(|(key, _)| !key.as_str().starts_with("link/"));
    for (key, after) in of_people {
        let before = state.shown(key);
        let after = after.and_then(|text| serde_json::from_str(text).ok());
        let place = Place {
            what: String::new(),
            hidden: false,
            names: Names::Own,
        };
        compare(place, before.as_ref(), after.as_ref(), &mut found);
    }
    // What can be read comes first.
    found.sort_by_key(|one| one.before == hidden() || one.after == hidden());
    found.truncate(MOST);
    found
}

fn hidden() -> Option<Value> {
    Some(redaction::HIDDEN.into())
}

/// Whose names the members of a value have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// The record's.
    Own,
    /// People's choice, and a name may tell that there is a secret.
    Map,
    /// People's choice, of things that have members of their own.
    List,
}

/// Where in a record.
struct Place {
    what: String,
    hidden: bool,
    names: Names,
}

impl Place {
    fn below(&self, name: &str) -> Self {
        let own = self.names == Names::Own;
        let called = if own { called(name) } else { name.to_owned() };
        let what = match (self.what.as_str(), own && TRANSPARENT.contains(&name)) {
            (here, true) => here.to_owned(),
            ("", false) => called,
            (here, false) => format!("{here}.{called}"),
        };
        let names = if own && MAPS.contains(&name) {
            Names::Map
        } else {
            Names::Own
        };
        let tells = self.names != Names::List && redaction::is_telling(name);
        Self {
            what,
            hidden: self.hidden || tells,
            names,
        }
    }
}

fn called(name: &str) -> String {
    if let Some((_, called)) = CALLED.iter().find(|(stored, _)| *stored == name) {
        return (*called).to_owned();
    }
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut chars = word.chars();
        camel.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    camel
}

fn compare(
    mut place: Place,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Changed>,
) {
    if before == after || found.len() >= MOST {
        return;
    }
    let member = ["primary", "secondary"].contains(&place.what.as_str());
    let (old, new) = (members(before), members(after));
    if member || (old.is_none() && new.is_none()) {
        let shown = |value: Option<&Value>| {
            let value = value.filter(|value| !is_nothing(value))?;
            let value = if member { &value["id"]["name"] } else { value };
            Some(shortened(redaction::value(value, place.hidden)))
        };
        let (before, after) = (shown(before), shown(after));
        let same = before == after && !place.hidden;
        if !same && (before.is_some() || after.is_some()) {
            found.push(Changed {
                what: place.what,
                before,
                after,
            });
        }
        return;
    }
    if [before, after]
        .iter()
        .flatten()
        .any(|value| value.is_array())
    {
        place.names = Names::List;
    }
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        if place.names == Names::Own && OWN.contains(&name.as_str()) {
            continue;
        }
        compare(place.below(name), old.get(name), new.get(name), found);
    }
}

/// Values that are as good as none.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The members of an object, or of a list of things that have names.
fn members(value: Option<&Value>) -> Option<Map<String, Value>> {
    match value? {
        Value::Object(members) => Some(members.clone()),
        Value::Array(all) => {
            let named = all.iter().map(|one| {
                let mut members = one.as_object()?.clone();
                let mut take = |name: &str| Some(members.remove(name)?.as_str()?.to_owned());
                // What leads from one region to another has no other name.
                let name = take("name").or_else(|| {
                    let (from, to) = (take("from")?, take("to")?);
                    Some(format!("{from} to {to}"))
                })?;
                Some((name, Value::Object(members)))
            });
            let named: Option<Map<String, Value>> = named.collect();
            named.filter(|named| !named.is_empty())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn shortened(value: Value) -> Value {
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) => return value,
    };
    if text.chars().count() <= LONGEST {
        return value;
    }
    let mut short: String = text.chars().take(LONGEST).collect();
    short.push('…');
    Value::String(short)
}

#[cfg(test)]
mod tests {
    use model::{CacheRecord, Epoch, FirewallRule, LinkId, LinkRecord, Secret, Timestamp};
    use serde::Serialize;

    use super::*;
    use crate::records::tests::{cache, member};

    fn between<T: Serialize>(before: Option<&T>, after: Option<&T>) -> Vec<String> {
        let json = |record: &T| serde_json::to_value(record).unwrap();
        let (before, after) = (before.map(json), after.map(json));
        let mut found = Vec::new();
        let place = Place {
            what: String::new(),
            hidden: false,
            names: Names::Own,
        };
        compare(place, before.as_ref(), after.as_ref(), &mut found);
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "-".to_owned(), Value::to_string)
        };
        found
            .iter()
            .map(|one| {
                format!(
                    "{}: {} -> {}",
                    one.what,
                    shown(&one.before),
                    shown(&one.after)
                )
            })
            .collect()
    }

    fn changed(change: impl FnOnce(&mut CacheRecord)) -> Vec<String> {
        let before = cache("east", "eastus");
        let mut after = before.clone();
        after.revision += 1;
        change(&mut after);
        between(Some(&before), Some(&after))
    }

    #[test]
    fn settings_are_told_by_the_names_of_the_api() {
        let told = changed(|cache| {
            let all = &mut cache.spec.configuration;
            all.insert("maxmemory-policy".to_owned(), "allkeys-lru".to_owned());
            all.insert("notify-keyspace-events".to_owned(), "KEA".to_owned());
            cache.spec.enable_non_ssl_port = true;
            cache.access.firewall.push(FirewallRule {
                name: "my_rule".parse().unwrap(),
                start: "192.0.2.1".parse().unwrap(),
                end: "192.0.2.9".parse().unwrap(),
            });
            cache.lifecycle = model::Lifecycle::Updating;
        });
        assert_eq!(
            told,
            [
                "firewallRules.my_rule.end: - -> \"192.0.2.9\"",
                "firewallRules.my_rule.start: - -> \"192.0.2.1\"",
                "redisConfiguration.maxmemory-policy: \"noeviction\" -> \"allkeys-lru\"",
                "redisConfiguration.notify-keyspace-events: - -> \"KEA\"",
                "enableNonSslPort: false -> true",
            ]
        );
    }

    #[test]
    fn a_secret_is_told_to_have_changed_and_never_shown() {
        let told = changed(|cache| {
            cache.keys.primary = Secret::new("hunter2");
            let (connection, tag) = ("rdb-storage-connection-string", "api-key");
            let all = &mut cache.spec.configuration;
            all.insert(connection.to_owned(), "AccountKey=hunter2".to_owned());
            cache.spec.tags.insert(tag.to_owned(), "hunter2".to_owned());
            let place = "https://x.test/?sig=hunter2".to_owned();
            cache.spec.tags.insert("place".to_owned(), place);
        });
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "keys.primary: \"[redacted]\" -> \"[redacted]\"");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }

    #[test]
    fn a_link_tells_its_two_caches() {
        let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
        let link = LinkRecord::begin(
            LinkId::new("l"),
            member(&east),
            member(&west),
            Epoch(4),
            Timestamp(5),
        );
        let told = between(None, Some(&link));
        assert!(
            told.contains(&"primary: - -> \"east\"".to_owned()),
            "{told:?}"
        );
        assert!(
            told.contains(&"compression: - -> 1".to_owned()) || told.len() > 3,
            "{told:?}"
        );
        let swapped = LinkRecord {
            primary: link.secondary.clone(),
            secondary: link.primary.clone(),
            ..link.clone()
        };
        assert_eq!(
            between(Some(&link), Some(&swapped)),
            [
                "primary: \"east\" -> \"west\"",
                "secondary: \"west\" -> \"east\""
            ]
        );
    }
}
