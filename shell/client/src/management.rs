//! The management API: subscriptions, resource groups, caches, links.

use std::{fmt, time::Duration};

use model::{CacheId, CacheName, GroupName, Secret, SubscriptionId};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    BuildError, RequestError,
    connection::{Answer, Connection},
    operation::{Operation, Reads, Standing, Started, Ticket, WaitError},
    replication::{LinkEvent, LinkSettings, SettingsChange},
    resources::{Cache, Group, Keys, Link, Location, Page, Subscription},
    status::{CacheStatus, LinkStatus},
};

mod access;
mod activity;
mod change;
mod egress;
mod failover;
mod lost_writes;
mod sign_in;
mod transfers;

pub use change::CacheChange;

/// The version of the API that every request names.
pub(crate) const API_VERSION: &str = "2024-11-01";
/// For an answer to any one request. Long work is an operation, not a long answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at an operation: it is our own control plane, and a look is cheap.
const PACE: Duration = Duration::from_millis(200);
/// How long an operation is looked for while the control plane is out of reach.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(30);
/// More pages than any list of 10,000 caches has.
const MAX_PAGES: usize = 1_000;

/// A client for whoever manages caches. Clones share their connections.
#[derive(Clone)]
pub struct Management(Connection);

/// An answer, as this version understands it and as it came.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// The parts that are understood.
    pub body: T,
    /// All of it.
    pub json: Value,
}

/// One of a cache's two access keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The first.
    Primary,
    /// The second.
    Secondary,
}

