//! Figures of caches: the namespaces of their metrics, and what agents send of them.

use super::{
    caches::cache,
    operation::{Operation, get, post},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get(
            cache("/providers/Microsoft.Insights/metricNamespaces"),
            "MetricNamespaces_List",
            "The namespaces of a cache's metrics",
        )
        .ok("MetricNamespaceList"),
        post(
            "/agents/v1/figures",
            "Agents_SendFigures",
            "What an agent's engines count",
        )
        .takes("AgentMessage")
        .ok("AgentMessage")
        .unversioned(),
    ]
}
