//! Who may do what through the management API: roles, where they hold, and what they come to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{GroupName, SubscriptionId};

/// What somebody may do where a role is theirs. Each may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// See resources, and no keys or data.
    Reader,
    /// Make, change and delete resources; see and change access keys; get at data.
    Contributor,
    /// Give and take roles as well.
    Owner,
}

/// A text that is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role; use Reader, Contributor or Owner")]
pub struct ParseRoleError;

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Contributor, Self::Owner];

    /// Its name, as the managed service has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "Reader",
            Self::Contributor => "Contributor",
            Self::Owner => "Owner",
        }
    }

    /// The GUID of its definition: that of the managed service's built-in role of the same name,
    /// which tools know by heart.
    #[must_use]
    pub const fn guid(self) -> &'static str {
        match self {
            Self::Reader => "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            Self::Contributor => "b24988ac-6180-42a0-ab88-20f7382dd24c",
            Self::Owner => "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        }
    }

    /// The role with this GUID.
    #[must_use]
    pub fn of_guid(guid: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|role| role.guid().eq_ignore_ascii_case(guid))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    /// In any case.
    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|role| role.name().eq_ignore_ascii_case(text.trim()));
        found.ok_or(ParseRoleError)
    }
}

/// Where a role holds: a subscription with everything in it, or one of its resource groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The one group; `None`: all of them, and what is in none.
    pub group: Option<GroupName>,
}

impl Scope {
    /// Tells whether what holds here holds in `subscription`, and there in `group`, or everywhere
    /// there without one. The names are compared as names are, without regard to case.
    #[must_use]
    pub fn covers(&self, subscription: &str, group: Option<&str>) -> bool {
        if !self
            .subscription
            .as_str()
            .eq_ignore_ascii_case(subscription)
        {
            return false;
        }
        match (&self.group, group) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(asked)) => own.as_str().eq_ignore_ascii_case(asked),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}", self.subscription)?;
        match &self.group {
            Some(group) => write!(f, "/resourceGroups/{group}"),
            None => Ok(()),
        }
    }
}

/// What somebody may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// Everything, everywhere.
    All,
    /// What these roles allow; nothing without one.
    Roles(Vec<(Role, Scope)>),
}

impl Rights {
    /// Tells whether `role` is allowed in `subscription`, and there in `group`; without a group: in
    /// the subscription as a whole.
    #[must_use]
    pub fn allow(&self, role: Role, subscription: &str, group: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Roles(roles) => roles
                .iter()
                .any(|(own, scope)| *own >= role && scope.covers(subscription, group)),
        }
    }

    /// Tells whether there is any role within `subscription`, be it in one group.
    #[must_use]
    pub fn enter(&self, subscription: &str) -> bool {
        match self {
            Self::All => true,
            Self::Roles(roles) => roles.iter().any(|(_, scope)| {
                let own = scope.subscription.as_str();
                own.eq_ignore_ascii_case(subscription)
            }),
        }
    }

    /// Tells whether `role` is allowed in each of these subscriptions as a whole. Of none it is
    /// allowed only to whom everything is.
    #[must_use]
    pub fn allow_everywhere<'a>(
        &self,
        role: Role,
        subscriptions: impl IntoIterator<Item = &'a SubscriptionId>,
    ) -> bool {
        let mut any = false;
        let all = subscriptions.into_iter().all(|subscription| {
            any = true;
            self.allow(role, subscription.as_str(), None)
        });
        match self {
            Self::All => true,
            Self::Roles(_) => any && all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "5d0c4f30-0000-4000-8000-000000000001";
    const TWO: &str = "5d0c4f30-0000-4000-8000-000000000002";

    fn scope(subscription: &str, group: Option<&str>) -> Scope {
        Scope {
            subscription: subscription.parse().unwrap(),
            group: group.map(|group| group.parse().unwrap()),
        }
    }

    #[test]
    fn a_role_allows_what_lesser_ones_allow() {
        let of = |role| Rights::Roles(vec![(role, scope(ONE, None))]);
        for (own, asked, allowed) in [
            (Role::Reader, Role::Reader, true),
            (Role::Reader, Role::Contributor, false),
            (Role::Contributor, Role::Reader, true),
            (Role::Contributor, Role::Owner, false),
            (Role::Owner, Role::Contributor, true),
        ] {
            assert_eq!(of(own).allow(asked, ONE, None), allowed, "{own} {asked}");
        }
    }

    #[test]
    fn a_subscriptions_role_holds_in_its_groups_and_nowhere_else() {
        let rights = Rights::Roles(vec![(Role::Contributor, scope(ONE, None))]);
        assert!(rights.allow(Role::Contributor, ONE, Some("any")));
        assert!(rights.allow(Role::Contributor, &ONE.to_uppercase(), None));
        assert!(!rights.allow(Role::Reader, TWO, Some("any")));
        assert!(rights.enter(ONE) && !rights.enter(TWO));
    }

    #[test]
    fn a_groups_role_reaches_no_other_group_and_not_the_subscription() {
        let rights = Rights::Roles(vec![(Role::Owner, scope(ONE, Some("Team-A")))]);
        assert!(rights.allow(Role::Owner, ONE, Some("team-a")));
        for (subscription, group) in [
            (ONE, Some("team-b")),
            (ONE, Some("team-a2")),
            (ONE, Some("")),
            (ONE, None),
            (TWO, Some("team-a")),
        ] {
            assert!(
                !rights.allow(Role::Reader, subscription, group),
                "{group:?}"
            );
        }
        assert!(rights.enter(ONE));
    }

    #[test]
    fn everywhere_is_each_subscription_as_a_whole() {
        let ids = [ONE, TWO].map(|id| id.parse::<SubscriptionId>().unwrap());
        let both = Rights::Roles(vec![
            (Role::Owner, scope(ONE, None)),
            (Role::Reader, scope(TWO, None)),
        ]);
        assert!(both.allow_everywhere(Role::Reader, &ids));
        assert!(!both.allow_everywhere(Role::Owner, &ids));
        assert!(!both.allow_everywhere(Role::Reader, []));
        let group = Rights::Roles(vec![(Role::Owner, scope(ONE, Some("g")))]);
        assert!(!group.allow_everywhere(Role::Reader, ids.first()));
        assert!(Rights::All.allow_everywhere(Role::Owner, []));
        assert!(!Rights::Roles(Vec::new()).enter(ONE));
    }

    #[test]
    fn roles_are_known_by_name_and_by_the_services_guid() {
        for role in Role::ALL {
            assert_eq!(role.name().to_lowercase().parse(), Ok(role));
            assert_eq!(Role::of_guid(&role.guid().to_uppercase()), Some(role));
        }
        assert!("owners".parse::<Role>().is_err());
        assert_eq!(Role::of_guid(ONE), None);
    }

    #[test]
    fn a_scope_reads_as_a_resource_id() {
        assert_eq!(
            scope(ONE, None).to_string(),
            format!("/subscriptions/{ONE}")
        );
        assert_eq!(
            scope(ONE, Some("g")).to_string(),
            format!("/subscriptions/{ONE}/resourceGroups/g")
        );
    }
}