/// What [`Management::wait`] tells while it waits.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// The operation goes on.
    Progress(&'a Operation),
    /// The control plane is out of reach; it is asked again.
    Outage(&'a RequestError),
}

impl Management {
    /// A client of the control plane at `url`, with the management API's token.
    pub fn new(url: &str, token: Secret) -> Result<Self, BuildError> {
        Self::trusting(url, token, None)
    }

    /// The same; over https `authority` is trusted beside the system's authorities: a certificate in
    /// PEM, such as the deployment's own.
    pub fn trusting(url: &str, token: Secret, authority: Option<&str>) -> Result<Self, BuildError> {
        Connection::new(url, token, authority).map(Self)
    }

    /// The URL that it talks to.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.base()
    }

    /// Every subscription.
    pub async fn subscriptions(&self) -> Result<Answered<Vec<Subscription>>, RequestError> {
        self.list("/subscriptions").await
    }

    /// The deployment's regions.
    pub async fn locations(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Answered<Vec<Location>>, RequestError> {
        self.list(&format!("/subscriptions/{subscription}/locations"))
            .await
    }

    /// The certificate of the deployment's authority, PEM: what clients of the caches trust.
    pub async fn certificate_authority(&self) -> Result<String, RequestError> {
        let path = "/providers/Godwit.Cache/certificateAuthority";
        let answer = self.send(Method::GET, path, None::<&()>).await?;
        answer.text().map(ToOwned::to_owned)
    }

    /// Every resource group.
    pub async fn groups(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Answered<Vec<Group>>, RequestError> {
        self.list(&format!("/subscriptions/{subscription}/resourcegroups"))
            .await
    }

    /// One resource group.
    pub async fn group(
        &self,
        subscription: &SubscriptionId,
        name: &GroupName,
    ) -> Result<Answered<Group>, RequestError> {
        self.read(&group_path(subscription, name)).await
    }

    /// Creates a resource group, or changes its tags.
    pub async fn put_group(
        &self,
        subscription: &SubscriptionId,
        name: &GroupName,
        location: &str,
    ) -> Result<Answered<Group>, RequestError> {
        let body = json!({"location": location});
        let path = group_path(subscription, name);
        let answer = self.send(Method::PUT, &path, Some(&body)).await?;
        understood(&answer)
    }

    /// Deletes a resource group with everything in it.
    pub async fn delete_group(
        &self,
        subscription: &SubscriptionId,
        name: &GroupName,
    ) -> Result<Started, RequestError> {
        self.start(Method::DELETE, &group_path(subscription, name), None::<&()>)
            .await
    }

    /// Every cache of a subscription, or of one of its groups.
    pub async fn caches(
        &self,
        subscription: &SubscriptionId,
        group: Option<&GroupName>,
    ) -> Result<Answered<Vec<Cache>>, RequestError> {
        let scope = match group {
            Some(group) => format!("/subscriptions/{subscription}/resourceGroups/{group}"),
            None => format!("/subscriptions/{subscription}"),
        };
        self.list(&format!("{scope}/providers/Microsoft.Cache/redis"))
            .await
    }

    /// One cache.
    pub async fn cache(&self, id: &CacheId) -> Result<Answered<Cache>, RequestError> {
        self.read(&id.to_string()).await
    }

    /// Creates a cache. The answer's `json` carries the access keys.
    pub async fn create_cache(
        &self,
        id: &CacheId,
        change: &CacheChange,
    ) -> Result<Started, RequestError> {
        self.start(Method::PUT, &id.to_string(), Some(&change.body()))
            .await
    }

    /// Changes a cache. The answer's `json` carries the access keys.
    pub async fn update_cache(
        &self,
        id: &CacheId,
        change: &CacheChange,
    ) -> Result<Started, RequestError> {
        self.start(Method::PATCH, &id.to_string(), Some(&change.body()))
            .await
    }

    /// Deletes a cache with its data. A cache that is not there is no error.
    pub async fn delete_cache(&self, id: &CacheId) -> Result<Started, RequestError> {
        self.start(Method::DELETE, &id.to_string(), None::<&()>)
            .await
    }

    /// A cache's access keys.
    pub async fn keys(&self, id: &CacheId) -> Result<Answered<Keys>, RequestError> {
        let path = format!("{id}/listKeys");
        let answer = self.send(Method::POST, &path, None::<&()>).await?;
        understood(&answer)
    }

    /// Replaces one of a cache's access keys; the old one is worth nothing from then on.
    pub async fn regenerate_key(
        &self,
        id: &CacheId,
        kind: KeyKind,
    ) -> Result<Answered<Keys>, RequestError> {
        let key_type = match kind {
            KeyKind::Primary => "Primary",
            KeyKind::Secondary => "Secondary",
        };
        let body = json!({"keyType": key_type});
        let path = format!("{id}/regenerateKey");
        let answer = self.send(Method::POST, &path, Some(&body)).await?;
        understood(&answer)
    }

    /// A cache's links, as it sees them: none or one.
    pub async fn links(&self, id: &CacheId) -> Result<Answered<Vec<Link>>, RequestError> {
        self.list(&format!("{id}/linkedServers")).await
    }

    /// The link of two caches, as `id` sees it.
    pub async fn link(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<Link>, RequestError> {
        self.read(&link_path(id, other)).await
    }

    /// Makes `primary` the geo-primary of the two caches. Two caches without a link get one, and
    /// `secondary` loses its data; a link that runs the other way fails over.
    pub async fn put_link(
        &self,
        primary: &CacheId,
        secondary: &CacheId,
        secondary_location: &str,
    ) -> Result<Started, RequestError> {
        let as_usual = SettingsChange::default();
        self.create_link(primary, secondary, secondary_location, &as_usual)
            .await
    }

    /// As [`Management::put_link`]; a new link has these settings from its beginning, and for a
    /// link that is there they must be its own.
    pub async fn create_link(
        &self,
        primary: &CacheId,
        secondary: &CacheId,
        secondary_location: &str,
        settings: &SettingsChange,
    ) -> Result<Started, RequestError> {
        let mut body = json!({"properties": {
            "linkedRedisCacheId": secondary.to_string(),
            "linkedRedisCacheLocation": secondary_location,
            "serverRole": "Secondary",
        }});
        if !settings.is_empty() {
            body["properties"]["replicationSettings"] = settings.body();
        }
        let path = link_path(primary, &secondary.name);
        self.start(Method::PUT, &path, Some(&body)).await
    }

    /// How a link moves its bytes; either cache may ask.
    pub async fn link_settings(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<LinkSettings>, RequestError> {
        self.read(&format!("{}/replicationSettings", link_path(id, other)))
            .await
    }

    /// Changes how a link moves its bytes, at once.
    pub async fn change_link_settings(
        &self,
        id: &CacheId,
        other: &CacheName,
        change: &SettingsChange,
    ) -> Result<Answered<LinkSettings>, RequestError> {
        let path = format!("{}/replicationSettings", link_path(id, other));
        let answer = self.send(Method::PATCH, &path, Some(&change.body())).await;
        understood(&answer?)
    }

    /// Lets a geo-primary that lost its data go on empty; the geo-secondary loses what it holds.
    pub async fn accept_empty_source(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<LinkStatus>, RequestError> {
        let path = format!("{}/acceptEmptySource", link_path(id, other));
        let answer = self.send(Method::POST, &path, None::<&()>).await?;
        understood(&answer)
    }

    /// What happened on a link, oldest first: the last `top` events, or up to `top` that came
    /// after the one numbered `since`.
    pub async fn link_events(
        &self,
        id: &CacheId,
        other: &CacheName,
        since: Option<u64>,
        top: u16,
    ) -> Result<Answered<Vec<LinkEvent>>, RequestError> {
        let (top, since) = (top.to_string(), since.map(|number| number.to_string()));
        let mut query = vec![("api-version", API_VERSION), ("top", top.as_str())];
        query.extend(since.as_deref().map(|since| ("since", since)));
        let path = format!("{}/events", link_path(id, other));
        let answer = self
            .0
            .ask(Method::GET, &path, &query, None::<&()>, ANSWER_LIMIT)
            .await?;
        let page: Page = answer.json()?;
        let body: Result<_, _> = page.value.iter().map(|event| answer.part(event)).collect();
        Ok(Answered {
            body: body?,
            json: Value::Array(page.value),
        })
    }

    /// Ends a link. Both caches keep their data, and both take writes.
    pub async fn delete_link(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Started, RequestError> {
        self.start(Method::DELETE, &link_path(id, other), None::<&()>)
            .await
    }

    /// What is seen of a cache right now.
    pub async fn cache_status(&self, id: &CacheId) -> Result<Answered<CacheStatus>, RequestError> {
        self.read(&format!("{id}/runtimeStatus")).await
    }

    /// What is seen of a link right now; either cache may ask.
    pub async fn link_status(
        &self,
        id: &CacheId,
        other: &CacheName,
    ) -> Result<Answered<LinkStatus>, RequestError> {
        self.read(&format!("{}/runtimeStatus", link_path(id, other)))
            .await
    }

    /// Waits for an operation to end, however long it takes, and gives it as it ended. Outages of the control plane shorter
    /// than half a minute are sat out. Dropping the future leaves the operation to itself.
    pub async fn wait(
        &self,
        ticket: &Ticket,
        mut tell: impl FnMut(Sight<'_>),
    ) -> Result<Answered<Operation>, WaitError> {
        let mut unreachable_since = None;
        loop {
            match self.look(ticket).await {
                Ok(seen) => {
                    unreachable_since = None;
                    match seen.body.standing() {
                        Standing::Running => tell(Sight::Progress(&seen.body)),
                        Standing::Succeeded => return Ok(seen),
                        Standing::Failed(error) => {
                            let (code, message) = (error.code, error.message);
                            return Err(WaitError::Failed { code, message });
                        }
                    }
                }
                Err(error) if error.is_outage() => {
                    let since = *unreachable_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= OUTAGE_PATIENCE {
                        return Err(WaitError::OutOfSight(error));
                    }
                    tell(Sight::Outage(&error));
                }
                Err(error) => return Err(WaitError::Untold(error)),
            }
            sleep(PACE).await;
        }
    }

    async fn look(&self, ticket: &Ticket) -> Result<Answered<Operation>, RequestError> {
        let query: Vec<_> = ticket
            .query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = self
            .0
            .ask(Method::GET, &ticket.path, &query, None::<&()>, ANSWER_LIMIT)
            .await?;
        match ticket.reads {
            Reads::Body => understood(&answer),
            Reads::Code => {
                let over = answer.status != StatusCode::ACCEPTED;
                let status = if over { "Succeeded" } else { "" };
                Ok(Answered {
                    body: Operation {
                        status: status.to_owned(),
                        ..Operation::default()
                    },
                    json: Value::Null,
                })
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Answer, RequestError> {
        let query = [("api-version", API_VERSION)];
        self.0.ask(method, path, &query, body, ANSWER_LIMIT).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Answered<T>, RequestError> {
        understood(&self.send(Method::GET, path, None::<&()>).await?)
    }

    async fn start(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Started, RequestError> {
        let answer = self.send(method, path, body).await?;
        Started::read(&answer, &self.0)
    }

    /// Reads a list to its last page. `json` is the array of all of them.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Answered<Vec<T>>, RequestError> {
        let mut all = Vec::new();
        let mut body = Vec::new();
        let mut answer = self.send(Method::GET, path, None::<&()>).await?;
        for _ in 0..MAX_PAGES {
            let page: Page = answer.json()?;
            for value in page.value {
                body.push(answer.part(&value)?);
                all.push(value);
            }
            let next = page.next_link.filter(|link| !link.is_empty());
            let Some((path, query)) = next.and_then(|link| self.0.within(&link)) else {
                break;
            };
            let query: Vec<_> = query
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            answer = self
                .0
                .ask(Method::GET, &path, &query, None::<&()>, ANSWER_LIMIT)
                .await?;
        }
        let json = Value::Array(all);
        Ok(Answered { body, json })
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Management").field(&self.0.base()).finish()
    }
}

fn understood<T: DeserializeOwned>(answer: &Answer) -> Result<Answered<T>, RequestError> {
    let json: Value = answer.json()?;
    let body = answer.part(&json)?;
    Ok(Answered { body, json })
}

fn group_path(subscription: &SubscriptionId, name: &GroupName) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{name}")
}

fn link_path(id: &CacheId, other: &CacheName) -> String {
    format!("{id}/linkedServers/{other}")
}
