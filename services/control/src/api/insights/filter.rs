//! `$filter`: which series count, and which are told apart.
//!
//! Comparisons of a dimension with a value (`eq`, `ne`; `'*'` is any), joined by `and`; those of one
//! dimension by `or`, with parentheses or without.

use super::asked::{bad, shown};
use crate::{
    api::ApiError,
    view::{Dimension, Restriction},
};

/// Parentheses within parentheses.
const NESTED: u8 = 8;

/// Reads a filter.
pub(super) fn restrictions(text: &str) -> Result<Vec<(Dimension, Restriction)>, ApiError> {
    let refused = |why: &str| {
        bad(format!(
            "The filter '{}' is not valid: {why}. Write it as ShardId eq '*', or as ErrorType eq 'Failover' and ShardId eq '0'.",
            shown(text)
        ))
    };
    let words = words(text).ok_or_else(|| refused("a quotation does not end"))?;
    let mut reader = Reader { words: &words };
    let mut restrictions: Vec<(Dimension, Restriction)> = Vec::new();
    loop {
        let (dimension, restriction) = reader.alternatives(NESTED).map_err(&refused)?;
        if restrictions.iter().any(|(known, _)| *known == dimension) {
            return Err(refused("a dimension is restricted twice"));
        }
        restrictions.push((dimension, restriction));
        match reader.next() {
            None => return Ok(restrictions),
            Some(Word::Plain(word)) if word.eq_ignore_ascii_case("and") => {}
            Some(_) => return Err(refused("only `and` may stand between restrictions")),
        }
    }
}

/// A dimension by its name, in any case.
pub(super) fn dimension(name: &str) -> Option<Dimension> {
    let mut all = Dimension::ALL.into_iter();
    all.find(|dimension| dimension.name().eq_ignore_ascii_case(name))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Open,
    Close,
    Plain(String),
    Quoted(String),
}

/// A doubled quotation mark within a quotation stands for one.
fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            '(' => words.push(Word::Open),
            ')' => words.push(Word::Close),
            '\'' => {
                let mut value = String::new();
                let mut left = rest.strip_prefix('\'')?;
                loop {
                    let (part, after) = left.split_once('\'')?;
                    value.push_str(part);
                    left = after;
                    match left.strip_prefix('\'') {
                        Some(after) => {
                            value.push('\'');
                            left = after;
                        }
                        None => break,
                    }
                }
                words.push(Word::Quoted(value));
                rest = left.trim_start();
                continue;
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '\'');
                let end = rest.find(ends).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                words.push(Word::Plain(word.to_owned()));
                rest = after.trim_start();
                continue;
            }
        }
        rest = rest.get(1..).unwrap_or_default().trim_start();
    }
    Some(words)
}

