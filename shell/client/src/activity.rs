//! What the activity log tells: who asked for what, what became of it, what happened on links.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::resources::or_default;

/// Which records are wanted; `None`: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Not before this moment, such as `2026-03-01T12:00:00Z`.
    pub from: Option<String>,
    /// Of this resource group.
    pub group: Option<String>,
    /// Of this resource, or of one below it.
    pub resource: Option<String>,
    /// Of this request, and of what it led to.
    pub correlation: Option<String>,
    /// Of this caller, by name or object ID.
    pub caller: Option<String>,
    /// In this status.
    pub status: Option<String>,
}

impl ActivityFilter {
    /// In the words of the API; `None`: nothing is asked for.
    pub(crate) fn text(&self) -> Option<String> {
        let is = |name: &str, operator: &str, value: &Option<String>| {
            let value = value.as_ref()?.replace('\'', "''");
            Some(format!("{name} {operator} '{value}'"))
        };
        let parts: Vec<String> = [
            is("eventTimestamp", "ge", &self.from),
            is("resourceGroupName", "eq", &self.group),
            is("resourceUri", "eq", &self.resource),
            is("correlationId", "eq", &self.correlation),
            is("caller", "eq", &self.caller),
            is("status", "eq", &self.status),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    }
}

/// A word that the API gives with its translation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The word.
    #[serde(deserialize_with = "or_default")]
    pub value: String,
}

/// A record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActivityEvent {
    /// Counts what was kept; later records have higher numbers.
    pub number: u64,
    /// When it happened, such as `2026-03-01T12:00:00Z`.
    #[serde(deserialize_with = "or_default")]
    pub event_timestamp: String,
    /// Who asked; empty: nobody did.
    #[serde(deserialize_with = "or_default")]
    pub caller: String,
    /// Of what kind it is.
    #[serde(deserialize_with = "or_default")]
    pub category: Named,
    /// What was asked for, or what happened.
    #[serde(deserialize_with = "or_default")]
    pub operation_name: Named,
    /// The resource's ID.
    #[serde(deserialize_with = "or_default")]
    pub resource_id: String,
    /// How far it is.
    #[serde(deserialize_with = "or_default")]
    pub status: Named,
    /// The same for a request and what it led to.
    #[serde(deserialize_with = "or_default")]
    pub correlation_id: String,
    /// What happened, in a sentence.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// The rest, as texts by their names.
    #[serde(deserialize_with = "or_default")]
    pub properties: BTreeMap<String, String>,
}

/// A setting that was changed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SettingChanged {
    /// The setting.
    pub what: String,
    /// What it was; `None`: it was not there.
    pub before: Option<Value>,
    /// What it is; `None`: it is no more.
    pub after: Option<Value>,
}

impl ActivityEvent {
    /// Each setting that a request changed.
    #[must_use]
    pub fn changes(&self) -> Vec<SettingChanged> {
        let text = self.properties.get("changes");
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_is_asked_and_no_more() {
        assert_eq!(ActivityFilter::default().text(), None);
        let filter = ActivityFilter {
            from: Some("2026-03-01T12:00:00Z".to_owned()),
            caller: Some("it's me".to_owned()),
            ..ActivityFilter::default()
        };
        assert_eq!(
            filter.text().unwrap(),
            "eventTimestamp ge '2026-03-01T12:00:00Z' and caller eq 'it''s me'"
        );
    }
}
