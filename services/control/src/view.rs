//! Resources as the management API shows them: JSON made from records and reports.

mod access;
mod cache;
mod event;
mod geo_metric;
mod health;
mod link;
mod lost_writes;
mod maintenance;
mod operation;
mod runtime_status;

pub(crate) use access::{assignment_json, built_in_json, policy_json, rule_json};
pub(crate) use cache::{NODE_PORTS, cache_json, displayed_configuration, provisioning_state};
pub(crate) use event::event_json;
pub(crate) use geo_metric::{
    Aggregation, MetricQuery, Range, Split, metric_definitions, metrics_json,
};
pub(crate) use health::link_is_healthy;
pub(crate) use link::{link_id, link_json, settings_json, settings_resource, shows_link};
pub(crate) use lost_writes::{receipt_json, receipts, receipts_of_cache, receipts_of_link};
pub(crate) use maintenance::{duration_of, schedule_json, upgrade_notifications};
pub(crate) use operation::operation_json;
pub(crate) use runtime_status::{cache_status, lag_ms, link_status};