struct Reader<'a> {
    words: &'a [Word],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes a word if it is there.
    fn takes(&mut self, is_it: impl Fn(&Word) -> bool) -> bool {
        let there = self.words.first().is_some_and(is_it);
        if there {
            self.next();
        }
        there
    }

    /// Comparisons of one dimension.
    fn alternatives(&mut self, depth: u8) -> Result<(Dimension, Restriction), &'static str> {
        let (dimension, mut restriction) = self.alternative(depth)?;
        let is_or =
            |word: &Word| matches!(word, Word::Plain(word) if word.eq_ignore_ascii_case("or"));
        while self.takes(is_or) {
            let (other, more) = self.alternative(depth)?;
            if other != dimension {
                return Err("`or` may stand between values of one dimension alone");
            }
            restriction = either(restriction, more)?;
        }
        Ok((dimension, restriction))
    }

    /// A comparison, or some within parentheses.
    fn alternative(&mut self, depth: u8) -> Result<(Dimension, Restriction), &'static str> {
        if !self.takes(|word| *word == Word::Open) {
            return self.comparison();
        }
        let within = depth
            .checked_sub(1)
            .ok_or("there are too many parentheses")?;
        let found = self.alternatives(within)?;
        if self.takes(|word| *word == Word::Close) {
            Ok(found)
        } else {
            Err("a parenthesis does not close")
        }
    }

    fn comparison(&mut self) -> Result<(Dimension, Restriction), &'static str> {
        let Some(Word::Plain(name)) = self.next() else {
            return Err("a comparison begins with a dimension");
        };
        let dimension = dimension(name)
            .ok_or("the dimensions are ShardId, Port, Primary, Ssl and ErrorType")?;
        let Some(Word::Plain(how)) = self.next() else {
            return Err("a dimension is compared by `eq` or `ne`");
        };
        let value = match self.next() {
            Some(Word::Quoted(value) | Word::Plain(value)) => value.clone(),
            Some(Word::Open | Word::Close) | None => {
                return Err("a comparison ends with a value");
            }
        };
        let restriction = match (how.to_ascii_lowercase().as_str(), value.as_str()) {
            ("eq", "*") => Restriction::Any,
            ("eq", _) => Restriction::OneOf(vec![value]),
            ("ne", _) => Restriction::NoneOf(vec![value]),
            (_, _) => return Err("a dimension is compared by `eq` or `ne`"),
        };
        Ok((dimension, restriction))
    }
}

fn either(one: Restriction, other: Restriction) -> Result<Restriction, &'static str> {
    match (one, other) {
        (Restriction::Any, _) | (_, Restriction::Any) => Ok(Restriction::Any),
        (Restriction::OneOf(mut values), Restriction::OneOf(more)) => {
            values.extend(more);
            Ok(Restriction::OneOf(values))
        }
        (Restriction::NoneOf(_), _) | (_, Restriction::NoneOf(_)) => {
            Err("`ne` stands alone or is joined by `and`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(values: &[&str]) -> Restriction {
        Restriction::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn filters_are_read_as_clients_write_them() {
        let shard = |restriction| vec![(Dimension::ShardId, restriction)];
        for (text, read) in [
            ("ShardId eq '*'", shard(Restriction::Any)),
            ("shardid EQ '0'", shard(one_of(&["0"]))),
            ("ShardId eq 0", shard(one_of(&["0"]))),
            (
                "(ShardId eq '0') or ShardId eq '3'",
                shard(one_of(&["0", "3"])),
            ),
            (
                "(shardid eq '0' or ShardId eq '3')",
                shard(one_of(&["0", "3"])),
            ),
            (
                "ShardId ne '7'",
                shard(Restriction::NoneOf(vec!["7".to_owned()])),
            ),
            (
                "ErrorType eq 'Failover' and (ShardId eq '0' or ShardId eq '1')",
                vec![
                    (Dimension::ErrorType, one_of(&["Failover"])),
                    (Dimension::ShardId, one_of(&["0", "1"])),
                ],
            ),
            ("Ssl eq 'it''s'", vec![(Dimension::Ssl, one_of(&["it's"]))]),
        ] {
            assert_eq!(restrictions(text).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "begins with a dimension"),
            ("Moon eq '1'", "ShardId, Port"),
            ("ShardId", "`eq` or `ne`"),
            ("ShardId gt '1'", "`eq` or `ne`"),
            ("ShardId eq", "ends with a value"),
            ("ShardId eq '1", "does not end"),
            ("(ShardId eq '1'", "does not close"),
            ("ShardId eq '1' xor ShardId eq '2'", "only `and`"),
            ("ShardId eq '1' or Port eq '2'", "one dimension alone"),
            ("ShardId eq '1' and ShardId eq '2'", "twice"),
            ("ShardId eq '1' or ShardId ne '2'", "`ne` stands alone"),
            ("(((((((((ShardId eq '1')))))))))", "too many parentheses"),
        ] {
            let refused = restrictions(text).unwrap_err();
            assert_eq!(refused.code, "BadRequest");
            assert!(refused.message.contains(why), "{text}: {}", refused.message);
        }
    }
}
