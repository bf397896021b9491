//! One line for an error and everything that caused it.

use std::{error::Error, fmt};

/// Shows `error` and its sources as `what: why: root cause`.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open journal")]
    struct Outer(#[source] io::Error);

    #[test]
    fn shows_every_cause_once() {
        let error = Outer(io::Error::other("disk gone"));
        assert_eq!(chain(&error).to_string(), "open journal: disk gone");
    }
}
