//! The crash matrix: what is done to a link, times where somebody dies meanwhile. Whatever dies,
//! the end is the same.

mod missing;
mod run;

use runtime::dice::Dice;

pub use run::run;

/// What is done to a link while something dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Two caches are linked.
    Link,
    /// A planned failover.
    Planned,
    /// The geo-primary's region is gone, and the other one takes over.
    Forced,
    /// The former geo-primary, of which the engines lived on, comes back.
    Return,
    /// The two are unlinked.
    Unlink,
}

/// What happens in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing. Every point that other cases use is passed.
    Nothing,
    /// The process that passes the point dies.
    Dies {
        /// The point.
        point: &'static str,
    },
    /// An engine dies while somebody is at the point.
    EngineDies {
        /// The point.
        point: &'static str,
        /// Its cache.
        cache: &'static str,
        /// It leads.
        leads: bool,
    },
    /// Bytes in one direction stand still from the point on, for a while.
    Stands {
        /// The point.
        point: &'static str,
        /// The direction, as `godwit wan` calls it.
        direction: &'static str,
    },
    /// The connections between the regions break at the point.
    Breaks {
        /// The point.
        point: &'static str,
    },
}

/// One of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// What is done.
    pub scenario: Scenario,
    /// What happens meanwhile.
    pub harm: Harm,
}

impl Scenario {
    /// Each.
    pub const ALL: [Self; 5] = [
        Self::Link,
        Self::Planned,
        Self::Forced,
        Self::Return,
        Self::Unlink,
    ];

    /// Where processes pass for certain, each before and after.
    fn steps(self) -> &'static [[&'static str; 2]] {
        macro_rules! steps {
            ($($step:literal)*) => {
                &[$([concat!($step, ":before"), concat!($step, ":after")]),*]
            };
        }
        match self {
            Self::Link => steps![
                "agent-eastus:Adopt" "agent-westus:Adopt" "agent-westus:Remember"
                "agent-westus:Follow" "control:Creating" "control:Syncing" "control:Linked"
            ],
            Self::Planned => steps![
                "agent-eastus:Adopt" "agent-eastus:Remember" "agent-eastus:Pause"
                "agent-eastus:ExpectFence" "agent-eastus:Follow" "agent-eastus:DeclareBarrier"
                "agent-eastus:Resume" "agent-westus:Adopt" "agent-westus:AskDecision"
                "agent-westus:StandAlone" "control:HandingOff" "control:Promoting"
                "control:Linked"
            ],
            Self::Forced => steps![
                "agent-westus:Adopt" "agent-westus:Remember" "agent-westus:StandAlone"
                "control:Promoting" "control:Creating"
            ],
            Self::Return => steps![
                "agent-eastus:Adopt" "agent-eastus:SetGate" "agent-eastus:SaveLost"
                "agent-eastus:Remember" "agent-eastus:Follow" "control:Linked"
            ],
            Self::Unlink => steps![
                "agent-westus:Adopt" "agent-westus:Remember" "agent-westus:StandAlone"
                "control:UnlinkingPrimary" "control:UnlinkingSecondary" "control:Removed"
            ],
        }
    }

    /// Every point of it.
    pub fn points(self) -> Vec<&'static str> {
        let mut points = self.steps().concat();
        if self == Self::Return {
            points.push("agent-eastus:Saved:after");
        }
        points
    }

    fn cases(self) -> Vec<Case> {
        let mut harms = vec![Harm::Nothing];
        let points = self.points();
        harms.extend(points.iter().map(|point| Harm::Dies { point }));
        // An engine, or the network, has no step of its own: it goes wrong before each.
        for point in points.iter().filter(|point| point.ends_with(":before")) {
            for cache in ["east", "west"] {
                // The engines of the one went with their region.
                if self != Self::Forced || cache == "west" {
                    let dies = |leads| Harm::EngineDies {
                        point,
                        cache,
                        leads,
                    };
                    harms.extend([dies(true), dies(false)]);
                }
            }
            if self != Self::Forced {
                let stands = |direction| Harm::Stands { point, direction };
                harms.extend([stands("to-client"), stands("to-server")]);
                harms.push(Harm::Breaks { point });
            }
        }
        let case = |harm| Case {
            scenario: self,
            harm,
        };
        harms.into_iter().map(case).collect()
    }
}

/// The whole matrix.
pub fn all() -> Vec<Case> {
    Scenario::ALL
        .into_iter()
        .flat_map(Scenario::cases)
        .collect()
}

/// The whole matrix in an order that the seed decides, the scenarios taking turns.
pub fn shuffled(seed: u64) -> Vec<Case> {
    let dice = Dice::from_seed(seed);
    let mut rows: Vec<Vec<Case>> = Scenario::ALL.into_iter().map(Scenario::cases).collect();
    let mut order = Vec::new();
    while rows.iter().any(|row| !row.is_empty()) {
        for row in rows.iter_mut().filter(|row| !row.is_empty()) {
            let drawn = dice.below(row.len() as u64);
            order.push(row.swap_remove(usize::try_from(drawn).unwrap()));
        }
    }
    order
}
