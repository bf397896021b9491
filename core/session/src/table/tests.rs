//! The table.

use super::*;

#[test]
fn names_are_sorted_and_found_in_any_case() {
    assert!(KEYS.is_sorted_by(|one, next| one < next));
    for (name, what) in TABLE {
        assert_eq!(command(name.as_bytes()), Some(what), "{name}");
        assert_eq!(
            command(name.to_lowercase().as_bytes()),
            Some(what),
            "{name}"
        );
    }
}

#[test]
fn names_are_compared_with_their_length() {
    for name in [
        "",
        "A",
        "ACLS",
        "AC",
        "CONFIG ",
        " CONFIG",
        "ZREVRANGEBYSCORE",
        "GEORADIUSBYMEMBER_RO",
    ] {
        assert_eq!(command(name.as_bytes()), Some(Command::Plain), "{name}");
    }
}

#[test]
fn a_name_with_a_nul_is_none() {
    for name in [
        "CONFIG\0",
        "\0",
        "GET\0",
        "CON\0FIG",
        "GEORADIUSBYMEMBER\0RO",
    ] {
        assert_eq!(command(name.as_bytes()), None, "{name:?}");
    }
}
