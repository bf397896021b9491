//! Figures of the activity log, of who is told of it, and of what links sent.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::figure;
use crate::{
    activity::Counted,
    egress::flow,
    history::{Flow, Sent},
    notifier::Told,
    plane::Plane,
    store::State,
};

/// What is known at one moment.
pub(super) struct Log {
    counted: Counted,
    webhook: Option<Told>,
    sent: BTreeMap<Flow, Sent>,
}

impl Log {
    pub(super) fn of(plane: &Plane) -> Self {
        Self {
            counted: plane.activity.counted(),
            webhook: plane.webhook.as_ref().map(|hook| hook.told()),
            sent: plane.egress.totals(),
        }
    }

    pub(super) fn encode(&self, state: &State, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Counted {
            kept,
            dropped,
            refused,
            unauthenticated,
        } = self.counted;
        for (name, help, value) in [
            (
                "godwit_control_activity_records",
                "Records that the activity log has taken since the start",
                kept,
            ),
            (
                "godwit_control_activity_records_lost",
                "Records that were lost, because the history could not be written for long",
                dropped,
            ),
            (
                "godwit_control_requests_refused",
                "Requests to change something that were refused since the start",
                refused,
            ),
            (
                "godwit_control_requests_unauthenticated",
                "Requests since the start that did not say truly who asked",
                unauthenticated,
            ),
        ] {
            counter(encoder, name, help, value)?;
        }
        self.webhook(encoder)?;
        self.egress(state, encoder)
    }

    fn webhook(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(told) = self.webhook else {
            return Ok(());
        };
        for (name, help, value) in [
            (
                "godwit_control_webhook_delivered",
                "Records that the webhook has taken since the start",
                told.delivered,
            ),
            (
                "godwit_control_webhook_failures",
                "Attempts to deliver a record that failed since the start",
                told.failures,
            ),
            (
                "godwit_control_webhook_given_up",
                "Records that are not told to the webhook any more, since the start",
                told.given_up,
            ),
        ] {
            counter(encoder, name, help, value)?;
        }
        let failing = u64::from(told.failing);
        for (name, help, value) in [
            (
                "godwit_control_webhook_behind",
                "Records that wait for the webhook to take them, as of the last failure",
                told.behind,
            ),
            (
                "godwit_control_webhook_failing",
                "1 while the webhook does not take what it is told",
                failing,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(figure(value)).encode(gauge)?;
        }
        Ok(())
    }

    /// Of the links that are there.
    fn egress(&self, state: &State, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "godwit_control_link_egress",
            "What a cache of a link sent to the other one since it was first counted, before compression and on the wire",
            Some(&Unit::Bytes),
            MetricType::Counter,
        )?;
        for link in state.links.iter() {
            for sender in [&link.primary.uid, &link.secondary.uid] {
                let way = flow(link, sender);
                let Some((way, sent)) = way.and_then(|way| {
                    let sent = *self.sent.get(&way)?;
                    Some((way, sent))
                }) else {
                    continue;
                };
                for (kind, bytes) in [("raw", sent.raw), ("wire", sent.wire)] {
                    put(&mut family, &way, kind, bytes)?;
                }
            }
        }
        Ok(())
    }
}

fn put(family: &mut MetricEncoder<'_>, way: &Flow, kind: &str, bytes: u64) -> fmt::Result {
    let name = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let labels = [
        ("from_cache", name(&way.from)),
        ("to_cache", name(&way.to)),
        ("from_region", way.from_region.to_string()),
        ("to_region", way.to_region.to_string()),
        ("kind", kind.to_owned()),
    ];
    ConstCounter::new(bytes).encode(family.encode_family(&labels)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(counter)
}
