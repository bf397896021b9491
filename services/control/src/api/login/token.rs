//! The endpoint that gives tokens to service principals for their secrets: the client credentials
//! grant of OAuth 2.0 (RFC 6749, 4.4), in both of the spellings that clients use.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use model::{ObjectId, Secret};
use serde_json::json;

use super::{Refusal, Tenant, audience, keys};
use crate::{
    api::{answer, body},
    listen::Arrival,
    plane::Plane,
    records::{SecretRecord, ServicePrincipalRecord, service_principal},
    store::State,
};

/// No client sends more: the longest field is a secret of 43 characters.
const LIMIT: usize = 16 << 10;
/// What a scope ends in that means everything there is of a resource.
const DEFAULT: &str = "/.default";

/// Which spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Version {
    /// With `resource`, and numbers as texts.
    One,
    /// With `scope`.
    Two,
}

/// Gives a token, or says why not.
pub(super) async fn give(
    plane: &Arc<Plane>,
    base: &str,
    tenant: &Tenant,
    version: Version,
    request: Request,
) -> Result<Response, Refusal> {
    let arrival: Option<&Arrival> = request.extensions().get();
    let peer = arrival.and_then(|arrival| arrival.peer);
    let form = Form::read(request).await?;
    let grant = form.needed("grant_type")?;
    if grant != "client_credentials" {
        return Err(Refusal::bad(
            "unsupported_grant_type",
            "The only `grant_type` here is `client_credentials`: sign in as a service principal.",
        ));
    }
    let client = form.needed("client_id")?;
    let secret = Secret::new(form.needed("client_secret")?);
    let state = plane.store.state();
    let principal = sign_in(plane, &state, tenant, (client, &secret), peer)?;
    let (who, which) = principal;
    let resource = form.resource()?;
    let audience = audience::granted(base, &resource).ok_or_else(|| {
        let shown: String = resource.chars().take(200).collect();
        Refusal::bad(
            "invalid_resource",
            format!(
                "No token is given for `{}`; ask for `{base}`.",
                shown.escape_debug()
            ),
        )
    })?;
    let token = Token {
        base,
        tenant,
        version,
        audience: &audience,
    };
    let answer = token.answer(plane, who, which).await?;
    tracing::info!(
        principal = who.name,
        application = who.application.as_str(),
        audience,
        "A service principal signed in"
    );
    Ok(answer)
}

/// The service principal with this ID, if one of its secrets is `secret`; and which one.
fn sign_in<'a>(
    plane: &Plane,
    state: &'a State,
    tenant: &Tenant,
    (client, secret): (&str, &Secret),
    peer: Option<SocketAddr>,
) -> Result<(&'a ServicePrincipalRecord, &'a SecretRecord), Refusal> {
    let now = plane.clock.now();
    let client: Option<ObjectId> = client.parse().ok();
    if let Some(seconds) = plane.sign_ins.wait(peer, client.as_ref(), now) {
        return Err(Refusal::too_many(seconds));
    }
    let digest = service_principal::digest(secret);
    let found = client
        .as_ref()
        .and_then(|client| {
            state
                .service_principals
                .get(&service_principal::key(client))
        })
        .filter(|found| found.tenant == tenant.id)
        .and_then(|found| {
            let mut secrets = found.secrets.iter();
            let which = secrets.find(|known| known.digest == digest)?;
            Some((&**found, which))
        });
    found.ok_or_else(|| {
        plane.sign_ins.failed(peer, client.as_ref(), now);
        let peer = peer.map(|peer| peer.ip());
        let client = client.as_ref().map(ObjectId::as_str);
        tracing::warn!(?client, ?peer, "Somebody failed to sign in");
        Refusal::client()
    })
}

/// What a token is to say beside whose it is.
struct Token<'a> {
    base: &'a str,
    tenant: &'a Tenant,
    version: Version,
    audience: &'a str,
}

impl Token<'_> {
    async fn answer(
        &self,
        plane: &Plane,
        who: &ServicePrincipalRecord,
        which: &SecretRecord,
    ) -> Result<Response, Refusal> {
        let key = keys::signer(plane).await?;
        let now = plane.clock.now().0 / 1000;
        let expires = now + keys::TOKEN_SECONDS;
        let claims = json!({
            "iss": self.tenant.issuer(self.base),
            "aud": self.audience,
            "iat": now,
            "nbf": now,
            "exp": expires,
            "oid": who.object,
            "sub": who.object,
            "tid": who.tenant,
            "appid": who.application,
            "azp": who.application,
            "appidacr": "1",
            "azpacr": "1",
            "idtyp": "app",
            "app_displayname": who.name,
            "uti": plane.dice.guid(),
            super::verify::SECRET: which.id,
            "ver": match self.version { Version::One => "1.0", Version::Two => "2.0" },
        });
        let token = key.sign(&claims).map_err(|error| {
            tracing::error!(%error, "Failed to sign a token");
            Refusal::broken()
        })?;
        let lasts = keys::TOKEN_SECONDS;
        let body = match self.version {
            Version::Two => json!({
                "token_type": "Bearer", "expires_in": lasts, "ext_expires_in": lasts,
                "access_token": token,
            }),
            Version::One => json!({
                "token_type": "Bearer", "expires_in": lasts.to_string(),
                "ext_expires_in": lasts.to_string(), "expires_on": expires.to_string(),
                "not_before": now.to_string(), "resource": self.audience, "access_token": token,
            }),
        };
        let mut response = answer::json_response(StatusCode::OK, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        Ok(response)
    }
}

/// The fields of a request.
struct Form(BTreeMap<String, String>);

impl Form {
    async fn read(request: Request) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::bad(
                "invalid_request",
                "Send the fields as `application/x-www-form-urlencoded`.",
            ));
        }
        let bytes = body::read(request, LIMIT).await?;
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&bytes) {
            if fields.insert(name.to_string(), value.to_string()).is_some() {
                return Err(Refusal::bad("invalid_request", "A field is there twice."));
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &'static str) -> Result<&str, Refusal> {
        let missing = || Refusal::bad("invalid_request", format!("The field `{name}` is missing."));
        self.get(name).ok_or_else(missing)
    }

    /// What the token is to be for: `resource`, or the one of the scopes that ends in `/.default`. When
    /// the resource ends in a slash there are two.
    fn resource(&self) -> Result<String, Refusal> {
        if let Some(resource) = self.get("resource") {
            return Ok(resource.to_owned());
        }
        let scopes = self.get("scope").unwrap_or_default().split_whitespace();
        let mut resources = scopes.filter_map(|scope| scope.strip_suffix(DEFAULT));
        match (resources.next(), resources.next()) {
            (Some(resource), None) => Ok(resource.to_owned()),
            _ => Err(Refusal::bad(
                "invalid_scope",
                "Name what the token is for: `scope` with one `<resource>/.default`, or `resource`.",
            )),
        }
    }
}
