//! Phase by event: the next phase, the epoch, and the roles.

use std::fmt::Write;

use model::{
    Advance, AutoFailover, Away, CacheId, CacheObserved, CacheUid, Decision, Epoch, Fencing,
    ForcedBy, LinkId, LinkObserved, LinkPhase, LinkRecord, LinkSeen, Member, RoleKind, ShardIndex,
    ShardObserved, ShardStanding, Standing, Timestamp,
};
use psync::{Offset, Position, ReplicationId};

const NOW: Timestamp = Timestamp(1_000_000);
const DEADLINE: Timestamp = Timestamp(1_005_000);
const LATE: Timestamp = Timestamp(2_000_000);
const ATTEMPT: u64 = 3;

fn member(name: &str) -> Member {
    Member {
        uid: CacheUid::new(name),
        id: CacheId {
            subscription: "5d0c4f30-0000-4000-8000-000000000001".parse().unwrap(),
            group: "g".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        region: format!("{name}us").parse().unwrap(),
    }
}

fn barrier() -> Position {
    Position::new(ReplicationId::UNSET, Offset(500))
}

/// Each phase, by its name in the table, as it is reached.
fn phases() -> Vec<(&'static str, LinkRecord)> {
    let begun = LinkRecord::begin(
        LinkId::new("l"),
        member("east"),
        member("west"),
        Epoch(7),
        NOW,
    );
    let founder = |phase| LinkRecord {
        phase,
        attempt: ATTEMPT,
        ..begun.clone()
    };
    let at_barrier = Standing::AtBarrier {
        attempt: ATTEMPT,
        barriers: vec![barrier()],
    };
    let forced = |forks| Standing::Forced {
        at: Epoch(7),
        forks,
    };
    let promoting = |standing| LinkRecord {
        standing,
        ..founder(LinkPhase::Promoting)
    };
    let mut leased = founder(LinkPhase::Linked);
    leased.settings.fencing = Fencing::Lease;
    leased.settings.auto_failover = Some(AutoFailover {
        after: 30,
        max_lag: 5,
    });
    let forcing = LinkRecord {
        phase: LinkPhase::Forcing {
            by: ForcedBy::Person,
        },
        ..leased.clone()
    };
    let deadline = DEADLINE;
    vec![
        ("Creating", founder(LinkPhase::Creating)),
        ("Syncing", founder(LinkPhase::Syncing)),
        ("Linked", founder(LinkPhase::Linked)),
        ("Linked, with leases and autoFailover", leased),
        ("HandingOff", founder(LinkPhase::HandingOff { deadline })),
        ("Forcing", forcing),
        ("Promoting at the barrier", promoting(at_barrier.clone())),
        ("Promoting by force", promoting(forced(None))),
        (
            "Creating after a handoff",
            LinkRecord {
                standing: at_barrier,
                ..founder(LinkPhase::Creating)
            },
        ),
        (
            "Creating after force",
            LinkRecord {
                standing: forced(Some(vec![barrier()])),
                ..founder(LinkPhase::Creating)
            },
        ),
        ("UnlinkingPrimary", founder(LinkPhase::UnlinkingPrimary)),
        ("UnlinkingSecondary", founder(LinkPhase::UnlinkingSecondary)),
    ]
}

/// What is reported of a cache: in which state, with how many keys, where it took over.
#[derive(Clone)]
struct Reported {
    standing: ShardStanding,
    keys: u64,
    fork: bool,
    earlier: bool,
}

fn reported(standing: ShardStanding) -> Reported {
    Reported {
        standing,
        keys: 10,
        fork: false,
        earlier: false,
    }
}

fn report(record: &LinkRecord, uid: &CacheUid, what: &Reported) -> CacheObserved {
    let fork = what.fork.then(barrier);
    CacheObserved {
        uid: uid.clone(),
        settled_revision: 0,
        epoch: Epoch(record.epoch.0 - u64::from(what.earlier)),
        role: record.role_of(uid, None).kind(),
        doors: None,
        engine: None,
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing: what.standing.clone(),
            position: (what.standing != ShardStanding::Lost).then(barrier),
            keys: what.keys,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![],
            link: Some(LinkObserved {
                connected: true,
                ..LinkObserved::default()
            }),
            fork,
        }],
        problem: None,
        lost_writes: vec![],
        handoff: None,
        transfer: None,
    }
}

