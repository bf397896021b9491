//! What is measured: sizes, pipelines, connections, with TLS and without.

use std::fmt;

use serde::Serialize;

/// One kind of load. `GET`s and `SET`s of a value, half of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) tls: bool,
    /// Bytes of a value.
    pub(crate) value: usize,
    /// Requests that a connection sends at once.
    pub(crate) pipeline: usize,
    pub(crate) connections: usize,
}

impl Row {
    /// Every row of the table.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for tls in [false, true] {
            for value in [100, 16 << 10] {
                for pipeline in [1, 16] {
                    for connections in [50, 1_000] {
                        all.push(Self {
                            tls,
                            value,
                            pipeline,
                            connections,
                        });
                    }
                }
            }
        }
        all
    }
}

/// `tls 16KB P16 c1000`
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = if self.tls { "tls" } else { "plain" };
        let (size, unit) = if self.value < 1_024 {
            (self.value, "B")
        } else {
            (self.value >> 10, "KB")
        };
        let Self {
            pipeline,
            connections,
            ..
        } = self;
        write!(f, "{layer} {size}{unit} P{pipeline} c{connections}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own() {
        let mut names: Vec<String> = Row::all().iter().map(Row::to_string).collect();
        assert_eq!(names.len(), 16);
        assert!(names.contains(&"tls 16KB P16 c1000".to_owned()));
        assert!(names.contains(&"plain 100B P1 c50".to_owned()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 16);
    }
}
