//! Standard output: data, as tables and quantities for people or as JSON for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use indicatif::BinaryBytes;
use serde_json::Value;

use crate::failure::Failure;

/// The form of the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Tables for people.
    #[default]
    Table,
    /// The API's resources, for programs.
    Json,
}

impl Form {
    /// Writes data: `json` to programs, the text that `people` makes to people.
    pub(crate) fn write(
        self,
        json: &Value,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Table => line(people().trim_end()),
            Self::Json => line(&format!("{json:#}")),
        }
    }
}

/// Writes a line of data.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A table with a header line and no frame.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.to_vec());
    }
    tidy(&mut table)
}

/// A table with as many columns as its header has.
pub(crate) fn columns(header: &[String], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    tidy(&mut table)
}

/// Names and values, a pair a line; pairs without a value are left out.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.add_row([name.to_owned(), value]);
        }
    }
    tidy(&mut table)
}

fn tidy(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Bytes in binary units, such as `12.34 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

/// A duration in the unit that suits it.
pub(crate) fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1_000.0)
    }
}

/// Something, or the sign for nothing.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_without_frames() {
        let shown = table(
            ["NAME", "STATE"],
            [["a".to_owned(), "Succeeded".to_owned()]],
        );
        assert_eq!(shown, "NAME  STATE\na     Succeeded");
    }

    #[test]
    fn pairs_without_a_value_are_left_out() {
        let shown = pairs([
            ("name", Some("a".to_owned())),
            ("problem", None),
            ("x", Some(String::new())),
        ]);
        assert_eq!(shown, "name  a");
    }

    #[test]
    fn quantities_suit_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(12_939_428), "12.34 MiB");
        assert_eq!(milliseconds(0.84), "0.8 ms");
        assert_eq!(milliseconds(84.2), "84 ms");
        assert_eq!(milliseconds(12_345.0), "12.3 s");
    }
}
