//! The managed identity of a cache. Godwit has nothing that an identity could open: it is kept and
//! shown as the service's clients write it, with IDs that stay the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The kinds that clients may write, in the API's spelling; the first is none at all.
pub const IDENTITY_KINDS: [&str; 4] = [
    "None",
    "SystemAssigned",
    "UserAssigned",
    "SystemAssigned, UserAssigned",
];

/// A cache's managed identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The principal of the identity that is the cache's own: a GUID. `None`: it has none.
    pub system: Option<String>,
    /// Identities that somebody else made: resource ID to the GUIDs of principal and client.
    pub users: BTreeMap<String, (String, String)>,
}

impl Identity {
    /// The kind, in the API's spelling.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let [none, system, user, both] = IDENTITY_KINDS;
        match (self.system.is_some(), self.users.is_empty()) {
            (false, true) => none,
            (true, true) => system,
            (false, false) => user,
            (true, false) => both,
        }
    }

    /// What a request makes of it: of this kind, with these identities given; `None` takes one away.
    /// IDs that are there stay; `make` makes those that are new.
    #[must_use]
    pub fn changed(
        &self,
        kind: &str,
        given: &BTreeMap<String, Option<()>>,
        mut make: impl FnMut() -> String,
    ) -> Self {
        let system = kind.contains("SystemAssigned");
        let mut users = BTreeMap::new();
        if kind.contains("UserAssigned") {
            users.clone_from(&self.users);
            for (id, wanted) in given {
                let key = users.keys().find(|key| key.eq_ignore_ascii_case(id));
                let key = key.cloned();
                match (wanted, key) {
                    (Some(()), None) => {
                        users.insert(id.clone(), (make(), make()));
                    }
                    (None, Some(key)) => {
                        users.remove(&key);
                    }
                    (Some(()), Some(_)) | (None, None) => {}
                }
            }
        }
        Self {
            system: system.then(|| self.system.clone().unwrap_or_else(make)),
            users,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_as_long_as_the_identity_does() {
        let mut next = 0;
        let mut make = || {
            next += 1;
            format!("id-{next}")
        };
        let none = BTreeMap::new();
        let system = Identity::default().changed("SystemAssigned", &none, &mut make);
        assert_eq!(
            (system.kind(), system.system.as_deref()),
            ("SystemAssigned", Some("id-1"))
        );
        let given = BTreeMap::from([("/a".to_owned(), Some(())), ("/b".to_owned(), Some(()))]);
        let both = system.changed(IDENTITY_KINDS[3], &given, &mut make);
        assert_eq!((both.kind(), both.users.len()), (IDENTITY_KINDS[3], 2));
        assert_eq!(both.system, system.system);
        let fewer = BTreeMap::from([("/A".to_owned(), None)]);
        let user = both.changed("UserAssigned", &fewer, &mut make);
        assert_eq!(user.kind(), "UserAssigned");
        assert_eq!(user.users.get("/b"), both.users.get("/b"));
        assert_eq!(user.users.len(), 1);
        assert_eq!(user.changed("None", &none, &mut make), Identity::default());
    }
}
