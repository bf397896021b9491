//! What a link's status says of failovers without the geo-primary, in words.

use client::status::LinkStatus;

use crate::quantity::since;

/// Names and sentences, of what there is to say.
pub(super) fn told(status: &LinkStatus) -> Vec<(&'static str, Option<String>)> {
    let auto = status.auto_failover.as_ref();
    let lost = (!status.lost_writes.is_empty()).then(|| {
        let names = status.lost_writes.join(", ");
        format!("{names} (see `godwit lost-writes show`)")
    });
    vec![
        ("fencing", status.fencing.clone()),
        ("lease", lease(status)),
        (
            "automatic failover waits",
            auto.and_then(|auto| auto.waits.clone()),
        ),
        (
            "failed over by itself",
            auto.and_then(|auto| auto.last_at.clone()),
        ),
        ("rejoin", rejoin(status)),
        ("lost writes", lost),
    ]
}

/// The same as lines for `link watch`, without what is always there.
pub(super) fn lines(status: &LinkStatus) -> Vec<String> {
    let told = told(status).into_iter();
    told.filter(|(name, _)| *name != "fencing")
        .filter_map(|(name, text)| Some(format!("{name}: {}", text?)))
        .collect()
}

/// How long the geo-primary may still take writes, where a lease says so.
fn lease(status: &LinkStatus) -> Option<String> {
    if status.fencing.as_deref() != Some("lease") {
        return None;
    }
    let held = status.lease.and_then(|lease| lease.held_ms);
    Some(match held {
        Some(ms) => format!("held for {} more", since(ms)),
        None => "not held: the geo-primary takes no writes".to_owned(),
    })
}

fn rejoin(status: &LinkStatus) -> Option<String> {
    let rejoin = status.rejoin.as_ref()?;
    match (&rejoin.why, &rejoin.doing) {
        (Some(why), _) => Some(format!(
            "stands still, since {why}; `godwit link resume --accept-unsaved` gives it up"
        )),
        (None, doing) => doing.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(of: serde_json::Value) -> LinkStatus {
        serde_json::from_value(of).unwrap()
    }

    #[test]
    fn a_link_without_leases_has_little_to_say() {
        let plain = status(json!({
            "fencing": "none", "lease": {"heldMs": null}, "autoFailover": null, "rejoin": null,
            "lostWrites": [],
        }));
        assert!(lines(&plain).is_empty());
        assert_eq!(told(&plain)[0].1.as_deref(), Some("none"));
    }

    #[test]
    fn leases_and_what_waits_are_told() {
        let busy = status(json!({
            "fencing": "lease", "lease": {"heldMs": 6400},
            "autoFailover": {"waits": "the lag is not known", "lastAt": null},
            "rejoin": {"doing": "saving lost writes"}, "lostWrites": ["a-7"],
        }));
        let expected = [
            "lease: held for 6.4 s more",
            "automatic failover waits: the lag is not known",
            "rejoin: saving lost writes",
            "lost writes: a-7 (see `godwit lost-writes show`)",
        ];
        assert_eq!(lines(&busy), expected);
        let stuck = status(json!({
            "fencing": "lease", "lease": {}, "rejoin": {"doing": null, "why": "the journal ends early"},
        }));
        let told = lines(&stuck);
        assert!(told[0].contains("takes no writes"), "{told:?}");
        assert!(told[1].contains("--accept-unsaved"), "{told:?}");
    }
}
