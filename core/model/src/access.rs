//! Who may come in to a cache, as its owner said: firewall rules, access policies, and who has
//! which (`arm.md` 2.4, 6.3, 6.4, 6.7).

mod permissions;

use serde::{Deserialize, Serialize};

use crate::{AssignmentName, FirewallRule, ObjectId, PolicyName, TokenUser};

pub use permissions::{PermissionsError, check_permissions};

/// As many of each kind are kept for a cache.
pub const MOST_ACCESS_ENTRIES: usize = 256;

/// Policies that every cache has and nobody can write: names and permissions.
pub const BUILT_IN_POLICIES: [(&str, &str); 3] = [
    ("Data Owner", "+@all allkeys"),
    (
        "Data Contributor",
        "+@all -@dangerous +cluster|info +cluster|nodes +cluster|slots allkeys",
    ),
    (
        "Data Reader",
        "+@read +@connection +cluster|info +cluster|nodes +cluster|slots allkeys",
    ),
];

/// Who may come in to a cache.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    /// Addresses that may connect, by name; none: every address may.
    pub firewall: Vec<FirewallRule>,
    /// Policies of the cache's own, by name.
    pub policies: Vec<AccessPolicy>,
    /// Who has which policy, by name.
    pub assignments: Vec<PolicyAssignment>,
}

/// An access policy of a cache's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPolicy {
    /// Its name; unique in its cache without regard to case, and no built-in one's.
    pub name: PolicyName,
    /// What it permits, in the engines' ACL words; passed by [`check_permissions`].
    pub permissions: String,
    /// How far the last change of it has come.
    pub progress: AccessProgress,
}

/// Somebody has a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAssignment {
    /// Its name; unique in its cache without regard to case.
    pub name: AssignmentName,
    /// Who; unique in its cache.
    pub object_id: ObjectId,
    /// What people call them.
    pub alias: String,
    /// The policy's name.
    pub policy: PolicyName,
    /// How far the last change of it has come.
    pub progress: AccessProgress,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessProgress {
    /// The cache's revision that has it.
    pub revision: u64,
    /// Whether the engines have it.
    pub state: AccessState,
}

/// Whether the engines have a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessState {
    /// It is on its way.
    Updating,
    /// They have it, or have nothing to do for it.
    Succeeded,
    /// They have not taken it.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

impl AccessProgress {
    /// A change that the engines are to take.
    #[must_use]
    pub fn begun(revision: u64) -> Self {
        let state = AccessState::Updating;
        Self { revision, state }
    }

    /// A change that no engine has to do anything for.
    #[must_use]
    pub fn done(revision: u64) -> Self {
        let state = AccessState::Succeeded;
        Self { revision, state }
    }
}

/// The permissions of a built-in policy; `None`: there is none of that name.
#[must_use]
pub fn built_in_permissions(name: &PolicyName) -> Option<&'static str> {
    let mut all = BUILT_IN_POLICIES.iter();
    all.find(|(built_in, _)| built_in.eq_ignore_ascii_case(name.as_str()))
        .map(|(_, permissions)| *permissions)
}

impl PolicyAssignment {
    /// Agents name those whose permissions an engine does not take by their object ID.
    fn is_named(&self, problem: Option<&str>) -> bool {
        problem.is_some_and(|problem| problem.contains(self.object_id.as_str()))
    }
}

impl Access {
    /// A policy of the cache's own.
    #[must_use]
    pub fn policy(&self, name: &PolicyName) -> Option<&AccessPolicy> {
        self.policies.iter().find(|policy| policy.name == *name)
    }

    /// An assignment.
    #[must_use]
    pub fn assignment(&self, name: &AssignmentName) -> Option<&PolicyAssignment> {
        self.assignments.iter().find(|given| given.name == *name)
    }

