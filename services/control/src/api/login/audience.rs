//! What tokens are for: the management API, the caches, or where Microsoft Graph would be.

/// What clients of the managed service's own cloud ask for; this deployment is that to them.
const MANAGEMENT: [&str; 2] = [
    "https://management.azure.com",
    "https://management.core.windows.net",
];
/// What clients of caches ask for, and the service's ID, which means the same (`arm.md` 6.3).
const CACHES: [&str; 2] = [
    "https://redis.azure.com",
    "acca5fbb-b7e4-4009-81f1-37e38fd66d78",
];

/// Where Microsoft Graph would be. Terraform wants a token for it, which it only reads; nobody takes
/// one here.
pub(super) fn graph(base: &str) -> String {
    format!("{base}/graph")
}

/// The `aud` of a token for the resource that a client of `base` names; `None`: nobody here takes
/// such a token.
pub(super) fn granted(base: &str, resource: &str) -> Option<String> {
    let bare = resource.trim_end_matches('/');
    let is = |known: &str| bare.eq_ignore_ascii_case(known);
    if is(base) || is(&graph(base)) || MANAGEMENT.into_iter().any(is) {
        return Some(resource.to_owned());
    }
    let [name, _] = CACHES;
    CACHES.into_iter().any(is).then(|| name.to_owned())
}

/// Tells whether a token with this `aud`, of an issuer below `base`, is for the management API.
pub(super) fn is_management(base: &str, audience: &str) -> bool {
    let bare = audience.trim_end_matches('/');
    let is = |known: &str| bare.eq_ignore_ascii_case(known);
    is(base) || MANAGEMENT.into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://localhost:8080";

    #[test]
    fn a_token_is_for_what_its_client_names() {
        for (asked, granted_as, manages) in [
            (BASE, BASE, true),
            ("https://localhost:8080/", "https://localhost:8080/", true),
            (
                "https://management.azure.com/",
                "https://management.azure.com/",
                true,
            ),
            (
                "https://localhost:8080/graph",
                "https://localhost:8080/graph",
                false,
            ),
            ("https://redis.azure.com/", "https://redis.azure.com", false),
            (
                "acca5fbb-b7e4-4009-81f1-37e38fd66d78",
                "https://redis.azure.com",
                false,
            ),
        ] {
            let audience = granted(BASE, asked).unwrap();
            assert_eq!(audience, granted_as);
            assert_eq!(is_management(BASE, &audience), manages, "{asked}");
        }
    }

    #[test]
    fn nothing_is_granted_for_others() {
        for other in [
            "",
            "/",
            "https://localhost",
            "https://localhost:8080/other",
            "https://localhost:8080.evil.test",
            "https://evil.test",
            "http://localhost:8080",
        ] {
            assert_eq!(granted(BASE, other), None, "{other}");
            assert!(!is_management(BASE, other), "{other}");
        }
    }
}
