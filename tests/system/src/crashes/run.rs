//! Runs one case: sets the stage, does the harm at its point, repeats what was given up, and
//! compares the end with what it must be.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ledger::blocking::Ledger;
use redis::Connection;
use rustix::process::Signal;
use serde_json::json;

use super::{Case, Harm, Scenario, missing};
use crate::{Cache, Start, World, processes, scoring, waiting};

/// A handoff that was cut gives up only after its time, and is then repeated.
const PATIENCE: Duration = Duration::from_secs(90);
/// Keys that both sides have from the beginning.
const THERE: usize = 50;
/// For how long a direction stands still.
const STANDS_MS: u32 = 1_500;

/// Runs it; panics when the end is another than it must be.
pub fn run(engine: &str, case: Case) {
    let world = World::start(Start {
        engine: engine.to_owned(),
        wan: true,
        points: true,
        ..Start::default()
    });
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    let stage = Stage {
        world: &world,
        east,
        west,
        case,
    };
    stage.play();
}

/// Waits until everything that this connection wrote is on the engine's replica.
pub(super) fn until_on_both(connection: &mut Connection) {
    waiting::until_true("the replica has it", || {
        let wait = redis::cmd("WAIT").arg(1).arg(1_000).clone();
        wait.query::<u64>(connection).unwrap() >= 1
    });
}

/// Something bad that is done while a process is held.
type Hurt<'a> = Box<dyn FnOnce() + Send + 'a>;

struct Stage<'a> {
    world: &'a World,
    east: Cache<'a>,
    west: Cache<'a>,
    case: Case,
}

