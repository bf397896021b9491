//! The picture of every record at one revision.

use serde::{Serialize, de::DeserializeOwned};

use super::{Change, Key, Table};
use crate::records::{
    AddressRecord, AgentRecord, DeploymentRecord, GroupRecord, OperationRecord, PricesRecord,
    RoleAssignmentRecord, ServicePrincipalRecord, SigningKeyRecord, SubscriptionRecord,
};
use model::{CacheRecord, LinkRecord};

/// A kind of record. Its file says how its key is made.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The beginning of every key of this kind, with the slash.
    const PREFIX: &'static str;

    /// The key of this record.
    fn key(&self) -> Key;

    /// Where this kind is in a state.
    fn table_mut(state: &mut State) -> &mut Table<Self>;

    /// Tells whether nothing is on its way: until somebody writes the record, there is nothing to do
    /// for it that could not wait until every record is looked at again (`reconciler.rs`). Kinds of
    /// which that is not known are looked at in every pass.
    fn is_at_rest(&self) -> bool {
        false
    }
}

/// A stored row that is not a record this version knows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No kind of record has such keys.
    #[error("unknown key `{0}`")]
    Key(String),
    /// The value is not one of the kind.
    #[error("value of `{key}`")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The record belongs under another key.
    #[error("the value of `{key}` belongs to `{belongs}`")]
    Misplaced {
        /// The key it was found under.
        key: String,
        /// Its own key.
        belongs: String,
    },
}

/// Every record at one revision. Cheap to clone; a clone never changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The revision of the latest commit.
    pub(crate) revision: u64,
    pub(crate) subscriptions: Table<SubscriptionRecord>,
    pub(crate) groups: Table<GroupRecord>,
    pub(crate) caches: Table<CacheRecord>,
    pub(crate) links: Table<LinkRecord>,
    pub(crate) operations: Table<OperationRecord>,
    pub(crate) agents: Table<AgentRecord>,
    pub(crate) addresses: Table<AddressRecord>,
    pub(crate) deployment: Table<DeploymentRecord>,
    pub(crate) prices: Table<PricesRecord>,
    pub(crate) service_principals: Table<ServicePrincipalRecord>,
    pub(crate) role_assignments: Table<RoleAssignmentRecord>,
    pub(crate) signing_keys: Table<SigningKeyRecord>,
}

impl State {
    /// A record in JSON, as what it was before a change; `None`: there is none, or its kind is none
    /// that people change.
    pub(crate) fn shown(&self, key: &Key) -> Option<serde_json::Value> {
        const KINDS: [Show; 6] = [
            show::<CacheRecord>,
            show::<LinkRecord>,
            show::<GroupRecord>,
            show::<PricesRecord>,
            show::<ServicePrincipalRecord>,
            show::<RoleAssignmentRecord>,
        ];
        let mut picture = self.clone();
        KINDS.iter().find_map(|kind| kind(&mut picture, key))
    }

    /// Follows a commit that went through.
    pub(super) fn advance(&mut self, change: &Change, revision: u64) {
        for (key, value) in &change.writes {
            self.put(key.clone(), value.as_deref(), revision)
                .expect("a change holds what its records were encoded to");
        }
        self.revision = revision;
    }

    /// Takes one row as it is stored; `None` removes it.
    pub(super) fn put(
        &mut self,
        key: Key,
        value: Option<&str>,
        version: u64,
    ) -> Result<(), DecodeError> {
        const KINDS: [Take; 12] = [
            take::<SubscriptionRecord>,
            take::<GroupRecord>,
            take::<CacheRecord>,
            take::<LinkRecord>,
            take::<OperationRecord>,
            take::<AgentRecord>,
            take::<AddressRecord>,
            take::<DeploymentRecord>,
            take::<PricesRecord>,
            take::<ServicePrincipalRecord>,
            take::<RoleAssignmentRecord>,
            take::<SigningKeyRecord>,
        ];
        for kind in KINDS {
            if kind(self, &key, value, version)? {
                return Ok(());
            }
        }
        Err(DecodeError::Key(key.as_str().to_owned()))
    }
}

type Show = fn(&mut State, &Key) -> Option<serde_json::Value>;

fn show<T: Record>(state: &mut State, key: &Key) -> Option<serde_json::Value> {
    let of_kind = key.as_str().starts_with(T::PREFIX);
    let row = T::table_mut(state).get(key).filter(|_| of_kind)?;
    serde_json::to_value(&**row).ok()
}

type Take = fn(&mut State, &Key, Option<&str>, u64) -> Result<bool, DecodeError>;

/// Takes the row when it is of kind `T`.
fn take<T: Record>(
    state: &mut State,
    key: &Key,
    value: Option<&str>,
    version: u64,
) -> Result<bool, DecodeError> {
    if !key.as_str().starts_with(T::PREFIX) {
        return Ok(false);
    }
    let table = T::table_mut(state);
    let Some(text) = value else {
        table.remove(key);
        return Ok(true);
    };
    let record: T = serde_json::from_str(text).map_err(|source| DecodeError::Value {
        key: key.as_str().to_owned(),
        source,
    })?;
    if record.key() != *key {
        return Err(DecodeError::Misplaced {
            key: key.as_str().to_owned(),
            belongs: record.key().as_str().to_owned(),
        });
    }
    table.insert(key.clone(), version, record);
    Ok(true)
}
