//! A key for TSIG, in the form that BIND writes and reads: `tsig-keygen NAME` makes such a file.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hickory_proto::rr::{Name, TSigner, rdata::tsig::TsigAlgorithm};

use crate::zone::absolute;

/// For how long a signature holds, and by how much clocks may differ, in seconds (RFC 8945 10).
const FUDGE: u16 = 300;

/// What updates are signed with.
#[derive(Clone)]
pub struct TsigKey(TSigner);

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is something else, or more than one key.
    #[error(
        "write the key as tsig-keygen does, one to a file: key \"name\" {{ algorithm hmac-sha256; secret \"…\"; }};"
    )]
    Form,
    /// Its name is no name.
    #[error("`{0}` is not the name of a key; write one such as godwit.example.com")]
    Name(String),
    /// Another algorithm.
    #[error(
        "the algorithm `{0}` is not used for updates; make a key of hmac-sha256 or hmac-sha512"
    )]
    Algorithm(String),
    /// The secret is none.
    #[error("the secret is not base64")]
    Secret,
}

impl TsigKey {
    /// Reads a file's text.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let words = words(text).ok_or(KeyError::Form)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["key", name, "{", clauses @ .., "}", ";"] = words.as_slice() else {
            return Err(KeyError::Form);
        };
        let (algorithm, secret) = match clauses {
            ["algorithm", algorithm, ";", "secret", secret, ";"]
            | ["secret", secret, ";", "algorithm", algorithm, ";"] => (*algorithm, *secret),
            _ => return Err(KeyError::Form),
        };
        let no_name = || KeyError::Name(name.escape_debug().to_string());
        let name: Name = absolute(name).map_err(|_not_one| no_name())?;
        let known = match algorithm.to_ascii_lowercase().as_str() {
            "hmac-sha256" => TsigAlgorithm::HmacSha256,
            "hmac-sha512" => TsigAlgorithm::HmacSha512,
            _ => return Err(KeyError::Algorithm(algorithm.escape_debug().to_string())),
        };
        let secret = STANDARD.decode(secret).unwrap_or_default();
        if name.is_root() {
            return Err(no_name());
        }
        if secret.is_empty() {
            return Err(KeyError::Secret);
        }
        let unknown = |_unknown| KeyError::Algorithm(algorithm.to_owned());
        let signer = TSigner::new(secret, known, name, FUDGE).map_err(unknown)?;
        Ok(Self(signer))
    }

    pub(super) fn signer(&self) -> TSigner {
        self.0.clone()
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({}, [secret])", self.0.signer_name())
    }
}

/// The words and signs of a text, without its comments (`#`, `//`, `/* */`); `None`: a quote or a
/// comment does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        rest = if first == '#' || rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/")?.1
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted.split_once('"')?;
            words.push(word.to_owned());
            after
        } else {
            let is_sign = |c: char| matches!(c, '{' | '}' | ';');
            let end = if is_sign(first) {
                first.len_utf8()
            } else {
                let ends = |c: char| c.is_whitespace() || c == '"' || is_sign(c);
                rest.find(ends).unwrap_or(rest.len())
            };
            let (word, after) = rest.split_at_checked(end)?;
            words.push(word.to_owned());
            after
        }
        .trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

    #[test]
    fn a_key_is_read_as_bind_writes_it() {
        let written = format!(
            "key \"godwit.example\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"
        );
        let key = TsigKey::read(&written).unwrap();
        assert_eq!(key.0.signer_name().to_string(), "godwit.example.");
        assert_eq!(key.0.key(), b"secretsecretsecretsecret");
        let by_hand = format!(
            "# ours\n/* for\n updates */key k{{secret {SECRET};algorithm HMAC-SHA512;}}; // end"
        );
        let key = TsigKey::read(&by_hand).unwrap();
        assert_eq!(*key.0.algorithm(), TsigAlgorithm::HmacSha512);
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_secret() {
        let with = |algorithm: &str, name: &str, secret: &str| {
            format!("key \"{name}\" {{ algorithm {algorithm}; secret \"{secret}\"; }};")
        };
        let good = with("hmac-sha256", "k", SECRET);
        for (bad, error) in [
            (String::new(), KeyError::Form),
            (SECRET.to_owned(), KeyError::Form),
            (format!("{good}{good}"), KeyError::Form),
            (good.replace("secret \"", "secret "), KeyError::Form),
            (format!("{good} /* open"), KeyError::Form),
            (
                with("hmac-md5", "k", SECRET),
                KeyError::Algorithm("hmac-md5".to_owned()),
            ),
            (
                with("hmac-sha256", "two..dots", SECRET),
                KeyError::Name("two..dots".to_owned()),
            ),
            (
                with("hmac-sha256", ".", SECRET),
                KeyError::Name(".".to_owned()),
            ),
            (with("hmac-sha256", "k", "%"), KeyError::Secret),
            (with("hmac-sha256", "k", ""), KeyError::Secret),
        ] {
            let refused = TsigKey::read(&bad).unwrap_err();
            assert_eq!(refused, error, "{bad}");
            assert!(!refused.to_string().contains(SECRET));
        }
        let key = TsigKey::read(&good).unwrap();
        assert!(!format!("{key:?}").contains("secretsecret"));
    }
}
