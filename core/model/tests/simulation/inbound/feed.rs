//! What arrives from the outbound half, and goes to the engine.

use psync::{Offset, Position};

use super::{Frame, Handed, Spool};
use crate::{
    engine::{Chunk, Snapshot},
    journal::PARTS,
    world::World,
};

impl World {
    /// The inbound half takes one frame, or sees that the connection is gone.
    pub(crate) fn receive(&mut self, r: usize) {
        let geo = self.geo(r).filter(|geo| !geo.renamed);
        let Some(line) = geo.and_then(|geo| geo.line.as_mut()) else {
            return;
        };
        match line.frames.pop_front() {
            Some(frame) => {
                self.note(|| format!("{r} receives {frame:?}"));
                self.handle(r, frame);
            }
            None if line.closed => self.lost_line(r, "the outbound is gone", true),
            None => {}
        }
    }

    fn handle(&mut self, r: usize, frame: Frame) {
        match frame {
            Frame::Continue(position) => self.answered_continue(r, position),
            Frame::Head { id, position, from } => self.answered_snapshot(r, id, position, from),
            Frame::Piece { id, at } => self.take_piece(r, id, at),
            Frame::End(snapshot) => self.take_end(r, snapshot),
            Frame::Item { after, item } => {
                let Some(geo) = self.geo(r) else { return };
                let due = geo.received.map(|received| received.offset);
                assert_eq!(due, Some(Offset(after)), "{r} is sent what is not due");
                assert!(!geo.stopped, "{r} is sent bytes after a barrier");
                geo.received = geo
                    .received
                    .map(|at| Position::new(at.replid, at.offset.advanced(1)));
                let loaded = matches!(geo.handed, Handed::Whole { .. }) && geo.applied.is_some();
                if loaded {
                    geo.handed = Handed::Stream;
                    self.regions[r].disk.spool = None;
                }
                self.hand_over(r, Chunk::Item(item));
            }
            Frame::Barrier(attempt, barrier) => {
                let Some(geo) = self.geo(r) else { return };
                assert_eq!(
                    geo.received,
                    Some(barrier),
                    "{r} is told a barrier elsewhere"
                );
                geo.stopped = true;
                if let Some(agent) = self.agent(r) {
                    agent.barrier = Some((attempt, barrier));
                }
            }
            Frame::Refused(why) => {
                self.note(|| format!("{r} is refused: {why:?}"));
                self.lost_line(r, "refused", why.may_resume());
            }
        }
    }

    fn answered(&mut self, r: usize) {
        if let Some(line) = self.geo(r).and_then(|geo| geo.line.as_mut()) {
            line.answered = true;
        }
    }

    fn answered_continue(&mut self, r: usize, position: Position) {
        self.answered(r);
        let Some(geo) = self.geo(r) else { return };
        match geo.handed {
            Handed::Nothing => {
                let have = geo.have.map(|have| have.offset);
                assert_eq!(have, Some(position.offset), "{r} asked to go on there");
                geo.handed = Handed::Stream;
                geo.received = Some(position);
                geo.applied = Some(position.offset.0);
                self.regions[r].disk.spool = None;
                self.forget_barrier(r);
                self.hand_over(r, Chunk::Continue(position.replid));
            }
            Handed::Whole { .. } | Handed::Stream => {
                let received = geo.received;
                if received.map(|received| received.offset) != Some(position.offset) {
                    return self.end_session(r, "the outbound goes on elsewhere");
                }
                geo.renamed = received != Some(position);
            }
            Handed::Part { .. } => {
                self.end_session(r, "the outbound goes on elsewhere");
            }
        }
    }

    fn answered_snapshot(&mut self, r: usize, id: u64, position: Position, from: u32) {
        self.answered(r);
        let spool = self.regions[r].disk.spool;
        let Some(geo) = self.geo(r) else { return };
        match geo.handed {
            Handed::Nothing => {
                let kept = spool.filter(|kept| kept.id == id && kept.pieces >= from);
                geo.handed = Handed::Part { id, pieces: from };
                geo.keeps = from == 0 || kept.is_some_and(|kept| kept.pieces == from);
                self.forget_barrier(r);
                self.count("full syncs between regions");
                self.hand_over(r, Chunk::FullSync);
                if from == 0 {
                    self.regions[r].disk.spool = Some(Spool {
                        id,
                        position,
                        pieces: 0,
                    });
                } else if kept.is_none() {
                    self.regions[r].disk.spool = None;
                    self.end_session(r, "what was promised cannot be read");
                }
            }
            Handed::Part { id: before, pieces } if before == id && pieces == from => {}
            Handed::Part { .. } | Handed::Whole { .. } | Handed::Stream => {
                self.end_session(r, "the outbound has another snapshot");
            }
        }
    }

    fn take_piece(&mut self, r: usize, id: u64, at: u32) {
        let Some(geo) = self.geo(r) else { return };
        assert_eq!(
            geo.handed,
            Handed::Part { id, pieces: at },
            "{r} is sent another piece"
        );
        geo.handed = Handed::Part { id, pieces: at + 1 };
        let keeps = geo.keeps;
        if let Some(spool) = self.regions[r].disk.spool.as_mut().filter(|_| keeps) {
            assert_eq!((spool.id, spool.pieces), (id, at), "the spool of {r}");
            spool.pieces += 1;
        }
    }

    fn take_end(&mut self, r: usize, snapshot: Snapshot) {
        let Some(geo) = self.geo(r) else { return };
        let Handed::Part { id, pieces: PARTS } = geo.handed else {
            panic!("the snapshot of {r} ends after {:?}", geo.handed);
        };
        geo.handed = Handed::Whole { id };
        geo.received = Some(snapshot.position);
        geo.loading = Some(snapshot.position.offset.0);
        self.hand_over(r, Chunk::Snapshot(snapshot));
    }

    fn forget_barrier(&mut self, r: usize) {
        if let Some(agent) = self.agent(r) {
            agent.barrier = None;
        }
    }

    fn hand_over(&mut self, r: usize, chunk: Chunk) {
        let Some((n, life)) = self.geo(r).map(|geo| geo.engine) else {
            return;
        };
        let engine = self.engine(r, n).filter(|engine| engine.life == life);
        let pipe = engine.and_then(|engine| engine.input.as_mut());
        match pipe.filter(|pipe| !pipe.closed) {
            Some(pipe) => pipe.chunks.push_back(chunk),
            None => self.end_session(r, "the engine closed the connection"),
        }
    }
}
