//! Long-running operations: what an accepted request hands back, and what becomes of it.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    RequestError,
    connection::{Answer, Connection},
    failover::FailoverTimes,
    resources::or_default,
};

/// A request that was accepted.
#[derive(Debug, Clone)]
pub struct Started {
    /// The resource as it is now, when the answer carried it; otherwise `null`.
    pub json: serde_json::Value,
    /// The operation that brings the resource to its new state; `None` when there is nothing left
    /// to do.
    pub ticket: Option<Ticket>,
}

/// Names an operation that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) reads: Reads,
}

/// How the operation's state is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// By the `status` of the answer's body (`Azure-AsyncOperation`).
    Body,
    /// By the answer's HTTP status: 202 until it is over (`Location`).
    Code,
}

/// An operation, as it is seen at one moment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// Its GUID.
    pub name: String,
    /// `Succeeded`, `Failed`, `Canceled`; anything else means that it goes on.
    pub status: String,
    /// From 0 to 100, when known.
    pub percent_complete: Option<f64>,
    /// What it does now.
    #[serde(deserialize_with = "or_default")]
    pub properties: Progress,
    /// Why it failed.
    pub error: Option<OperationError>,
}

/// What an operation does now; each part when known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// The step that it is in.
    pub phase: Option<String>,
    /// What has to happen for it to go on.
    pub waiting_for: Option<String>,
    /// Bytes of the full sync that have crossed.
    pub bytes_done: Option<u64>,
    /// Bytes that the full sync has.
    pub bytes_total: Option<u64>,
    /// Stream bytes that the geo-secondary has not applied.
    pub bytes_behind: Option<u64>,
    /// Age of the oldest of them, in milliseconds.
    pub lag_ms: Option<f64>,
    /// Of a failover: how long its steps took.
    pub failover: Option<FailoverTimes>,
}

/// Why an operation failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OperationError {
    /// The error code.
    pub code: String,
    /// One or more sentences.
    pub message: String,
}

/// Why there is no success to report.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The operation has failed.
    #[error("{message}")]
    Failed {
        /// The error code.
        code: String,
        /// One or more sentences.
        message: String,
    },
    /// The control plane has been out of reach for a while; the operation may go on.
    #[error("lost sight of the operation, which may still go on")]
    OutOfSight(#[source] RequestError),
    /// The control plane does not tell.
    #[error("ask how the operation goes")]
    Untold(#[source] RequestError),
}

/// Where an operation stands.
pub(crate) enum Standing {
    Running,
    Succeeded,
    Failed(OperationError),
}

impl Operation {
    pub(crate) fn standing(&self) -> Standing {
        let is = |status: &str| self.status.eq_ignore_ascii_case(status);
        if is("Succeeded") {
            Standing::Succeeded
        } else if is("Failed") || is("Canceled") {
            Standing::Failed(self.error.clone().unwrap_or_else(|| OperationError {
                code: self.status.clone(),
                message: format!("the operation ended as `{}`, without a reason", self.status),
            }))
        } else {
            Standing::Running
        }
    }
}

impl Started {
    pub(crate) fn read(answer: &Answer, connection: &Connection) -> Result<Self, RequestError> {
        let json = if answer.is_empty() {
            serde_json::Value::Null
        } else {
            answer.json()?
        };
        let ticket = answer
            .header("azure-asyncoperation")
            .map(|url| (url, Reads::Body))
            .or_else(|| {
                let over = answer.status != StatusCode::ACCEPTED;
                let url = answer.header("location").filter(|_| !over)?;
                Some((url, Reads::Code))
            })
            .and_then(|(url, reads)| Ticket::new(connection, url, reads));
        Ok(Self { json, ticket })
    }
}

impl Ticket {
    /// Takes the path and query of `url` alone: the operation is asked of the control plane that
    /// accepted it, and the token goes nowhere else.
    fn new(connection: &Connection, url: &str, reads: Reads) -> Option<Self> {
        let (path, query) = connection.within(url)?;
        Some(Self { path, query, reads })
    }

    /// The operation's ID: the last part of its address.
    #[must_use]
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_three_words_end_an_operation() {
        for (status, over) in [
            ("InProgress", false),
            ("Updating", false),
            ("", false),
            ("succeeded", true),
            ("Failed", true),
            ("CANCELED", true),
        ] {
            let operation: Operation = serde_json::from_value(json!({"status": status})).unwrap();
            let ended = !matches!(operation.standing(), Standing::Running);
            assert_eq!(ended, over, "{status}");
        }
    }

    #[test]
    fn nulls_are_absence() {
        let operation: Operation = serde_json::from_value(json!({
            "id": "…", "name": "n", "status": "InProgress", "startTime": null, "endTime": null,
            "percentComplete": null, "properties": null, "error": null,
        }))
        .unwrap();
        assert_eq!(operation.properties, Progress::default());
        let operation: Operation = serde_json::from_value(json!({
            "status": "InProgress", "properties": {"phase": "Syncing", "bytesDone": 3, "lagMs": null},
        }))
        .unwrap();
        assert_eq!(operation.properties.bytes_done, Some(3));
    }
}
