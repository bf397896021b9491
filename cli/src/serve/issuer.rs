//! `--token-issuer`: whose tokens let clients in.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, bail};
use model::{IssuerKeys, TokenIssuer};
use runtime::durable;

/// The audience of the managed service's tokens, when nobody names another (`arm.md` 6.3).
const AUDIENCE: &str = "https://redis.azure.com";

/// One `--token-issuer`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerOption {
    /// The whole of it.
    pub(crate) text: String,
    issuer: String,
    audiences: Vec<String>,
    keys: Option<PathBuf>,
}

impl FromStr for IssuerOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let issuer = parts.next().unwrap_or_default().to_owned();
        let (mut audiences, mut keys) = (Vec::new(), None);
        for part in parts {
            match part.split_once('=') {
                Some(("audience", value)) if !value.is_empty() => audiences.push(value.to_owned()),
                Some(("jwks", value)) if !value.is_empty() && keys.is_none() => {
                    keys = Some(PathBuf::from(value));
                }
                Some(_) | None => {
                    return Err(format!(
                        "`{part}` is neither `audience=…` nor `jwks=FILE`; write ISSUER[,audience=…][,jwks=FILE]"
                    ));
                }
            }
        }
        if issuer.is_empty() {
            return Err("the issuer is missing: it is the `iss` of its tokens".to_owned());
        }
        if audiences.is_empty() {
            audiences.push(AUDIENCE.to_owned());
        }
        let asked = TokenIssuer {
            issuer: issuer.clone(),
            audiences: audiences.clone(),
            keys: IssuerKeys::Discovered,
        };
        if keys.is_none() && tokens::check(&asked).is_err() {
            return Err(format!(
                "`{issuer}` is no https URL, so its signing keys cannot be asked for; give them with `jwks=FILE`"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            issuer,
            audiences,
            keys,
        })
    }
}

impl IssuerOption {
    fn read(&self) -> anyhow::Result<TokenIssuer> {
        let keys = match &self.keys {
            None => IssuerKeys::Discovered,
            Some(path) => {
                let shown = path.display();
                let bytes = durable::read_if_there(path)?
                    .with_context(|| format!("there is no file {shown} with signing keys"))?;
                let text = String::from_utf8(bytes)
                    .with_context(|| format!("the signing keys in {shown} are not text"))?;
                IssuerKeys::Given(text)
            }
        };
        let issuer = TokenIssuer {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            keys,
        };
        tokens::check(&issuer).with_context(|| match &self.keys {
            Some(path) => format!(
                "{} is no JSON Web Key Set that tokens can be checked with (RFC 7517)",
                path.display()
            ),
            None => format!("ask `{}` for its signing keys", self.issuer),
        })?;
        Ok(issuer)
    }
}

/// Reads the key files of all of them.
pub(crate) fn read_issuers(options: &[IssuerOption]) -> anyhow::Result<Vec<TokenIssuer>> {
    let mut issuers: Vec<TokenIssuer> = Vec::new();
    for option in options {
        if issuers.iter().any(|known| known.issuer == option.issuer) {
            bail!("--token-issuer names `{}` twice", option.issuer);
        }
        issuers.push(option.read()?);
    }
    Ok(issuers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(text: &str) -> Result<IssuerOption, String> {
        text.parse()
    }

    #[test]
    fn an_issuer_is_read_with_its_audiences_and_its_keys() {
        let plain = option("https://login.test/tenant/v2.0").unwrap();
        assert_eq!(
            read_issuers(&[plain]).unwrap(),
            [TokenIssuer {
                issuer: "https://login.test/tenant/v2.0".to_owned(),
                audiences: vec![AUDIENCE.to_owned()],
                keys: IssuerKeys::Discovered,
            }]
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.json");
        // RFC 7517, appendix A.1.
        let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1",
            "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
        durable::write_durable(&file, keys.as_bytes()).unwrap();
        let own = format!("me,audience=a,audience=b,jwks={}", file.display());
        let own = option(&own).unwrap();
        let read = read_issuers(std::slice::from_ref(&own)).unwrap();
        assert_eq!(read[0].audiences, ["a", "b"]);
        assert_eq!(read[0].keys, IssuerKeys::Given(keys.to_owned()));
        assert!(read_issuers(&[own.clone(), own]).is_err());
        for useless in ["{}", r#"{"keys":[{"kty":"RSA"}]}"#] {
            durable::write_durable(&file, useless.as_bytes()).unwrap();
            let empty = option(&format!("me,jwks={}", file.display())).unwrap();
            let error = read_issuers(&[empty]).unwrap_err().to_string();
            assert!(error.contains("no JSON Web Key Set"), "{error}");
        }
        assert!(read_issuers(&[option("me,jwks=/nowhere/at/all").unwrap()]).is_err());
    }

    #[test]
    fn what_is_no_issuer_is_refused() {
        for (bad, why) in [
            ("", "is missing"),
            ("https://a,b", "neither"),
            ("https://a,audience=", "neither"),
            ("http://a.test", "no https URL"),
            ("http://localhost.evil.test", "no https URL"),
            ("me", "no https URL"),
            ("me,jwks=a,jwks=b", "neither"),
        ] {
            let error = option(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert!(option("http://127.0.0.1:9000/realm").is_ok());
        assert!(option("http://localhost").is_ok());
    }
}
