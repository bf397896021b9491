//! Whether the former geo-primary could follow: the firewall of the new one has to admit it.

use super::{Finding, FindingCode, Level, Preflight, sentence};
use crate::{admits, would_not_admit};

pub(super) fn findings(sight: &Preflight<'_>) -> Vec<Finding> {
    let barred = sight.link.not_admitted(sight.seen).map(|why| {
        Finding::new(
            Level::Warning,
            FindingCode::FirewallExcludesAgent,
            sentence(why),
        )
    });
    barred.into_iter().chain(afterwards(sight)).collect()
}

fn afterwards(sight: &Preflight<'_>) -> Option<Finding> {
    let (old, new) = (&sight.primary.cache.id.name, &sight.secondary.cache.id.name);
    let rules = &sight.secondary.cache.access.firewall;
    if rules.is_empty() {
        return None;
    }
    Some(match sight.dials_from {
        Some(address) if admits(rules, address) => Finding::new(
            Level::Ok,
            FindingCode::FirewallAdmitsAgent,
            format!("The firewall of `{new}` admits {address}, from which `{old}` would follow."),
        ),
        Some(address) => Finding::new(
            Level::Warning,
            FindingCode::FirewallExcludesAgent,
            sentence(&would_not_admit(new, address, old)),
        ),
        None => Finding::new(
            Level::Warning,
            FindingCode::FirewallAddressUnknown,
            format!(
                "`{new}` has firewall rules, and from which address `{old}` would follow is not known; see that they admit it."
            ),
        ),
    })
}
