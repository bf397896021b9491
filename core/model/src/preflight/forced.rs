//! What a forced failover costs, and what keeps the old geo-primary from taking writes meanwhile.

use super::{Finding, FindingCode, Level, Preflight};
use crate::{Behind, Fencing, RoleKind, ShardStanding};

pub(super) fn findings(sight: &Preflight<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(alive(sight));
    if sight.behind.is_empty() {
        let (p, _) = sight.names();
        findings.push(Finding::new(
            Level::Warning,
            FindingCode::LossUnknown,
            format!("What would be lost is not known: no agent has reported since the control plane started. What `{p}` has is kept there when it comes back."),
        ));
    }
    findings.extend(sight.behind.iter().map(|behind| loss(sight, behind)));
    findings.push(fencing(sight));
    findings
}

/// A living primary can hand over, and then nothing is lost.
fn alive(sight: &Preflight<'_>) -> Option<Finding> {
    let (p, _) = sight.names();
    let primary = sight.seen.primary?;
    let writable = primary.role == RoleKind::Primary
        && primary.all_shards(|standing| *standing == ShardStanding::Writable);
    let advice = if writable {
        "takes writes; a planned failover loses none of them"
    } else {
        "reports; see whether a planned failover is possible, which loses nothing"
    };
    Some(Finding::new(
        Level::Warning,
        FindingCode::PrimaryAlive,
        format!("`{p}` is alive and {advice}."),
    ))
}

fn loss(sight: &Preflight<'_>, behind: &Behind) -> Finding {
    let (p, s) = sight.names();
    let shard = behind.shard;
    let (Some(bytes), Some(age)) = (behind.bytes, behind.as_of_ms) else {
        return Finding::new(
            Level::Warning,
            FindingCode::LossUnknown,
            format!(
                "How much of what `{p}` took in shard {shard} is missing in `{s}` is not known; it is kept on `{p}` when that comes back."
            ),
        );
    };
    let lag = behind.lag_ms.filter(|_| bytes > 0);
    let lag = lag.map_or_else(String::new, |lag| format!(" ({lag:.1} ms)"));
    Finding::new(
        Level::Warning,
        FindingCode::KnownLoss,
        format!(
            "In shard {shard}, {bytes} bytes{lag} of what `{p}` took were missing in `{s}` by a report of {age} ms ago; what `{p}` took since then comes on top. It is kept on `{p}` when that comes back."
        ),
    )
}

fn fencing(sight: &Preflight<'_>) -> Finding {
    let (p, s) = sight.names();
    let left = sight.seen.away.lease_left_ms;
    match sight.link.settings.fencing {
        Fencing::None => Finding::new(
            Level::Warning,
            FindingCode::NotFenced,
            format!(
                "Without leases (`fencing` is `none`) `{p}` may go on taking writes where clients reach it, until its agent hears of the failover; they are kept apart there, and `{s}` does not have them."
            ),
        ),
        Fencing::Lease if sight.link.lease_untold => Finding::new(
            Level::Warning,
            FindingCode::LeaseUntold,
            format!(
                "The agent of `{p}` may not know yet that it needs a lease, and `{p}` may go on taking writes as if it needed none."
            ),
        ),
        Fencing::Lease if left > 0 => Finding::new(
            Level::Ok,
            FindingCode::LeaseWait,
            format!(
                "`{s}` takes over once the last lease of `{p}` is over, {left} ms from now if none is granted before; from then on `{p}` takes no writes."
            ),
        ),
        Fencing::Lease => Finding::new(
            Level::Ok,
            FindingCode::LeaseWait,
            format!(
                "`{p}` holds no lease any more and takes no writes, so `{s}` takes over at once."
            ),
        ),
    }
}
