//! Names, as a resolver finds them.

use std::{fs, process::Command};

use crate::World;

/// The zone of every world.
const ZONE: &str = "redis.godwit.internal";

impl World {
    /// What there is at a name of the zone, as `dig` shows it: `NAME TYPE DATA` for each record of
    /// the answer, names without the zone, and the status when that is not NOERROR. `None`: nobody
    /// answers.
    pub fn dig(&self, name: &str, of: &str) -> Option<String> {
        let server = fs::read_to_string(self.data().join("names-endpoint")).ok()?;
        let (ip, port) = server.trim().rsplit_once(':')?;
        let output = Command::new("dig")
            .args([&format!("@{ip}"), "-p", port, "+tries=1", "+time=2"])
            .args(["+noall", "+comments", "+answer", "+ttlid"])
            .args([&format!("{name}.{ZONE}"), of])
            .output()
            .unwrap_or_else(|error| {
                panic!("dig: {error}; install it: scripts/install-engines.sh --tests")
            });
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, status) = text.split_once("status: ")?;
        let status = status.split(',').next()?;
        let mut told: Vec<String> = text.lines().filter_map(record).collect();
        if status != "NOERROR" {
            told.push(status.to_owned());
        }
        Some(told.join(", "))
    }

    /// The cache to which the geo names of `east` and `west` lead; `None` while they are not there,
    /// or nobody answers.
    pub fn named_primary(&self) -> Option<&'static str> {
        let told = self.dig("east.geo", "A")?;
        match told.split(", ").next()? {
            "east.geo CNAME west.geo" => Some("west"),
            first if first.starts_with("east.geo A ") => Some("east"),
            _ => None,
        }
    }
}

/// A line of an answer.
fn record(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [owner, ttl, "IN", of, data] = words.as_slice() else {
        return None;
    };
    assert_eq!(*ttl, "5", "{line}");
    let within = |name: &str| {
        let zone = format!(".{ZONE}.");
        name.strip_suffix(&zone).unwrap_or(name).to_owned()
    };
    Some(format!("{} {of} {}", within(owner), within(data)))
}
