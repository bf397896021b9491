//! What links sent, and what it costs.

use model::{CacheId, CacheName, SubscriptionId};
use reqwest::Method;

use super::{ANSWER_LIMIT, API_VERSION, Answered, Management, link_path, understood};
use crate::{
    RequestError,
    egress::{EgressPrices, LinkEgress, PriceTable},
};

impl Management {
    /// What went between two caches that are linked or were, by the month or, with `by_day`, by the
    /// day; of a month or a day alone, if `period` names one.
    pub async fn link_egress(
        &self,
        id: &CacheId,
        other: &CacheName,
        by_day: bool,
        period: Option<&str>,
    ) -> Result<Answered<LinkEgress>, RequestError> {
        let granularity = if by_day { "day" } else { "month" };
        let mut query = vec![("api-version", API_VERSION), ("granularity", granularity)];
        query.extend(period.map(|period| ("period", period)));
        let path = format!("{}/egress", link_path(id, other));
        let asked = self
            .0
            .ask(Method::GET, &path, &query, None::<&()>, ANSWER_LIMIT);
        understood(&asked.await?)
    }

    /// What traffic between regions costs.
    pub async fn egress_prices(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Answered<EgressPrices>, RequestError> {
        self.read(&prices_path(subscription)).await
    }

    /// Puts a table of prices in the place of the one that was there.
    pub async fn put_egress_prices(
        &self,
        subscription: &SubscriptionId,
        prices: &PriceTable,
    ) -> Result<Answered<EgressPrices>, RequestError> {
        let path = prices_path(subscription);
        understood(&self.send(Method::PUT, &path, Some(&prices.body())).await?)
    }
}

fn prices_path(subscription: &SubscriptionId) -> String {
    format!("/subscriptions/{subscription}/providers/Godwit.Cache/egressPrices/default")
}