/// What can be seen of the two sides.
struct Sight {
    name: &'static str,
    primary: Option<Reported>,
    secondary: Option<Reported>,
    now: Timestamp,
    away: Away,
}

fn sights() -> Vec<Sight> {
    let writable = || Some(reported(ShardStanding::Writable));
    let following = || Some(reported(ShardStanding::Following));
    let cut = || Some(reported(ShardStanding::Cut));
    let lost = || Some(reported(ShardStanding::Lost));
    let yielded = Some(reported(ShardStanding::Yielded { attempt: ATTEMPT }));
    let unpromotable = reported(ShardStanding::Unpromotable { why: String::new() });
    let sight = |name, primary, secondary| Sight {
        name,
        primary,
        secondary,
        now: NOW,
        away: Away::default(),
    };
    let empty = Reported {
        keys: 0,
        ..reported(ShardStanding::Cut)
    };
    let forked = Reported {
        fork: true,
        ..reported(ShardStanding::Writable)
    };
    let earlier = |standing| Reported {
        earlier: true,
        ..reported(standing)
    };
    let away = Away {
        down_ms: 60_000,
        lease_left_ms: 0,
        last_lag_ms: Some(5),
    };
    let leased = Away {
        lease_left_ms: 2_000,
        ..away
    };
    vec![
        sight("nobody is heard", None, None),
        sight("in step", writable(), following()),
        sight("both take writes", writable(), writable()),
        sight(
            "in step, in the epoch before",
            Some(earlier(ShardStanding::Writable)),
            Some(earlier(ShardStanding::Following)),
        ),
        sight(
            "secondary syncs",
            writable(),
            Some(reported(ShardStanding::Syncing)),
        ),
        sight("secondary cut", writable(), cut()),
        sight("took over, says where", Some(forked), cut()),
        sight("primary lost, secondary cut", lost(), cut()),
        sight("primary lost, secondary empty", lost(), Some(empty)),
        sight("both lost", lost(), lost()),
        sight("primary unpromotable", Some(unpromotable), cut()),
        sight("fenced", yielded.clone(), following()),
        Sight {
            now: LATE,
            ..sight("fenced, late", yielded, following())
        },
        Sight {
            now: LATE,
            ..sight("in step, late", writable(), following())
        },
        Sight {
            now: LATE,
            ..sight("nobody is heard, late", None, None)
        },
        Sight {
            away,
            ..sight("primary away", None, cut())
        },
        Sight {
            away: leased,
            ..sight("primary away, lease left", None, cut())
        },
    ]
}

fn roles(record: &LinkRecord) -> String {
    let role = |name: &str| {
        let kind = record.role_of(&member(name).uid, None).kind();
        match kind {
            RoleKind::Alone => "alone",
            RoleKind::Primary => "primary",
            RoleKind::Yielding => "yielding",
            RoleKind::Secondary => "secondary",
            RoleKind::Taking => "taking",
        }
    };
    format!("east {}, west {}", role("east"), role("west"))
}

fn phase(record: &LinkRecord) -> &'static str {
    match record.phase {
        LinkPhase::Creating => "Creating",
        LinkPhase::Syncing => "Syncing",
        LinkPhase::Linked => "Linked",
        LinkPhase::HandingOff { .. } => "HandingOff",
        LinkPhase::Forcing { .. } => "Forcing",
        LinkPhase::Promoting => "Promoting",
        LinkPhase::UnlinkingPrimary => "UnlinkingPrimary",
        LinkPhase::UnlinkingSecondary => "UnlinkingSecondary",
    }
}

fn standing(record: &LinkRecord) -> &'static str {
    match record.standing {
        Standing::Founder => "founder",
        Standing::AtBarrier { .. } => "at barrier",
        Standing::AsFound => "as found",
        Standing::Forced { forks: None, .. } => "forced, forks unknown",
        Standing::Forced { forks: Some(_), .. } => "forced, forks known",
    }
}

