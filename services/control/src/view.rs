//! Resources as the management API shows them: JSON made from records and reports.

mod access;
mod activity;
mod cache;
mod egress;
mod event;
mod health;
mod link;
mod lost_writes;
mod maintenance;
mod metrics;
mod operation;
mod private_endpoint;
mod runtime_status;

pub(crate) use access::{assignment_json, built_in_json, policy_json, rule_json};
pub(crate) use activity::{SELECTABLE, activity_json, selected};
pub(crate) use cache::{NODE_PORTS, cache_json, displayed_configuration, provisioning_state};
pub(crate) use egress::{Granularity, egress_json, period};
pub(crate) use event::event_json;
pub(crate) use health::link_is_healthy;
pub(crate) use link::{link_id, link_json, settings_json, settings_resource, shows_link};
pub(crate) use lost_writes::{receipt_json, receipts, receipts_of_cache, receipts_of_link};
pub(crate) use maintenance::{duration_of, schedule_json, upgrade_notifications};
pub(crate) use metrics::{
    Aggregation, Definition, Dimension, Direction, Filter, MetricQuery, NAMESPACE, Order, Range,
    Restriction, catalog, definitions_json, find, metrics_json, offered,
};
pub(crate) use operation::{operation_json, time};
pub(crate) use private_endpoint::{
    GROUP, private_door, private_endpoint_json, private_link_resource_json,
};
pub(crate) use runtime_status::{cache_status, lag_ms, link_status};
