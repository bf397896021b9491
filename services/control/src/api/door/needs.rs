//! What a request needs: which role, and where. Read from method and path alone, so that no handler
//! needs to know; a route that nobody thought of here needs more rather than less.

use axum::http::Method;
use model::{Rights, Role};
use percent_encoding::percent_decode_str;

use crate::{records::cache, store::State};

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// To be somebody. Whatever is listed is picked for them.
    Somebody,
    /// Any role within the subscription; whatever is listed is picked for them.
    Within(String),
    /// A role in a subscription, or in one of its groups.
    At {
        role: Role,
        subscription: String,
        group: Option<String>,
    },
    /// A role in every subscription as a whole.
    Everywhere(Role),
}

impl Need {
    /// Of a request for `path`, in its one spelling.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let segments = segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let reads = is_read(method);
        let usual = if reads {
            Role::Reader
        } else {
            Role::Contributor
        };
        match segments.as_slice() {
            []
            | ["tenants" | "subscriptions"]
            | ["providers", "godwit.cache", "certificateauthority"]
            | ["providers", "microsoft.cache", "operations"] => Self::Somebody,
            [
                "providers",
                "microsoft.authorization",
                "roledefinitions",
                ..,
            ] if reads => Self::Somebody,
            ["providers", ..] => Self::Everywhere(if reads && !is_ruling(&segments) {
                Role::Reader
            } else {
                Role::Owner
            }),
            [
                "subscriptions",
                subscription,
                "resourcegroups",
                group,
                rest @ ..,
            ] => Self::At {
                role: role(method, rest),
                subscription: (*subscription).to_owned(),
                group: Some((*group).to_owned()),
            },
            ["subscriptions", subscription, rest @ ..] if is_for_all_within(method, rest) => {
                Self::Within((*subscription).to_owned())
            }
            ["subscriptions", subscription, rest @ ..] => Self::At {
                role: role(method, rest),
                subscription: (*subscription).to_owned(),
                group: None,
            },
            _ => Self::Everywhere(usual),
        }
    }

    /// Tells whether `rights` are enough.
    pub(super) fn is_met(&self, rights: &Rights, state: &State) -> bool {
        match self {
            Self::Somebody => true,
            Self::Within(subscription) => rights.enter(subscription),
            Self::At {
                role,
                subscription,
                group,
            } => rights.allow(*role, subscription, group.as_deref()),
            Self::Everywhere(role) => {
                let all = state.subscriptions.iter().map(|one| &one.id);
                rights.allow_everywhere(*role, all)
            }
        }
    }
}

/// The other cache that a change of a link is about: its resource group has to be one's own, too,
/// since linking erases it, and a failover takes its role away.
pub(super) fn other_cache(method: &Method, path: &str, state: &State) -> Option<model::CacheId> {
    let segments = segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let [
        "subscriptions",
        _,
        "resourcegroups",
        _,
        "providers",
        "microsoft.cache",
        "redis",
        _,
        "linkedservers",
        other,
        rest @ ..,
    ] = segments.as_slice()
    else {
        return None;
    };
    if role(method, rest) == Role::Reader {
        return None;
    }
    let name: model::CacheName = other.parse().ok()?;
    let cache = state.caches.get(&cache::key(&name))?;
    Some(cache.id.clone())
}

