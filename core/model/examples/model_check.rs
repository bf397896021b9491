//! The search of `core/model/tests/model_check`, as far as memory and patience reach:
//! `cargo run --release -p model --example model_check -- SHARDS WRITES ATTEMPTS FORCES CRASHES LATE CUTS`.
//!
//! A state takes some 300 bytes. Without arguments: bounds that end within minutes and a few GiB.

#![expect(clippy::print_stdout, reason = "it is a command")]

#[expect(dead_code, reason = "planted mistakes are for the tests")]
#[path = "../tests/model_check/main.rs"]
mod model_check;

use model_check::{Bounds, Handoff, Leased, Left, search};

const LIMIT: usize = 60_000_000;
/// Shards, writes, attempts, forced ones among them, crashes, messages that are held up, cuts.
const USUAL: &[[u8; 7]] = &[
    [1, 1, 1, 0, 1, 1, 0],
    [1, 1, 2, 0, 1, 0, 0],
    [1, 1, 2, 1, 0, 0, 1],
    [1, 1, 2, 1, 1, 0, 0],
    [1, 2, 1, 1, 0, 0, 1],
    [2, 1, 1, 1, 0, 0, 0],
    [2, 0, 1, 0, 1, 0, 0],
    [2, 0, 1, 0, 0, 1, 0],
    [2, 0, 2, 0, 0, 0, 0],
];

fn main() -> Result<(), String> {
    let arguments = std::env::args().skip(1).map(|argument| {
        let number = argument.parse::<u8>();
        number.map_err(|error| format!("`{argument}` is not a small number: {error}"))
    });
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    if !arguments.is_empty() {
        let bounds = <[u8; 7]>::try_from(arguments);
        return check(bounds.map_err(|given| format!("seven numbers are wanted, not {given:?}"))?);
    }
    for bounds in USUAL {
        check(*bounds)?;
    }
    for fast in [980, 1_000, 1_020] {
        let searched = search(&Leased::new(fast, 2, None), LIMIT);
        let searched = searched.map_err(|found| format!("{}\n{}", found.promise, found.path))?;
        println!("leases, clocks at {fast}: {searched}");
    }
    Ok(())
}

fn check(numbers: [u8; 7]) -> Result<(), String> {
    let [shards, writes, attempts, forces, crashes, late, cuts] = numbers;
    let bounds = Bounds {
        shards: shards.into(),
        left: Left {
            writes,
            attempts,
            forces,
            crashes,
            late,
            cuts,
        },
        plans_apart: true,
        looks_apart: true,
    };
    let searched = search(&Handoff::new(bounds, None), LIMIT);
    let searched = searched.map_err(|found| format!("{}\n{}", found.promise, found.path))?;
    println!("{numbers:?}: {searched}");
    Ok(())
}
