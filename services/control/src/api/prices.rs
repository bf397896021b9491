//! What traffic between regions costs: `Godwit.Cache/egressPrices`, which the managed service does
//! not have.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use model::{Amount, Currency, EgressPrice, EgressPrices, Region, SubscriptionId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError, answer,
    body::Fields,
    decide::{Plan, decide},
    find::find_subscription,
};
use crate::{
    plane::Plane,
    records::{PricesRecord, prices},
    store::Change,
};

type Names = Path<(String, String)>;

pub(super) fn routes() -> Router<Arc<Plane>> {
    Router::new().route(
        "/subscriptions/{subscription}/providers/godwit.cache/egressprices/{name}",
        get(show).put(put).delete(delete),
    )
}

async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
) -> Result<Response, ApiError> {
    only(&name)?;
    let state = plane.store.state();
    let subscription = &find_subscription(&state, &subscription)?.id;
    Ok(answer::ok(&shown(
        subscription,
        &state.prices_of(subscription),
    )))
}

/// Puts the whole table in the place of the one that was there.
async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
    body: Fields,
) -> Result<Response, ApiError> {
    only(&name)?;
    let egress = read(body)?;
    let (status, record) = decide(&plane, |state| {
        let subscription = find_subscription(state, &subscription)?;
        let record = PricesRecord {
            subscription: subscription.id.clone(),
            egress: egress.clone(),
        };
        let old = state.prices.get(&prices::key(&subscription.id));
        Ok(match old {
            Some(old) if **old == record => Plan::Answer((StatusCode::OK, record)),
            Some(old) => Plan::Commit(
                Change::new().replace(old, &record),
                (StatusCode::OK, record),
            ),
            None => Plan::Commit(Change::new().insert(&record), (StatusCode::CREATED, record)),
        })
    })
    .await?;
    let body = shown(&record.subscription, &record.egress);
    Ok(answer::json_response(status, &body))
}

async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Names,
) -> Result<Response, ApiError> {
    only(&name)?;
    let status = decide(&plane, |state| {
        let subscription = find_subscription(state, &subscription)?;
        Ok(match state.prices.get(&prices::key(&subscription.id)) {
            Some(old) => Plan::Commit(Change::new().remove(old), StatusCode::OK),
            None => Plan::Answer(StatusCode::NO_CONTENT),
        })
    })
    .await?;
    Ok(answer::empty(status, HeaderMap::new()))
}

/// There is one table.
fn only(name: &str) -> Result<(), ApiError> {
    if name.eq_ignore_ascii_case("default") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(ApiError::not_found(
        "ResourceNotFound",
        format!(
            "There are no egress prices `{shown}`; those of a subscription are called `default`."
        ),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    from: String,
    to: String,
    per_gb: Value,
}

fn read(mut body: Fields) -> Result<EgressPrices, ApiError> {
    body.skip(&["id", "name", "type"]);
    let takes = "an object with `currency` and `prices`";
    let of = body.object("properties")?;
    let mut of = of.ok_or_else(|| body.missing("properties", takes))?;
    body.finish()?;
    let currency = match of.text("currency")? {
        Some(text) => text
            .parse()
            .map_err(|error| of.refused("currency", error))?,
        None => Currency::default(),
    };
    let takes = "a list of objects with `from`, `to` and `perGb`";
    let given = of.given("prices").filter(|given| !given.is_null());
    let given = given.ok_or_else(|| of.missing("prices", takes))?;
    let all: Vec<Asked> = serde_json::from_value(given.clone())
        .map_err(|_other| of.wrong("prices", &given, takes))?;
    let mut prices = Vec::new();
    for Asked { from, to, per_gb } in all {
        let region = |text: String| -> Result<Region, ApiError> {
            text.parse().map_err(|error| of.refused("prices", error))
        };
        let amount = match &per_gb {
            Value::String(text) => text.clone(),
            Value::Number(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Array(_)
            | Value::Object(_) => per_gb.to_string(),
        };
        let per_gb: Amount = amount
            .parse()
            .map_err(|error| of.refused("prices", error))?;
        prices.push(EgressPrice {
            from: region(from)?,
            to: region(to)?,
            per_gb,
        });
    }
    let egress = EgressPrices::new(currency, prices);
    let egress = egress.map_err(|error| of.refused("prices", error))?;
    of.finish()?;
    Ok(egress)
}

fn shown(subscription: &SubscriptionId, egress: &EgressPrices) -> Value {
    let prices = egress.prices.iter().map(
        |price| json!({"from": price.from, "to": price.to, "perGb": price.per_gb.to_string()}),
    );
    json!({
        "id": format!("/subscriptions/{subscription}/providers/Godwit.Cache/egressPrices/default"),
        "name": "default",
        "type": "Godwit.Cache/egressPrices",
        "properties": {
            "currency": egress.currency.to_string(),
            "prices": prices.collect::<Vec<_>>(),
        },
    })
}
