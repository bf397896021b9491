//! What a link sent, by the month or the day, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{Amount, CacheId, CacheName, EgressPrices};
use serde_json::{Value, json};

use super::link_id;
use crate::history::{Flow, Sent};

/// How finely sums are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granularity {
    Month,
    Day,
}

/// The name of the period that a day since the Unix epoch is in.
pub(crate) fn period(day: u64, granularity: Granularity) -> String {
    let seconds = i64::try_from(day)
        .unwrap_or(i64::MAX)
        .saturating_mul(24 * 3_600);
    let date = Timestamp::from_second(seconds).map(|at| at.to_string());
    let date = date.unwrap_or_default();
    let length = match granularity {
        Granularity::Month => 7,
        Granularity::Day => 10,
    };
    date.get(..length).unwrap_or_default().to_owned()
}

pub(crate) fn egress_json(
    own: &CacheId,
    other: &CacheName,
    granularity: Granularity,
    periods: &BTreeMap<(String, Flow), Sent>,
    prices: &EgressPrices,
) -> Value {
    let mut unpriced = BTreeSet::new();
    let mut total = (Sent::default(), Some(Amount::ZERO));
    let mut rows = Vec::new();
    for ((period, flow), sent) in periods {
        let per_gb = prices.per_gb(&flow.from_region, &flow.to_region);
        let cost = per_gb.map(|per_gb| per_gb.for_bytes(sent.wire));
        if cost.is_none() {
            unpriced.insert((flow.from_region.clone(), flow.to_region.clone()));
        }
        total.0.add(*sent);
        total.1 = total.1.zip(cost).map(|(sum, cost)| sum.plus(cost));
        rows.push(json!({
            "period": period,
            "fromCache": name(&flow.from),
            "toCache": name(&flow.to),
            "from": flow.from_region,
            "to": flow.to_region,
            "rawBytes": sent.raw,
            "wireBytes": sent.wire,
            "savedPercent": saved(*sent),
            "perGb": per_gb.map(Amount::as_f64),
            "cost": cost.map(Amount::as_f64),
        }));
    }
    let unpriced = unpriced
        .into_iter()
        .map(|(from, to)| json!({"from": from, "to": to}));
    json!({
        "id": format!("{}/egress", link_id(own, other)),
        "name": "egress",
        "type": "Godwit.Cache/linkedServers/egress",
        "properties": {
            "granularity": match granularity {
                Granularity::Month => "month",
                Granularity::Day => "day",
            },
            "currency": prices.currency.to_string(),
            "rows": rows,
            "total": {
                "rawBytes": total.0.raw,
                "wireBytes": total.0.wire,
                "savedPercent": saved(total.0),
                "cost": total.1.map(Amount::as_f64),
            },
            "unpriced": unpriced.collect::<Vec<_>>(),
        },
    })
}

/// What compression saved, in percent; below 0 where frames cost more than it saved.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage needs no more digits"
)]
fn saved(sent: Sent) -> Option<f64> {
    if sent.raw == 0 {
        return None;
    }
    let share = 1.0 - sent.wire as f64 / sent.raw as f64;
    Some((share * 1_000.0).round() / 10.0)
}

fn name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_of_utc() {
        assert_eq!(period(0, Granularity::Month), "1970-01");
        assert_eq!(period(20_788, Granularity::Day), "2026-12-01");
        assert_eq!(period(20_787, Granularity::Month), "2026-11");
    }

    #[test]
    fn a_way_without_a_price_has_no_cost_and_says_so() {
        let flow = |from: &str, to: &str| Flow {
            from: "/x/redis/a".to_owned(),
            to: "/x/redis/b".to_owned(),
            from_region: from.parse().unwrap(),
            to_region: to.parse().unwrap(),
        };
        let sent = Sent {
            raw: 4_000_000_000,
            wire: 1_000_000_000,
        };
        let own: CacheId = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/a".parse().unwrap();
        let prices = EgressPrices::new(
            model::Currency::default(),
            vec![model::EgressPrice {
                from: "eastus".parse().unwrap(),
                to: "westus".parse().unwrap(),
                per_gb: "0.02".parse().unwrap(),
            }],
        )
        .unwrap();
        let shown = |flow: Flow| {
            let periods = BTreeMap::from([(("2026-11".to_owned(), flow), sent)]);
            let other = "b".parse().unwrap();
            egress_json(&own, &other, Granularity::Month, &periods, &prices)["properties"].take()
        };
        let priced = shown(flow("eastus", "westus"));
        assert_eq!(priced["rows"][0]["cost"], 0.02);
        assert_eq!(priced["rows"][0]["savedPercent"], 75.0);
        assert_eq!(priced["total"]["cost"], 0.02);
        assert_eq!(priced["unpriced"], json!([]));
        let back = shown(flow("westus", "eastus"));
        assert_eq!(back["rows"][0]["cost"], Value::Null);
        assert_eq!(back["total"]["cost"], Value::Null);
        assert_eq!(
            back["unpriced"],
            json!([{"from": "westus", "to": "eastus"}])
        );
        assert_eq!(shown(flow("westus", "westus"))["total"]["cost"], 0.0);
    }
}
