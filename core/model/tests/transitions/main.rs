//! The machines as tables: what becomes of a link in each phase at each event, and what a shard does in each
//! role by what is seen of its leader. A change of behaviour is a change of `link.txt` or `planner.txt`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod link;
mod planner;

/// Compares a table with the one that is kept.
fn assert_table(name: &str, kept: &str, now: &str) {
    if kept == now {
        return;
    }
    let (kept, new): (Vec<_>, Vec<_>) = (kept.lines().collect(), now.lines().collect());
    let gone = kept.iter().filter(|line| !new.contains(line));
    let come = new.iter().filter(|line| !kept.contains(line));
    let gone = gone.map(|line| format!("- {line}"));
    let changes: Vec<_> = gone.chain(come.map(|line| format!("+ {line}"))).collect();
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    #[expect(clippy::disallowed_methods, reason = "nothing depends on the file")]
    std::fs::write(&path, now).unwrap();
    panic!(
        "the machines do something else than core/model/tests/transitions/{name} says:\n{}\nif that is wanted, copy {path} there",
        changes.join("\n")
    );
}

#[test]
fn links_move_as_the_table_says() {
    assert_table("link.txt", include_str!("link.txt"), &link::table());
}

#[test]
fn shards_are_planned_as_the_table_says() {
    assert_table(
        "planner.txt",
        include_str!("planner.txt"),
        &planner::table(),
    );
}
