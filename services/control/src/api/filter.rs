//! `$filter` of lists of resources, as far as clients use it: comparisons of a field with a text,
//! joined by `and`.

use std::collections::BTreeMap;

use super::{ApiError, query::bad_query};

/// What a filter may ask of.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) group: &'a str,
    /// In the short spelling.
    pub(super) location: &'a str,
    pub(super) tags: &'a BTreeMap<String, String>,
}

/// A filter: all of its comparisons have to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<Comparison>);

#[derive(Debug, PartialEq, Eq)]
struct Comparison {
    field: Field,
    equal: bool,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Kind,
    Group,
    Location,
    TagName,
    TagValue,
}

impl Filter {
    /// Reads a filter; without one everything passes.
    pub(super) fn read(text: Option<&str>) -> Result<Self, ApiError> {
        let Some(mut rest) = text.map(str::trim) else {
            return Ok(Self::default());
        };
        let odd = || {
            let shown: String = text.unwrap_or_default().chars().take(120).collect();
            bad_query(&format!(
                "`$filter` is `{}`; it takes comparisons such as `resourceType eq 'Microsoft.Cache/Redis'` of `resourceType`, `name`, `location`, `resourceGroup`, `tagName` and `tagValue`, joined by `and`.",
                shown.escape_debug()
            ))
        };
        let mut all = Vec::new();
        loop {
            let (comparison, behind) = Comparison::read(rest).ok_or_else(odd)?;
            all.push(comparison);
            let behind = behind.trim_start();
            if behind.is_empty() {
                return Ok(Self(all));
            }
            let (word, behind) = behind.split_once(char::is_whitespace).ok_or_else(odd)?;
            if !word.eq_ignore_ascii_case("and") {
                return Err(odd());
            }
            rest = behind.trim_start();
        }
    }

    /// Tells whether something is to be listed.
    pub(super) fn passes(&self, subject: &Subject<'_>) -> bool {
        let tag = self.0.iter().find(|one| one.field == Field::TagName);
        let tagged = |name: &str| {
            let mut tags = subject.tags.iter();
            tags.find(|(tag, _)| tag.eq_ignore_ascii_case(name))
        };
        self.0.iter().all(|one| {
            let value = one.value.as_str();
            let found = match one.field {
                Field::Name => subject.name.eq_ignore_ascii_case(value),
                Field::Kind => subject.kind.eq_ignore_ascii_case(value),
                Field::Group => subject.group.eq_ignore_ascii_case(value),
                Field::Location => subject
                    .location
                    .eq_ignore_ascii_case(&value.replace(' ', "")),
                Field::TagName => tagged(value).is_some(),
                Field::TagValue => match tag {
                    Some(tag) => tagged(&tag.value).is_some_and(|(_, has)| has == value),
                    None => subject.tags.values().any(|has| has == value),
                },
            };
            found == one.equal
        })
    }
}

impl Comparison {
    /// Reads one off the front: a field, `eq` or `ne`, a text in single quotes.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (field, rest) = text.split_once(char::is_whitespace)?;
        let (operator, rest) = rest.trim_start().split_once(char::is_whitespace)?;
        let mut rest = rest.trim_start().strip_prefix('\'')?;
        let mut value = String::new();
        loop {
            let (part, behind) = rest.split_once('\'')?;
            value.push_str(part);
            // Two of them are one within the text.
            match behind.strip_prefix('\'') {
                Some(behind) => {
                    value.push('\'');
                    rest = behind;
                }
                None => {
                    rest = behind;
                    break;
                }
            }
        }
        let field = match field.to_ascii_lowercase().as_str() {
            "name" => Field::Name,
            "resourcetype" => Field::Kind,
            "resourcegroup" => Field::Group,
            "location" => Field::Location,
            "tagname" => Field::TagName,
            "tagvalue" => Field::TagValue,
            _ => return None,
        };
        let equal = match operator.to_ascii_lowercase().as_str() {
            "eq" => true,
            "ne" => false,
            _ => return None,
        };
        let read = Self {
            field,
            equal,
            value,
        };
        Some((read, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str) -> bool {
        let tags = BTreeMap::from([("Team".to_owned(), "it's ours".to_owned())]);
        let subject = Subject {
            name: "demo",
            kind: "Microsoft.Cache/Redis",
            group: "My-Group",
            location: "eastus",
            tags: &tags,
        };
        Filter::read(Some(filter)).unwrap().passes(&subject)
    }

    #[test]
    fn comparisons_hold_whatever_the_case() {
        for yes in [
            "resourceType eq 'microsoft.cache/redis'",
            "name eq 'DEMO' and resourceGroup eq 'my-group' and location eq 'East US'",
            "tagname eq 'team'",
            "tagName eq 'team' and tagValue eq 'it''s ours'",
            "  name ne 'other'  AND  tagvalue eq 'it''s ours' ",
        ] {
            assert!(passes(yes), "{yes}");
        }
        for no in [
            "resourceType eq 'Microsoft.Compute/virtualMachines'",
            "name eq 'demo' and name ne 'demo'",
            "tagName eq 'other' and tagValue eq 'it''s ours'",
            "tagName eq 'team' and tagValue eq 'theirs'",
        ] {
            assert!(!passes(no), "{no}");
        }
        assert_eq!(Filter::read(None).unwrap(), Filter::default());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for odd in [
            "",
            "name",
            "name eq demo",
            "name eq 'demo",
            "name like 'demo'",
            "colour eq 'red'",
            "name eq 'a' or name eq 'b'",
            "name eq 'a' and",
        ] {
            assert!(Filter::read(Some(odd)).is_err(), "{odd}");
        }
    }
}
