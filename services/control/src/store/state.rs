//! The picture of every record at one revision.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{Change, Key};
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
    /// Tells whether agents have the same to do as in `other`, by a glance: nothing that desired
    /// state is derived from was written in between.
    pub(crate) fn same_for_agents(&self, other: &Self) -> bool {
        self.caches.same(&other.caches)
            && self.links.same(&other.links)
            && self.agents.same(&other.agents)
            && self.deployment.same(&other.deployment)
    }

    /// Tells whether caches have the same names and addresses as in `other`, by a glance.
    pub(crate) fn same_for_names(&self, other: &Self) -> bool {
        self.caches.same(&other.caches)
            && self.links.same(&other.links)
            && self.addresses.same(&other.addresses)
    }

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
    serde_json::to_value(&*row.record).ok()
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
    let rows = Arc::make_mut(&mut T::table_mut(state).0);
    let Some(text) = value else {
        rows.remove(key);
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
    let record = Arc::new(record);
    rows.insert(key.clone(), Versioned { version, record });
    Ok(true)
}

/// The records of one kind, by key.
#[derive(Debug)]
pub(crate) struct Table<T>(Arc<BTreeMap<Key, Versioned<T>>>);

impl<T> Table<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<&Versioned<T>> {
        self.0.get(key)
    }

    /// Tells whether nothing was written between this table and `other`.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The records whose key begins with `prefix`, by key.
    pub(crate) fn list(&self, prefix: Key) -> impl Iterator<Item = &Versioned<T>> {
        let begin = prefix.clone();
        let from_there = self.0.range(begin..);
        from_there
            .take_while(move |(key, _)| key.as_str().starts_with(prefix.as_str()))
            .map(|(_, row)| row)
    }

    /// Every record, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Versioned<T>> {
        self.0.values()
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A record with the revision of the commit that wrote it.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    version: u64,
    record: Arc<T>,
}

impl<T> Versioned<T> {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

impl<T> Clone for Versioned<T> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            record: Arc::clone(&self.record),
        }
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}
