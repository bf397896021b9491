//! The documents by which clients find everything else, as functions of the URL that they came by.

use serde_json::{Value, json};

use super::{Tenant, audience};

/// The deployment as a cloud. Clients need `authentication`, `resourceManager`, `name` and `suffixes`;
/// Terraform also that `tenant` is `common`, that `identityProvider` is `AAD`, that `loginEndpoint`
/// ends in no slash, and something where Microsoft Graph would be.
pub(super) fn cloud(base: &str) -> Value {
    let graph = audience::graph(base);
    json!({
        "name": "Godwit",
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [base],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": base,
        "graph": graph,
        "graphAudience": graph,
        "microsoftGraphResourceId": graph,
        "gallery": base,
        "media": base,
        "batch": base,
        "sqlManagement": base,
        "vmImageAliasDoc": base,
        "activeDirectoryDataLake": base,
        "suffixes": {},
    })
}

/// OpenID Connect's discovery document of a tenant (OpenID Connect Discovery 1.0, 3).
pub(super) fn discovery(base: &str, tenant: &Tenant) -> Value {
    let root = tenant.root(base);
    let (token, keys, authorize) = if tenant.unnamed {
        ("oauth2/token", "discovery/keys", "oauth2/authorize")
    } else {
        (
            "oauth2/v2.0/token",
            "discovery/v2.0/keys",
            "oauth2/v2.0/authorize",
        )
    };
    json!({
        "issuer": tenant.issuer(base),
        "authorization_endpoint": format!("{root}/{authorize}"),
        "token_endpoint": format!("{root}/{token}"),
        "jwks_uri": format!("{root}/{keys}"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["none"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "oid", "tid", "appid"],
    })
}
