//! `godwit link show`, and the end of commands that change a link.

use client::{replication::LinkEvent, resources::LinkProperties, status::LinkStatus};
use model::{CacheId, CacheName};
use serde_json::Value;

use super::{events, failovers, settings, shard};

use crate::{
    failure::Failure,
    output::{Form, bytes, milliseconds, pairs},
    session::Session,
};

/// As many of the last events are shown.
const EVENTS: u16 = 5;

/// Shows a link as it is now. JSON is the link's resource as the geo-primary has it.
pub(crate) async fn show(
    session: &Session,
    primary: &CacheId,
    other: &CacheName,
) -> Result<(), Failure> {
    let link = session.management.link(primary, other).await?;
    let status = match session.form {
        Form::Json => LinkStatus::default(),
        Form::Table => {
            let status = session.management.link_status(primary, other).await;
            status.map(|status| status.body).unwrap_or_default()
        }
    };
    session.form.write(&link.json, || {
        describe(&primary.name, other, &link.body.properties, &status)
    })
}

/// Shows everything that is known of a link. JSON is the link's resource with its runtime status
/// and its last events.
pub(super) async fn show_all(
    session: &Session,
    primary: &CacheId,
    other: &CacheName,
) -> Result<(), Failure> {
    let management = &session.management;
    let link = management.link(primary, other).await?;
    // A link without a status or a history is shown all the same.
    let status = management.link_status(primary, other).await;
    let events = management.link_events(primary, other, None, EVENTS).await;
    let mut json = link.json;
    if let Value::Object(fields) = &mut json {
        let told = status.as_ref().map_or(Value::Null, json_of);
        fields.insert("runtimeStatus".to_owned(), told);
        let told = events.as_ref().map_or(Value::Null, json_of);
        fields.insert("events".to_owned(), told);
    }
    let status = status.map(|status| status.body).unwrap_or_default();
    let events = events.map(|events| events.body).unwrap_or_default();
    session.form.write(&json, || {
        let head = describe(&primary.name, other, &link.body.properties, &status);
        whole(&head, &status, &events)
    })
}

fn json_of<T>(answered: &client::Answered<T>) -> Value {
    answered.json.clone()
}

/// The sections of `link show`, one below the other.
fn whole(head: &str, status: &LinkStatus, events: &[LinkEvent]) -> String {
    let mut text = head.to_owned();
    let mut section = |title: &str, body: &str| {
        text.push_str(&format!("\n\n{title}\n"));
        let lines: Vec<_> = body.lines().map(|line| format!("  {line}")).collect();
        text.push_str(&lines.join("\n"));
    };
    if let Some(settings) = &status.replication_settings {
        section("settings", &settings::describe(settings));
    }
    for (index, shard) in status.shards.iter().enumerate() {
        section(&format!("shard {index}"), &shard::describe(shard));
    }
    if !events.is_empty() {
        section("last events", &events::rows(events));
    }
    text
}

fn describe(
    primary: &CacheName,
    secondary: &CacheName,
    link: &LinkProperties,
    status: &LinkStatus,
) -> String {
    let reasons = Some(status.reasons.join("; "));
    let mut told = vec![
        ("geo-primary", Some(primary.to_string())),
        ("geo-secondary", Some(secondary.to_string())),
        ("state", Some(link.provisioning_state.clone())),
        ("health", health(status).map(str::to_owned)),
        ("because", reasons),
        ("warning", Some(status.warnings.join("; "))),
        ("phase", status.phase.clone()),
        ("epoch", status.epoch.map(|epoch| epoch.to_string())),
        ("behind", status.bytes_behind().map(bytes)),
        ("lag", status.lag_ms().map(milliseconds)),
    ];
    told.extend(failovers::told(status));
    told.extend([
        (
            "geo name",
            Some(link.geo_replicated_primary_host_name.clone()),
        ),
        ("leads to", Some(link.primary_host_name.clone())),
    ]);
    pairs(told)
}

/// A link's health in a word or two.
pub(super) fn health(status: &LinkStatus) -> Option<&'static str> {
    match (status.state.as_deref(), status.healthy?) {
        (_, true) => Some("healthy"),
        (Some("SourceLost"), false) => Some("source lost"),
        (_, false) => Some("unhealthy"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_is_described_with_what_is_wrong() {
        let link: LinkProperties = serde_json::from_value(json!({
            "linkedRedisCacheId": "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/b",
            "serverRole": "Secondary", "provisioningState": "Succeeded",
            "primaryHostName": "a.zone", "geoReplicatedPrimaryHostName": "b.geo.zone",
        }))
        .unwrap();
        let status: LinkStatus = serde_json::from_value(json!({
            "phase": "Linked", "epoch": 3, "healthy": false,
            "reasons": ["the agent of `b` does not report; bring it back"],
            "shards": [{"bytesBehind": 2048, "lagMs": 1500.0}],
        }))
        .unwrap();
        let shown = describe(&"a".parse().unwrap(), &"b".parse().unwrap(), &link, &status);
        let expected = "\
geo-primary    a
geo-secondary  b
state          Succeeded
health         unhealthy
because        the agent of `b` does not report; bring it back
phase          Linked
epoch          3
behind         2.00 KiB
lag            1.5 s
geo name       b.geo.zone
leads to       a.zone";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_lost_source_is_called_so() {
        let status = |state: &str, healthy: bool| LinkStatus {
            state: Some(state.to_owned()),
            healthy: Some(healthy),
            ..LinkStatus::default()
        };
        assert_eq!(health(&status("Healthy", true)), Some("healthy"));
        assert_eq!(health(&status("Unhealthy", false)), Some("unhealthy"));
        assert_eq!(health(&status("SourceLost", false)), Some("source lost"));
        assert_eq!(health(&LinkStatus::default()), None);
    }
}
