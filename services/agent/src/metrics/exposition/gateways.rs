//! What the gateways see, as metrics.

use std::fmt;

use gateway::GatewayStatus;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::figure;

/// The gateways of one moment, with their caches' names.
#[derive(Debug)]
pub(super) struct Gateways(pub(super) Vec<(String, GatewayStatus)>);

/// What one figure is of: the label's value, and the figure.
type Part = (&'static str, u64);

impl Collector for Gateways {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page {
            encoder,
            gateways: &self.0,
        };
        page.gauges(
            ("godwit_agent_gateway_connections", Some("door")),
            "Connections of clients, by where they came in",
            |status| {
                let open = &status.connections;
                vec![
                    ("direct_tls", open.direct_tls),
                    ("direct_plain", open.direct_plain),
                    ("geo_tls", open.geo_tls),
                    ("geo_plain", open.geo_plain),
                    ("other_region", open.entered),
                ]
            },
        )?;
        page.gauges(
            ("godwit_agent_gateway_held", None),
            "Connections that are held at a command boundary",
            |status| vec![("", status.held)],
        )?;
        page.gauges(
            ("godwit_agent_gateway_tunnelled", None),
            "Connections that go over to the other region's gateway",
            |status| vec![("", status.tunnelled)],
        )?;
        page.counters(
            ("godwit_agent_gateway_accepted", None),
            "Connections that the firewall and the number of clients let in",
            None,
            |status| vec![("", status.accepted)],
        )?;
        page.counters(
            ("godwit_agent_gateway_refused", Some("reason")),
            "Connections, logins and requests that were refused",
            None,
            |status| {
                let refused = &status.refused;
                vec![
                    ("firewall", refused.firewall),
                    ("clients", refused.clients),
                    ("tls", refused.tls),
                    ("login", refused.login),
                    ("throttled", refused.throttled),
                    ("protocol", refused.protocol),
                    ("slow", refused.slow),
                    ("other_region", refused.entering),
                ]
            },
        )?;
        page.counters(
            ("godwit_agent_gateway_carried", None),
            "Moves of a connection from one engine to another",
            None,
            |status| vec![("", status.carried)],
        )?;
        page.counters(
            ("godwit_agent_gateway_unknown_outcomes", None),
            "Commands whose outcome clients were told to be unknown",
            None,
            |status| vec![("", status.unknown_outcomes)],
        )?;
        page.counters(
            ("godwit_agent_gateway_received", None),
            "Bytes that came from clients",
            Some(&Unit::Bytes),
            |status| vec![("", status.bytes_in)],
        )?;
        page.counters(
            ("godwit_agent_gateway_sent", None),
            "Bytes that went to clients",
            Some(&Unit::Bytes),
            |status| vec![("", status.bytes_out)],
        )
    }
}

struct Page<'e, 'g> {
    encoder: DescriptorEncoder<'e>,
    gateways: &'g [(String, GatewayStatus)],
}

impl Page<'_, '_> {
    fn gauges(
        &mut self,
        (name, label): (&str, Option<&'static str>),
        help: &str,
        read: impl Fn(&GatewayStatus) -> Vec<Part>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (cache, status) in self.gateways {
            for (which, count) in read(status) {
                let labels = labels(cache, label, which);
                ConstGauge::new(figure(count)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn counters(
        &mut self,
        (name, label): (&str, Option<&'static str>),
        help: &str,
        unit: Option<&Unit>,
        read: impl Fn(&GatewayStatus) -> Vec<Part>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (cache, status) in self.gateways {
            for (which, count) in read(status) {
                let labels = labels(cache, label, which);
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn labels(cache: &str, label: Option<&'static str>, which: &str) -> Vec<(&'static str, String)> {
    let cache = ("cache", cache.to_owned());
    let which = label.map(|label| (label, which.to_owned()));
    std::iter::once(cache).chain(which).collect()
}
