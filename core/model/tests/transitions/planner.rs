//! Role by stance by what is seen of the leader: the steps, and the standing.

use std::fmt::Write;

use model::{
    Epoch, GeoRole, LinkId, Rejoin, ShardIndex, Standing,
    shard::{
        Drained, Gate, JournalEnd, LinkView, NodeFacts, NodeView, Plan, Saving, ShardMemory,
        Situation, Stance, Step, Upstream, plan,
    },
};
use psync::{Offset, Position, ReplicationId};

const ATTEMPT: u64 = 3;
const FORCED: Epoch = Epoch(7);

fn history(letter: char) -> ReplicationId {
    letter.to_string().repeat(40).parse().unwrap()
}

fn here() -> Position {
    Position::new(history('a'), Offset(500))
}

fn behind() -> Position {
    Position::new(history('a'), Offset(400))
}

fn roles() -> Vec<(&'static str, GeoRole)> {
    let link = || LinkId::new("l");
    let primary = |standing| GeoRole::Primary {
        link: link(),
        standing,
        accept_empty: None,
    };
    let secondary = |rejoin| GeoRole::Secondary {
        link: link(),
        source: None,
        rejoin,
    };
    let barriers = |at| Standing::AtBarrier {
        attempt: ATTEMPT,
        barriers: vec![at],
    };
    let after_force = |forks| Rejoin::AfterForce {
        at: FORCED,
        forks,
        unsaved_accepted: false,
    };
    let forced = Standing::Forced {
        at: FORCED,
        forks: None,
    };
    let elsewhere = Position::new(history('a'), Offset(501));
    vec![
        ("Alone", GeoRole::Alone),
        ("Primary, founder", primary(Standing::Founder)),
        ("Primary, at its barrier", primary(barriers(here()))),
        ("Primary, at another barrier", primary(barriers(elsewhere))),
        ("Primary, as found", primary(Standing::AsFound)),
        ("Primary, forced", primary(forced)),
        (
            "Yielding",
            GeoRole::Yielding {
                link: link(),
                attempt: ATTEMPT,
            },
        ),
        ("Secondary", secondary(Rejoin::Freely)),
        (
            "Secondary after force, fork unknown",
            secondary(after_force(None)),
        ),
        (
            "Secondary after force, fork behind",
            secondary(after_force(Some(vec![behind()]))),
        ),
        (
            "Taking",
            GeoRole::Taking {
                link: link(),
                attempt: ATTEMPT,
                source: None,
            },
        ),
    ]
}

fn stances() -> Vec<(&'static str, Stance)> {
    let fenced = |attempt, declared| Stance::Fenced { attempt, declared };
    vec![
        ("leads", Stance::Primary),
        ("fenced", fenced(ATTEMPT, false)),
        ("declared", fenced(ATTEMPT, true)),
        ("declared before", fenced(ATTEMPT - 1, true)),
        ("follows", Stance::Follower),
    ]
}

/// What may be seen of a half of the link.
struct Halves {
    none: LinkView,
    sent: LinkView,
    held: LinkView,
    barrier: LinkView,
    other_barrier: LinkView,
    drained: LinkView,
}

fn halves() -> Halves {
    let none = LinkView::default();
    let sent = LinkView {
        sent: Some(here()),
        ..none
    };
    let held = LinkView { held: true, ..none };
    let barrier = LinkView {
        barrier: Some((ATTEMPT, here())),
        ..none
    };
    let other_barrier = LinkView {
        barrier: Some((ATTEMPT - 1, here())),
        ..none
    };
    let drained = LinkView {
        drained: Some(Drained {
            from: Some(behind()),
            end: JournalEnd::At(here()),
        }),
        ..held
    };
    Halves {
        none,
        sent,
        held,
        barrier,
        other_barrier,
        drained,
    }
}

/// What is seen of the leader, and of its half of the link.
fn sights() -> Vec<(&'static str, NodeView, LinkView)> {
    let leads = NodeFacts {
        upstream: None,
        link_up: false,
        syncing: false,
        loading: false,
        position: here(),
        before: None,
        backlog_from: Some(Offset(0)),
        keys: 10,
        at_service_address: true,
        paused: false,
        gate: Gate::Open,
    };
    let paused = NodeFacts {
        paused: true,
        ..leads
    };
    let follows = NodeFacts {
        upstream: Some(Upstream::Inbound),
        ..leads
    };
    let in_step = NodeFacts {
        link_up: true,
        ..follows
    };
    let up = NodeView::Up;
    let Halves {
        none,
        sent,
        held,
        barrier,
        other_barrier,
        drained,
    } = halves();
    let shut = NodeFacts {
        gate: Gate::Shut,
        ..leads
    };
    vec![
        ("down", NodeView::Down, none),
        ("silent", NodeView::Silent, none),
        ("leads", up(leads), none),
        ("leads, all sent", up(leads), sent),
        ("leads, paused", up(paused), none),
        ("leads, paused, all sent", up(paused), sent),
        ("leads, gate shut", up(shut), held),
        ("leads, gate shut, all in the journal", up(shut), drained),
        ("follows inbound, cut", up(follows), none),
        ("follows inbound, cut, held", up(follows), held),
        ("follows inbound, cut, all sent", up(follows), sent),
        ("follows inbound, in step", up(in_step), none),
        ("follows inbound, at the barrier", up(in_step), barrier),
        (
            "follows inbound, at an older barrier",
            up(in_step),
            other_barrier,
        ),
        (
            "follows inbound, full sync",
            up(NodeFacts {
                syncing: true,
                ..follows
            }),
            none,
        ),
        (
            "follows another node",
            up(NodeFacts {
                upstream: Some(Upstream::Node(1)),
                ..in_step
            }),
            none,
        ),
    ]
}

