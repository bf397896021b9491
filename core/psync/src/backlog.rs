//! From where an engine lets a replica go on (`masterTryPartialResync` in the engines'
//! `replication.c`).

use crate::{Offset, Position};

/// What decides it, as `INFO replication` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Where the engine stands.
    pub position: Position,
    /// The last byte of the history before its present one (`second_repl_offset`), when it knows one.
    pub before: Option<Position>,
    /// The last byte before those that its backlog has; `None` without a backlog.
    pub from: Option<Offset>,
}

impl Backlog {
    /// Tells whether a replica that holds everything up to `have` could go on, if the engine is a
    /// primary.
    #[must_use]
    pub fn reaches(&self, have: &Position) -> bool {
        let kept = self.from.is_some_and(|from| from <= have.offset);
        let within = |end: &Position| have.replid == end.replid && have.offset <= end.offset;
        kept && (within(&self.position) || self.before.as_ref().is_some_and(within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(digit: &str, offset: u64) -> Position {
        Position::new(digit.repeat(40).parse().unwrap(), Offset(offset))
    }

    #[test]
    fn a_history_is_gone_on_with_up_to_where_it_was_left() {
        let backlog = Backlog {
            position: at("b", 90),
            before: Some(at("a", 50)),
            from: Some(Offset(20)),
        };
        for (have, reached) in [
            (at("b", 90), true),
            (at("b", 91), false),
            (at("b", 20), true),
            (at("b", 19), false),
            (at("a", 50), true),
            (at("a", 51), false),
            (at("a", 20), true),
            (at("a", 19), false),
            (at("c", 50), false),
        ] {
            assert_eq!(backlog.reaches(&have), reached, "{have}");
        }
        let none = Backlog {
            from: None,
            ..backlog
        };
        assert!(!none.reaches(&at("b", 90)));
    }
}
