use std::path::PathBuf;

use engine::{Credentials, EngineChoice, INTERNAL_USER};
use model::{EngineKind, EngineSettings, Secret};
use rdb::fixture::Snapshot;

use super::*;

const MEMORY: u64 = 8 << 20;

/// A cache of 8 MiB and 16 databases, about to load a file.
struct Bench {
    directory: tempfile::TempDir,
    program: EngineProgram,
    plan: Plan,
    progress: Progress,
}

impl Bench {
    async fn new(kind: EngineKind) -> Self {
        let path = std::env::var_os("PATH").unwrap();
        let search: Vec<_> = std::env::split_paths(&path).collect();
        let program = engine::find(&EngineChoice::Kind(kind), &search).await;
        let directory = tempfile::tempdir().unwrap();
        let config = NodeConfig {
            directory: directory.path().join("node"),
            address: "127.0.0.1:0".parse().unwrap(),
            settings: EngineSettings {
                maxmemory_bytes: MEMORY,
                maxmemory_policy: "allkeys-lru".to_owned(),
                maxclients: 100,
                databases: 16,
                notify_keyspace_events: String::new(),
            },
            clients: Secret::new("clients"),
            internal: Credentials {
                user: INTERNAL_USER.to_owned(),
                password: Secret::new("internal"),
            },
            replica_of: None,
            load_saved: true,
            serve_stale: true,
            refuses_writes: false,
        };
        Self {
            plan: Plan {
                import: OperationId::new("import"),
                index: 2,
                revision: 1,
                config,
            },
            directory,
            program: program.unwrap(),
            progress: Progress::default(),
        }
    }

    fn file(&self, name: &str, snapshot: Snapshot) -> PathBuf {
        let path = self.directory.path().join(name);
        durable::write_durable(&path, &snapshot.finish()).unwrap();
        path
    }

    async fn load(&self, file: &Path) -> Result<Staging, LoadError> {
        load(&self.program, &self.plan, file, 1, &self.progress).await
    }

    fn runs_nothing(&self) -> bool {
        engine::find_orphans(self.directory.path()).is_empty()
    }
}

/// Values of 64 KiB, so many of them, under names that begin with `name`.
fn values(name: &str, count: usize) -> Snapshot {
    (0..count).fold(Snapshot::new(9), |snapshot, number| {
        let key = format!("{name}{number}");
        snapshot.string(key.as_bytes(), &[b'x'; 64 << 10])
    })
}

const KINDS: [EngineKind; 2] = [EngineKind::Valkey, EngineKind::Redis];

#[tokio::test]
async fn a_loaded_data_set_begins_a_history_of_its_own() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let file = bench.file("a.rdb", values("key", 10));
        let staging = bench.load(&file).await.unwrap();
        assert_eq!(staging.figures.keys, Some(10));
        let seen = staging.node.replication().await.unwrap();
        assert_eq!(seen.role, engine::EngineRole::Primary);
        assert_eq!(seen.replid, staging.position.replid);
        end(&staging.node).await;
        assert!(bench.runs_nothing());
        // The leader that it would be can be started again with it.
        engine::offer_snapshot(
            &bench.plan.config.directory,
            &bench.plan.config.directory.join(GIVEN),
        )
        .unwrap();
        let again = Node::start(&bench.program, &bench.plan.config)
            .await
            .unwrap();
        assert_eq!(watch(&again, MEMORY, None).await.unwrap(), 10);
        end(&again).await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_both_numbers_and_leaves_no_engine() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let file = bench.file("a.rdb", values("key", 200));
        let refused = bench.load(&file).await.map(|_loaded| ()).unwrap_err();
        match refused {
            LoadError::TooLarge { needs, has } => assert!(needs > has && has == MEMORY),
            other => panic!("{other}"),
        }
        assert!(bench.runs_nothing());
    }
}

#[tokio::test]
async fn files_are_put_together_only_as_far_as_they_fit() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let folder = bench.directory.path().join("transfer");
        let both = [
            bench.file("a.rdb", values("one", 40)),
            bench.file("b.rdb", values("two", 40).database(20).string(b"k", b"v")),
        ];
        let merged = merge(&bench.program, &bench.plan, &folder, &both, &bench.progress).await;
        let (file, left_out) = merged.unwrap();
        assert_eq!(
            left_out,
            ["database 20 with 1 keys was left out: the cache has databases 0 to 15"]
        );
        assert!(bench.runs_nothing());
        let staging = bench.load(&file).await.unwrap();
        assert_eq!(staging.figures.keys, Some(80));
        end(&staging.node).await;

        let more = [both[0].clone(), bench.file("c.rdb", values("three", 200))];
        let refused = merge(&bench.program, &bench.plan, &folder, &more, &bench.progress).await;
        assert!(
            matches!(refused, Err(LoadError::TooLarge { .. })),
            "{refused:?}"
        );
        clear(bench.directory.path()).await.unwrap();
        assert!(bench.runs_nothing());
    }
}

#[tokio::test]
async fn an_engine_that_is_killed_while_nobody_follows_it_is_told_of() {
    let bench = Bench::new(EngineKind::Valkey).await;
    let file = bench.file("a.rdb", values("key", 10));
    let staging = bench.load(&file).await.unwrap();
    clear(bench.directory.path()).await.unwrap();
    assert!(staging.node.has_exited());
    assert!(!bench.directory.path().exists());
}
