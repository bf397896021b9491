//! What a request does, in the managed service's words: `Microsoft.Cache/redis/listKeys/action`.

use axum::http::Method;

/// The action of a request for `path`, in the spelling that it came in.
pub(super) fn action(method: &Method, path: &str) -> String {
    let path: String = path.chars().take(1000).collect();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let providers = segments
        .iter()
        .rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    let (namespace, kinds) = match providers.and_then(|at| segments.get(at + 1..)) {
        Some([namespace, kinds @ ..]) => (*namespace, kinds),
        Some([]) | None => ("Microsoft.Resources", segments.as_slice()),
    };
    // Kinds and names take turns.
    let kinds = kinds.iter().step_by(2);
    let mut text = kinds.fold(namespace.to_owned(), |text, kind| format!("{text}/{kind}"));
    text.push_str(match *method {
        Method::GET | Method::HEAD => "/read",
        Method::DELETE => "/delete",
        Method::POST => "/action",
        _ => "/write",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_named_as_the_service_names_them() {
        const CACHE: &str = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Cache/redis/a";
        for (method, path, expected) in [
            (Method::PUT, CACHE.to_owned(), "Microsoft.Cache/redis/write"),
            (Method::GET, CACHE.to_owned(), "Microsoft.Cache/redis/read"),
            (
                Method::POST,
                format!("{CACHE}/listKeys"),
                "Microsoft.Cache/redis/listKeys/action",
            ),
            (
                Method::DELETE,
                format!("{CACHE}/linkedServers/b"),
                "Microsoft.Cache/redis/linkedServers/delete",
            ),
            (
                Method::PATCH,
                "/subscriptions/S/resourceGroups/G".to_owned(),
                "Microsoft.Resources/subscriptions/resourceGroups/write",
            ),
            (
                Method::GET,
                "/subscriptions/S/providers/Microsoft.Authorization/roleAssignments".to_owned(),
                "Microsoft.Authorization/roleAssignments/read",
            ),
            (Method::GET, "/".to_owned(), "Microsoft.Resources/read"),
        ] {
            assert_eq!(action(&method, &path), expected);
        }
    }
}
