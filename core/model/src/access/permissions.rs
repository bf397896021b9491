//! The permissions of an access policy: the engines' ACL words, without those that say how a user
//! logs in. The engine has the last word, since it knows its commands; this is its syntax
//! (`acl.c`: `ACLSetSelector`, `ACLSetUser`).

/// The longest text of permissions, in bytes.
const LONGEST: usize = 4_096;
/// Categories of both engines (`acl.c`: `ACLDefaultCommandCategories`), and `all`.
const CATEGORIES: [&str; 22] = [
    "admin",
    "all",
    "bitmap",
    "blocking",
    "connection",
    "dangerous",
    "fast",
    "geo",
    "hash",
    "hyperloglog",
    "keyspace",
    "list",
    "pubsub",
    "read",
    "scripting",
    "set",
    "slow",
    "sortedset",
    "stream",
    "string",
    "transaction",
    "write",
];
/// Words about passwords and about the user as a whole: Godwit's to say.
const NOT_PERMISSIONS: [&str; 8] = [
    "clearselectors",
    "nopass",
    "off",
    "on",
    "reset",
    "resetpass",
    "sanitize-payload",
    "skip-sanitize-payload",
];

/// Permissions that no engine would take, or that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionsError {
    /// There is not a word.
    #[error("there are none; write ACL words such as `+get ~*`")]
    Empty,
    /// It is longer than it may be.
    #[error("they are {0} bytes long, and may have {LONGEST}")]
    TooLong(usize),
    /// A character can neither be in an ACL word nor between two.
    #[error(
        "they contain a control character, or a blank that is no space; write printable words with spaces between them"
    )]
    Control,
    /// The word says how a user logs in.
    #[error("`{0}` says how a user logs in, which tokens and access keys do; leave it out")]
    Login(String),
    /// No rule begins so.
    #[error(
        "`{0}` is no ACL rule; rules look like +get, -@dangerous, +config|get, ~key:*, %R~key:*, &channel:* or allkeys"
    )]
    Unknown(String),
    /// No category is called so.
    #[error("`{word}` names no category of commands; the categories are {}", CATEGORIES.join(", "))]
    Category {
        /// The word, as given.
        word: String,
    },
    /// It is no name of a command, or of a subcommand.
    #[error("`{0}` names no command; write +command or +command|subcommand")]
    Command(String),
    /// The permissions before `~` are not `R`, `W` or both.
    #[error("`{0}` is no key pattern; write %R~pattern, %W~pattern or %RW~pattern")]
    KeyPermission(String),
    /// A pattern follows the one that matches everything.
    #[error(
        "`{word}` comes after every {what} is allowed already; write {reset} before it, or leave it out"
    )]
    AfterAll {
        /// The word, as given.
        word: String,
        /// `key` or `channel`.
        what: &'static str,
        /// The word that starts over.
        reset: &'static str,
    },
    /// It begins a selector.
    #[error(
        "`{0}` is a selector, which policies cannot have: what is blocked for everybody could not be taken out of it; write its rules without the parentheses"
    )]
    Selector(String),
}

/// Checks permissions as far as that can be done without an engine.
pub fn check_permissions(text: &str) -> Result<(), PermissionsError> {
    if text.len() > LONGEST {
        return Err(PermissionsError::TooLong(text.len()));
    }
    let odd = |c: char| c.is_control() || (c.is_whitespace() && c != ' ');
    if text.chars().any(odd) {
        return Err(PermissionsError::Control);
    }
    let mut rules = Rules::default();
    let mut words = text.split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Err(PermissionsError::Empty);
    }
    words.try_for_each(|word| rules.take(word))
}

/// What the words so far have allowed.
#[derive(Debug, Default)]
struct Rules {
    every_key: bool,
    every_channel: bool,
}

impl Rules {
    fn take(&mut self, word: &str) -> Result<(), PermissionsError> {
        let lower = word.to_ascii_lowercase();
        if NOT_PERMISSIONS.contains(&lower.as_str()) || word.starts_with(['>', '<', '#', '!']) {
            // The word may hold a password.
            let shown = lower.chars().next().filter(|c| ">#<!".contains(*c));
            let shown = shown.map_or(lower, |sign| format!("{sign}…"));
            return Err(PermissionsError::Login(shown));
        }
        if word.starts_with(['(', ')']) {
            return Err(PermissionsError::Selector(word.to_owned()));
        }
        match lower.as_str() {
            "allkeys" | "~*" => self.every_key = true,
            "resetkeys" => self.every_key = false,
            "allchannels" | "&*" => self.every_channel = true,
            "resetchannels" => self.every_channel = false,
            "allcommands" | "nocommands" => {}
            _ => return self.take_sign(word),
        }
        Ok(())
    }

