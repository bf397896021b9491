//! How long a failover took, step by step.

use client::failover::FailoverTimes;

use crate::output::{milliseconds, or_dash, table};

/// The write pause and a table of the steps; empty when nothing is known.
pub(super) fn describe(times: &FailoverTimes) -> String {
    let mut parts = Vec::new();
    if let Some(pause) = times.write_pause_ms {
        let pause = milliseconds(pause);
        parts.push(format!("no cache took writes for {pause}"));
    }
    if !times.steps.is_empty() {
        let rows = times.steps.iter().map(|step| {
            [
                step.step.clone(),
                step.side.clone(),
                step.region.clone(),
                or_dash(step.ms.map(milliseconds)),
            ]
        });
        parts.push(table(["STEP", "SIDE", "REGION", "AFTER"], rows));
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_told_with_the_pause_before_them() {
        let times: FailoverTimes = serde_json::from_value(json!({
            "kind": "Planned", "attempt": 3, "writePauseMs": 84.4,
            "steps": [
                {"side": "primary", "region": "eastus", "step": "WritesPaused", "ms": 1.25},
                {"side": "secondary", "region": "westus", "step": "Promoted", "ms": null},
            ],
        }))
        .unwrap();
        let expected = "\
no cache took writes for 84 ms
STEP          SIDE       REGION  AFTER
WritesPaused  primary    eastus  1.2 ms
Promoted      secondary  westus  -";
        assert_eq!(describe(&times), expected);
        assert_eq!(describe(&FailoverTimes::default()), "");
    }
}
