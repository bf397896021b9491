//! Why a failover does not happen by itself although its time has come: told once for each reason.

use std::collections::BTreeMap;

use model::LinkId;

use super::{Sight, link_seen};
use crate::history::{OwnEvent, OwnKind};

/// The reason that was told last, by link.
#[derive(Default)]
pub(super) struct Withheld(BTreeMap<LinkId, String>);

impl Withheld {
    /// What has not been told yet.
    pub(super) fn news(&mut self, sight: &Sight<'_>) -> Vec<OwnEvent> {
        let mut present = BTreeMap::new();
        let mut events = Vec::new();
        let links = sight.state.links.iter();
        for link in links.filter(|link| link.settings.auto_failover.is_some()) {
            let seen = link_seen(sight.seen, link);
            let Some(why) = link.auto_failover_waits(seen, sight.now) else {
                continue;
            };
            let reason = without_figures(&why);
            if self.0.get(&link.id) != Some(&reason) {
                events.push(OwnEvent {
                    link: link.id.clone(),
                    kind: OwnKind::AutoFailoverWithheld,
                    text: format!(
                        "`{}` does not take over by itself: {why}",
                        link.secondary.id.name
                    ),
                });
            }
            present.insert(link.id.clone(), reason);
        }
        self.0 = present;
        events
    }
}

/// Figures change from one look to the next, and the reason is the same.
fn without_figures(why: &str) -> String {
    why.chars().filter(|c| !c.is_ascii_digit()).collect()
}
