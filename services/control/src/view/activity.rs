//! A record of the activity log, in the managed platform's shape (`Microsoft.Insights` event data,
//! version 2015-04-01).

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::operation::time;
use crate::{
    activity::{Kind, Record, Status},
    history::Kept,
};

/// Members of a record that can be asked for one by one.
pub(crate) const SELECTABLE: [&str; 23] = [
    "authorization",
    "caller",
    "category",
    "claims",
    "correlationId",
    "description",
    "eventDataId",
    "eventName",
    "eventTimestamp",
    "httpRequest",
    "id",
    "level",
    "number",
    "operationId",
    "operationName",
    "properties",
    "resourceGroupName",
    "resourceId",
    "resourceProviderName",
    "resourceType",
    "status",
    "subStatus",
    "submissionTimestamp",
];

pub(crate) fn activity_json(kept: &Kept) -> Value {
    let record = &kept.record;
    let caller = record.caller.as_ref();
    let request = record.request.as_ref();
    let at = time(record.at);
    let id = format!("{}/events/{}", record.resource, record.id);
    json!({
        "id": id,
        "eventDataId": record.id,
        "number": kept.number,
        "eventTimestamp": at,
        "submissionTimestamp": at,
        "correlationId": record.correlation,
        "operationId": record.long_running.as_ref().unwrap_or(&record.correlation),
        "caller": caller.map(|who| &who.name),
        "claims": caller.map_or_else(|| json!({}), |who| json!({
            "http://schemas.microsoft.com/identity/claims/objectidentifier": who.id,
            "name": who.name,
        })),
        "authorization": {"action": record.operation, "scope": record.resource},
        "channels": "Operation",
        "category": word(category(record.kind)),
        "eventName": word(event_name(record)),
        "level": level(record),
        "operationName": word(&record.operation),
        "resourceId": record.resource,
        "resourceGroupName": record.group(),
        "resourceProviderName": word(record.provider()),
        "resourceType": word(&resource_type(&record.operation)),
        "subscriptionId": record.subscription(),
        "status": word(record.status.as_str()),
        "subStatus": sub_status(record),
        "httpRequest": request.map(|request| json!({
            "clientRequestId": request.client_id,
            "clientIpAddress": request.from.map(|from| from.to_string()),
            "method": request.method,
            "uri": request.path,
        })),
        "description": record.text.as_deref().unwrap_or_default(),
        "properties": properties(record),
    })
}

/// The members of `json` that are asked for.
pub(crate) fn selected(json: Value, names: Option<&[String]>) -> Value {
    let (Value::Object(members), Some(names)) = (&json, names) else {
        return json;
    };
    let is_wanted = |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let wanted = members.iter().filter(|(name, _)| is_wanted(name));
    Value::Object(
        wanted
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Texts by names, as clients of the platform expect.
fn properties(record: &Record) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: String| all.insert(name.to_owned(), value.into());
    if let Some(status) = record.http_status {
        put("statusCode", status.to_string());
    }
    if let Some(request) = &record.request {
        put("serviceRequestId", request.id.clone());
    }
    if let Some(refusal) = &record.refusal {
        put("errorCode", refusal.code.clone());
        put("statusMessage", refusal.message.clone());
    }
    if !record.changes.is_empty()
        && let Ok(changes) = serde_json::to_string(&record.changes)
    {
        put("changes", changes);
    }
    if record.count > 1 {
        put("count", record.count.to_string());
    }
    if let Some(link) = &record.link {
        put("link", link.id.clone());
        put("reportedBy", link.told_by.clone());
        if let Some(shard) = link.shard {
            put("shard", shard.to_string());
        }
    }
    Value::Object(all)
}

fn word(value: &str) -> Value {
    json!({"value": value, "localizedValue": value})
}

fn category(kind: Kind) -> &'static str {
    match kind {
        Kind::Operation | Kind::Refusal => "Administrative",
        Kind::Unauthenticated => "Security",
        Kind::Link => "Replication",
        Kind::Notice => "ServiceHealth",
    }
}

fn event_name(record: &Record) -> &'static str {
    match record.kind {
        Kind::Operation if record.request.is_none() => "EndOperation",
        Kind::Operation | Kind::Refusal | Kind::Unauthenticated => "EndRequest",
        Kind::Link => "LinkEvent",
        Kind::Notice => "Notice",
    }
}

fn level(record: &Record) -> &'static str {
    match record.status {
        Status::Failed if record.kind == Kind::Unauthenticated => "Warning",
        Status::Failed => "Error",
        Status::Active => "Warning",
        Status::Accepted | Status::Started | Status::Succeeded | Status::Resolved => {
            "Informational"
        }
    }
}

fn resource_type(operation: &str) -> String {
    let mut parts: Vec<&str> = operation.split('/').collect();
    if parts.pop() == Some("action") {
        parts.pop();
    }
    parts.join("/")
}

fn sub_status(record: &Record) -> Value {
    let status = record
        .http_status
        .and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else {
        return word("");
    };
    let name = status.canonical_reason().unwrap_or_default();
    json!({
        "value": name.replace(' ', ""),
        "localizedValue": format!("{name} (HTTP Status Code: {})", status.as_u16()),
    })
}