    fn take_sign(&mut self, word: &str) -> Result<(), PermissionsError> {
        if let Some(command) = word.strip_prefix(['+', '-']) {
            return match command.strip_prefix('@') {
                Some(category) => is_category(word, category),
                None => is_command(word, command),
            };
        }
        let after_all = |what, reset| {
            let word = word.to_owned();
            Err(PermissionsError::AfterAll { word, what, reset })
        };
        let of_channels = word.starts_with('&');
        if !of_channels && !word.starts_with(['~', '%']) {
            return Err(PermissionsError::Unknown(word.to_owned()));
        }
        if word.starts_with('%') && !is_key_permission(word) {
            return Err(PermissionsError::KeyPermission(word.to_owned()));
        }
        if of_channels && self.every_channel {
            return after_all("channel", "resetchannels");
        }
        if !of_channels && self.every_key {
            return after_all("key", "resetkeys");
        }
        Ok(())
    }
}

/// `%R~…`, `%W~…` or both letters, each once, in any order and case.
fn is_key_permission(word: &str) -> bool {
    let flags = word.split_once('~').map(|(flags, _)| flags);
    let flags = flags.unwrap_or_default().to_ascii_uppercase();
    ["%R", "%W", "%RW", "%WR"].contains(&flags.as_str())
}

fn is_category(word: &str, name: &str) -> Result<(), PermissionsError> {
    let known = CATEGORIES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    known
        .then_some(())
        .ok_or_else(|| PermissionsError::Category {
            word: word.to_owned(),
        })
}

/// Names of commands, those of modules included.
fn is_command(word: &str, name: &str) -> Result<(), PermissionsError> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    let known = match name.split_once('|') {
        None => is_name(name),
        Some((command, sub)) => is_name(command) && is_name(sub),
    };
    known
        .then_some(())
        .ok_or_else(|| PermissionsError::Command(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_take_passes() {
        for good in [
            "+get ~*",
            "  +@all   -@DANGEROUS allkeys ",
            "+cluster|info -config|set +json.get +my-cmd",
            "%R~a:* %w~b:* %RW~c resetkeys allkeys",
            "~a ~b &news:* &*",
            "allkeys resetkeys ~a allchannels resetchannels &a",
            "nocommands allcommands",
            "allkeys ~* resetkeys %RW~* ~a",
            "allchannels &*",
            "~ключ:*",
        ] {
            assert_eq!(check_permissions(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_they_do_not_take_is_refused_by_its_word() {
        for (bad, named) in [
            ("get", "get"),
            ("+", "+"),
            ("+config|", "+config|"),
            ("+a|b|c", "+a|b|c"),
            ("+ge(t", "+ge(t"),
            ("+@everything", "+@everything"),
            ("%~a", "%~a"),
            ("%X~a", "%X~a"),
            ("%RR~a", "%RR~a"),
            ("%Ra", "%Ra"),
            ("allkeys ~a", "~a"),
            ("~* %R~a", "%R~a"),
            ("&* &a", "&a"),
            ("+@read (+set ~b)", "(+set"),
            (")", ")"),
            ("+get)", "+get)"),
        ] {
            let error = check_permissions(bad).unwrap_err();
            assert!(
                error.to_string().contains(&format!("`{named}`")),
                "{bad}: {error}"
            );
        }
        assert_eq!(check_permissions(" \t"), Err(PermissionsError::Control));
        assert_eq!(
            check_permissions("+get\u{a0}~a"),
            Err(PermissionsError::Control)
        );
        assert_eq!(check_permissions("  "), Err(PermissionsError::Empty));
        let long = "+get ".repeat(2_000);
        assert_eq!(
            check_permissions(&long),
            Err(PermissionsError::TooLong(10_000))
        );
        assert_eq!(
            check_permissions("+get\r\non"),
            Err(PermissionsError::Control)
        );
    }

    #[test]
    fn a_policy_cannot_say_how_a_user_logs_in() {
        for bad in [
            "on",
            "OFF",
            "nopass",
            "reset",
            "resetpass",
            ">hunter2",
            "<hunter2",
            "#hunter2",
            "!hunter2",
        ] {
            let error = check_permissions(bad).unwrap_err();
            assert!(
                matches!(error, PermissionsError::Login(_)),
                "{bad}: {error}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
