//! `godwit events`.

use std::time::Duration;

use clap::{Args, value_parser};
use client::activity::{ActivityEvent, ActivityFilter};
use model::CacheName;
use runtime::clock::Clock;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    arguments::Common,
    failure::Failure,
    output::{Form, line, or_dash, table},
    quantity,
    session::Session,
    talk::Talk,
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// As many at one look.
const MOST: u16 = 1_000;
/// As many changed settings are shown in a line.
const SHOWN: usize = 3;

/// Show what was asked for and what happened: who, when, on what, with what outcome
///
/// Every change and every refusal of the management API, the ends of long operations, and what happened on
/// links; kept for 90 days. JSON is the API's own array; with --follow, one record a line.
///
/// Examples:
///   godwit events --since 2h
///   godwit events --cache demo-east --follow
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Events {
    /// Of this cache, its links, rules and keys
    #[arg(long, value_name = "NAME", conflicts_with = "link")]
    cache: Option<CacheName>,
    /// Of the links of this cache
    #[arg(long, value_name = "NAME")]
    link: Option<CacheName>,
    /// Since a time, such as 2026-03-01T12:00:00Z, or for so long, such as 2h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Of this caller, by name or object ID
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Of this request and what it led to
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Show the last so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Go on with new ones until interrupted
    #[arg(long, short)]
    follow: bool,
    /// The same as --output json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

impl Events {
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        if self.json {
            self.common.output = Form::Json;
        }
        let session = Session::open(self.common.clone()).await?;
        let filter = self.filter(&session).await?;
        let (management, of) = (&session.management, &session.subscription);
        let first = management.activity(of, &filter, None, self.top).await?;
        if !self.follow {
            if first.body.is_empty() && session.form == Form::Table {
                Talk.say("nothing of that kind has happened");
                return Ok(());
            }
            return session.form.write(&first.json, || rows(&first.body));
        }
        write_each(session.form, &first.body, &first.json)?;
        let last = match last_number(&first.body) {
            Some(last) => last,
            // Nothing is there that the filter lets through; go on behind whatever there is.
            None => {
                let any = ActivityFilter::default();
                let newest = management.activity(of, &any, None, 1).await?;
                last_number(&newest.body).unwrap_or(0)
            }
        };
        follow(&session, &filter, last).await
    }

    async fn filter(&self, session: &Session) -> Result<ActivityFilter, Failure> {
        let resource = match (&self.cache, &self.link) {
            (Some(cache), _) => Some(session.place(cache).await?.to_string()),
            (None, Some(cache)) => Some(format!("{}/linkedServers", session.place(cache).await?)),
            (None, None) => None,
        };
        let from = self.since.as_deref().map(since).transpose()?;
        let group = session.group().filter(|_| resource.is_none());
        Ok(ActivityFilter {
            from,
            group: group.map(ToString::to_string),
            resource,
            correlation: self.correlation.clone(),
            caller: self.caller.clone(),
            status: None,
        })
    }
}

/// A time as the API takes it.
fn since(text: &str) -> Result<String, Failure> {
    let Ok(ago) = quantity::duration(text) else {
        return Ok(text.to_owned());
    };
    let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    let ms = i64::try_from(Clock.now().0.saturating_sub(ago)).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(ms);
    at.map(|at| at.to_string())
        .map_err(|_too_long| Failure::usage("--since is longer ago than can be told"))
}

