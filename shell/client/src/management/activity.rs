//! The activity log.

use model::SubscriptionId;
use reqwest::Method;
use serde_json::Value;

use super::{ANSWER_LIMIT, Answered, Management};
use crate::{
    RequestError,
    activity::{ActivityEvent, ActivityFilter},
    resources::Page,
};

/// The version of the API that the log has.
const VERSION: &str = "2015-04-01";

impl Management {
    /// The last `top` records that are wanted, or, the oldest first, up to `top` that came after the one
    /// numbered `after`.
    pub async fn activity(
        &self,
        subscription: &SubscriptionId,
        filter: &ActivityFilter,
        after: Option<u64>,
        top: u16,
    ) -> Result<Answered<Vec<ActivityEvent>>, RequestError> {
        let (filter, top) = (filter.text(), top.to_string());
        let after = after.map(|number| number.to_string());
        let mut query = vec![("api-version", VERSION), ("$top", top.as_str())];
        query.extend(filter.as_deref().map(|filter| ("$filter", filter)));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let path = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
        );
        let asked = self
            .0
            .ask(Method::GET, &path, &query, None::<&()>, ANSWER_LIMIT);
        let answer = asked.await?;
        let mut page: Page = answer.json()?;
        if after.is_none() {
            page.value.reverse();
        }
        let body: Result<_, _> = page.value.iter().map(|event| answer.part(event)).collect();
        Ok(Answered {
            body: body?,
            json: Value::Array(page.value),
        })
    }
}
