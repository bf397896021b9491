//! Failovers: what one would meet, its beginning, and what people have to agree to afterwards.

use model::{CacheId, CacheName};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answered, Management, link_path, understood};
use crate::{
    RequestError, Started,
    failover::{FailoverOptions, Preflight},
    status::LinkStatus,
};

impl Management {
    /// Says what a failover of a link would meet. Nothing changes.
    pub async fn failover_preflight(
        &self,
        id: &CacheId,
        other: &CacheName,
        options: &FailoverOptions,
    ) -> Result<Answered<Preflight>, RequestError> {
        let path = format!("{}/failoverPreflight", link_path(id, other));
        let body = options.body().unwrap_or_else(|| json!({}));
        understood(&self.send(Method::POST, &path, Some(&body)).await?)
    }

    /// Makes the geo-secondary `new` of a link its geo-primary.
    pub async fn fail_over(
        &self,
        new: &CacheId,
        old: &CacheId,
        old_location: &str,
        options: &FailoverOptions,
    ) -> Result<Started, RequestError> {
        let mut body = json!({"properties": {
            "linkedRedisCacheId": old.to_string(),
            "linkedRedisCacheLocation": old_location,
            "serverRole": "Secondary",
        }});
        if let Some(options) = options.body() {
            body["properties"]["failover"] = options;
        }
        let path = link_path(new, &old.name);
        self.start(Method::PUT, &path, Some(&body)).await
    }

    /// Says that somebody has seen a failover that happened by itself.
    pub async fn acknowledge_auto_failover(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<LinkStatus>, RequestError> {
        self.say(id, other, "acknowledgeAutoFailover").await
    }

    /// Lets a former geo-primary follow although some of what it took could not be saved.
    pub async fn accept_unsaved(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<LinkStatus>, RequestError> {
        self.say(id, other, "acceptUnsaved").await
    }

    async fn say(
        &self,
        id: &CacheId,
        other: &CacheName,
        what: &str,
    ) -> Result<Answered<LinkStatus>, RequestError> {
        let path = format!("{}/{what}", link_path(id, other));
        understood(&self.send(Method::POST, &path, None::<&Value>).await?)
    }
}
