//! The handoff under every order of events, exhaustively.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod handoff;
mod intern;
mod search;

use handoff::{
    model::{Bounds, Handoff},
    mutation::Mutation,
    promises,
    state::Left,
};
use search::search;

const LIMIT: usize = 3_000_000;

const fn left(writes: u8, attempts: u8, crashes: u8, late: u8, cuts: u8) -> Left {
    Left {
        writes,
        attempts,
        forces: 0,
        crashes,
        late,
        cuts,
    }
}

#[test]
fn try_it() {
    let args: Vec<u8> = std::env::var("B").unwrap().split(',').map(|x| x.parse().unwrap()).collect();
    let bounds = Bounds {
        shards: args[0].into(),
        left: left(args[1], args[2], args[3], args[4], args[5]),
        plans_apart: args[6] != 0,
        looks_apart: args[7] != 0,
    };
    match search(&Handoff::new(bounds, None), 20_000_000) {
        Ok(x) => eprintln!("{x:?}"),
        Err(e) => panic!("{}\n{}", e.promise, e.path),
    }
}
