//! Who a replica says it is.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// A user of an engine and its password (`masteruser`, `masterauth`). `Debug` hides the password.
#[derive(Clone)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// Puts the two together. The user `default` is the one that `AUTH` without a name means.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The words of the command that logs in.
    pub(crate) fn command(&self) -> [&str; 3] {
        ["AUTH", &self.user, &self.password]
    }

    /// Compares in a time that does not depend on where either differs.
    #[must_use]
    pub(crate) fn matches(&self, user: &str, password: &str) -> bool {
        let user = self.user.as_bytes().ct_eq(user.as_bytes());
        let password = self.password.as_bytes().ct_eq(password.as_bytes());
        (user & password).into()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_match() {
        let kept = Login::new("geo", "hunter2");
        assert!(kept.matches("geo", "hunter2"));
        for (user, password) in [
            ("geo", ""),
            ("", "hunter2"),
            ("default", "hunter2"),
            ("geo", "hunter22"),
        ] {
            assert!(!kept.matches(user, password), "{user} {password}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        assert!(!format!("{:?}", Login::new("geo", "hunter2")).contains("hunter2"));
    }
}
