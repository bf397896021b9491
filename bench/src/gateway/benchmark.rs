//! One run of the engines' own benchmark.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::{
    certificates::{Certificates, NAME},
    rows::Row,
    ways::{KEY, Rig, Way},
};

/// Different keys.
const KEYS: &str = "1000";

/// What a run came to: the mean of its `SET`s and its `GET`s.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Run {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time of the proxy for a request, in microseconds; 0 where there is none.
    pub(crate) proxy_cpu_us: f64,
}

/// The lines of a report that are read.
#[derive(Debug, PartialEq)]
struct Line {
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Runs `row` for about `seconds`, after a short run that tells how many requests that takes.
pub(crate) fn run(
    rig: &Rig,
    certificates: &Certificates,
    way: Way,
    row: &Row,
    seconds: f64,
) -> anyhow::Result<Run> {
    let least = row.connections * row.pipeline * 4;
    let trial = benchmark(rig, certificates, way, row, least.max(2_000))?;
    let [set, get] = &trial;
    let rate = set.requests_per_second.min(get.requests_per_second);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of requests"
    )]
    let requests = (rate * seconds / 2.0) as usize;
    let requests = requests.max(least);
    let before = rig.proxy(way)?;
    let [set, get] = benchmark(rig, certificates, way, row, requests)?;
    let cpu = match (before, rig.proxy(way)?) {
        (Some(before), Some(after)) => after.cpu.saturating_sub(before.cpu).as_secs_f64(),
        (None, _) | (_, None) => 0.0,
    };
    Ok(Run {
        // Of both together, as they ran one after the other.
        requests_per_second: 2.0 / (1.0 / set.requests_per_second + 1.0 / get.requests_per_second),
        p50_ms: f64::midpoint(set.p50_ms, get.p50_ms),
        p99_ms: f64::midpoint(set.p99_ms, get.p99_ms),
        proxy_cpu_us: cpu * 1e6 / (2 * requests) as f64,
    })
}

fn benchmark(
    rig: &Rig,
    certificates: &Certificates,
    way: Way,
    row: &Row,
    requests: usize,
) -> anyhow::Result<[Line; 2]> {
    let mut command = Command::new("valkey-benchmark");
    command
        .args([
            "--csv",
            "-t",
            "set,get",
            "-h",
            "127.0.0.1",
            "-r",
            KEYS,
            "-a",
            KEY,
        ])
        .args(["-p", &rig.port(way, row.tls).to_string()])
        .args(["-c", &row.connections.to_string()])
        .args(["-P", &row.pipeline.to_string()])
        .args(["-d", &row.value.to_string()])
        .args(["-n", &requests.to_string()]);
    if row.tls {
        command
            .args(["--tls", "--sni", NAME, "--cacert"])
            .arg(&certificates.authority);
    }
    let ran = command.output().context("start valkey-benchmark")?;
    let text = String::from_utf8_lossy(&ran.stdout);
    ensure!(
        ran.status.success(),
        "valkey-benchmark: {} {}",
        text.trim(),
        String::from_utf8_lossy(&ran.stderr).trim()
    );
    read(&text).with_context(|| format!("read the report of valkey-benchmark: {text}"))
}

/// Reads the lines of `SET` and `GET`.
fn read(report: &str) -> Option<[Line; 2]> {
    let mut lines = report.lines();
    let columns: Vec<&str> = lines.next()?.split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let line = |test: &str| {
        let row = rows.iter().find(|row| {
            row.first()
                .is_some_and(|name| name.trim_matches('"') == test)
        })?;
        let column = |name: &str| -> Option<f64> {
            let at = columns
                .iter()
                .position(|column| column.trim_matches('"') == name)?;
            row.get(at)?.trim_matches('"').parse().ok()
        };
        Some(Line {
            requests_per_second: column("rps")?,
            p50_ms: column("p50_latency_ms")?,
            p99_ms: column("p99_latency_ms")?,
        })
    };
    Some([line("SET")?, line("GET")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tests_are_read_by_the_names_of_the_columns() {
        let report = "\
\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"
\"SET\",\"100.50\",\"0.4\",\"0.1\",\"0.39\",\"0.6\",\"0.8\",\"2.0\"
\"GET\",\"200.00\",\"0.3\",\"0.1\",\"0.29\",\"0.5\",\"0.7\",\"1.0\"
";
        let [set, get] = read(report).unwrap();
        assert_eq!(
            set,
            Line {
                requests_per_second: 100.5,
                p50_ms: 0.39,
                p99_ms: 0.8
            }
        );
        assert_eq!(get.requests_per_second, 200.0);
        assert_eq!(read("WARNING"), None);
    }
}
