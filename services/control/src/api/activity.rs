//! The activity log: `Microsoft.Insights/eventtypes/management/values`, version 2015-04-01.

mod filter;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{
    ApiError, answer,
    caller::Caller,
    find::find_subscription,
    query::{Asked, bad_query},
};
use crate::{
    history::Wanted,
    plane::Plane,
    view::{SELECTABLE, activity_json, selected},
};

/// As many records are on a page when nobody says how many.
const TOP: usize = 200;
/// As many at most.
const MOST: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Plane>> {
    Router::new()
        .route(
            "/subscriptions/{subscription}/providers/microsoft.insights/eventtypes/{type}/values",
            get(list),
        )
        .route(
            "/providers/microsoft.insights/eventcategories",
            get(categories),
        )
}

async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, kind)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
) -> Result<Response, ApiError> {
    if !kind.eq_ignore_ascii_case("management") {
        return Err(ApiError::no_such_route(&format!("eventtypes/{kind}")));
    }
    let subscription = {
        let state = plane.store.state();
        find_subscription(&state, &subscription)?.id.to_string()
    };
    let select = asked.get("$select").map(select).transpose()?;
    let top = asked.get("$top").map_or(Ok(TOP), top)?;
    let mut wanted = match asked.get("$filter") {
        Some(text) => filter::read(text)?,
        None => Wanted::default(),
    };
    wanted.subscription = Some(subscription.clone());
    wanted.after = asked.get("after").map(number).transpose()?;
    wanted.before = asked.get("$skiptoken").map(number).transpose()?;
    // One more tells whether there is another page.
    wanted.top = top + 1;
    let follows = wanted.after.is_some();
    let mut found = plane.history.records(wanted).await?;
    let is_more = found.len() > top;
    found.truncate(top);
    let last = found.last().map(|kept| kept.number);
    let value: Vec<_> = found
        .iter()
        .map(|kept| selected(activity_json(kept), select.as_deref()))
        .collect();
    let mut body = json!({ "value": value });
    if let Some(last) = last.filter(|_| is_more && !follows) {
        body["nextLink"] = next(&caller, &subscription, &asked, last).into();
    }
    Ok(answer::ok(&body))
}

/// The URL of the page behind the record of this number.
fn next(caller: &Caller, subscription: &str, asked: &Asked, last: u64) -> String {
    let path = format!(
        "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    );
    let mut url = caller.url(&path);
    for name in ["$filter", "$select", "$top"] {
        if let Some(value) = asked.get(name) {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            url.push_str(&format!("&{name}={value}"));
        }
    }
    url.push_str(&format!("&$skiptoken={last}"));
    url
}

/// What records are told apart by.
async fn categories() -> Response {
    let names = ["Administrative", "Security", "ServiceHealth", "Replication"];
    let named = names.map(|name| json!({"value": name, "localizedValue": name}));
    answer::list(named.to_vec())
}

fn select(text: &str) -> Result<Vec<String>, ApiError> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = SELECTABLE
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name));
            let known = known.map(|known| (*known).to_owned());
            known.ok_or_else(|| {
                bad_query(&format!(
                    "`$select` takes names of: {}.",
                    SELECTABLE.join(", ")
                ))
            })
        })
        .collect()
}

fn top(text: &str) -> Result<usize, ApiError> {
    let number = text.parse().ok().filter(|top| (1..=MOST).contains(top));
    number.ok_or_else(|| bad_query(&format!("`$top` takes a number from 1 to {MOST}.")))
}

fn number(text: &str) -> Result<u64, ApiError> {
    let number = text
        .parse()
        .ok()
        .filter(|number| *number <= i64::MAX.unsigned_abs());
    number.ok_or_else(|| {
        bad_query("`after` and `$skiptoken` take the number of a record of this log.")
    })
}
