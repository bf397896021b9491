//! What must hold in every moment of a run, and at its end.

use std::time::Duration;

use crate::{disk::Disk, ledger::Ledger, machine::Machine};

/// What the checks look at.
#[derive(Clone)]
pub(crate) struct Sight {
    pub(crate) machines: [Machine; 2],
    pub(crate) disks: [Disk; 2],
    pub(crate) ledger: Ledger,
    /// Two sides may take writes for a while after a forced failover without leases.
    pub(crate) leases: bool,
    /// A failover was forced.
    pub(crate) forced: bool,
}

impl Sight {
    /// At most one side takes writes (invariant 3).
    pub(crate) fn at_most_one_writer(&self, now: Duration) -> Result<(), String> {
        if !self.ledger.is_joined() || (self.forced && !self.leases) {
            return Ok(());
        }
        let takes = |machine: &Machine| machine.look(|engine| engine.takes_writes(now));
        if self
            .machines
            .iter()
            .all(|machine| takes(machine) == Some(true))
        {
            return Err("both sides take writes".to_owned());
        }
        Ok(())
    }

    /// Every acknowledged write is where the link is led, or saved (invariants 1, 4, 5).
    pub(crate) fn nothing_is_lost(&self, primary: usize) -> Result<(), String> {
        let mut held = self.machines[primary]
            .look(crate::engine::Engine::held)
            .unwrap_or_default();
        for disk in &self.disks {
            held.extend(disk.0.lock().saved.iter().copied());
        }
        let missing = self.ledger.missing(&held);
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{} of {} acknowledged writes are gone: {missing:?}",
            missing.len(),
            self.ledger.acknowledged()
        ))
    }

    /// Both sides hold the same (invariant 15).
    pub(crate) fn both_are_equal(&self) -> bool {
        let held = |machine: &Machine| machine.look(crate::engine::Engine::held);
        held(&self.machines[0]) == held(&self.machines[1])
    }
}