impl Stage<'_> {
    fn play(&self) {
        for cache in [&self.east, &self.west] {
            cache.until_whole();
        }
        let mut connection = self.east.connect();
        for n in 0..THERE {
            let set = redis::cmd("SET").arg(format!("there:{n}")).arg(n).clone();
            set.exec(&mut connection).unwrap();
        }
        until_on_both(&mut connection);
        match self.case.scenario {
            Scenario::Link => self.plainly(&[self.east]),
            Scenario::Planned => {
                self.link();
                self.plainly(&[self.east, self.west]);
            }
            Scenario::Unlink => {
                self.link();
                self.plainly(&[self.east]);
            }
            Scenario::Forced | Scenario::Return => {
                self.link();
                self.by_force();
            }
        }
    }

    /// Links the two, and waits until they are one.
    fn link(&self) {
        self.world.ok(&["link", "create", "east", "west", "--yes"]);
        self.world.until_healthy();
        self.west.until_whole();
        waiting::until_true("it has crossed, and that is reported", || {
            self.west.status()["shards"][0]["keys"] == THERE
        });
    }

    /// The scenario with clients that write all the time, of whom nobody must lose anything.
    fn plainly(&self, written: &[Cache<'_>]) {
        let hurt = self.hurt();
        let ledger = scoring::start(3, written);
        scoring::until_more(&ledger, 50);
        self.harmed(hurt, || self.drive());
        self.settle(ledger);
        self.check_end();
    }

    /// The other side takes over by force; then the former geo-primary comes back.
    fn by_force(&self) {
        let world = self.world;
        // Whoever is to die is found while everybody is there.
        let mut hurt = self.hurt();
        let keys = if self.case.scenario == Scenario::Forced {
            world.wan_to("eastus").go_down();
            let keys = missing::write(&self.east);
            world.until_journaled(&self.east);
            world.keep_agent_away("eastus");
            world.kill_engines("eastus");
            keys
        } else {
            world.keep_agent_away("eastus");
            missing::write(&self.east)
        };
        if self.case.scenario == Scenario::Forced {
            self.harmed(hurt.take(), || self.take_over());
        } else {
            self.take_over();
        }
        let ledger = scoring::start(3, &[self.west]);
        scoring::until_more(&ledger, 20);
        world.wan_to("eastus").act("/accept");
        if self.case.scenario == Scenario::Return {
            self.harmed(hurt.take(), || self.come_back());
        } else {
            self.come_back();
        }
        self.settle(ledger);
        self.check_end();
        missing::check(world, &self.east, &keys);
    }

    fn take_over(&self) {
        self.until("the roles are swapped", || {
            if self.primary().as_deref() == Some("west") {
                return true;
            }
            let body = json!({ "properties": {
                "linkedRedisCacheId": self.east.id(),
                "linkedRedisCacheLocation": "eastus",
                "serverRole": "Secondary",
                "failover": { "force": true },
            }});
            let path = format!("{}/linkedServers/east", self.west.id());
            let _or_again = self.world.send("PUT", &path, Some(&body));
            false
        });
        self.until("the new geo-primary takes writes", || {
            let connection = self.west.client().get_connection();
            connection.is_ok_and(|mut connection| {
                let set = redis::cmd("SET").arg("after").arg("1").clone();
                set.exec(&mut connection).is_ok()
            })
        });
        // The roles' swap is complete only once it is known where that happened.
        self.until("the place of the fork is known", || {
            self.world.link().is_some_and(|link| {
                link["provisioningState"] != "Failed" && link["fork"]["positions"].is_array()
            })
        });
    }

    fn come_back(&self) {
        self.world.let_agent_run("eastus");
        self.until("the former geo-primary is back", || {
            self.primary().as_deref() == Some("west") && self.is_settled()
        });
    }

    /// Does what the scenario does until it is done, again when it was given up.
    fn drive(&self) {
        self.until("the operation succeeds", || {
            let link = self.world.link();
            let arguments: &[&str] = match self.case.scenario {
                Scenario::Link => {
                    if self.is_settled() {
                        return true;
                    }
                    &["link", "create", "east", "west", "--yes", "--no-wait"]
                }
                Scenario::Planned => {
                    if !self.is_settled() {
                        return false;
                    }
                    if self.primary().as_deref() == Some("west") {
                        return true;
                    }
                    &["failover", "west", "--no-wait"]
                }
                Scenario::Unlink => {
                    if self.are_apart() {
                        return true;
                    }
                    &["link", "delete", "east", "west", "--no-wait"]
                }
                Scenario::Forced | Scenario::Return => return true,
            };
            let wanted = (self.case.scenario == Scenario::Link) != link.is_some();
            if wanted {
                let _or_again = self.world.run(arguments);
            }
            false
        });
    }

    fn primary(&self) -> Option<String> {
        Some(self.world.link()?["primary"].as_str()?.to_owned())
    }

    fn is_settled(&self) -> bool {
        self.world
            .link()
            .is_some_and(|link| link["healthy"] == true && link["provisioningState"] == "Succeeded")
    }

    /// The link's record is gone, and the control plane says so.
    fn are_apart(&self) -> bool {
        if !self.world.points().is_seen("control:Removed:after") {
            return false;
        }
        let path = format!("{}/linkedServers/west/runtimeStatus", self.east.id());
        let answer = self.world.send("GET", &path, None);
        answer.is_some_and(|(code, _)| code == 404)
    }

    fn until(&self, what: &str, mut test: impl FnMut() -> bool) {
        let what = format!("{:?}: {what}", self.case);
        waiting::within(PATIENCE, &what, || test().then_some(()));
    }

    /// Does `work` while the case's harm happens: `hurt`, or a process's death by itself.
    fn harmed(&self, hurt: Option<(&'static str, Hurt<'_>)>, work: impl FnOnce()) {
        let points = self.world.points();
        points.forget_seen();
        let Some((point, hurt)) = hurt else {
            if let Harm::Dies { point } = self.case.harm {
                points.arm(point);
                work();
                let died = !points.is_armed(point);
                points.disarm(point);
                assert!(died, "nobody passed {point}: {:?}", points.seen());
                return;
            }
            work();
            let seen: BTreeSet<String> = points.seen().into_iter().collect();
            let wanted = self.case.scenario.points().into_iter();
            let missing: Vec<_> = wanted.filter(|point| !seen.contains(*point)).collect();
            assert!(missing.is_empty(), "not passed: {missing:?}; but {seen:?}");
            return;
        };
        points.hold(point);
        let over = AtomicBool::new(false);
        let done = thread::scope(|scope| {
            let hurting = scope.spawn(|| {
                let here = waiting::within(PATIENCE * 2, "somebody is at the point", || {
                    let over = over.load(Ordering::Relaxed);
                    (over || points.is_held(point)).then(|| points.is_held(point))
                });
                if here {
                    hurt();
                }
                points.release(point);
                here
            });
            let ending = Ending(&over);
            work();
            drop(ending);
            hurting.join().unwrap()
        });
        assert!(done, "nobody passed {point}: {:?}", points.seen());
    }

    /// What is done while somebody is held at the point.
    fn hurt(&self) -> Option<(&'static str, Hurt<'_>)> {
        let world = self.world;
        let primary = match self.case.scenario {
            Scenario::Return => "westus",
            Scenario::Link | Scenario::Planned | Scenario::Forced | Scenario::Unlink => "eastus",
        };
        match self.case.harm {
            Harm::Nothing | Harm::Dies { .. } => None,
            Harm::EngineDies {
                point,
                cache,
                leads,
            } => {
                let cache = if cache == "east" {
                    self.east
                } else {
                    self.west
                };
                let [leader, replica] = cache.until_whole();
                let pid = if leads { leader } else { replica };
                Some((
                    point,
                    Box::new(move || processes::signal(pid, Signal::KILL)),
                ))
            }
            Harm::Stands { point, direction } => Some((
                point,
                Box::new(move || {
                    let path = format!("/one-way?direction={direction}&for_ms={STANDS_MS}");
                    world.wan_to(primary).act(&path);
                }),
            )),
            Harm::Breaks { point } => {
                Some((point, Box::new(move || world.wan_to(primary).act("/cut"))))
            }
        }
    }

    /// Stops the clients. An engine that died may have taken with it what its replica had not got
    /// yet, which is the engines' own matter; nothing else takes anything.
    fn settle(&self, ledger: Ledger) {
        let survivor = match self.case.scenario {
            Scenario::Link | Scenario::Unlink => &self.east,
            Scenario::Planned | Scenario::Forced | Scenario::Return => &self.west,
        };
        survivor.until_whole();
        let score = scoring::settle(ledger, survivor);
        if matches!(self.case.harm, Harm::EngineDies { leads: true, .. }) {
            assert_eq!(score.total().violations(), 0, "{score:#?}");
        } else {
            scoring::assert_nothing_lost(&score);
        }
    }

    fn check_end(&self) {
        let (east, west) = (&self.east, &self.west);
        if self.case.scenario == Scenario::Unlink {
            for cache in [east, west] {
                cache.until_whole();
                self.until("both take writes", || {
                    let set = redis::cmd("SET").arg("own").arg(cache.name()).clone();
                    let connection = cache.client().get_connection();
                    connection.is_ok_and(|mut connection| set.exec(&mut connection).is_ok())
                });
            }
        } else {
            self.until("the link is healthy", || self.is_settled());
            self.until("both hold the same", || {
                let there = east.try_contents();
                there.is_some() && there == west.try_contents()
            });
        }
        for cache in [east, west] {
            let mut connection = cache.connect();
            for n in 0..THERE {
                let get = redis::cmd("GET").arg(format!("there:{n}")).clone();
                let value: Option<usize> = get.query(&mut connection).unwrap();
                assert_eq!(value, Some(n), "{}: there:{n}", cache.name());
            }
        }
    }
}

/// Says that the work is over, also when it panics.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