fn step(step: &Step) -> String {
    let upstream = |of: &Upstream| match of {
        Upstream::Inbound => "inbound".to_owned(),
        Upstream::Node(node) => format!("node {node}"),
        Upstream::Elsewhere => "elsewhere".to_owned(),
    };
    match step {
        Step::Remember(memory) => {
            let stance = match memory.stance {
                Stance::Primary => "leads".to_owned(),
                Stance::Fenced { attempt, declared } => {
                    let what = if declared { "declared" } else { "fenced" };
                    format!("{what} {attempt}")
                }
                Stance::Follower => "follows".to_owned(),
            };
            let fork = if memory.fork.is_some() { ", fork" } else { "" };
            format!("remember({stance}{fork})")
        }
        Step::Start {
            upstream: of,
            saved,
            ..
        } => {
            let what = if *saved { "saved" } else { "empty" };
            let of = of.as_ref().map_or_else(|| "none".to_owned(), upstream);
            format!("start({what}, of {of})")
        }
        Step::Retire { .. } => "retire".to_owned(),
        Step::Install { .. } => "install".to_owned(),
        Step::Follow { upstream: of, .. } => format!("follow({})", upstream(of)),
        Step::StandAlone { .. } => "stand alone".to_owned(),
        Step::TakeServiceAddress { .. } => "take the address".to_owned(),
        Step::Pause { .. } => "pause".to_owned(),
        Step::TakePauseOver { .. } => "take the pause over".to_owned(),
        Step::SetGate { gate, .. } => format!("gate({gate:?})"),
        Step::Resume { .. } => "resume".to_owned(),
        Step::ExpectFence => "expect the fence".to_owned(),
        Step::DeclareBarrier { attempt, .. } => format!("declare({attempt})"),
        Step::LiftFence => "lift the fence".to_owned(),
        Step::Drain => "drain".to_owned(),
        Step::SaveLost { .. } => "save".to_owned(),
    }
}

fn told(plan: &Plan) -> String {
    let standing = format!("{:?}", plan.standing);
    let standing = standing.split([' ', '{']).next().unwrap_or_default();
    let ready = if plan.ready.is_some() { ", ready" } else { "" };
    let steps: Vec<_> = plan.steps.iter().map(step).collect();
    let steps = if steps.is_empty() {
        "-".to_owned()
    } else {
        steps.join("; ")
    };
    format!("{:<21} {steps}", format!("{standing}{ready}"))
}

/// What comes of each thing that may be seen; what comes to the same together.
fn block(role: &GeoRole, stance: Stance) -> String {
    let memory = ShardMemory {
        founded: true,
        stance,
        lineage: vec![history('a')],
        ..ShardMemory::default()
    };
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for (seen, node, link) in sights() {
        let plan = plan(&Situation {
            shard: ShardIndex(0),
            role,
            replicas: 0,
            memory: &memory,
            nodes: &[node],
            link,
            lease: None,
            saving: Saving::Idle,
            staged: None,
        });
        let told = told(&plan);
        match rows.iter_mut().find(|(known, _)| *known == told) {
            Some((_, sights)) => sights.push(seen),
            None => rows.push((told, vec![seen])),
        }
    }
    let rows = rows.iter().map(|(told, sights)| {
        let sights: Vec<_> = sights.iter().map(|seen| format!("      {seen}")).collect();
        format!("  {told}\n{}", sights.join("\n"))
    });
    rows.collect::<Vec<_>>().join("\n")
}

pub(crate) fn table() -> String {
    let mut text = String::from(
        "What a shard of one node reports and does next: by role, by what its memory says that the\n\
         leader was told to be, and by what is seen of the leader and of its half of the link.\n",
    );
    for (role_name, role) in roles() {
        // Stances that come to the same are told together.
        let mut blocks: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, stance) in stances() {
            let block = block(&role, stance);
            match blocks.iter_mut().find(|(known, _)| *known == block) {
                Some((_, names)) => names.push(name),
                None => blocks.push((block, vec![name])),
            }
        }
        for (block, names) in blocks {
            let names = names.join(", or ");
            writeln!(text, "\n{role_name} | was told: {names}\n{block}").unwrap();
        }
    }
    writeln!(text, "\nGates of a leader that leads, by lease").unwrap();
    for (name, lease) in [
        ("none is asked for", None),
        ("held", Some(true)),
        ("not held", Some(false)),
    ] {
        for gate in [Gate::Open, Gate::Leased, Gate::Shut] {
            let plan = plan_with_gate(lease, gate);
            let seen = format!("lease {name}, gate {gate:?}");
            writeln!(text, "  {seen:<37} {}", told(&plan)).unwrap();
        }
    }
    text
}

fn plan_with_gate(lease: Option<bool>, gate: Gate) -> Plan {
    let leads = NodeFacts {
        upstream: None,
        link_up: false,
        syncing: false,
        loading: false,
        position: here(),
        before: None,
        backlog_from: Some(Offset(0)),
        keys: 10,
        at_service_address: true,
        paused: false,
        gate,
    };
    let memory = ShardMemory {
        founded: true,
        lineage: vec![history('a')],
        ..ShardMemory::default()
    };
    plan(&Situation {
        shard: ShardIndex(0),
        role: &GeoRole::Primary {
            link: LinkId::new("l"),
            standing: Standing::Founder,
            accept_empty: None,
        },
        replicas: 0,
        memory: &memory,
        nodes: &[NodeView::Up(leads)],
        link: LinkView::default(),
        lease,
        saving: Saving::Idle,
        staged: None,
    })
}
