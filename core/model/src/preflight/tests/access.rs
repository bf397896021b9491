//! What a preflight finds of firewalls, and of who may come in.

use super::*;
use crate::{AccessProgress, FindingCode as Code, FirewallRule, PolicyAssignment};

const ANNE: &str = "6f1c4f30-0000-4000-8000-00000000000a";

fn rule(ip: &str) -> FirewallRule {
    let ip = ip.parse().unwrap();
    FirewallRule::new("r", ip, ip).unwrap()
}

fn assignment(policy: &str) -> PolicyAssignment {
    PolicyAssignment {
        name: "anne".parse().unwrap(),
        object_id: ANNE.parse().unwrap(),
        alias: "Anne".to_owned(),
        policy: policy.parse().unwrap(),
        progress: AccessProgress::done(1),
    }
}

fn codes(scene: &Scene) -> Vec<Code> {
    scene.find().iter().map(|finding| finding.code).collect()
}

#[test]
fn a_firewall_that_would_keep_the_old_primary_out_is_found_before() {
    let mut scene = Scene::healthy();
    scene.dials_from = Some("192.0.2.7".parse().unwrap());
    assert!(
        !codes(&scene).contains(&Code::FirewallAdmitsAgent),
        "no rules, nothing to say"
    );
    finds(
        Scene::healthy(),
        |s| {
            s.dials_from = Some("::ffff:192.0.2.7".parse().unwrap());
            s.caches.1.access.firewall = vec![rule("192.0.2.8")];
        },
        Level::Warning,
        Code::FirewallExcludesAgent,
        "The firewall of `west` does not admit 192.0.2.7, from which `east` would follow; add a rule for it.",
    );
    finds(
        Scene::healthy(),
        |s| s.caches.1.access.firewall = vec![rule("192.0.2.8")],
        Level::Warning,
        Code::FirewallAddressUnknown,
        "from which address `east` would follow is not known",
    );
    finds(
        Scene::healthy(),
        |s| {
            s.dials_from = Some("192.0.2.8".parse().unwrap());
            s.caches.1.access.firewall = vec![rule("192.0.2.8")];
        },
        Level::Ok,
        Code::FirewallAdmitsAgent,
        "admits 192.0.2.8, from which `east` would follow",
    );
}

#[test]
fn a_link_that_a_firewall_keeps_apart_is_told_as_such() {
    let barred = |s: &mut Scene| {
        let half = LinkObserved {
            not_admitted: Some("the firewall of `east` does not admit 192.0.2.9".to_owned()),
            ..LinkObserved::default()
        };
        s.seen.0.as_mut().unwrap().shards[0].link = Some(half);
    };
    finds(
        Scene::healthy(),
        barred,
        Level::Warning,
        Code::FirewallExcludesAgent,
        "The firewall of `east` does not admit 192.0.2.9.",
    );
}

#[test]
fn who_comes_in_to_one_and_not_to_the_other_is_found() {
    finds(
        Scene::healthy(),
        |s| s.caches.1.spec.public_network_access = "Disabled".to_owned(),
        Level::Warning,
        Code::PublicNetworkAccessDiffers,
        "is Enabled on `east` and Disabled on `west`",
    );
    finds(
        Scene::healthy(),
        |s| s.caches.0.spec.disable_access_key_authentication = true,
        Level::Warning,
        Code::AccessKeyAuthenticationDiffers,
        "is true on `east` and false on `west`",
    );
    finds(
        Scene::healthy(),
        |s| s.caches.0.access.firewall = vec![rule("192.0.2.8")],
        Level::Advice,
        Code::FirewallDiffers,
        "rules of `west` are not those of `east`",
    );
    let mut scene = Scene::healthy();
    for cache in [&mut scene.caches.0, &mut scene.caches.1] {
        let on = ("aad-enabled".to_owned(), "true".to_owned());
        cache.spec.configuration.extend([on]);
        cache.access.assignments = vec![assignment("Data Owner")];
    }
    assert!(!codes(&scene).contains(&Code::AccessPoliciesDiffer));
    finds(
        scene,
        |s| s.caches.1.access.assignments = vec![assignment("Data Reader")],
        Level::Advice,
        Code::AccessPoliciesDiffer,
        "`Anne` does not come in to `west`",
    );
}
