//! Resources as the management API shows them: JSON made from records and reports.

mod cache;
mod health;
mod link;
mod operation;
mod runtime_status;

pub(crate) use cache::{cache_json, displayed_configuration, provisioning_state};
pub(crate) use link::{link_id, link_json, shows_link};
pub(crate) use operation::operation_json;
pub(crate) use runtime_status::{cache_status, link_status};
