//! What differs between the two caches and is not replicated: clients notice it after a failover.

use std::collections::BTreeSet;

use super::{Finding, FindingCode, Level};
use crate::{
    CacheRecord, PolicyAssignment, TokenUser, default_reserved, engine_settings, is_read_only_key,
};

pub(super) fn findings(old: &CacheRecord, new: &CacheRecord) -> Vec<Finding> {
    let (p, s) = (&old.id.name, &new.id.name);
    let mut findings = Vec::new();
    let (ours, theirs) = (old.spec.enable_non_ssl_port, new.spec.enable_non_ssl_port);
    if ours != theirs {
        findings.push(Finding::new(
            Level::Warning,
            FindingCode::NonSslPortDiffers,
            format!("`enableNonSslPort` is {ours} on `{p}` and {theirs} on `{s}`; set it alike."),
        ));
    }
    let version = |cache: &CacheRecord| {
        let version = cache.spec.minimum_tls_version.as_ref();
        version.map_or_else(|| "not set".to_owned(), ToString::to_string)
    };
    let (ours, theirs) = (version(old), version(new));
    if ours != theirs {
        findings.push(Finding::new(
            Level::Warning,
            FindingCode::MinimumTlsVersionDiffers,
            format!("`minimumTlsVersion` is {ours} on `{p}` and {theirs} on `{s}`; set it alike."),
        ));
    }
    let keys = old.spec.configuration.keys();
    let keys: BTreeSet<_> = keys.chain(new.spec.configuration.keys()).collect();
    for key in keys.into_iter().filter(|key| !is_read_only_key(key)) {
        let (ours, theirs) = (effective(old, key), effective(new, key));
        if ours != theirs {
            findings.push(Finding::new(
                Level::Warning,
                FindingCode::ConfigurationDiffers,
                format!("`{key}` is {ours} on `{p}` and {theirs} on `{s}`; set it alike."),
            ));
        }
    }
    findings.extend(entrances(old, new));
    if old.keys != new.keys {
        findings.push(Finding::new(
            Level::Advice,
            FindingCode::AccessKeysDiffer,
            format!("The access keys of `{s}` are not those of `{p}`; clients need them to log in after the failover."),
        ));
    }
    findings
}

/// Who may come in.
fn entrances(old: &CacheRecord, new: &CacheRecord) -> Vec<Finding> {
    let (p, s) = (&old.id.name, &new.id.name);
    let mut findings = Vec::new();
    let mut differs = |level, code, message: String| {
        findings.push(Finding::new(level, code, message));
    };
    let access = |cache: &CacheRecord| cache.spec.public_network_access.clone();
    let (ours, theirs) = (access(old), access(new));
    if ours != theirs {
        differs(
            Level::Warning,
            FindingCode::PublicNetworkAccessDiffers,
            format!(
                "`publicNetworkAccess` is {ours} on `{p}` and {theirs} on `{s}`; set it alike."
            ),
        );
    }
    let disabled = |cache: &CacheRecord| cache.spec.disable_access_key_authentication;
    let (ours, theirs) = (disabled(old), disabled(new));
    if ours != theirs {
        differs(
            Level::Warning,
            FindingCode::AccessKeyAuthenticationDiffers,
            format!(
                "`disableAccessKeyAuthentication` is {ours} on `{p}` and {theirs} on `{s}`; set it alike."
            ),
        );
    }
    let ranges = |cache: &CacheRecord| -> BTreeSet<_> {
        let rules = cache.access.firewall.iter();
        rules.map(|rule| (rule.start, rule.end)).collect()
    };
    if ranges(old) != ranges(new) {
        differs(
            Level::Advice,
            FindingCode::FirewallDiffers,
            format!(
                "The firewall rules of `{s}` are not those of `{p}`; clients that one admits the other may keep out."
            ),
        );
    }
    if let Some(who) = other_user(old, new) {
        differs(
            Level::Advice,
            FindingCode::AccessPoliciesDiffer,
            format!(
                "`{}` does not come in to `{s}` with a token as to `{p}`; assignments belong to one cache, so give `{s}` its own.",
                who.alias
            ),
        );
    }
    findings
}

/// The first whom the new geo-primary does not let in as the old one does.
fn other_user<'a>(old: &'a CacheRecord, new: &CacheRecord) -> Option<&'a PolicyAssignment> {
    let let_in = |cache: &CacheRecord| cache.front_door().users;
    let known = let_in(new);
    let missing = |user: &TokenUser| !known.contains(user);
    let missing = let_in(old).into_iter().find(missing)?;
    let mut assignments = old.access.assignments.iter();
    assignments.find(|given| given.object_id.as_str() == missing.object_id)
}

/// A setting as it is in force, set or not.
fn effective(cache: &CacheRecord, key: &str) -> String {
    let spec = &cache.spec;
    let quoted = |value: &str| format!("`{value}`");
    let in_force = engine_settings(spec.sku, &spec.configuration).ok();
    let derived = in_force.and_then(|settings| match key {
        "maxmemory-policy" => Some(quoted(&settings.maxmemory_policy)),
        "notify-keyspace-events" => Some(quoted(&settings.notify_keyspace_events)),
        "databases" => Some(quoted(&settings.databases.to_string())),
        _ => None,
    });
    let set = || spec.configuration.get(key).map(|value| quoted(value));
    derived.or_else(set).unwrap_or_else(|| match key {
        "maxmemory-reserved" | "maxmemory-delta" | "maxfragmentationmemory-reserved" => {
            quoted(&default_reserved(spec.sku).to_string())
        }
        _ => "not set".to_owned(),
    })
}
