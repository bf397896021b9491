//! Who may come in to a cache.

use super::{
    caches::cache,
    operation::{Operation, delete, get, put},
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = rules();
    all.extend(policies());
    all.extend(assignments());
    all
}

fn rules() -> Vec<Operation> {
    let rule = || cache("/firewallRules/{ruleName}");
    vec![
        get(
            cache("/firewallRules"),
            "FirewallRules_List",
            "The firewall rules of a cache",
        )
        .ok("FirewallRuleList"),
        get(rule(), "FirewallRules_Get", "A firewall rule").ok("FirewallRule"),
        put(
            rule(),
            "FirewallRules_CreateOrUpdate",
            "Make a firewall rule, or change it",
        )
        .takes("FirewallRuleBody")
        .ok("FirewallRule")
        .created("FirewallRule"),
        delete(rule(), "FirewallRules_Delete", "Delete a firewall rule")
            .empty(200)
            .empty(204),
    ]
}

fn policies() -> Vec<Operation> {
    let policy = || cache("/accessPolicies/{accessPolicyName}");
    vec![
        get(
            cache("/accessPolicies"),
            "AccessPolicy_List",
            "The access policies of a cache, the built-in ones first",
        )
        .ok("AccessPolicyList"),
        get(policy(), "AccessPolicy_Get", "An access policy").ok("AccessPolicy"),
        put(
            policy(),
            "AccessPolicy_CreateUpdate",
            "Make an access policy, or change it",
        )
        .takes("AccessPolicyBody")
        .ok("AccessPolicy")
        .created("AccessPolicy")
        .followed(),
        delete(
            policy(),
            "AccessPolicy_Delete",
            "Delete an access policy that nobody has",
        )
        .empty(202)
        .empty(204),
    ]
}

fn assignments() -> Vec<Operation> {
    let assignment = || cache("/accessPolicyAssignments/{accessPolicyAssignmentName}");
    vec![
        get(
            cache("/accessPolicyAssignments"),
            "AccessPolicyAssignment_List",
            "Who has an access policy",
        )
        .ok("AssignmentList"),
        get(
            assignment(),
            "AccessPolicyAssignment_Get",
            "Who has an access policy by this name",
        )
        .ok("Assignment"),
        put(
            assignment(),
            "AccessPolicyAssignment_CreateUpdate",
            "Give somebody an access policy",
        )
        .takes("AssignmentBody")
        .ok("Assignment")
        .created("Assignment")
        .followed(),
        delete(
            assignment(),
            "AccessPolicyAssignment_Delete",
            "Take somebody's access policy away",
        )
        .empty(202)
        .empty(204),
    ]
}
