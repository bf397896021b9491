//! Private endpoints, and the caches that a cache can be linked with.

use std::net::IpAddr;

use model::{CacheId, Consent, EndpointName, Region};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answered, Management};
use crate::{RequestError, Started, candidates::Candidate, private_endpoints::PrivateEndpoint};

impl Management {
    /// A cache's private endpoints.
    pub async fn private_endpoints(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<PrivateEndpoint>>, RequestError> {
        self.list(&format!("{id}/privateEndpointConnections")).await
    }

    /// Makes a private endpoint, at `address` or at one that the cache's agent gives it, or says
    /// whether one that is there may be, and why.
    pub async fn put_private_endpoint(
        &self,
        id: &CacheId,
        name: &EndpointName,
        address: Option<IpAddr>,
        (consent, description): (Consent, Option<&str>),
    ) -> Result<Started, RequestError> {
        let mut state = json!({"status": consent.word()});
        if let Some(description) = description {
            state["description"] = json!(description);
        }
        let mut body = json!({"properties": {"privateLinkServiceConnectionState": state}});
        if let Some(address) = address {
            body["properties"]["address"] = json!(address);
        }
        let path = format!("{id}/privateEndpointConnections/{name}");
        self.start(Method::PUT, &path, Some(&body)).await
    }

    /// Deletes a private endpoint; its connections end. One that is not there is no error.
    pub async fn delete_private_endpoint(
        &self,
        id: &CacheId,
        name: &EndpointName,
    ) -> Result<(), RequestError> {
        let path = format!("{id}/privateEndpointConnections/{name}");
        self.send(Method::DELETE, &path, None::<&()>).await?;
        Ok(())
    }

    /// The caches that could be the geo-secondary of a cache, of one region or of all: those that
    /// can be linked first. With the region that is recommended, in its display name.
    pub async fn link_candidates(
        &self,
        id: &CacheId,
        region: Option<&Region>,
    ) -> Result<(Answered<Vec<Candidate>>, Option<String>), RequestError> {
        let path = format!("{id}/linkCandidates");
        let region = region.map(Region::as_str);
        let query: Vec<_> = region
            .map(|region| ("region", region))
            .into_iter()
            .collect();
        let mut recommended = None;
        let all = self
            .list_with(&path, &query, |page: &Value| {
                let name = page.pointer("/recommendedRegion/displayName");
                recommended = name.and_then(Value::as_str).map(str::to_owned);
            })
            .await?;
        Ok((all, recommended))
    }
}
