//! What a request is called: its operation name and the resource that it is about, as the managed
//! platform writes both, from its method and path.

use axum::http::Method;

/// Segments of paths in the spelling that the platform uses; others are told as they were sent.
const SPELLINGS: [&str; 47] = [
    "acceptEmptySource",
    "acceptUnsaved",
    "accessPolicies",
    "accessPolicyAssignments",
    "acknowledgeAutoFailover",
    "checkNameAvailability",
    "egressPrices",
    "export",
    "failoverPreflight",
    "firewallRules",
    "flush",
    "forceReboot",
    "Godwit.Cache",
    "import",
    "keys",
    "linkedServers",
    "listKeys",
    "listUpgradeNotifications",
    "locations",
    "lostWrites",
    "Microsoft.Authorization",
    "Microsoft.Cache",
    "Microsoft.Insights",
    "Microsoft.Resources",
    "operations",
    "patchSchedules",
    "privateEndpointConnections",
    "privateLinkResources",
    "providers",
    "redis",
    "regenerateKey",
    "register",
    "replicationSettings",
    "resourceGroups",
    "resources",
    "roleAssignments",
    "roleDefinitions",
    "rotate",
    "secrets",
    "servicePrincipals",
    "start",
    "stop",
    "subscriptions",
    "tenants",
    "unregister",
    "upgrade",
    "values",
];
/// POSTs that only read.
const READS: [&str; 2] = ["checkNameAvailability", "failoverPreflight"];
/// No name is longer than this many characters.
const LONGEST: usize = 600;

/// What a request is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    /// The operation, such as `Microsoft.Cache/redis/linkedServers/write`.
    pub(crate) operation: String,
    /// The resource's ID.
    pub(crate) resource: String,
}

/// Reads what a request asks for; `None`: it is not of the management API, or it only reads.
pub(crate) fn called(method: &Method, path: &str) -> Option<Called> {
    let verb = match *method {
        Method::PUT | Method::PATCH => Some("write"),
        Method::DELETE => Some("delete"),
        Method::POST => None,
        _ => return None,
    };
    let shown: String = path.chars().take(LONGEST).collect();
    let segments = segments(&shown);
    let root = segments.first()?;
    if !["subscriptions", "providers"].contains(&root.as_str()) {
        return None;
    }
    let (verb, of): (String, &[String]) = match verb {
        Some(verb) => (verb.to_owned(), &segments),
        None => {
            let (action, of) = segments.split_last()?;
            if READS.contains(&action.as_str()) {
                return None;
            }
            (format!("{action}/action"), of)
        }
    };
    let resource = with_cache_spelled(of);
    Some(Called {
        operation: format!("{}/{verb}", kind(of)),
        resource,
    })
}

/// The kind of a resource: its provider and the types on the way to it.
fn kind(segments: &[String]) -> String {
    let provider = segments.iter().rposition(|segment| segment == "providers");
    let Some(at) = provider else {
        // Groups and subscriptions are resources of the platform itself.
        let types: Vec<&str> = segments.iter().step_by(2).map(String::as_str).collect();
        return format!("Microsoft.Resources/{}", types.join("/"));
    };
    let mut rest = segments.iter().skip(at + 1);
    let mut kind = rest.next().cloned().unwrap_or_default();
    for part in rest.step_by(2) {
        kind.push('/');
        kind.push_str(part);
    }
    kind
}

/// The ID, in which the managed service writes the type of a cache with a capital letter.
fn with_cache_spelled(segments: &[String]) -> String {
    let mut id = String::new();
    for (at, segment) in segments.iter().enumerate() {
        id.push('/');
        let of_cache = at
            .checked_sub(1)
            .and_then(|before| segments.get(before))
            .is_some_and(|before| before == "Microsoft.Cache");
        id.push_str(if of_cache && segment == "redis" {
            "Redis"
        } else {
            segment
        });
    }
    id
}

/// The segments of a path: what the API fixes in its spelling, names as they were sent.
fn segments(path: &str) -> Vec<String> {
    let mut fixed = true;
    let mut namespace = false;
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments
        .map(|segment| {
            if !fixed {
                fixed = true;
                return segment.to_owned();
            }
            let segment = spelled(segment);
            // Behind the provider's name there is a type again.
            fixed = namespace || segment == "providers";
            namespace = segment == "providers" && !namespace;
            segment
        })
        .collect()
}

fn spelled(segment: &str) -> String {
    let known = SPELLINGS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(segment));
    known.map_or_else(|| segment.to_owned(), |known| (*known).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUB: &str = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001";

    fn of(method: Method, path: &str) -> (String, String) {
        let called = called(&method, &format!("{SUB}{path}")).unwrap();
        let resource = called.resource.strip_prefix(SUB).unwrap().to_owned();
        (called.operation, resource)
    }

    #[test]
    fn requests_are_called_as_the_platform_calls_them() {
        let cache = "/resourcegroups/g/providers/microsoft.cache/REDIS/Demo";
        let shown = "/resourceGroups/g/providers/Microsoft.Cache/Redis/Demo";
        let is = |operation: &str, rest: &str| (operation.to_owned(), format!("{shown}{rest}"));
        assert_eq!(
            of(Method::PUT, cache),
            is("Microsoft.Cache/redis/write", "")
        );
        assert_eq!(
            of(Method::PATCH, &format!("{cache}/LinkedServers/other")),
            is(
                "Microsoft.Cache/redis/linkedServers/write",
                "/linkedServers/other"
            )
        );
        assert_eq!(
            of(Method::DELETE, &format!("{cache}/firewallrules/KEYS")),
            is(
                "Microsoft.Cache/redis/firewallRules/delete",
                "/firewallRules/KEYS"
            )
        );
        assert_eq!(
            of(Method::POST, &format!("{cache}/listkeys")),
            is("Microsoft.Cache/redis/listKeys/action", "")
        );
        assert_eq!(
            of(
                Method::PATCH,
                &format!("{cache}/linkedservers/b/replicationsettings")
            ),
            is(
                "Microsoft.Cache/redis/linkedServers/replicationSettings/write",
                "/linkedServers/b/replicationSettings"
            )
        );
        assert_eq!(
            of(Method::PUT, "/resourcegroups/g"),
            (
                "Microsoft.Resources/subscriptions/resourceGroups/write".to_owned(),
                "/resourceGroups/g".to_owned()
            )
        );
        assert_eq!(
            of(Method::POST, "/providers/Microsoft.Cache/register"),
            (
                "Microsoft.Cache/register/action".to_owned(),
                "/providers/Microsoft.Cache".to_owned()
            )
        );
    }

    #[test]
    fn what_only_reads_has_no_name() {
        for (method, path) in [
            (Method::GET, format!("{SUB}/resourcegroups/g")),
            (Method::HEAD, format!("{SUB}/resourcegroups/g")),
            (Method::POST, "/agents/v1/report".to_owned()),
            (
                Method::POST,
                format!("{SUB}/providers/Microsoft.Cache/CheckNameAvailability"),
            ),
            (Method::PUT, "/".to_owned()),
        ] {
            assert_eq!(called(&method, &path), None, "{method} {path}");
        }
    }
}
