//! Writes down what the control plane does to links, by comparing one state of the store with the
//! next. An event is written after its change: a crash between the two loses the event alone.

mod failover;
mod tally;

use std::sync::Arc;

use model::{LinkPhase, LinkRecord};
use tokio::sync::watch;

use crate::{
    activity,
    history::{Event, OwnEvent, OwnKind},
    observations::Seen,
    plane::Plane,
    store::{Difference, State},
    view::settings_json,
};

pub(crate) use tally::{Ended, Failovers};

/// Follows the store for ever, from the state that `states` has shown last.
pub(crate) async fn run(plane: Arc<Plane>, mut states: watch::Receiver<Arc<State>>) {
    let mut before = Arc::clone(&states.borrow());
    while states.changed().await.is_ok() {
        let after = Arc::clone(&states.borrow_and_update());
        let events = changes(&before, &after, &plane.observations.seen());
        plane.failovers.count(&before, &after);
        let record = |event: &Event| match activity::of_link(&after, event) {
            gone if gone.resource.is_empty() => activity::of_link(&before, event),
            there => there,
        };
        plane.history.note(events, plane.clock.now(), record).await;
        before = after;
    }
}

/// What became of the links between two states. States in between may be missing.
fn changes(before: &State, after: &State, seen: &Seen) -> Vec<OwnEvent> {
    let changes = after.links.changes_since(&before.links);
    let told = changes.filter_map(|Difference { old, new }| {
        let link = new.or(old)?;
        let told = match (old, new) {
            (None, Some(new)) => created(new),
            (Some(old), Some(new)) => changed(old, new, seen),
            (Some(old), None) => removed(old),
            (None, None) => Told::new(),
        };
        Some((link.id.clone(), told))
    });
    let events = told.flat_map(|(link, told)| {
        told.into_iter().map(move |(kind, text)| OwnEvent {
            link: link.clone(),
            kind,
            text,
        })
    });
    events.collect()
}

type Told = Vec<(OwnKind, String)>;

fn names(link: &LinkRecord) -> (&str, &str) {
    (
        link.primary.id.name.as_str(),
        link.secondary.id.name.as_str(),
    )
}

fn created(link: &LinkRecord) -> Told {
    let (p, s) = names(link);
    vec![(
        OwnKind::LinkCreated,
        format!("`{s}` is to follow `{p}`, at epoch {}", link.epoch),
    )]
}

fn removed(link: &LinkRecord) -> Told {
    let (p, s) = names(link);
    let text = format!("`{p}` and `{s}` are no longer linked");
    vec![(OwnKind::Unlinked, text)]
}

fn changed(old: &LinkRecord, new: &LinkRecord, seen: &Seen) -> Told {
    let mut told = Told::new();
    let (p, s) = names(new);
    if old.settings != new.settings {
        told.push((OwnKind::SettingsChanged, settings(old, new)));
    }
    if new.attempt > old.attempt {
        told.push(failover::begun(old, new, seen));
    }
    if new.last_abort != old.last_abort
        && let Some((attempt, why)) = &new.last_abort
    {
        let text = format!("attempt {attempt} was given up, and nothing changed: {why}");
        told.push((OwnKind::FailoverAborted, text));
    }
    told.extend(failover::forced(old, new));
    if new.primary.uid != old.primary.uid {
        let text = format!(
            "`{p}` is the geo-primary at epoch {}, and `{s}` follows it",
            new.epoch
        );
        told.push((OwnKind::FailoverDecided, text));
    }
    if new.accept_empty && (!old.accept_empty || new.epoch > old.epoch) {
        let text = format!(
            "`{p}` may start empty at epoch {}; `{s}` follows it whatever it holds",
            new.epoch
        );
        told.push((OwnKind::EmptyStartAllowed, text));
    }
    let syncing = matches!(
        old.phase,
        LinkPhase::Creating | LinkPhase::Syncing | LinkPhase::Promoting
    );
    if syncing && new.phase == LinkPhase::Linked {
        let text = format!("`{s}` is in step with `{p}`");
        told.push((OwnKind::InStep, text));
    }
    if new.is_unlinking() && !old.is_unlinking() {
        let text = format!("`{s}` is to stop following `{p}`; both keep their data");
        told.push((OwnKind::UnlinkBegun, text));
    }
    told
}

/// Each setting that changed, from and to.
fn settings(old: &LinkRecord, new: &LinkRecord) -> String {
    let (old, new) = (settings_json(&old.settings), settings_json(&new.settings));
    let changed = new
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let before = &old[name.as_str()];
            let shown = |value: &serde_json::Value| match value {
                serde_json::Value::Null => "none".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::Array(_)
                | serde_json::Value::Object(_) => value.to_string(),
            };
            (before != value).then(|| format!("{name} from {} to {}", shown(before), shown(value)))
        });
    changed.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
