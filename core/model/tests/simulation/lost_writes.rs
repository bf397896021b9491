//! A former primary that saves what the other side of a forced failover does not have, and what
//! must hold of that.

use model::{Epoch, GeoRole, Rejoin, Standing, shard};
use psync::Position;

use crate::{
    engine::{Engine, Item, Writes},
    journal::{Behind, Journal},
    world::World,
};

/// What is kept of a forced failover.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receipt {
    pub(crate) writes: Writes,
}

/// Saving in an agent's memory.
#[derive(Debug)]
pub(crate) struct Saving {
    at: Epoch,
    from: Position,
    to: Option<Position>,
    incomplete: bool,
    /// Looks until it is done.
    looks: u64,
    outcome: Option<Result<(), String>>,
}

impl Saving {
    pub(crate) fn view(&self) -> shard::Saving<'_> {
        match &self.outcome {
            None => shard::Saving::UnderWay,
            Some(Ok(())) => shard::Saving::Done,
            Some(Err(why)) => shard::Saving::Impossible { why },
        }
    }
}

impl World {
    /// The region that a failover was forced from, and when, as the record has it.
    pub(crate) fn former_primary(&self) -> Option<(usize, Epoch)> {
        let link = self.store.link.as_ref()?;
        match link.standing {
            Standing::Forced { at, .. } => Some((1 - self.primary_region(link), at)),
            Standing::Founder | Standing::AtBarrier { .. } | Standing::AsFound => None,
        }
    }

    /// Notes that nothing takes writes there any more, once that is so.
    pub(crate) fn note_shut(&mut self, r: usize, epoch: Epoch) {
        let Some((former, at)) = self.former_primary() else {
            return;
        };
        let nodes = self.regions[r].nodes.iter();
        let mut engines = nodes.filter_map(|node| node.engine.as_ref());
        let shut = |engine: &Engine| engine.upstream.is_some() || engine.gate == shard::Gate::Shut;
        if former == r && epoch >= at && engines.all(shut) {
            self.regions[r].shut_in = Some(epoch);
        }
    }

    /// Closes the journal, and begins to save what is in it.
    pub(crate) fn save_lost(
        &mut self,
        r: usize,
        at: Epoch,
        from: Position,
        to: Option<Position>,
        incomplete: bool,
    ) {
        let looks = self.dice.between(0, 4);
        self.end_outbound(r);
        if let Some(agent) = self.agent(r) {
            agent.outbound = None;
            agent.saving = Some(Saving {
                at,
                from,
                to,
                incomplete,
                looks,
                outcome: None,
            });
        }
    }

    /// Goes on saving; what was saved for another epoch is forgotten.
    pub(crate) fn go_on_saving(&mut self, r: usize, role: &GeoRole) {
        let asked = match role {
            GeoRole::Secondary {
                rejoin: Rejoin::AfterForce { at, .. },
                ..
            } => Some(*at),
            GeoRole::Secondary { .. }
            | GeoRole::Alone
            | GeoRole::Primary { .. }
            | GeoRole::Yielding { .. }
            | GeoRole::Taking { .. } => None,
        };
        let Some(agent) = self.agent(r) else { return };
        let Some(mut saving) = agent.saving.take() else {
            return;
        };
        if Some(saving.at) != asked {
            return;
        }
        if saving.outcome.is_none() && saving.looks == 0 {
            saving.outcome = Some(self.finish_saving(r, &saving));
        }
        saving.looks = saving.looks.saturating_sub(1);
        if let Some(agent) = self.agent(r) {
            agent.saving = Some(saving);
        }
    }

    fn finish_saving(&mut self, r: usize, saving: &Saving) -> Result<(), String> {
        let journal = self.regions[r].disk.journal.as_ref();
        let (writes, missing) = suffix(journal, saving);
        self.note(|| format!("{r} saves {:?}, {missing:?}", writes.list()));
        if let Some(why) = missing.clone().filter(|_| !saving.incomplete) {
            self.count("lost writes not saved");
            return Err(why);
        }
        self.check_saved(r, saving, writes, missing.is_some());
        self.count(match (writes.is_empty(), saving.to) {
            (true, _) => "nothing lost",
            (false, Some(_)) => "lost writes saved",
            (false, None) => "lost writes saved without an engine",
        });
        let receipt = Receipt { writes };
        self.regions[r].disk.lost_writes.insert(saving.at, receipt);
        Ok(())
    }

    /// Exactly what the new primary did not have where it took over is saved.
    fn check_saved(&self, r: usize, saving: &Saving, saved: Writes, unknown: bool) {
        let there = self.ledger.histories.writes_at(saving.from);
        assert!(
            there.without(there.without(saved)).is_empty(),
            "{r} saves what the other side has at {}: {:?}",
            saving.from,
            saved.list()
        );
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let engine = self.regions[r].nodes[leader].engine.as_ref();
        let here = engine.map(|engine| engine.data.writes);
        let lacks = here.unwrap_or_default().without(there).without(saved);
        assert!(
            unknown || lacks.is_empty(),
            "{r} saves {:?} behind {}, and not {:?}",
            saved.list(),
            saving.from,
            lacks.list()
        );
    }

    /// What the record says of where a shard took over is so.
    pub(crate) fn check_fork(&self, r: usize, fork: Position) {
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let Some(engine) = self.regions[r].nodes[leader].engine.as_ref() else {
            return;
        };
        if engine.upstream.is_some() {
            return;
        }
        // An heir that had not come so far has less than the one that said so.
        let left = self.ledger.histories.left(engine.replid, fork.replid);
        assert!(
            left.is_some_and(|left| left <= fork.offset.0),
            "{r} says that it took over at {fork}, and left at {left:?}"
        );
    }
}

/// What a journal has behind a position, and what it lacks.
fn suffix(journal: Option<&Journal>, saving: &Saving) -> (Writes, Option<String>) {
    let (from, to) = (saving.from, saving.to);
    let mut writes = Writes::default();
    let within =
        |end: Position| to.is_some_and(|to| to.replid == end.replid && to.offset <= end.offset);
    let nothing_more = within(from);
    let Some(journal) = journal else {
        let missing = (!nothing_more).then(|| "there is no journal".to_owned());
        return (writes, missing);
    };
    let end = journal.end();
    let before = from.replid == end.replid && from.offset > end.offset;
    if journal.covers(from).is_none() && !before {
        let missing = (!nothing_more).then(|| format!("the journal does not have {from}"));
        return (writes, missing);
    }
    let mut at = from.offset.0;
    while let Behind::Item(item) = journal.behind(at) {
        at += 1;
        match item {
            Item::Write(write) => writes.insert(write),
            Item::Flush | Item::Ping => {}
        }
    }
    let reached = to.is_none() || nothing_more || to.is_some_and(|to| journal.covers(to).is_some());
    let missing = (!reached).then(|| format!("the journal ends at {end}, before {to:?}"));
    (writes, missing)
}