fn became(before: &LinkRecord, next: &LinkRecord) -> String {
    let mut notes = Vec::new();
    if next.attempt != before.attempt {
        notes.push(format!("attempt +{}", next.attempt - before.attempt));
    }
    if next.last_abort != before.last_abort {
        notes.push("abort noted".to_owned());
    }
    if next.suspect_empty {
        notes.push("suspects empty".to_owned());
    }
    if next.accept_empty {
        notes.push("may start empty".to_owned());
    }
    if next.last_auto != before.last_auto {
        notes.push("by itself".to_owned());
    }
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!(" ({})", notes.join(", "))
    };
    format!(
        "{:<19} epoch +{} | {:<31} | {}{notes}",
        phase(next),
        next.epoch.0 - before.epoch.0,
        roles(next),
        standing(next)
    )
}

fn advanced(record: &LinkRecord, seen: LinkSeen<'_>, now: Timestamp) -> Option<String> {
    match record.advance(seen, now) {
        Advance::Stay => None,
        Advance::Remove => Some("the link is removed".to_owned()),
        Advance::Become(next) => Some(became(record, &next)),
    }
}

fn refused(why: impl std::fmt::Debug) -> String {
    let why = format!("{why:?}");
    let name = why.split('(').next().unwrap_or_default();
    format!("refused: {name}")
}

fn asked(record: &LinkRecord, seen: LinkSeen<'_>) -> Vec<(&'static str, String)> {
    let decided = |attempt, barriers: &[Position]| match record.decide(attempt, barriers, NOW) {
        Decision::Promote(next) => became(record, &next),
        Decision::AlreadyPromoted => "already promoted".to_owned(),
        Decision::TooLate => "too late".to_owned(),
    };
    let failover = record.fail_over(seen, NOW, 5_000);
    let force = record.force(seen, ForcedBy::Person, NOW);
    let empty = record.accept_empty_source(seen);
    vec![
        (
            "failover",
            failover.map_or_else(refused, |next| became(record, &next)),
        ),
        (
            "force",
            force.map_or_else(refused, |next| became(record, &next)),
        ),
        (
            "accept an empty source",
            empty.map_or_else(refused, |next| became(record, &next)),
        ),
        ("the decision", decided(ATTEMPT, &[barrier()])),
        ("the decision, no barrier", decided(ATTEMPT, &[])),
        (
            "the decision, earlier attempt",
            decided(ATTEMPT - 1, &[barrier()]),
        ),
        (
            "unlink",
            record
                .unlink(NOW)
                .map_or_else(|| "stays".to_owned(), |next| became(record, &next)),
        ),
    ]
}

pub(crate) fn table() -> String {
    let mut text = String::from(
        "What becomes of a link: by what is seen of it, and by what is asked (while it is in step).\n\
         Everything is before the deadline; what is `late` is behind every deadline and patience.\n",
    );
    for (name, record) in phases() {
        let (roles, standing) = (roles(&record), standing(&record));
        writeln!(text, "\n{name}: {roles}, {standing}").unwrap();
        let mut stays = Vec::new();
        for sight in sights() {
            let of = |member: &Member, what: &Option<Reported>| {
                what.as_ref().map(|what| report(&record, &member.uid, what))
            };
            let primary = of(&record.primary, &sight.primary);
            let secondary = of(&record.secondary, &sight.secondary);
            let seen = LinkSeen {
                primary: primary.as_ref(),
                secondary: secondary.as_ref(),
                away: sight.away,
            };
            match advanced(&record, seen, sight.now) {
                Some(next) => writeln!(text, "  sees  {:<31} {next}", sight.name).unwrap(),
                None => stays.push(sight.name),
            }
        }
        writeln!(text, "  stays when it sees: {}", stays.join("; ")).unwrap();
        let writable = reported(ShardStanding::Writable);
        let following = reported(ShardStanding::Following);
        let primary = report(&record, &record.primary.uid, &writable);
        let secondary = report(&record, &record.secondary.uid, &following);
        let seen = LinkSeen {
            primary: Some(&primary),
            secondary: Some(&secondary),
            ..LinkSeen::default()
        };
        for (what, next) in asked(&record, seen) {
            writeln!(text, "  asked {what:<31} {next}").unwrap();
        }
    }
    text
}
