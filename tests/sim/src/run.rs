//! One run: hosts, faults in their time, checks after every step.

use std::{cell::Cell, collections::BTreeMap, rc::Rc, time::Duration};

use control::Config;
use model::{Secret, Timestamp};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use serde_json::json;
use tokio::time::{Instant, sleep};
use turmoil::{Builder, Sim};

use crate::{
    agent::{Agent, Setup},
    checks::Sight,
    clients,
    disk::Disk,
    faults::Fault,
    http::{AGENT_TOKEN, Door, TOKEN},
    ledger::Ledger,
    machine::Machine,
    operator::Operator,
    scenario::Scenario,
    trace::Trace,
};

/// The engines' hosts, by cache.
const MACHINES: [&str; 2] = ["east-engine", "west-engine"];
/// The agents' hosts are named for their regions.
const REGIONS: [&str; 2] = ["eastus", "westus"];
/// No run takes longer, in simulated time.
const LONGEST: Duration = Duration::from_secs(900);

/// What a run came to.
pub struct Outcome {
    /// Every line of it.
    pub trace: Vec<String>,
    /// How often what happened.
    pub tally: BTreeMap<&'static str, u64>,
}

fn simulated_now() -> Timestamp {
    let since = turmoil::since_epoch().unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Runs a seed; what was wrong, with what happened until then.
pub fn run(seed: u64) -> Result<Outcome, String> {
    runtime::simulated::begin(simulated_now);
    let scenario = Scenario::draw(seed);
    let trace = Trace::default();
    let data = tempfile::tempdir().map_err(|error| error.to_string())?;
    let sight = Sight {
        machines: [
            Machine::new(Dice::from_seed(seed ^ 1)),
            Machine::new(Dice::from_seed(seed ^ 2)),
        ],
        disks: [Disk::default(), Disk::default()],
        ledger: Ledger::default(),
        leases: scenario.leases,
        forced: false,
    };
    let stage = Rc::new(Stage::default());
    let mut sim = Builder::new()
        .rng_seed(seed)
        .simulation_duration(LONGEST)
        .tick_duration(Duration::from_millis(10))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(scenario.latency)
        .tcp_capacity(4_096)
        .build();
    add_hosts(&mut sim, seed, &scenario, &sight, &trace, data.path());
    add_operator(&mut sim, &scenario, &sight, &trace, &stage);
    let ran = weather(&mut sim, &scenario, sight, &stage, &trace);
    let told = |why: String| {
        let lines = trace.lines();
        let last = lines.len().saturating_sub(150);
        format!(
            "seed {seed}: {why}\n{scenario:?}\n{}",
            lines[last..].join("\n")
        )
    };
    ran.map_err(told)?;
    Ok(Outcome {
        trace: trace.lines(),
        tally: stage.tally.take(),
    })
}

/// How far a run is: told by the operator, asked by the checks.
#[derive(Default)]
struct Stage {
    forced: Cell<bool>,
    storming: Cell<Option<Duration>>,
    tally: std::cell::RefCell<BTreeMap<&'static str, u64>>,
}

impl Stage {
    fn count(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }
}

fn add_hosts(
    sim: &mut Sim<'_>,
    seed: u64,
    scenario: &Scenario,
    sight: &Sight,
    trace: &Trace,
    data: &std::path::Path,
) {
    let data = data.to_owned();
    // What it draws after a restart is not what it drew before.
    let lives = Rc::new(Cell::new(seed));
    sim.host("control", move || {
        let config = Config {
            data: data.clone(),
            listen: ([127, 0, 0, 1], 1).into(),
            api: control::ApiConfig::default(),
            token: Secret::new(TOKEN),
            agent_token: Secret::new(AGENT_TOKEN),
            zone: control::DEFAULT_ZONE.to_owned(),
            webhook: None,
            names: control::NamesConfig {
                token: None,
                ttl_seconds: control::DEFAULT_TTL_SECONDS,
            },
            issuers: Vec::new(),
            regions: REGIONS
                .map(|region| region.parse().expect("a region"))
                .into(),
            crash: runtime::crash::Points::none(),
        };
        lives.set(
            lives
                .get()
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
        let dice = Dice::from_seed(lives.get());
        async move {
            let opened = control::open(config, Clock, dice).await?;
            opened.run(Door::open().await?, Tasks::new()).await;
            Ok(())
        }
    });
    for (index, machine) in MACHINES.into_iter().enumerate() {
        let engine = sight.machines[index].clone();
        sim.host(machine, move || {
            let engine = engine.clone();
            async move { Ok(engine.run().await?) }
        });
        let setup = Setup {
            region: REGIONS[index],
            machine,
            peer: REGIONS[1 - index],
            clock: scenario.clocks[index],
            disk: sight.disks[index].clone(),
            trace: trace.clone(),
        };
        sim.host(REGIONS[index], move || {
            let setup = setup.clone();
            async move { Ok(Agent::run(setup).await?) }
        });
    }
    for client in ["client-1", "client-2"] {
        let ledger = sight.ledger.clone();
        sim.host(client, move || {
            let ledger = ledger.clone();
            async move { Ok(clients::write(ledger, MACHINES).await?) }
        });
    }
}

fn add_operator(
    sim: &mut Sim<'_>,
    scenario: &Scenario,
    sight: &Sight,
    trace: &Trace,
    stage: &Rc<Stage>,
) {
    let (scenario, sight) = (scenario.clone(), sight.clone());
    let (trace, stage) = (trace.clone(), Rc::clone(stage));
    sim.client("operator", async move {
        let operator = Operator::new(trace).await;
        operator.create().await;
        let settings = if scenario.leases {
            json!({"replicationSettings": {"fencing": "lease"}})
        } else {
            json!({})
        };
        while !operator.put(0, settings.clone()).await {
            sleep(Duration::from_millis(500)).await;
        }
        operator.until_linked().await;
        sight.ledger.join();
        let begun = Instant::now();
        stage.storming.set(turmoil::sim_elapsed());
        for (at, force) in &scenario.failovers {
            sleep((begun + *at).saturating_duration_since(Instant::now())).await;
            let Some((_, primary)) = operator.status().await else {
                continue;
            };
            let to = usize::from(primary == crate::operator::CACHES[0].0);
            let more = if *force {
                stage.forced.set(true);
                json!({"failover": {"force": true}})
            } else {
                json!({})
            };
            if operator.put(to, more).await {
                stage.count(if *force {
                    "failovers forced"
                } else {
                    "failovers begun"
                });
            }
        }
        sleep((begun + scenario.storm).saturating_duration_since(Instant::now())).await;
        // What was under way when the trouble ended may take its time; then everything is calm.
        sleep(Duration::from_secs(25)).await;
        let primary = operator.until_linked().await;
        operator
            .trace
            .note(format_args!("at rest, led by {primary}"));
        sight.ledger.close();
        let begun = Instant::now();
        while !sight.both_are_equal() {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the two sides differ".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        sight.nothing_is_lost(primary)?;
        stage.count("came to rest");
        Ok(())
    });
}

/// Steps through the run, with each fault in its time, and looks after every step.
fn weather(
    sim: &mut Sim<'_>,
    scenario: &Scenario,
    mut sight: Sight,
    stage: &Rc<Stage>,
    trace: &Trace,
) -> Result<(), String> {
    let mut faults = scenario.faults.iter().copied().peekable();
    let mut mends: Vec<(Duration, Fault)> = Vec::new();
    loop {
        let now = sim.elapsed();
        if let Some(begun) = stage.storming.get() {
            while let Some((_, fault)) = faults.next_if(|(at, _)| begun + *at <= now) {
                trace.note_at(now, format_args!("{fault:?}"));
                let lasts = inflict(sim, fault, &mends);
                if let Some(lasts) = lasts {
                    stage.count(name(fault));
                    let end = (now + lasts).min(begun + scenario.storm);
                    mends.push((end, fault));
                }
            }
        }
        let due: Vec<_> = mends.iter().filter(|(at, _)| *at <= now).copied().collect();
        mends.retain(|(at, _)| *at > now);
        for (_, fault) in due {
            trace.note_at(now, format_args!("over: {fault:?}"));
            mend(sim, fault);
        }
        sight.forced = stage.forced.get();
        let done = sim.step().map_err(|error| error.to_string())?;
        sight.at_most_one_writer(sim.elapsed())?;
        if done {
            return Ok(());
        }
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Crash("control", _) => "crashes of the control plane",
        Fault::Crash(..) => "crashes of an agent",
        Fault::Partition(..) => "partitions",
        Fault::Mute(..) => "one-way cuts",
    }
}

/// Tells how long it lasts; `None`: it is so already.
fn inflict(sim: &mut Sim<'_>, fault: Fault, others: &[(Duration, Fault)]) -> Option<Duration> {
    let same = |other: &Fault| match (fault, *other) {
        (Fault::Crash(a, _), Fault::Crash(b, _)) => a == b,
        (
            Fault::Partition(a, b, _) | Fault::Mute(a, b, _),
            Fault::Partition(c, d, _) | Fault::Mute(c, d, _),
        ) => (a, b) == (c, d) || (a, b) == (d, c),
        (Fault::Crash(..), Fault::Partition(..) | Fault::Mute(..))
        | (Fault::Partition(..) | Fault::Mute(..), Fault::Crash(..)) => false,
    };
    if others.iter().any(|(_, other)| same(other)) {
        return None;
    }
    match fault {
        Fault::Crash(host, lasts) => {
            sim.crash(host);
            Some(lasts)
        }
        Fault::Partition(a, b, lasts) => {
            sim.partition(a, b);
            Some(lasts)
        }
        Fault::Mute(a, b, lasts) => {
            sim.partition_oneway(a, b);
            Some(lasts)
        }
    }
}

fn mend(sim: &mut Sim<'_>, fault: Fault) {
    match fault {
        Fault::Crash(host, _) => sim.bounce(host),
        Fault::Partition(a, b, _) => sim.repair(a, b),
        Fault::Mute(a, b, _) => sim.repair_oneway(a, b),
    }
}
