//! What a failover would meet, before anybody asks for it. API, command line and portal show the same
//! sentences.

mod firewall;
mod forced;
mod likeness;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use crate::{
    Behind, CacheObserved, FailoverRefused, ForceRefused, LagLimits, Lifecycle, LinkRecord,
    LinkSeen, ShardObserved, ShardStanding, Side, Timestamp, Unmet, unmet_for_failover,
};

/// Everything that there is to look at.
#[derive(Debug, Clone, Copy)]
pub struct Preflight<'a> {
    /// The link.
    pub link: &'a LinkRecord,
    /// The cache that is geo-primary now.
    pub primary: Side<'a>,
    /// The cache that would take over.
    pub secondary: Side<'a>,
    /// What is seen of both.
    pub seen: LinkSeen<'a>,
    /// How far behind the geo-secondary is known to be, by shard index.
    pub behind: &'a [Behind],
    /// How far it may be.
    pub limits: LagLimits,
    /// Nothing would be asked of the geo-primary.
    pub forced: bool,
    /// From where the agent beside the present geo-primary would follow, as far as that is known.
    pub dials_from: Option<IpAddr>,
    /// The present moment.
    pub now: Timestamp,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about, in a word.
    pub code: FindingCode,
    /// What was found, and what to do, in a sentence.
    pub message: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The failover is refused.
    Blocker,
    /// It would cost something, or may not work out.
    Warning,
    /// Something to see to besides.
    Advice,
    /// It is as it should be.
    Ok,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingCode {
    /// The caches have different sizes.
    SizeDiffers,
    /// The engines cannot follow each other both ways.
    EngineDiffers,
    /// The engine of one is not known.
    EngineUnknown,
    /// The caches and their engines fit each other.
    CachesMatch,
    /// A cache is being changed.
    CacheBusy,
    /// Something else is under way on the link.
    LinkBusy,
    /// The geo-primary's agent does not report.
    PrimaryUnseen,
    /// The geo-secondary's agent does not report.
    SecondaryUnseen,
    /// Both agents report.
    AgentsHeard,
    /// The geo-secondary is not in step.
    NotInStep,
    /// The geo-secondary holds no complete copy.
    NothingWhole,
    /// It is in the middle of a full sync.
    FullSync,
    /// It is in step.
    InStep,
    /// It is further behind than was asked for.
    LagAboveLimit,
    /// How far behind it is.
    Lag,
    /// Bytes wait and none is applied.
    Stalled,
    /// A shard of the new geo-primary has no replica in step.
    ReplicaMissing,
    /// A firewall does not admit the agent of the other side.
    FirewallExcludesAgent,
    /// There are firewall rules, and whom they have to admit is not known.
    FirewallAddressUnknown,
    /// The new geo-primary's firewall admits the agent of the other side.
    FirewallAdmitsAgent,
    /// `publicNetworkAccess` differs.
    PublicNetworkAccessDiffers,
    /// `disableAccessKeyAuthentication` differs.
    AccessKeyAuthenticationDiffers,
    /// The firewall rules differ.
    FirewallDiffers,
    /// Those who come in with tokens, or what they may do, differ.
    AccessPoliciesDiffer,
    /// `enableNonSslPort` differs.
    NonSslPortDiffers,
    /// `minimumTlsVersion` differs.
    MinimumTlsVersionDiffers,
    /// A key of `redisConfiguration` differs.
    ConfigurationDiffers,
    /// The access keys differ.
    AccessKeysDiffer,
    /// A failover happened by itself, and nobody has said that they have seen it.
    AutoFailoverUnseen,
    /// The geo-primary is alive.
    PrimaryAlive,
    /// What would be lost, as far as it is known.
    KnownLoss,
    /// What would be lost is not known.
    LossUnknown,
    /// Nothing keeps the old geo-primary from taking writes meanwhile.
    NotFenced,
    /// The failover waits for a lease.
    LeaseWait,
    /// The geo-primary may not know yet that it needs a lease.
    LeaseUntold,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Finding {
    fn new(level: Level, code: FindingCode, message: impl Into<String>) -> Self {
        Self {
            level,
            code,
            message: message.into(),
        }
    }
}

/// Looks at everything, most important first.
#[must_use]
pub fn preflight(sight: &Preflight<'_>) -> Vec<Finding> {
    let mut findings = sight.link_findings();
    findings.extend(sight.match_findings());
    findings.extend(sight.lag_findings());
    findings.extend(sight.busy_caches());
    findings.extend(sight.stalls());
    if sight.forced {
        findings.extend(forced::findings(sight));
    }
    findings.extend(sight.missing_replicas());
    findings.extend(firewall::findings(sight));
    findings.extend(likeness::findings(
        sight.primary.cache,
        sight.secondary.cache,
    ));
    if sight.link.last_auto.is_some() {
        findings.push(Finding::new(
            Level::Advice,
            FindingCode::AutoFailoverUnseen,
            "A failover of this link happened by itself, and none will again within the hour unless somebody acknowledges that one.",
        ));
    }
    let rank = |level: Level| match level {
        Level::Blocker => 0,
        Level::Warning => 1,
        Level::Advice => 2,
        Level::Ok => 3,
    };
    findings.sort_by_key(|finding| rank(finding.level));
    findings
}

impl Preflight<'_> {
    fn names(&self) -> (&str, &str) {
        (
            self.link.primary.id.name.as_str(),
            self.link.secondary.id.name.as_str(),
        )
    }

    /// What the link itself says: it is asked as it would be.
    fn link_findings(&self) -> Vec<Finding> {
        let (p, s) = self.names();
        let refused = if self.forced {
            let forced = self
                .link
                .force(self.seen, crate::ForcedBy::Person, self.now);
            forced
                .err()
                .map(|refused| (force_code(&refused), refused.to_string()))
        } else {
            let planned = self.link.fail_over(self.seen, self.now, 0);
            planned
                .err()
                .map(|refused| (planned_code(&refused), refused.to_string()))
        };
        let mut findings = Vec::new();
        let shards = |cache: Option<&'_ CacheObserved>| {
            cache.map_or_else(Vec::new, |cache| cache.shards.clone())
        };
        let syncing = |shard: &ShardObserved| shard.standing == ShardStanding::Syncing;
        let secondary = shards(self.seen.secondary);
        if secondary.iter().any(syncing) {
            findings.push(Finding::new(
                Level::Blocker,
                FindingCode::FullSync,
                format!("`{s}` is in the middle of a full sync and holds a part of the data; wait until it is done."),
            ));
        }
        match refused {
            Some((code, why)) => {
                findings.push(Finding::new(Level::Blocker, code, sentence(&why)));
            }
            None if self.seen.primary.is_some() => {
                findings.push(Finding::new(
                    Level::Ok,
                    FindingCode::AgentsHeard,
                    format!("The agents of `{p}` and `{s}` report."),
                ));
            }
            None => {}
        }
        let in_step = !secondary.is_empty()
            && secondary
                .iter()
                .all(|shard| shard.standing == ShardStanding::Following);
        if in_step {
            findings.push(Finding::new(
                Level::Ok,
                FindingCode::InStep,
                format!("`{s}` is in step."),
            ));
        }
        findings
    }

    /// Sizes and engines. Where nothing is asked of the geo-primary they keep nothing up.
    fn match_findings(&self) -> Vec<Finding> {
        let (p, s) = self.names();
        let unmet = unmet_for_failover(self.primary, self.secondary);
        if unmet.is_empty() {
            return vec![Finding::new(
                Level::Ok,
                FindingCode::CachesMatch,
                format!("`{p}` and `{s}` have the same size and engines that follow each other."),
            )];
        }
        let level = if self.forced {
            Level::Warning
        } else {
            Level::Blocker
        };
        unmet
            .iter()
            .filter_map(|unmet| {
                let code = match unmet {
                    Unmet::Unequal { .. } | Unmet::Smaller { .. } => FindingCode::SizeDiffers,
                    Unmet::Engine { .. } => FindingCode::EngineDiffers,
                    // Said of the agent already.
                    Unmet::EngineUnknown(_) if self.forced => return None,
                    Unmet::EngineUnknown(_) => FindingCode::EngineUnknown,
                    Unmet::Subscription { .. }
                    | Unmet::Itself(_)
                    | Unmet::Tier(..)
                    | Unmet::NotRunning(..)
                    | Unmet::Replicas(..)
                    | Unmet::Persistence(_)
                    | Unmet::Shards { .. }
                    | Unmet::Databases { .. }
                    | Unmet::Linked(_)
                    | Unmet::GroupDeleting(_) => FindingCode::CacheBusy,
                };
                Some(Finding::new(level, code, sentence(&unmet.to_string())))
            })
            .collect()
    }

    fn lag_findings(&self) -> Vec<Finding> {
        let (_, s) = self.names();
        if let Some(broken) = self.limits.broken_by(self.behind) {
            return vec![Finding::new(
                Level::Blocker,
                FindingCode::LagAboveLimit,
                format!("`{s}` is further behind than is allowed: {broken}."),
            )];
        }
        let bytes: Option<u64> = self.behind.iter().map(|shard| shard.bytes).sum();
        let lag = self.behind.iter().filter_map(|shard| shard.lag_ms);
        let (Some(bytes), Some(lag), false) = (bytes, lag.reduce(f64::max), self.forced) else {
            return Vec::new();
        };
        vec![Finding::new(
            Level::Ok,
            FindingCode::Lag,
            format!("`{s}` is {bytes} bytes and {lag:.1} ms behind."),
        )]
    }

    fn busy_caches(&self) -> Vec<Finding> {
        let busy = |cache: &crate::CacheRecord| {
            let state = match cache.lifecycle {
                Lifecycle::Ready => return None,
                Lifecycle::Creating => "Creating",
                Lifecycle::Updating => "Updating",
                Lifecycle::Scaling => "Scaling",
                Lifecycle::Deleting => "Deleting",
                Lifecycle::Failed { .. } => "Failed",
            };
            Some(Finding::new(
                Level::Warning,
                FindingCode::CacheBusy,
                format!(
                    "`{}` is {state}; wait until it is `Succeeded`, or its engines change during the failover.",
                    cache.id.name
                ),
            ))
        };
        let both = [self.primary.cache, self.secondary.cache];
        both.into_iter().filter_map(busy).collect()
    }

    fn stalls(&self) -> Vec<Finding> {
        let sides = [self.seen.primary, self.seen.secondary].into_iter();
        let shards = sides.flatten().flat_map(|cache| &cache.shards);
        let stalled = shards.filter_map(|shard| {
            let why = shard.link.as_ref()?.stalled.as_ref()?;
            Some(Finding::new(
                Level::Warning,
                FindingCode::Stalled,
                format!("Shard {} is stalled: {why}.", shard.shard),
            ))
        });
        stalled.collect()
    }

    /// The new geo-primary takes writes with what replicas it has.
    fn missing_replicas(&self) -> Vec<Finding> {
        let (_, s) = self.names();
        let wanted = usize::from(self.secondary.cache.spec.replicas) + 1;
        let shards = self.seen.secondary.map_or(&[][..], |cache| &cache.shards);
        shards
            .iter()
            .filter_map(|shard| {
                let up = shard.nodes.iter().filter(|node| node.in_step).count();
                (up < wanted).then(|| {
                    Finding::new(
                        Level::Warning,
                        FindingCode::ReplicaMissing,
                        format!(
                            "Shard {} of `{s}` has {up} of {wanted} nodes in step; until the others are, the loss of one node after the failover may be the loss of the shard.",
                            shard.shard
                        ),
                    )
                })
            })
            .collect()
    }
}

/// A sentence of a sentence's end.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

fn planned_code(refused: &FailoverRefused) -> FindingCode {
    match refused {
        FailoverRefused::Busy(_) => FindingCode::LinkBusy,
        FailoverRefused::PrimaryUnseen(_) => FindingCode::PrimaryUnseen,
        FailoverRefused::SecondaryUnseen(_) => FindingCode::SecondaryUnseen,
        FailoverRefused::NotInStep(_) => FindingCode::NotInStep,
        FailoverRefused::NothingWhole(_) => FindingCode::NothingWhole,
    }
}

fn force_code(refused: &ForceRefused) -> FindingCode {
    match refused {
        ForceRefused::Busy(_) => FindingCode::LinkBusy,
        ForceRefused::SecondaryUnseen(_) => FindingCode::SecondaryUnseen,
        ForceRefused::NothingWhole(_) => FindingCode::NothingWhole,
    }
}