/// The segments of a path, as routes get to see them.
fn segments(path: &str) -> Vec<String> {
    let all = path.split('/').filter(|segment| !segment.is_empty());
    let decoded = all.map(|segment| percent_decode_str(segment).decode_utf8_lossy());
    decoded.map(std::borrow::Cow::into_owned).collect()
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Tells whether it is about who may do what.
fn is_ruling(segments: &[&str]) -> bool {
    segments.iter().any(|segment| {
        ["roleassignments", "roledefinitions", "serviceprincipals"].contains(segment)
    })
}

/// What is the same for everybody in a subscription, and lists that show to each their own.
fn is_for_all_within(method: &Method, rest: &[&str]) -> bool {
    match rest {
        [] | ["locations" | "resourcegroups" | "resources" | "providers"] => is_read(method),
        ["providers", _] => is_read(method),
        ["providers", _, "register"] => *method == Method::POST,
        ["providers", "microsoft.cache", "redis"] => is_read(method),
        ["providers", "microsoft.cache", "checknameavailability"] => *method == Method::POST,
        [
            "providers",
            "microsoft.authorization",
            "roledefinitions",
            ..,
        ] => is_read(method),
        // Whoever knows the ID of an operation has begun it, or was told.
        [
            "providers",
            "microsoft.cache",
            "locations",
            _,
            "asyncoperations" | "operationresults",
            _,
        ] => is_read(method),
        _ => false,
    }
}

/// The role for what is below a subscription or a group.
fn role(method: &Method, rest: &[&str]) -> Role {
    match rest {
        ["providers", "microsoft.authorization", ..] if !is_read(method) => Role::Owner,
        // These hand out keys and values of a cache, as its access keys do.
        [.., "lostwrites", _, "content" | "keys"] | [.., "writtensince"] => Role::Contributor,
        // It looks, and changes nothing.
        [.., "failoverpreflight"] if *method == Method::POST => Role::Reader,
        _ if is_read(method) => Role::Reader,
        _ => Role::Contributor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001";
    const CACHE: &str = "resourcegroups/G/providers/microsoft.cache/redis/a";

    fn role_at(method: &str, path: &str) -> (Role, Option<String>) {
        let method = method.parse().unwrap();
        let need = Need::of(&method, &format!("{S}/{path}"));
        let Need::At { role, group, .. } = need else {
            panic!("{path}: {need:?}");
        };
        (role, group)
    }

    #[test]
    fn reading_needs_a_reader_and_changing_a_contributor_of_the_group() {
        for (method, path, role) in [
            ("GET", "", Role::Reader),
            ("HEAD", "", Role::Reader),
            ("PUT", "", Role::Contributor),
            ("PATCH", "", Role::Contributor),
            ("DELETE", "", Role::Contributor),
            ("POST", "/listkeys", Role::Contributor),
            ("POST", "/regeneratekey", Role::Contributor),
            ("POST", "/something/new", Role::Contributor),
            ("GET", "/linkedservers/b/events", Role::Reader),
            ("POST", "/linkedservers/b/failoverpreflight", Role::Reader),
            ("GET", "/lostwrites", Role::Reader),
            ("GET", "/lostwrites/r", Role::Reader),
            ("GET", "/lostwrites/r/content", Role::Contributor),
            ("GET", "/lostwrites/r/keys", Role::Contributor),
            ("GET", "/writtensince", Role::Contributor),
        ] {
            let found = role_at(method, &format!("{CACHE}{path}"));
            assert_eq!(found, (role, Some("G".to_owned())), "{method} {path}");
        }
        let group = role_at("DELETE", "resourcegroups/G");
        assert_eq!(group, (Role::Contributor, Some("G".to_owned())));
    }

    #[test]
    fn giving_roles_needs_an_owner_where_they_hold() {
        let roles = "providers/microsoft.authorization/roleassignments/x";
        assert_eq!(role_at("PUT", roles), (Role::Owner, None));
        assert_eq!(role_at("GET", roles), (Role::Reader, None));
        let in_group = role_at("DELETE", &format!("resourcegroups/g/{roles}"));
        assert_eq!(in_group, (Role::Owner, Some("g".to_owned())));
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let need = Need::of(&method, "/providers/godwit.cache/serviceprincipals/x");
            assert_eq!(need, Need::Everywhere(Role::Owner));
        }
    }

    #[test]
    fn lists_are_open_to_whoever_is_within_and_the_rest_of_a_subscription_is_not() {
        let of = |method: Method, path: &str| Need::of(&method, &format!("{S}{path}"));
        let within = Need::Within(S.trim_start_matches("/subscriptions/").to_owned());
        for path in [
            "",
            "/resourcegroups",
            "/resources",
            "/locations",
            "/providers/microsoft.cache",
            "/providers/microsoft.cache/redis",
            "/providers/microsoft.cache/locations/eastus/asyncoperations/x",
        ] {
            assert_eq!(of(Method::GET, path), within, "{path}");
        }
        assert_eq!(
            of(Method::POST, "/providers/microsoft.cache/register"),
            within
        );
        for (method, path, role) in [
            (
                Method::GET,
                "/providers/microsoft.insights/eventtypes/management/values",
                Role::Reader,
            ),
            (Method::GET, "/anything/new", Role::Reader),
            (Method::PUT, "/resourcegroups", Role::Contributor),
            (Method::DELETE, "", Role::Contributor),
        ] {
            let need = of(method, path);
            assert!(
                matches!(&need, Need::At { role: found, group: None, .. } if *found == role),
                "{path}: {need:?}"
            );
        }
    }

    #[test]
    fn what_nobody_thought_of_needs_a_role_everywhere() {
        for (method, path, role) in [
            (Method::GET, "/metrics", Role::Reader),
            (Method::GET, "/providers/godwit.cache/names", Role::Reader),
            (Method::GET, "/providers/something/new", Role::Reader),
            (Method::POST, "/providers/something/new", Role::Owner),
            (Method::GET, "/planets", Role::Reader),
            (Method::POST, "/planets", Role::Contributor),
        ] {
            assert_eq!(Need::of(&method, path), Need::Everywhere(role), "{path}");
        }
        for path in ["/", "/tenants", "/subscriptions"] {
            assert_eq!(Need::of(&Method::GET, path), Need::Somebody);
        }
    }

    #[test]
    fn names_are_taken_as_routes_take_them() {
        let need = role_at("GET", "resourcegroups/%67/providers");
        assert_eq!(need, (Role::Reader, Some("g".to_owned())));
    }
}
