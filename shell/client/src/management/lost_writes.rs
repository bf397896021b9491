//! Receipts of lost writes: lists, contents, and what was written elsewhere since.

use std::time::Duration;

use model::{CacheId, CacheName};
use reqwest::Method;
use serde_json::Value;

use super::{API_VERSION, Answered, Management, link_path};
use crate::{
    RequestError,
    lost_writes::{Download, LostWrites, Place},
};

/// For the first byte that an agent sends, and for each piece after it.
const PIECE_LIMIT: Duration = Duration::from_secs(60);

impl Management {
    /// What one cache took and the other side of its link never got.
    pub async fn lost_writes(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<LostWrites>>, RequestError> {
        self.list(&format!("{id}/lostWrites")).await
    }

    /// The same of both caches of a link.
    pub async fn lost_writes_of_link(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<Vec<LostWrites>>, RequestError> {
        self.list(&format!("{}/lostWrites", link_path(id, other)))
            .await
    }

    /// One receipt.
    pub async fn receipt(
        &self,
        id: &CacheId,
        receipt: &str,
    ) -> Result<Answered<LostWrites>, RequestError> {
        self.read(&receipt_path(id, receipt)).await
    }

    /// The commands of a receipt, in RESP.
    pub async fn receipt_content(
        &self,
        id: &CacheId,
        receipt: &str,
    ) -> Result<Download, RequestError> {
        let path = format!("{}/content", receipt_path(id, receipt));
        self.download(&path, &[]).await
    }

    /// The keys of a receipt: arrays of a database and a key, in RESP.
    pub async fn receipt_keys(
        &self,
        id: &CacheId,
        receipt: &str,
    ) -> Result<Download, RequestError> {
        let path = format!("{}/keys", receipt_path(id, receipt));
        self.download(&path, &[]).await
    }

    /// The keys that a geo-primary was told to write since a position, in the form of
    /// [`Management::receipt_keys`].
    pub async fn written_since(
        &self,
        id: &CacheId,
        shard: u16,
        position: &Place,
    ) -> Result<Download, RequestError> {
        let (shard, position) = (
            shard.to_string(),
            format!("{}:{}", position.replid, position.offset),
        );
        let query = [("shard", shard.as_str()), ("position", position.as_str())];
        self.download(&format!("{id}/writtenSince"), &query).await
    }

    /// Removes a receipt with its commands.
    pub async fn discard_receipt(&self, id: &CacheId, receipt: &str) -> Result<(), RequestError> {
        let path = receipt_path(id, receipt);
        self.send(Method::DELETE, &path, None::<&Value>).await?;
        Ok(())
    }

    async fn download(&self, path: &str, more: &[(&str, &str)]) -> Result<Download, RequestError> {
        let mut query = vec![("api-version", API_VERSION)];
        query.extend(more);
        let stream = self.0.stream(path, &query, PIECE_LIMIT).await?;
        Ok(Download(stream))
    }
}

fn receipt_path(id: &CacheId, receipt: &str) -> String {
    format!("{id}/lostWrites/{receipt}")
}
