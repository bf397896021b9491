//! What must not be in a log that many may read: keys, connection strings, tokens, signatures.
//!
//! Two nets, one behind the other. What stands under a telling name is not shown at all. Whatever
//! else is shown goes through [`text`], which takes out what looks like a secret wherever it stands:
//! a value behind a telling word, and any long run of characters that no person would think up.

use serde_json::Value;

/// What stands in the place of a secret.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Words of a name under which there is a secret.
const TELLING: [&str; 24] = [
    "accountkey",
    "authorization",
    "certificate",
    "connection",
    "credential",
    "credentials",
    "hash",
    "key",
    "keys",
    "pass",
    "passphrase",
    "password",
    "pem",
    "private",
    "pwd",
    "sas",
    "secret",
    "secrets",
    "sharedaccesskey",
    "sig",
    "signature",
    "token",
    "tokens",
    "whsec",
];
/// A run of characters that is as long and of all kinds is nobody's word.
const LONG: usize = 24;

/// Tells whether what stands under `name` is a secret.
pub(crate) fn is_telling(name: &str) -> bool {
    words(name).any(|word| TELLING.contains(&word.as_str()))
}

/// The words of a name in any spelling: `accessKeys`, `access_keys`, `access-keys`.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let ends = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if ends {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// A value without its secrets. `hidden`: it stands under a telling name.
pub(crate) fn value(value: &Value, hidden: bool) -> Value {
    match value {
        Value::String(_) if hidden => HIDDEN.into(),
        Value::String(plain) => text(plain).into(),
        Value::Array(values) => values.iter().map(|one| self::value(one, hidden)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let hidden = hidden || is_telling(name);
                (name.clone(), self::value(member, hidden))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A text without what looks like a secret.
pub(crate) fn text(plain: &str) -> String {
    let mut shown = String::with_capacity(plain.len());
    let mut rest = plain;
    let mut behind_word = false;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_run(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if run.is_empty() {
            let mut chars = after.chars();
            let c = chars.next();
            shown.extend(c);
            // `password: x`, `"password": "x"` and `Bearer x` are all one step apart.
            behind_word &= c.is_some_and(|c| matches!(c, ':' | '=' | ' ' | '"' | '\'' | '`'));
            rest = chars.as_str();
            continue;
        }
        let (run, padding) = split_padding(run, after);
        let hide = behind_word || looks_made(run);
        if hide {
            shown.push_str(HIDDEN);
        } else if is_path(run) {
            shown.push_str(&path(run));
        } else {
            shown.push_str(run);
        }
        let assigned = after.starts_with(['=', ':']) || after.starts_with("\":");
        behind_word = (assigned && is_telling(run)) || run.eq_ignore_ascii_case("bearer");
        if !hide || padding == 0 {
            rest = after;
        } else {
            rest = after.get(padding..).unwrap_or_default();
        }
    }
    shown
}

fn is_of_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '.' | '%' | '~')
}

/// A path without the segments that look like secrets.
fn path(run: &str) -> String {
    let segments = run.split('/').map(|segment| {
        if looks_made_word(segment) {
            HIDDEN
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

fn is_path(run: &str) -> bool {
    let begins = |with: &&str| run.starts_with(*with);
    ["/", "Microsoft.", "Godwit."].iter().any(begins)
}

/// How much of what follows a run is the padding of base64.
fn split_padding<'a>(run: &'a str, after: &str) -> (&'a str, usize) {
    let padding = after.bytes().take_while(|byte| *byte == b'=').count();
    let whole = after.get(padding..).unwrap_or_default();
    let ends = whole.chars().next().is_none_or(|c| !is_of_run(c));
    (run, if ends && padding <= 2 { padding } else { 0 })
}

/// Tells whether no person would think up such a run: it is long, and of letters of both cases and
/// digits, or all of hexadecimal digits. GUIDs and times are none; of paths each segment is looked at.
fn looks_made(run: &str) -> bool {
    !is_path(run) && looks_made_word(run)
}

fn looks_made_word(word: &str) -> bool {
    if word.len() < LONG || is_guid(word) {
        return false;
    }
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    let of_all = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let all_hex = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_time = word.contains('T') && word.starts_with("20") && word.len() <= 30;
    all_hex || (of_all && has(u8::is_ascii_digit) && !is_time)
}

pub(crate) fn is_guid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_wherever_they_stand() {
        let key = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4QUJDREVGR0g=";
        for (plain, shown) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=abc+/Z09==;EndpointSuffix=x.net",
                "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=[redacted];EndpointSuffix=x.net",
            ),
            (
                "https://a.blob.test/c?sv=2024&sig=abc%2Fdef%3D&se=1",
                "https://a.blob.test/c?sv=2024&sig=[redacted]&se=1",
            ),
            ("password: hunter2", "password: [redacted]"),
            ("{\"token\":\"abc\"}", "{\"token\":\"[redacted]\"}"),
            (
                "Authorization: Bearer abc",
                "Authorization: [redacted] [redacted]",
            ),
            (
                "it is 0123456789abcdef0123456789abcdef01234567",
                "it is [redacted]",
            ),
            (
                "GET /subscriptions/5d0c4f30-0000-4000-8000-000000000001/x/aB3aB3aB3aB3aB3aB3aB3aB3/y",
                "GET /subscriptions/5d0c4f30-0000-4000-8000-000000000001/x/[redacted]/y",
            ),
        ] {
            assert_eq!(text(plain), shown);
        }
        for wrapped in [format!("the key `{key}` is"), key.to_owned()] {
            let shown = text(&wrapped);
            assert!(
                !shown.contains("Zm9v") && !shown.contains("QUJD"),
                "{shown}"
            );
        }
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl";
        assert_eq!(text(jwt), HIDDEN);
    }

    #[test]
    fn what_people_write_stays() {
        for plain in [
            "",
            "The cache `demo-east` cannot be deleted, since it is linked to `demo-west`. Unlink them first: DELETE /subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/G/providers/Microsoft.Cache/Redis/demo-east/linkedServers/demo-west.",
            "The Resource 'Microsoft.Cache/Redis/demo-east-2' under resource group 'rg' was not found.",
            "volatile-lru from 2026-12-01T15:00:00.123Z to 203.0.113.255",
            "compression from 1 to off, rateLimit from none to 1000000",
            "+@all -@dangerous +cluster|info ~a:* allkeys",
        ] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn names_tell_in_any_spelling() {
        for telling in [
            "accessKeys",
            "access_keys",
            "rdb-storage-connection-string",
            "clientSecret",
            "API-KEY",
            "keys",
        ] {
            assert!(is_telling(telling), "{telling}");
        }
        for plain in [
            "notify-keyspace-events",
            "monkey",
            "maxmemory-policy",
            "tags",
            "keyspace",
        ] {
            assert!(!is_telling(plain), "{plain}");
        }
        let shown = value(
            &json!({"keys": {"primary": "abc"}, "on": {"secret": true}, "sku": "P1"}),
            false,
        );
        assert_eq!(
            shown,
            json!({"keys": {"primary": HIDDEN}, "on": {"secret": true}, "sku": "P1"})
        );
    }
}
