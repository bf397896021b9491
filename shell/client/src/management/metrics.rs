//! Metrics.

use model::CacheId;
use reqwest::Method;

use super::{ANSWER_LIMIT, API_VERSION, Answered, Management, understood};
use crate::{
    RequestError,
    metrics::{Metrics, MetricsQuery},
};

impl Management {
    /// Metrics of a cache.
    pub async fn metrics(
        &self,
        id: &CacheId,
        asked: &MetricsQuery,
    ) -> Result<Answered<Metrics>, RequestError> {
        let names = asked.names.join(",");
        let timespan = format!("PT{}M", asked.minutes.max(1));
        let filter = asked.split.as_ref().map(|split| format!("{split} eq '*'"));
        let mut query = vec![
            ("api-version", API_VERSION),
            ("timespan", timespan.as_str()),
        ];
        if !names.is_empty() {
            query.push(("metricnames", names.as_str()));
        }
        let more = [
            ("interval", asked.interval.as_deref()),
            ("aggregation", asked.aggregation.as_deref()),
            ("$filter", filter.as_deref()),
        ];
        let more = more.into_iter();
        query.extend(more.filter_map(|(name, value)| Some((name, value?))));
        let path = format!("{id}/providers/Microsoft.Insights/metrics");
        let answer = self
            .0
            .ask(Method::GET, &path, &query, None::<&()>, ANSWER_LIMIT)
            .await?;
        understood(&answer)
    }
}
