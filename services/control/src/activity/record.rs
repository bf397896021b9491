//! One record of the activity log, as it is kept.

use std::net::IpAddr;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::principal::Principal;

/// No sentence in a record is longer than this many characters.
pub(crate) const LONGEST: usize = 1_000;

/// What somebody asked for, or what became of it, or what happened on a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its name: a GUID, the same wherever the record is told.
    pub(crate) id: String,
    /// Of what kind it is.
    pub(crate) kind: Kind,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// Who asked; `None`: nobody did.
    #[serde(default)]
    pub(crate) caller: Option<Who>,
    /// What was asked for, or what happened, such as `Microsoft.Cache/redis/write`.
    pub(crate) operation: String,
    /// The resource that it is about; empty when there is none.
    pub(crate) resource: String,
    /// Another resource that it is about just as much: the link as the other cache has it.
    #[serde(default)]
    pub(crate) other: Option<String>,
    /// How far it is.
    pub(crate) status: Status,
    /// Records of one request, and of what it led to, have the same.
    pub(crate) correlation: String,
    /// The long-running operation that the request began.
    #[serde(default)]
    pub(crate) long_running: Option<String>,
    /// The HTTP status of the answer; `None`: there was no request, or its answer is not known.
    #[serde(default)]
    pub(crate) http_status: Option<u16>,
    /// Why it was refused, or failed.
    #[serde(default)]
    pub(crate) refusal: Option<Refusal>,
    /// The request.
    #[serde(default)]
    pub(crate) request: Option<Asked>,
    /// Each setting that it changed.
    #[serde(default)]
    pub(crate) changes: Vec<Changed>,
    /// How many like it this record stands for.
    #[serde(default = "one")]
    pub(crate) count: u64,
    /// What happened, in a sentence.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// What happened on a link.
    #[serde(default)]
    pub(crate) link: Option<OfLink>,
}

fn one() -> u64 {
    1
}

/// What kind of record it is: each is bounded by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A request that was accepted, or the end of a long-running operation.
    Operation,
    /// A request that was refused.
    Refusal,
    /// Requests of somebody who did not say who they are, or not truly.
    Unauthenticated,
    /// What happened on a link.
    Link,
    /// What the control plane has to say about this log itself.
    Notice,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    /// The object ID.
    pub(crate) id: String,
    /// The name, for people.
    pub(crate) name: String,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id.clone(),
            name: principal.name.clone(),
        }
    }
}

/// How far it is, in the managed platform's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// Work began, and goes on.
    Accepted,
    /// Something began on a link.
    Started,
    /// It is done.
    Succeeded,
    /// It was refused, or came to nothing.
    Failed,
    /// A disturbance is there.
    Active,
    /// It is over.
    Resolved,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Started => "Started",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Active => "Active",
            Self::Resolved => "Resolved",
        }
    }
}

/// Why a request was refused, or an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The API's error code.
    pub(crate) code: String,
    /// The sentences that the caller was told.
    pub(crate) message: String,
}

/// The request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// From where, as far as it is known.
    pub(crate) from: Option<IpAddr>,
    /// The HTTP method.
    pub(crate) method: String,
    /// The path, without the query.
    pub(crate) path: String,
    /// What the control plane called it: `x-ms-request-id`.
    pub(crate) id: String,
    /// What the caller called it: `x-ms-client-request-id`.
    pub(crate) client_id: Option<String>,
}

/// A setting that was changed. Secrets are never in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// The setting, such as `redisConfiguration.maxmemory-policy`.
    pub(crate) what: String,
    /// What it was; `None`: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<serde_json::Value>,
    /// What it is; `None`: it is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<serde_json::Value>,
}

/// What only records of links have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfLink {
    /// The link.
    pub(crate) id: String,
    /// The shard, when it is one shard's.
    pub(crate) shard: Option<u16>,
    /// Who told it: a region's agent, or the control plane.
    pub(crate) told_by: String,
}

impl Record {
    /// The subscription of the resource; empty when there is none.
    pub(crate) fn subscription(&self) -> &str {
        segment_after(&self.resource, "subscriptions").unwrap_or_default()
    }

    /// The resource group of the resource; empty when there is none.
    pub(crate) fn group(&self) -> &str {
        segment_after(&self.resource, "resourceGroups").unwrap_or_default()
    }

    /// The resource provider that the operation is of.
    pub(crate) fn provider(&self) -> &str {
        self.operation.split('/').next().unwrap_or_default()
    }
}

/// The segment of a resource ID behind one that is `name`.
fn segment_after<'a>(id: &'a str, name: &str) -> Option<&'a str> {
    let mut segments = id.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case(name))?;
    segments.next()
}

/// Why a long-running operation was begun: kept with it, so that its end is told with the same
/// correlation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Who asked.
    pub(crate) caller: Who,
    /// What was asked for.
    pub(crate) operation: String,
    /// The resource that it is about.
    pub(crate) resource: String,
    /// See [`Record::other`].
    #[serde(default)]
    pub(crate) other: Option<String>,
    /// Of the request.
    pub(crate) correlation: String,
}
