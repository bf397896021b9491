//! Tokens, keys and passwords stay where they belong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt as _};

use system::{World, processes, with_both_engines};

with_both_engines! {
    no_secret_is_in_a_log_or_on_a_command_line => secrets;
}

fn secrets(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.ok(&["failover", "west"]);
    world.ok(&["cache", "regenerate-key", "east", "primary"]);
    let _wrong = world.run(&["cache", "list", "--token", "wrong"]);
    let mut hidden = vec![east.key(), west.key()];
    for file in ["token", "agent-token", "names-token"] {
        let path = world.data().join(file);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{file}"
        );
        hidden.push(fs::read_to_string(path).unwrap());
    }
    assert!(hidden.iter().all(|secret| secret.len() > 20));
    let mut places = Vec::new();
    for entry in fs::read_dir(world.data().join("logs")).unwrap().flatten() {
        places.push((
            entry.path().display().to_string(),
            fs::read_to_string(entry.path()).unwrap(),
        ));
    }
    let engines = processes::working_below(&world.data())
        .into_iter()
        .map(|(pid, _)| pid);
    for pid in engines.chain(processes::children(world.pid(), " --parent ")) {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        places.push((
            format!("command line of {pid}"),
            String::from_utf8_lossy(&line).into_owned(),
        ));
        let engine_log = fs::read_link(format!("/proc/{pid}/cwd"))
            .unwrap()
            .join("engine.log");
        let log = fs::read_to_string(engine_log).unwrap_or_default();
        places.push((format!("engine log of {pid}"), log));
    }
    assert!(places.len() > 9, "{}", places.len());
    for (place, text) in &places {
        for secret in &hidden {
            assert!(
                !text.contains(secret.as_str()),
                "a secret is in the {place}"
            );
        }
    }
}
