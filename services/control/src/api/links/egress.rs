//! What a link sent, and what that costs: `egress`, which the managed service does not have.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::civil::Date;
use model::CacheName;

use super::{Names, other_name};
use crate::{
    api::{
        ApiError, answer,
        find::cache_id,
        query::{Asked, bad_query},
    },
    history::{Flow, Sent},
    plane::Plane,
    view::{Granularity, egress_json, period},
};

/// Every day that is kept.
const ALL: (u64, u64) = (0, 1_000_000);

pub(in crate::api) async fn egress(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    asked: Asked,
) -> Result<Response, ApiError> {
    let granularity = match asked.get("granularity") {
        None => Granularity::Month,
        Some(text) if text.eq_ignore_ascii_case("month") => Granularity::Month,
        Some(text) if text.eq_ignore_ascii_case("day") => Granularity::Day,
        Some(_) => return Err(bad_query("`granularity` takes `month` or `day`.")),
    };
    let days = asked.get("period").map_or(Ok(ALL), days)?;
    let (id, other, is_linked, prices) = {
        let state = plane.store.state();
        let id = cache_id(&state, &subscription, &group, &name)?;
        let other: CacheName = other_name(&id, &other)?;
        let link = state.cache(&id).and_then(|cache| state.link_of(cache));
        let is_linked = link.is_some_and(|link| {
            let members = [&link.primary, &link.secondary];
            members.iter().any(|member| member.id.name == other)
        });
        let prices = state.prices_of(&id.subscription);
        (id, other, is_linked, prices)
    };
    plane.egress.save(&plane.history, plane.clock.now()).await;
    let cache = id.to_string().to_ascii_lowercase();
    let found = plane.history.egress(cache, other.folded(), days).await?;
    // The months of two caches that were linked once can be read when they are not, or are no more.
    if found.is_empty() && !is_linked {
        return Err(ApiError::no_link(&id, &other));
    }
    let mut periods: BTreeMap<(String, Flow), Sent> = BTreeMap::new();
    for ((flow, day), sent) in found {
        let key = (period(day, granularity), flow);
        periods.entry(key).or_default().add(sent);
    }
    Ok(answer::ok(&egress_json(
        &id,
        &other,
        granularity,
        &periods,
        &prices,
    )))
}

/// The days of a month or of a day, such as `2026-11` or `2026-11-03`, both ends included.
fn days(text: &str) -> Result<(u64, u64), ApiError> {
    let bad = || bad_query("`period` takes a month or a day, such as `2026-11` or `2026-11-03`.");
    let number = |date: Date| {
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        u64::try_from(zoned.timestamp().as_second() / (24 * 3_600)).ok()
    };
    let is_month = text.len() == 7;
    let first: Date = if is_month {
        format!("{text}-01").parse().ok()
    } else {
        text.parse().ok().filter(|_| text.len() == 10)
    }
    .ok_or_else(bad)?;
    let last = if is_month {
        first.last_of_month()
    } else {
        first
    };
    number(first).zip(number(last)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month_or_a_day() {
        assert_eq!(days("1970-01").unwrap(), (0, 30));
        assert_eq!(days("1970-02-01").unwrap(), (31, 31));
        assert_eq!(days("2024-02").unwrap().1 - days("2024-02").unwrap().0, 28);
        for bad in ["2026", "2026-13", "2026-1", "x", "2026-11-31", "1969-12"] {
            assert_eq!(days(bad).unwrap_err().code, "InvalidQuery", "{bad}");
        }
    }
}
