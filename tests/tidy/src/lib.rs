//! The house rules, as a test: see `tests/rules.rs`.
