//! What a comparison found, for people and for programs. Values are never in it.

use std::time::Duration;

use indicatif::HumanCount;
use serde_json::{Value, json};
use verify::{Difference, Found, Key, Kind, Progress, Side, Verdict};

use super::course::Sizes;
use crate::{
    output::{bytes, milliseconds, pairs, table},
    quantity::counted,
};

pub(super) struct Report<'a> {
    pub(super) primary: &'a str,
    pub(super) secondary: &'a str,
    pub(super) progress: &'a Progress,
    pub(super) sizes: Sizes,
    /// Keys that were compared when it was gone on with.
    pub(super) resumed: Option<u64>,
    pub(super) took: Duration,
}

impl Report<'_> {
    pub(super) fn json(&self) -> Value {
        let progress = self.progress;
        let (different, first_different) = progress.different();
        let (undecided, first_undecided) = progress.undecided();
        let databases: Vec<Value> = self
            .databases()
            .map(|(database, compared, [primary, secondary])| {
                json!({"database": database, "primaryKeys": primary, "secondaryKeys": secondary, "comparedKeys": compared})
            })
            .collect();
        json!({
            "verdict": progress.verdict(),
            "primary": self.primary,
            "secondary": self.secondary,
            "databases": databases,
            "comparedKeys": progress.compared(),
            "bytesRead": progress.bytes(),
            "comparedByDump": progress.dumped(),
            "differentKeys": different,
            "differences": first_different.iter().map(found).collect::<Vec<_>>(),
            "undecidedKeys": undecided,
            "undecided": first_undecided.iter().map(named).collect::<Vec<_>>(),
            "resumedAtKeys": self.resumed,
            "seconds": self.took.as_secs_f64(),
        })
    }

    pub(super) fn text(&self) -> String {
        let progress = self.progress;
        let verdict = match progress.verdict() {
            Verdict::Same => "same",
            Verdict::Different => "different",
            Verdict::Undecided => "undecided",
        };
        let mut text = pairs([
            ("verdict", Some(verdict.to_owned())),
            ("geo-primary", Some(self.primary.to_owned())),
            ("geo-secondary", Some(self.secondary.to_owned())),
            (
                "keys compared",
                Some(HumanCount(progress.compared()).to_string()),
            ),
            ("bytes read", Some(bytes(progress.bytes()))),
            (
                "different",
                Some(HumanCount(progress.different().0).to_string()),
            ),
            (
                "undecided",
                Some(HumanCount(progress.undecided().0).to_string()),
            ),
            ("by dump", by_dump(progress.dumped())),
            (
                "took",
                Some(milliseconds(self.took.as_secs_f64() * 1_000.0)),
            ),
        ]);
        let mut section = |title: String, body: &str| {
            if !body.is_empty() {
                let lines: Vec<_> = body.lines().map(|line| format!("  {line}")).collect();
                text.push_str(&format!("\n\n{title}\n{}", lines.join("\n")));
            }
        };
        let rows: Vec<_> = self
            .databases()
            .map(|(database, compared, sizes)| {
                let [primary, secondary] = sizes.map(|keys| HumanCount(keys).to_string());
                [
                    database.to_string(),
                    primary,
                    secondary,
                    HumanCount(compared).to_string(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            let header = ["DATABASE", "PRIMARY KEYS", "SECONDARY KEYS", "COMPARED"];
            section("keys at the end".to_owned(), &table(header, rows));
        }
        let (count, first) = progress.different();
        let lines: Vec<String> = first.iter().map(line_of).collect();
        section(title("different", count, lines.len()), &lines.join("\n"));
        let (count, first) = progress.undecided();
        let lines: Vec<String> = first.iter().map(place).collect();
        section(
            title("written to all the time", count, lines.len()),
            &lines.join("\n"),
        );
        text
    }

    /// Each database: its number, how many keys were compared, how many each side has.
    fn databases(&self) -> impl Iterator<Item = (u16, u64, [u64; 2])> {
        self.progress.databases().map(|(database, compared)| {
            let size = |side: &Vec<(u16, u64)>| {
                let found = side.iter().find(|(number, _)| *number == database);
                found.map_or(0, |(_, keys)| *keys)
            };
            let [primary, secondary] = &self.sizes;
            (database, compared, [size(primary), size(secondary)])
        })
    }
}

fn title(what: &str, count: u64, shown: usize) -> String {
    if u64::try_from(shown).is_ok_and(|shown| shown < count) {
        format!("{what} (the first {shown} of {})", HumanCount(count))
    } else {
        what.to_owned()
    }
}

fn by_dump(keys: u64) -> Option<String> {
    (keys > 0).then(|| {
        let keys = counted(keys, "key", "keys");
        format!("{keys} of modules' types, as DUMP shows them: an engine that dumps one value in two ways is told as different")
    })
}

fn place(key: &Key) -> String {
    format!(
        "database {}, slot {}: {}",
        key.database,
        key.slot(),
        key.shown()
    )
}

fn line_of(found: &Found) -> String {
    let how: Vec<String> = found.differences.iter().map(in_words).collect();
    format!("{}: {}", place(&found.key), how.join("; "))
}

fn in_words(difference: &Difference) -> String {
    match difference {
        Difference::MissingOn(Side::Primary) => "missing on the geo-primary".to_owned(),
        Difference::MissingOn(Side::Secondary) => "missing on the geo-secondary".to_owned(),
        Difference::Type { primary, secondary } => {
            format!("{primary} on the geo-primary, {secondary} on the geo-secondary")
        }
        Difference::Expiry { primary, secondary } => expiry(*primary, *secondary),
        Difference::Value {
            kind,
            primary,
            secondary,
        } if primary.length != secondary.length => {
            let unit = kind.unit();
            format!(
                "another value: {} {unit} on the geo-primary, {} on the geo-secondary",
                HumanCount(primary.length),
                HumanCount(secondary.length)
            )
        }
        Difference::Value {
            kind,
            primary,
            secondary,
        } => format!(
            "another value of the same {} {}: digest {} on the geo-primary, {} on the geo-secondary",
            HumanCount(primary.length),
            kind.unit(),
            primary.digest,
            secondary.digest
        ),
    }
}

fn expiry(primary: Option<u64>, secondary: Option<u64>) -> String {
    let apart = |one: u64, other: u64| {
        milliseconds(Duration::from_millis(one.abs_diff(other)).as_secs_f64() * 1_000.0)
    };
    match (primary, secondary) {
        (Some(one), Some(other)) if one < other => {
            format!("expires {} later on the geo-secondary", apart(one, other))
        }
        (Some(one), Some(other)) => {
            format!("expires {} earlier on the geo-secondary", apart(one, other))
        }
        (Some(_), None) => {
            "never expires on the geo-secondary, and does on the geo-primary".to_owned()
        }
        (None, Some(_)) => "expires on the geo-secondary, and never on the geo-primary".to_owned(),
        (None, None) => "expires at another time".to_owned(),
    }
}

/// A key, for programs: `key` for people to read, `keyHex` exactly.
fn named(key: &Key) -> Value {
    let mut json = serde_json::to_value(key).unwrap_or_else(|_impossible| json!({}));
    json["key"] = key.shown().into();
    json["slot"] = key.slot().number().into();
    json
}

fn found(found: &Found) -> Value {
    let mut json = named(&found.key);
    json["differences"] = found.differences.iter().map(in_json).collect();
    json
}

fn in_json(difference: &Difference) -> Value {
    let kind = |kind: &Kind| serde_json::to_value(kind).unwrap_or(Value::Null);
    match difference {
        Difference::MissingOn(side) => {
            json!({"what": "missing", "on": match side {
                Side::Primary => "primary",
                Side::Secondary => "secondary",
            }})
        }
        Difference::Type { primary, secondary } => {
            json!({"what": "type", "primary": kind(primary), "secondary": kind(secondary)})
        }
        Difference::Expiry { primary, secondary } => {
            json!({"what": "expiry", "primaryMs": primary, "secondaryMs": secondary})
        }
        Difference::Value {
            kind: of,
            primary,
            secondary,
        } => json!({"what": "value", "type": kind(of), "primary": primary, "secondary": secondary}),
    }
}

#[cfg(test)]
mod tests {
    use verify::{Digest, Finding, Measure, Options, Subject, Tally};

    use super::*;

    fn report(progress: &Progress) -> Report<'_> {
        Report {
            primary: "east",
            secondary: "west",
            progress,
            sizes: [vec![(0, 3)], vec![(0, 2), (9, 1)]],
            resumed: None,
            took: Duration::from_millis(1_500),
        }
    }

    fn ended(findings: Vec<(Key, Finding)>) -> Progress {
        let subject = Subject {
            primary: "e".to_owned(),
            secondary: "w".to_owned(),
        };
        let options = Options {
            tolerance_ms: 1_000,
            first: 2,
        };
        let mut progress = Progress::new(subject, options);
        progress.add(0);
        let tally = Tally {
            keys: 3,
            bytes: 2_048,
            dumped: 0,
        };
        progress.scanned(tally, findings, 0);
        progress
    }

    fn key(name: &[u8]) -> Key {
        Key {
            database: 0,
            name: name.to_vec(),
        }
    }

    fn value(primary: (u64, u8), secondary: (u64, u8)) -> Difference {
        let measure = |(length, digest): (u64, u8)| Measure {
            length,
            digest: Digest::try_from(format!("{digest:032x}")).unwrap(),
        };
        Difference::Value {
            kind: Kind::Hash,
            primary: measure(primary),
            secondary: measure(secondary),
        }
    }

    #[test]
    fn differences_are_told_in_words_and_names_are_harmless() {
        let later = Difference::Expiry {
            primary: Some(1_000),
            secondary: Some(6_000),
        };
        let progress = ended(vec![
            (
                key(b"a\x1b[2J"),
                Finding::Different(vec![value((3, 1), (4, 2)), later]),
            ),
            (
                key(b"b"),
                Finding::Different(vec![Difference::MissingOn(Side::Secondary)]),
            ),
            (
                key(b"c"),
                Finding::Different(vec![Difference::MissingOn(Side::Primary)]),
            ),
        ]);
        let expected = r"
verdict        different
geo-primary    east
geo-secondary  west
keys compared  3
bytes read     2.00 KiB
different      3
undecided      0
took           1.5 s

keys at the end
  DATABASE  PRIMARY KEYS  SECONDARY KEYS  COMPARED
  0         3             2               3

different (the first 2 of 3)
  database 0, slot 4723: a\x1b[2J: another value: 3 fields on the geo-primary, 4 on the geo-secondary; expires 5.0 s later on the geo-secondary
  database 0, slot 3300: b: missing on the geo-secondary";
        assert_eq!(report(&progress).text(), expected.trim_start());
    }

    #[test]
    fn programs_are_told_everything_but_values() {
        let progress = ended(vec![(
            key(b"\xff"),
            Finding::Different(vec![value((3, 1), (3, 2))]),
        )]);
        let json = report(&progress).json();
        assert_eq!(json["verdict"], "different");
        assert_eq!(json["databases"][0]["secondaryKeys"], 2);
        let digest = |digest: u8| format!("{digest:032x}");
        assert_eq!(
            json["differences"],
            json!([{
                "database": 0, "key": "\\xff", "keyHex": "ff", "slot": key(b"\xff").slot().number(),
                "differences": [{
                    "what": "value", "type": "hash",
                    "primary": {"length": 3, "digest": digest(1)},
                    "secondary": {"length": 3, "digest": digest(2)},
                }],
            }])
        );
    }
}