async fn follow(session: &Session, filter: &ActivityFilter, mut last: u64) -> Result<(), Failure> {
    let (management, of) = (&session.management, &session.subscription);
    let mut failing = false;
    loop {
        sleep(PERIOD).await;
        match management.activity(of, filter, Some(last), MOST).await {
            Ok(more) => {
                failing = false;
                write_each(session.form, &more.body, &more.json)?;
                last = last_number(&more.body).unwrap_or(last).max(last);
            }
            Err(error) if error.is_outage() => {
                if !failing {
                    Talk.error(&format!("{error} (asking again)"));
                }
                failing = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn last_number(events: &[ActivityEvent]) -> Option<u64> {
    events.iter().map(|event| event.number).max()
}

fn write_each(form: Form, events: &[ActivityEvent], json: &Value) -> Result<(), Failure> {
    match form {
        Form::Json => {
            for event in json.as_array().into_iter().flatten() {
                line(&event.to_string())?;
            }
        }
        Form::Table => {
            for event in events {
                let [time, who, what, on, outcome] = row(event);
                line(&format!("{time}  {who:10}  {what:28}  {on:24}  {outcome}"))?;
            }
        }
    }
    Ok(())
}

fn rows(events: &[ActivityEvent]) -> String {
    let header = ["TIME", "WHO", "WHAT", "ON", "OUTCOME"];
    table(header, events.iter().map(row))
}

fn row(event: &ActivityEvent) -> [String; 5] {
    let told_by = event.properties.get("reportedBy").cloned();
    let who = Some(event.caller.clone()).filter(|who| !who.is_empty());
    [
        event.event_timestamp.clone(),
        or_dash(who.or(told_by)),
        what(&event.operation_name.value),
        or_dash(Some(on(&event.resource_id))),
        outcome(event),
    ]
}

/// The operation without what every operation has.
fn what(operation: &str) -> String {
    let short = [
        "Microsoft.Cache/",
        "Microsoft.Resources/subscriptions/",
        "Godwit.Cache/",
    ]
    .iter()
    .find_map(|prefix| operation.strip_prefix(prefix));
    let short = short.unwrap_or(operation);
    short
        .strip_prefix("linkedServers/")
        .unwrap_or(short)
        .to_owned()
}

/// The names in a resource's ID: `demo-east/demo-west` of a link.
fn on(resource: &str) -> String {
    let of_provider = resource.rsplit_once("/providers/").map(|(_, rest)| rest);
    let names: Vec<&str> = match of_provider {
        Some(rest) => rest.split('/').skip(2).step_by(2).collect(),
        None => resource.split('/').skip(2).step_by(2).collect(),
    };
    match (of_provider, names.as_slice()) {
        // A group, or the subscription itself.
        (None, [_, group, ..]) => (*group).to_owned(),
        (None, [_] | []) => String::new(),
        (Some(_), names) => names.join("/"),
    }
}

fn outcome(event: &ActivityEvent) -> String {
    let property = |name: &str| event.properties.get(name).filter(|text| !text.is_empty());
    let mut text = event.status.value.clone();
    if let Some(code) = property("errorCode") {
        text.push_str(&format!(" ({code})"));
    }
    let why = property("statusMessage").cloned();
    let told = why.or_else(|| Some(event.description.clone()).filter(|text| !text.is_empty()));
    let changes = event.changes();
    let mut parts: Vec<String> = told.into_iter().collect();
    if !changes.is_empty() {
        let mut shown: Vec<String> = changes
            .iter()
            .take(SHOWN)
            .map(|change| {
                let value = |value: &Option<Value>| match value {
                    None => "none".to_owned(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                format!(
                    "{} {} → {}",
                    change.what,
                    value(&change.before),
                    value(&change.after)
                )
            })
            .collect();
        if changes.len() > SHOWN {
            shown.push(format!("and {} more", changes.len() - SHOWN));
        }
        parts.push(shown.join(", "));
    }
    if let Some(count) = property("count") {
        parts.push(format!("{count} times"));
    }
    if parts.is_empty() {
        return text;
    }
    text.push_str(": ");
    text.push_str(&parts.join("; "));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CACHE: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/demo-east";

    fn event(json: Value) -> ActivityEvent {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn records_are_told_in_columns() {
        let refused = event(json!({
            "number": 7, "eventTimestamp": "2026-03-01T12:00:00Z", "caller": "operator",
            "operationName": {"value": "Microsoft.Cache/redis/delete"},
            "resourceId": CACHE, "status": {"value": "Failed"},
            "properties": {"errorCode": "Conflict", "statusMessage": "It is linked."},
        }));
        let changed = event(json!({
            "number": 8, "eventTimestamp": "2026-03-01T12:00:01Z", "caller": "operator",
            "operationName": {"value": "Microsoft.Cache/redis/write"},
            "resourceId": CACHE, "status": {"value": "Accepted"},
            "properties": {"changes": "[{\"what\":\"sku.capacity\",\"before\":1,\"after\":2}]"},
        }));
        let of_link = event(json!({
            "number": 9, "eventTimestamp": "2026-03-01T12:00:02Z", "caller": null,
            "operationName": {"value": "Godwit.Cache/linkedServers/InStep"},
            "resourceId": format!("{CACHE}/linkedServers/demo-west"),
            "status": {"value": "Succeeded"}, "description": "they are in step",
            "properties": {"reportedBy": "control plane"},
        }));
        let expected = "\
TIME                  WHO            WHAT          ON                   OUTCOME
2026-03-01T12:00:00Z  operator       redis/delete  demo-east            Failed (Conflict): It is linked.
2026-03-01T12:00:01Z  operator       redis/write   demo-east            Accepted: sku.capacity 1 → 2
2026-03-01T12:00:02Z  control plane  InStep        demo-east/demo-west  Succeeded: they are in step";
        assert_eq!(rows(&[refused, changed, of_link]), expected);
    }

    #[test]
    fn groups_and_nothing_have_names_as_well() {
        assert_eq!(on("/subscriptions/s/resourceGroups/g"), "g");
        assert_eq!(on("/subscriptions/s/providers/Microsoft.Cache"), "");
        assert_eq!(on("/subscriptions/s"), "");
        assert_eq!(on(""), "");
    }
}
