//! An event of a link.

use serde_json::{Value, json};

use super::operation::time;
use crate::history::Event;

pub(crate) fn event_json(event: &Event) -> Value {
    json!({
        "number": event.number,
        "time": time(event.at),
        "kind": event.kind,
        "shard": event.shard,
        "reportedBy": event.source,
        "text": event.text,
    })
}
