//! What happened on links, as records of this log.

use model::LinkRecord;

use super::record::{Kind, OfLink, Record, Status};
use crate::{history::Event, records::link, store::State, view::link_id};

/// The record of an event. Of a link that is gone the resource is left empty; the history knows it
/// from the records before.
pub(crate) fn of_link(state: &State, event: &Event) -> Record {
    let known = state.links.get(&link::key(&event.link));
    record(known.map(|link| &**link), event)
}

fn record(link: Option<&LinkRecord>, event: &Event) -> Record {
    let of = |one: &model::Member, other: &model::Member| link_id(&one.id, &other.id.name);
    Record {
        id: name(event),
        kind: Kind::Link,
        at: event.at,
        caller: None,
        operation: format!("Godwit.Cache/linkedServers/{}", event.kind),
        resource: link.map_or_else(String::new, |link| of(&link.primary, &link.secondary)),
        other: link.map(|link| of(&link.secondary, &link.primary)),
        status: status(&event.kind),
        correlation: name(event),
        long_running: None,
        http_status: None,
        refusal: None,
        request: None,
        changes: Vec::new(),
        count: 1,
        text: Some(event.text.clone()),
        link: Some(OfLink {
            id: event.link.to_string(),
            shard: event.shard,
            told_by: event.source.clone(),
        }),
    }
}

/// A GUID that is always the same for one event: its source's boot is drawn at random.
fn name(event: &Event) -> String {
    let (boot, sequence) = (event.boot, event.sequence);
    let hex = format!("{boot:016x}{sequence:016x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

/// How far what happened is; the words are those of [`model::EventKind`] and [`OwnKind`].
///
/// [`OwnKind`]: crate::history::OwnKind
fn status(kind: &str) -> Status {
    match kind {
        "AutoFailoverBegun" | "FailoverBegun" | "FailoverForced" | "FullSyncStarted"
        | "LinkCreated" | "UnlinkBegun" => Status::Started,
        "AutoFailoverWithheld" | "Disconnected" | "JournalOutrun" | "LeaseLost" | "Stalled" => {
            Status::Active
        }
        "Connected" | "LeaseHeld" | "StallEnded" => Status::Resolved,
        "FailoverAborted" | "JournalFailed" | "LostWritesUnsaved" | "PeerRefused"
        | "SourceLost" => Status::Failed,
        _ => Status::Succeeded,
    }
}

#[cfg(test)]
mod tests {
    use model::{LinkId, Timestamp};

    use super::*;

    #[test]
    fn an_event_has_one_name_for_ever() {
        let event = Event {
            number: 0,
            source: "eastus".to_owned(),
            boot: 0x0123_4567_89ab_cdef,
            sequence: 7,
            heard: Timestamp(9),
            at: Timestamp(8),
            link: LinkId::new("l"),
            shard: Some(1),
            kind: "Stalled".to_owned(),
            text: "x".to_owned(),
        };
        let record = record(None, &event);
        assert_eq!(record.id, "01234567-89ab-cdef-0000-000000000007");
        assert_eq!(record.status, Status::Active);
        assert_eq!(record.at, Timestamp(8));
    }
}
