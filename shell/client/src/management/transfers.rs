//! A cache's data set goes out, comes in, or is emptied.

use model::{CacheId, Secret};
use reqwest::Method;
use serde_json::json;

use super::Management;
use crate::{RequestError, operation::Started};

impl Management {
    /// Writes one snapshot for each shard to a place, under names that begin with `prefix`.
    pub async fn export_cache(
        &self,
        id: &CacheId,
        to: &Secret,
        prefix: &str,
    ) -> Result<Started, RequestError> {
        let body = json!({"container": to.reveal(), "prefix": prefix, "format": "RDB"});
        self.start(Method::POST, &format!("{id}/export"), Some(&body))
            .await
    }

    /// Puts what these snapshots hold in the place of the cache's data.
    pub async fn import_cache(
        &self,
        id: &CacheId,
        from: &[Secret],
    ) -> Result<Started, RequestError> {
        let files: Vec<&str> = from.iter().map(Secret::reveal).collect();
        let body = json!({"files": files, "format": "RDB"});
        self.start(Method::POST, &format!("{id}/import"), Some(&body))
            .await
    }

    /// Removes every key.
    pub async fn flush_cache(&self, id: &CacheId) -> Result<Started, RequestError> {
        self.start(Method::POST, &format!("{id}/flush"), None::<&()>)
            .await
    }
}
