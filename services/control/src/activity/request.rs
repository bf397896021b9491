//! A request, from the door to its answer, as the activity log sees it.
//!
//! The door says who asks for what; whatever is decided for the request inside that takes the
//! record along in its commit ([`attach`]), so that handlers need not know of this at all.

use std::sync::Arc;

use axum::http::Method;
use model::{CacheId, OperationId, Timestamp};
use parking_lot::Mutex;

use super::{
    Answer,
    changes::changes,
    names::{Called, called},
    record::{Asked, Kind, LONGEST, Origin, Record, Refusal, Status, Who},
    redaction,
};
use crate::{
    plane::Plane,
    principal::Principal,
    records::{OperationRecord, Outcome, cache},
    store::{Change, State},
    view::link_id,
};

tokio::task_local! {
    /// The request that this task serves.
    static SERVED: Arc<Request>;
}

/// A request of the management API, of somebody who is known, that may change something.
pub(crate) struct Request {
    plane: Arc<Plane>,
    at: Timestamp,
    called: Called,
    correlation: String,
    asked: Asked,
    caller: Mutex<Option<Who>>,
    /// The records in the outbox that wait for the answer.
    committed: Mutex<Vec<String>>,
}

impl Request {
    /// What comes in at the door; `None`: it only reads, or is not of the management API.
    pub(crate) fn begin(
        plane: &Arc<Plane>,
        method: &Method,
        path: &str,
        correlation: &str,
        mut asked: Asked,
    ) -> Option<Arc<Self>> {
        let called = called(method, path)?;
        asked.path = asked.path.chars().take(LONGEST).collect();
        asked.client_id = asked.client_id.as_deref().map(redaction::text);
        Some(Arc::new(Self {
            at: plane.clock.now(),
            plane: Arc::clone(plane),
            called,
            correlation: redaction::text(correlation),
            asked,
            caller: Mutex::default(),
            committed: Mutex::default(),
        }))
    }

    /// Whoever asks is known.
    pub(crate) fn is_of(&self, principal: &Principal) {
        *self.caller.lock() = Some(Who::from(principal));
    }

    /// Serves the request within `serving`.
    pub(crate) async fn serve<T>(self: &Arc<Self>, serving: impl Future<Output = T>) -> T {
        SERVED.scope(Arc::clone(self), serving).await
    }

    /// The request was answered. `follows`: the answer leads to a long-running operation.
    pub(crate) fn answered(&self, http_status: u16, refusal: Option<Refusal>, follows: bool) {
        let refusal = refusal.map(|refusal| Refusal {
            code: refusal.code,
            message: redaction::text(&refusal.message)
                .chars()
                .take(LONGEST)
                .collect(),
        });
        let committed = std::mem::take(&mut *self.committed.lock());
        let answer = Answer {
            http_status,
            refusal: refusal.clone(),
        };
        if !committed.is_empty() {
            self.plane.activity.answered(&committed, Some(&answer));
            return;
        }
        let mut record = self.record(self.plane.dice.guid());
        record.http_status = Some(http_status);
        record.status = match (&refusal, follows) {
            (Some(_), _) => Status::Failed,
            (None, true) => Status::Accepted,
            (None, false) => Status::Succeeded,
        };
        if refusal.is_some() {
            record.kind = Kind::Refusal;
            // What was refused need not be a name at all.
            record.resource = redaction::text(&record.resource);
            if let Some(asked) = &mut record.request {
                asked.path = redaction::text(&asked.path);
            }
        }
        record.refusal = refusal;
        self.plane.activity.tell(record, self.plane.clock.now());
    }

    fn record(&self, id: String) -> Record {
        Record {
            id,
            kind: Kind::Operation,
            at: self.at,
            caller: self.caller.lock().clone(),
            operation: self.called.operation.clone(),
            resource: self.called.resource.clone(),
            other: mirrored(&self.plane.store.state(), &self.called.resource),
            status: Status::Succeeded,
            correlation: self.correlation.clone(),
            long_running: None,
            http_status: None,
            refusal: None,
            request: Some(self.asked.clone()),
            changes: Vec::new(),
            count: 1,
            text: None,
            link: None,
        }
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            caller: self.caller.lock().clone()?,
            operation: self.called.operation.clone(),
            resource: self.called.resource.clone(),
            other: mirrored(&self.plane.store.state(), &self.called.resource),
            correlation: self.correlation.clone(),
        })
    }
}

impl Drop for Request {
    /// Whoever asked went away before the answer.
    fn drop(&mut self) {
        let committed = std::mem::take(&mut *self.committed.lock());
        if !committed.is_empty() {
            self.plane.activity.answered(&committed, None);
        }
    }
}

