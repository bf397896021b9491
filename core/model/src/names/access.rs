//! Names of what says who may come in: firewall rules, access policies, their assignments, and
//! those who have them.

use super::*;

name! {
    /// A firewall rule's name.
    RuleName
}
name! {
    /// An access policy's name; spaces are allowed within it (`arm.md` 1.3 gives the rule).
    PolicyName
}
name! {
    /// An access policy assignment's name.
    AssignmentName
}
name! {
    /// A private endpoint's name.
    EndpointName
}
name! {
    /// Somebody whom an identity provider knows: a GUID, kept in lower case. It is the `oid` of
    /// their tokens and the user name that they give to `AUTH`.
    ObjectId
}

impl FromStr for RuleName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let ok = (1..=80).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let rule = "use 1-80 letters, digits, `-`, `_` and `.`";
        check(ok, "firewall rule name", text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for EndpointName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let ends = [text.bytes().next(), text.bytes().next_back()];
        let ok = (1..=80).contains(&text.len())
            && ends
                .into_iter()
                .all(|end| end.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_'))
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let rule =
            "use 1-80 letters, digits, `-`, `_` and `.`, with a letter, digit or `_` at both ends";
        check(ok, "private endpoint name", text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

/// Letters, digits, hyphens and `more`, with a letter or digit at both ends.
fn is_inner(text: &str, more: &[u8]) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let is_end = |end: Option<u8>| end.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && ends.into_iter().all(is_end)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || more.contains(&b))
}

impl FromStr for PolicyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule =
            "use 1-63 letters, digits, hyphens and spaces, with a letter or digit at both ends";
        check(is_inner(text, b" "), "access policy name", text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for AssignmentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "use 1-63 letters, digits and hyphens, with a letter or digit at both ends";
        let what = "access policy assignment name";
        check(is_inner(text, b""), what, text, rule)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ObjectId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "use a GUID, such as 6f1c4f30-0000-4000-8000-000000000001";
        check(is_guid(text), "object ID", text, rule)?;
        Ok(Self(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        for good in ["a", "Data Owner", "read-only 2", &"x".repeat(63)] {
            assert!(good.parse::<PolicyName>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a_b", "é", "-a", &"x".repeat(64)] {
            assert!(bad.parse::<PolicyName>().is_err(), "{bad}");
        }
        assert!("web-app".parse::<AssignmentName>().is_ok());
        assert!("web app".parse::<AssignmentName>().is_err());
        assert!("office_1.b-c".parse::<RuleName>().is_ok());
        for bad in ["", "a/b", "a b", "é", &"x".repeat(81)] {
            assert!(bad.parse::<RuleName>().is_err(), "{bad}");
            assert!(bad.parse::<EndpointName>().is_err(), "{bad}");
        }
        assert!("office.6f1c_4f30-a".parse::<EndpointName>().is_ok());
        assert!("-a".parse::<EndpointName>().is_err() && "a.".parse::<EndpointName>().is_err());
    }

    #[test]
    fn object_ids_are_guids_in_one_spelling() {
        let id: ObjectId = "6F1C4F30-0000-4000-8000-00000000000A".parse().unwrap();
        assert_eq!(id.as_str(), "6f1c4f30-0000-4000-8000-00000000000a");
        for bad in [
            "",
            "somebody",
            "6f1c4f30-0000-4000-8000-00000000000g",
            "6f1c4f3000004000800000000000000a",
        ] {
            assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
        }
    }
}
