//! Who may come in.

use std::{fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc};

use model::{AccessKeys, FrontDoor, Timestamp, admits};

use crate::upstream::CLIENT_USER;

/// Checks tokens. The gateway asks it after the firewall and within the address's budget.
pub trait Verify: Send + Sync + fmt::Debug + 'static {
    /// Tells whether `token` is one of the holder of `object_id`.
    fn verify<'a>(&'a self, object_id: &'a str, token: &'a str) -> Verifying<'a>;
}

/// An answer of [`Verify`] that is on its way.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Result<Verified, TokenRefused>> + Send + 'a>>;

/// A token that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub object_id: String,
    /// When it ends, and with it the connection that came in with it.
    pub expires: Timestamp,
}

/// A token that was not believed.
#[derive(Debug, thiserror::Error)]
#[error("the token was not accepted")]
pub struct TokenRefused(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Who may come in to a cache, in the order in which it is asked: the firewall, the number of
/// clients, the access keys or a token.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The access keys.
    pub keys: AccessKeys,
    /// Firewall, listeners, users, and whether the keys let in at all.
    pub door: FrontDoor,
    /// Who knows tokens; `None`: no token lets in.
    pub verifier: Option<Arc<dyn Verify>>,
    /// Connections of clients at a time, through all listeners together.
    pub max_clients: u32,
}

/// As whom a connection came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// With one of the two access keys.
    Key(Which),
    /// With a token of this user.
    User(Arc<str>),
}

/// One of the two access keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Primary,
    Secondary,
}

impl Who {
    /// The engine's user that this is.
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Key(_) => CLIENT_USER,
            Self::User(object_id) => object_id,
        }
    }
}

impl Entry {
    /// Tells whether the firewall lets an address in that comes by a public door.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        self.door.public && admits(&self.door.firewall, address.to_canonical())
    }

    /// Tells whether somebody may come in, by that private endpoint or by a public door.
    pub(crate) fn admits_by(&self, private: Option<&str>, address: IpAddr) -> bool {
        match private {
            None => self.admits(address),
            Some(name) => self.door.private.iter().any(|door| door.name == name),
        }
    }

    /// Tells whether somebody may be carried over from the other side, where they came in by a
    /// private endpoint or by a public door: who is in by the one there may come in by the one here.
    pub(crate) fn admits_carried(&self, private: bool, address: IpAddr) -> bool {
        self.admits(address) || (private && !self.door.private.is_empty())
    }

    /// Which access key this is, if keys let in. It takes the same time wherever keys differ.
    pub(crate) fn key(&self, secret: &str) -> Option<Which> {
        let primary = self.keys.primary.matches(secret);
        let secondary = self.keys.secondary.matches(secret);
        match (self.door.access_keys, primary, secondary) {
            (true, true, _) => Some(Which::Primary),
            (true, false, true) => Some(Which::Secondary),
            (true, false, false) | (false, _, _) => None,
        }
    }

    /// Tells whether a token may let this user in.
    pub(crate) fn knows(&self, object_id: &str) -> bool {
        self.user(object_id).is_some()
    }

    /// The user with this object ID, as the assignments spell it.
    pub(crate) fn user(&self, object_id: &str) -> Option<Arc<str>> {
        let mut users = self.door.users.iter();
        let user = users.find(|user| user.object_id.eq_ignore_ascii_case(object_id))?;
        Some(Arc::from(user.object_id.as_str()))
    }

    /// As whom somebody who came in when `before` held is in now; `None`: no longer.
    pub(crate) fn still(&self, before: &Self, who: &Who) -> Option<Who> {
        match who {
            Who::Key(which) => {
                let key = match which {
                    Which::Primary => &before.keys.primary,
                    Which::Secondary => &before.keys.secondary,
                };
                self.key(key.reveal()).map(Who::Key)
            }
            Who::User(object_id) => {
                // Other permissions are the engine's to enforce: its users change in place.
                let known = self.verifier.is_some() && self.knows(object_id);
                known.then(|| who.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{FirewallRule, PrivateDoor, Secret, TokenUser};

    use super::*;

    fn entry() -> Entry {
        Entry {
            keys: AccessKeys {
                primary: Secret::new("one"),
                secondary: Secret::new("two"),
            },
            door: FrontDoor::default(),
            verifier: None,
            max_clients: 10,
        }
    }

    #[test]
    fn either_key_lets_in_and_nothing_else_does() {
        let entry = entry();
        assert_eq!(entry.key("one"), Some(Which::Primary));
        assert_eq!(entry.key("two"), Some(Which::Secondary));
        for wrong in ["", "on", "one ", "three"] {
            assert_eq!(entry.key(wrong), None, "{wrong}");
        }
        let mut without = entry;
        without.door.access_keys = false;
        assert_eq!(without.key("one"), None);
    }

    #[test]
    fn a_key_that_moved_to_the_other_place_still_lets_in() {
        let before = entry();
        let mut now = entry();
        now.keys.secondary = Secret::new("one");
        now.keys.primary = Secret::new("new");
        let still = |which| now.still(&before, &Who::Key(which));
        assert_eq!(still(Which::Primary), Some(Who::Key(Which::Secondary)));
        assert_eq!(still(Which::Secondary), None);
    }

    #[test]
    fn addresses_are_held_against_the_rules_in_either_spelling() {
        let mut entry = entry();
        let ip = |text: &str| text.parse().unwrap();
        assert!(entry.admits(ip("192.0.2.7")) && entry.admits(ip("2001:db8::1")));
        let rule = FirewallRule::new("r", ip("192.0.2.0"), ip("192.0.2.7")).unwrap();
        entry.door.firewall = vec![rule];
        assert!(entry.admits(ip("192.0.2.7")) && entry.admits(ip("::ffff:192.0.2.7")));
        assert!(!entry.admits(ip("192.0.2.8")) && !entry.admits(ip("2001:db8::1")));
        entry.door.public = false;
        assert!(!entry.admits(ip("192.0.2.7")));
    }

    #[test]
    fn a_private_endpoint_lets_in_whom_no_rule_does_and_only_while_it_is_there() {
        let mut entry = entry();
        let ip = "192.0.2.7".parse().unwrap();
        entry.door.public = false;
        assert!(!entry.admits_by(Some("office"), ip) && !entry.admits_carried(true, ip));
        entry.door.private = vec![PrivateDoor {
            name: "office".to_owned(),
            address: None,
        }];
        assert!(entry.admits_by(Some("office"), ip) && entry.admits_carried(true, ip));
        assert!(!entry.admits_by(Some("other"), ip));
        assert!(!entry.admits_by(None, ip) && !entry.admits_carried(false, ip));
    }

    #[test]
    fn users_are_known_by_their_object_id() {
        let mut entry = entry();
        entry.door.users = vec![TokenUser {
            object_id: "ab-1".to_owned(),
            permissions: "+@all".to_owned(),
        }];
        assert!(entry.knows("AB-1") && !entry.knows("ab-2") && !entry.knows(""));
    }
}