/// A resource of a link as the other cache has it; `None`: it is of no link, or there is no such
/// cache.
fn mirrored(state: &State, resource: &str) -> Option<String> {
    let (own, rest) = resource.split_once("/linkedServers/")?;
    let (other, rest) = rest
        .split_once('/')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let own: CacheId = own.parse().ok()?;
    let other = state.caches.get(&cache::key(&other.parse().ok()?))?;
    let mut id = link_id(&other.id, &own.name);
    if let Some(rest) = rest {
        id.push('/');
        id.push_str(rest);
    }
    Some(id)
}

/// A record of somebody who did not say truly who they are.
pub(crate) fn unauthenticated(
    plane: &Plane,
    method: &Method,
    path: &str,
    correlation: &str,
    asked: Asked,
    refusal: (u16, Refusal),
) {
    // What strangers write is not kept, but for the name of what they were after.
    let operation = called(method, path).map(|called| called.operation);
    let operation = operation.map(|name| redaction::text(&name).chars().take(100).collect());
    let now = plane.clock.now();
    let record = Record {
        id: plane.dice.guid(),
        kind: Kind::Unauthenticated,
        at: now,
        caller: None,
        operation: operation.unwrap_or_else(|| "Godwit.Cache/authenticate/action".to_owned()),
        resource: String::new(),
        other: None,
        status: Status::Failed,
        correlation: redaction::text(correlation),
        long_running: None,
        http_status: Some(refusal.0),
        refusal: Some(refusal.1),
        request: Some(Asked {
            path: String::new(),
            client_id: None,
            ..asked
        }),
        changes: Vec::new(),
        count: 1,
        text: None,
        link: None,
    };
    plane.activity.tell(record, now);
}

/// A change that takes the record of its request along.
pub(crate) struct Attached {
    pub(crate) change: Change,
    open: Option<(Arc<Request>, String)>,
}

/// Gives a change the record of the request that it is made for, if it is made for one, and its
/// long-running operations their origin.
pub(crate) fn attach(mut change: Change, state: &State) -> Attached {
    let Ok(request) = SERVED.try_with(Arc::clone) else {
        return Attached { change, open: None };
    };
    let origin = request.origin();
    let mut begun: Option<OperationId> = None;
    change.amend::<OperationRecord>(|op| {
        if op.origin.is_none() {
            op.origin.clone_from(&origin);
        }
        if op.outcome == Outcome::InProgress {
            begun = Some(op.id.clone());
        }
    });
    let mut record = request.record(request.plane.dice.guid());
    record.changes = changes(state, &change);
    if let Some(id) = begun {
        record.status = Status::Accepted;
        record.long_running = Some(id.to_string());
    }
    request.plane.activity.open(record.id.clone());
    Attached {
        change: change.tell(&record),
        open: Some((request, record.id)),
    }
}

/// What became of the change's record.
pub(crate) struct Unsettled(Option<(Arc<Request>, String)>);

impl Attached {
    /// The change, and what is to be told of its fate.
    pub(crate) fn split(self) -> (Change, Unsettled) {
        (self.change, Unsettled(self.open))
    }
}

impl Unsettled {
    /// The change is made, and its record waits for the answer; or it came to nothing.
    pub(crate) fn settle(mut self, made: bool) {
        if let Some((request, id)) = self.0.take() {
            if made {
                request.committed.lock().push(id);
            } else {
                request.plane.activity.withdraw(&id);
            }
        }
    }
}

impl Drop for Unsettled {
    /// Whether the change is made is not known; the outbox tells.
    fn drop(&mut self) {
        if let Some((request, id)) = self.0.take() {
            request.plane.activity.withdraw(&id);
        }
    }
}

/// The record of the end of a long-running operation; `None`: it began before there was this log.
/// Its name is the operation's, which no other record has.
pub(crate) fn ended(op: &OperationRecord) -> Option<Record> {
    let origin = op.origin.as_ref()?;
    let (at, status, refusal) = match &op.outcome {
        Outcome::InProgress => return None,
        Outcome::Succeeded { ended } => (*ended, Status::Succeeded, None),
        Outcome::Failed {
            ended,
            code,
            message,
        } => {
            let message = redaction::text(message).chars().take(LONGEST).collect();
            let code = code.clone();
            (*ended, Status::Failed, Some(Refusal { code, message }))
        }
    };
    Some(Record {
        id: op.id.to_string(),
        kind: Kind::Operation,
        at,
        caller: Some(origin.caller.clone()),
        operation: origin.operation.clone(),
        resource: origin.resource.clone(),
        other: origin.other.clone(),
        status,
        correlation: origin.correlation.clone(),
        long_running: Some(op.id.to_string()),
        http_status: None,
        refusal,
        request: None,
        changes: Vec::new(),
        count: 1,
        text: None,
        link: None,
    })
}
