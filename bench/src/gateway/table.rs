//! The report for people.

use comfy_table::{Table, presets};

use super::{Measured, Report, benchmark::Run, ways::Way};
use crate::statistics::Spread;

pub(super) fn table(report: &Report) -> String {
    let mut rows = Table::new();
    rows.load_style(presets::NOTHING).set_header([
        "row",
        "direct, /s",
        "HAProxy, /s",
        "gateway, /s",
        "gateway / HAProxy",
        "p50 ms: direct, HAProxy, gateway",
        "p99 ms: direct, HAProxy, gateway",
        "p99, gateway / HAProxy",
        "CPU us a request: HAProxy, gateway",
    ]);
    for measured in &report.rows {
        rows.add_row(row(measured));
    }
    for column in rows.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = format!("load before: {}\n\n{}", report.load, rows.trim_fmt());
    if !report.memory.is_empty() {
        text.push_str("\n\nmemory of the proxy for each idle connection:\n");
        for found in &report.memory {
            let layer = if found.tls { "tls" } else { "plain" };
            text.push_str(&format!(
                "  {:?}, {layer}, {} connections: {:.1} KB\n",
                found.way, found.connections, found.kilobytes
            ));
        }
    }
    text
}

fn row(measured: &Measured) -> Vec<String> {
    let rate = |way| measured.spread(way, |run| run.requests_per_second);
    let p99 = |way| measured.spread(way, |run| run.p99_ms);
    let all = |of: fn(&Run) -> f64, ways: &[Way]| {
        let shown = ways.iter().map(|way| number(measured.spread(*way, of)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let ways = [Way::Direct, Way::Haproxy, Way::Gateway];
    let [direct, haproxy, gateway] = ways.map(|way| spread(rate(way)));
    vec![
        measured.row.to_string(),
        direct,
        haproxy,
        gateway,
        ratio(rate(Way::Gateway), rate(Way::Haproxy)),
        all(|run| run.p50_ms, &ways),
        all(|run| run.p99_ms, &ways),
        ratio(p99(Way::Gateway), p99(Way::Haproxy)),
        all(|run| run.proxy_cpu_us, &[Way::Haproxy, Way::Gateway]),
    ]
}

/// `101200 (99800-103000)`
fn spread(of: Option<Spread>) -> String {
    of.map_or_else(String::new, |Spread { median, min, max }| {
        format!("{median:.0} ({min:.0}-{max:.0})")
    })
}

fn number(of: Option<Spread>) -> String {
    of.map_or_else(String::new, |spread| format!("{:.2}", spread.median))
}

fn ratio(one: Option<Spread>, other: Option<Spread>) -> String {
    match (one, other) {
        (Some(one), Some(other)) => format!("{:.2}", one.median / other.median),
        (None, _) | (_, None) => String::new(),
    }
}
