//! Runs seeds and prints what happened: `cargo run --package sim --example seed -- 7 8`.
#![expect(clippy::print_stdout, reason = "it is there to be read")]

fn main() {
    for seed in std::env::args()
        .skip(1)
        .filter_map(|seed| seed.parse().ok())
    {
        match sim::run(seed) {
            Ok(outcome) => println!("{}\n{:?}", outcome.trace.join("\n"), outcome.tally),
            Err(why) => println!("{why}"),
        }
    }
}