    /// A firewall rule.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&FirewallRule> {
        let mut rules = self.firewall.iter();
        rules.find(|rule| rule.name.eq_ignore_ascii_case(name))
    }

    /// An assignment of that policy; `None`: nobody has it.
    #[must_use]
    pub fn assigned(&self, policy: &PolicyName) -> Option<&PolicyAssignment> {
        self.assignments
            .iter()
            .find(|given| given.policy == *policy)
    }

    /// The name as the policy has it, built in or the cache's own; `None`: there is no such policy.
    #[must_use]
    pub fn policy_name(&self, name: &PolicyName) -> Option<PolicyName> {
        let own = || self.policy(name).map(|policy| policy.name.clone());
        let mut all = BUILT_IN_POLICIES.iter();
        all.find(|(built_in, _)| built_in.eq_ignore_ascii_case(name.as_str()))
            .and_then(|(built_in, _)| built_in.parse().ok())
            .or_else(own)
    }

    /// Those who may come in with a token, with what they may do, in the order of their object IDs.
    #[must_use]
    pub fn users(&self) -> Vec<TokenUser> {
        let own = |name| self.policy(name).map(|policy| policy.permissions.as_str());
        let mut users: Vec<_> = self
            .assignments
            .iter()
            .filter_map(|given| {
                let permissions =
                    built_in_permissions(&given.policy).or_else(|| own(&given.policy));
                Some(TokenUser {
                    object_id: given.object_id.to_string(),
                    permissions: permissions?.to_owned(),
                })
            })
            .collect();
        users.sort_by(|a, b| a.object_id.cmp(&b.object_id));
        users
    }

    /// The same with every change settled that engines have seen with revision `taken`; `problem` is
    /// what their agent says of the cache, and names those whose permissions an engine does not
    /// take. `None`: nothing is different.
    #[must_use]
    pub fn settled(&self, taken: u64, problem: Option<&str>) -> Option<Self> {
        let mut next = self.clone();
        let settle = |progress: &mut AccessProgress, refused: bool| {
            if progress.revision > taken {
                return;
            }
            progress.state = match problem {
                Some(why) if refused => AccessState::Failed {
                    why: why.to_owned(),
                },
                Some(_) | None => AccessState::Succeeded,
            };
        };
        for policy in &mut next.policies {
            let mut holders = self.assignments.iter();
            let refused =
                holders.any(|given| given.policy == policy.name && given.is_named(problem));
            settle(&mut policy.progress, refused);
        }
        for given in &mut next.assignments {
            let refused = given.is_named(problem);
            settle(&mut given.progress, refused);
        }
        (next != *self).then_some(next)
    }

    /// Tells whether the engines have taken everything, by what was last said of it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let policies = self.policies.iter().map(|policy| &policy.progress);
        let assignments = self.assignments.iter().map(|given| &given.progress);
        policies
            .chain(assignments)
            .all(|progress| progress.state == AccessState::Succeeded)
    }

    /// Tells whether `problem` names somebody whom the change of that revision is about.
    #[must_use]
    pub fn is_refused(&self, revision: u64, problem: Option<&str>) -> bool {
        let mut named = self
            .assignments
            .iter()
            .filter(|given| given.is_named(problem));
        named.any(|given| {
            let policy = self.policy(&given.policy);
            let changed = policy.is_some_and(|policy| policy.progress.revision == revision);
            given.progress.revision == revision || changed
        })
    }

    /// The same with the change of that revision given up.
    #[must_use]
    pub fn failed(&self, revision: u64, why: &str) -> Self {
        let mut next = self.clone();
        for progress in next.progresses() {
            if progress.state == AccessState::Updating && progress.revision == revision {
                let why = why.to_owned();
                progress.state = AccessState::Failed { why };
            }
        }
        next
    }

    fn progresses(&mut self) -> impl Iterator<Item = &mut AccessProgress> {
        let policies = self.policies.iter_mut().map(|policy| &mut policy.progress);
        let assignments = self.assignments.iter_mut().map(|given| &mut given.progress);
        policies.chain(assignments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6f1c4f30-0000-4000-8000-00000000000";

    fn assignment(name: &str, digit: u8, policy: &str) -> PolicyAssignment {
        PolicyAssignment {
            name: name.parse().unwrap(),
            object_id: format!("{ID}{digit}").parse().unwrap(),
            alias: name.to_owned(),
            policy: policy.parse().unwrap(),
            progress: AccessProgress::begun(4),
        }
    }

    fn access() -> Access {
        Access {
            policies: vec![AccessPolicy {
                name: "Mine".parse().unwrap(),
                permissions: "+get ~a:* &news".to_owned(),
                progress: AccessProgress::begun(3),
            }],
            assignments: vec![
                assignment("second", 2, "mine"),
                assignment("first", 1, "data reader"),
                assignment("stray", 3, "gone"),
            ],
            ..Access::default()
        }
    }

    #[test]
    fn built_in_policies_pass_their_own_check() {
        for (name, permissions) in BUILT_IN_POLICIES {
            assert_eq!(check_permissions(permissions), Ok(()), "{name}");
            let name: PolicyName = name.to_uppercase().parse().unwrap();
            assert_eq!(built_in_permissions(&name), Some(permissions));
        }
    }

    #[test]
    fn users_have_the_permissions_of_their_policies() {
        let users = access().users();
        let shown: Vec<_> = users
            .iter()
            .map(|user| (user.object_id.as_str(), user.permissions.as_str()))
            .collect();
        let (_, reader) = BUILT_IN_POLICIES[2];
        assert_eq!(
            shown,
            [
                (format!("{ID}1").as_str(), reader),
                (format!("{ID}2").as_str(), "+get ~a:* &news"),
            ]
        );
        let named = |name: &str| access().policy_name(&name.parse().unwrap());
        assert_eq!(named("DATA owner").unwrap().as_str(), "Data Owner");
        assert_eq!(named("MINE").unwrap().as_str(), "Mine");
        assert_eq!(named("gone"), None);
    }

    #[test]
    fn changes_settle_with_the_revision_that_has_them() {
        let begun = access();
        let half = begun.settled(3, None).unwrap();
        assert_eq!(half.policies[0].progress, AccessProgress::done(3));
        assert_eq!(half.assignments[0].progress, AccessProgress::begun(4));
        assert_eq!(half.settled(3, Some("something else")), None);
        let failed = half.failed(4, "no");
        let why = "no".to_owned();
        assert_eq!(
            failed.assignments[0].progress.state,
            AccessState::Failed { why }
        );
        let settled = failed.settled(4, None).unwrap();
        assert_eq!(settled.settled(9, None), None);
    }

    #[test]
    fn what_an_engine_refuses_fails_for_whom_it_names_until_it_does_not() {
        let problem = format!("the permissions of {ID}2 are not taken");
        let settled = access().settled(4, Some(&problem)).unwrap();
        let failed = AccessState::Failed {
            why: problem.clone(),
        };
        let states = |access: &Access| {
            let assignments = access.assignments.iter();
            let states = assignments.map(|given| given.progress.state.clone());
            (
                access.policies[0].progress.state.clone(),
                states.collect::<Vec<_>>(),
            )
        };
        let good = AccessState::Succeeded;
        let (policy, assignments) = states(&settled);
        assert_eq!(policy, failed);
        assert_eq!(assignments, [failed, good.clone(), good.clone()]);
        assert!(settled.is_refused(4, Some(&problem)) && settled.is_refused(3, Some(&problem)));
        assert!(!settled.is_refused(5, Some(&problem)) && !settled.is_refused(4, None));
        let mended = settled.settled(4, None).unwrap();
        assert_eq!(states(&mended), (good.clone(), vec![good; 3]));
    }
}
