//! The records of the store: each kind in its own file, which makes and reads its keys.
//! `docs/format/store.md` shows the bytes.

mod address;
mod agent;
pub(crate) mod cache;
pub(crate) mod deployment;
mod failover;
pub(crate) mod group;
pub(crate) mod link;
mod operation;
pub(crate) mod prices;
mod role_assignment;
pub(crate) mod service_principal;
mod signing_key;
pub(crate) mod subscription;

pub(crate) use address::{AddressRecord, key as address_key};
pub(crate) use agent::{AgentRecord, key as agent_key};
pub(crate) use deployment::DeploymentRecord;
pub(crate) use failover::{FailoverKind, FailoverRecord, StepRecord, StepSide};
pub(crate) use group::GroupRecord;
pub(crate) use operation::{OperationRecord, Outcome, Work, key as operation_key};
pub(crate) use prices::PricesRecord;
pub(crate) use role_assignment::{RoleAssignmentRecord, all_of as roles_of};
pub(crate) use service_principal::{SecretRecord, ServicePrincipalRecord};
pub(crate) use signing_key::SigningKeyRecord;
pub(crate) use subscription::SubscriptionRecord;

#[cfg(test)]
pub(crate) mod tests;
