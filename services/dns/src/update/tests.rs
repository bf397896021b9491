//! Updates of a real BIND.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::RecordType,
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::{
    served::Publish,
    zone::{Zone, tests::published},
};

const ZONE: &str = "redis.example";
const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";
const OTHER_SECRET: &str = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=";

fn key_file(name: &str, algorithm: &str, secret: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm {algorithm};\n\tsecret \"{secret}\";\n}};\n")
}

/// A running `named` with one zone, to which two keys may write.
struct Bind {
    dir: TempDir,
    address: SocketAddr,
    process: Child,
}

impl Bind {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let keys = [
            key_file("k256", "hmac-sha256", SECRET),
            key_file("k512", "hmac-sha512", SECRET),
            key_file("reader", "hmac-sha256", SECRET),
        ]
        .concat();
        put(
            &dir.path().join("named.conf"),
            &format!(
                r#"{keys}
                options {{
                    directory "{dir}"; pid-file none; session-keyfile none; recursion no;
                    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
                    dnssec-validation no; notify no;
                }};
                controls {{ }};
                zone "{ZONE}" {{ type primary; file "zone"; allow-update {{ key k256; key k512; }}; }};"#,
                dir = dir.path().display(),
                port = address.port(),
            ),
        );
        put(
            &dir.path().join("zone"),
            "$TTL 60\n@ SOA ns1 hostmaster 1 60 10 3600 5\n@ NS ns1\nns1 A 127.0.0.1\n\
             taken A 198.51.100.1\nnote TXT \"somebody's\"\nalias CNAME ns1\n",
        );
        // A copy, so that a profile of the system for the original does not keep it from its files.
        let program = dir.path().join("named");
        let original = ["/usr/sbin/named", "/usr/bin/named"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let original = original.expect("named is not there: scripts/install-engines.sh --tests");
        fs::copy(original, &program).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new(program)
            .args(["-g", "-n", "1", "-c"])
            .arg(dir.path().join("named.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut bind = Self {
            dir,
            address,
            process,
        };
        for _ in 0..3_000 {
            let ended = bind.process.try_wait().unwrap();
            assert!(ended.is_none(), "named ended");
            if bind.records("ns1") == "A 60 127.0.0.1" {
                return bind;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("named does not answer");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Everything at a name, as `TYPE TTL DATA`.
    fn records(&self, name: &str) -> String {
        use std::io::{Read as _, Write as _};

        let name = absolute(&format!("{name}.{ZONE}")).unwrap();
        let mut found = Vec::new();
        for of in [
            RecordType::A,
            RecordType::AAAA,
            RecordType::CNAME,
            RecordType::TXT,
        ] {
            let mut asked = Message::new(1, MessageType::Query, OpCode::Query);
            asked.add_query(Query::query(name.clone(), of));
            let asked = asked.to_vec().unwrap();
            let Ok(mut stream) = TcpStream::connect(self.address) else {
                return String::new();
            };
            let length = u16::try_from(asked.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &asked].concat()).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).unwrap();
            for record in Message::from_vec(&answer).unwrap().answers {
                if record.name == name {
                    found.push(format!(
                        "{} {} {}",
                        record.record_type(),
                        record.ttl,
                        record.data
                    ));
                }
            }
        }
        found.sort();
        found.dedup();
        found.join(", ")
    }

    fn updater(&self, directory: &Path, key: &str) -> Updater {
        let config = UpdateConfig {
            server: self.address.to_string(),
            zone: None,
            key: TsigKey::read(key).unwrap(),
        };
        Updater::open(directory, config, Clock, Dice::from_system()).unwrap()
    }

    fn good_updater(&self, directory: &Path) -> Updater {
        self.updater(directory, &key_file("k256", "hmac-sha256", SECRET))
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own files need no care")]
fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn generation(number: u64, names: &[(&str, &str)]) -> Arc<Generation> {
    let names = published(number, names);
    let zone = Zone::new(&names, &[], &[]).unwrap();
    Arc::new(Generation { names, zone })
}

/// A generation that stays the newest one.
fn nothing_newer() -> (Publish, Served) {
    let (publish, receiver) = watch::channel(None);
    (publish, Served(receiver))
}

async fn push(updater: &mut Updater, number: u64, names: &[(&str, &str)]) -> Done {
    let (_publish, served) = nothing_newer();
    let pushed = updater
        .push(&generation(number, names), Which::All, &served)
        .await;
    pushed.unwrap()
}

async fn refused(updater: &mut Updater) -> String {
    let (_publish, served) = nothing_newer();
    let names = generation(1, &[("east", "192.0.2.1")]);
    let pushed = updater.push(&names, Which::All, &served).await;
    chain(&pushed.unwrap_err()).to_string()
}

const LINKED: [(&str, &str); 4] = [
    ("east", "192.0.2.1 2001:db8::1"),
    ("east.geo", "192.0.2.2"),
    ("west", "192.0.2.3"),
    ("west.geo", "-> east.geo"),
];

#[tokio::test]
async fn names_are_put_follow_a_failover_and_go() {
    let bind = Bind::start();
    for (key, algorithm) in [("k256", "hmac-sha256"), ("k512", "hmac-sha512")] {
        let dir = tempfile::tempdir().unwrap();
        let mut updater = bind.updater(dir.path(), &key_file(key, algorithm, SECRET));
        assert_eq!(push(&mut updater, 1, &LINKED).await.foreign, 0);
        assert_eq!(bind.records("east"), "A 5 192.0.2.1, AAAA 5 2001:db8::1");
        for name in ["east.geo", "west.geo"] {
            assert_eq!(bind.records(name), "A 5 192.0.2.2", "{name}");
        }
        let swapped = [
            ("east", "192.0.2.1"),
            ("east.geo", "-> west.geo"),
            ("new", ""),
            ("west", "192.0.2.3"),
            ("west.geo", "192.0.2.4"),
        ];
        // Another start, which knows what the one before put.
        let mut updater = bind.updater(dir.path(), &key_file(key, algorithm, SECRET));
        assert_eq!(push(&mut updater, 2, &swapped).await.foreign, 0);
        assert_eq!(bind.records("east"), "A 5 192.0.2.1");
        for name in ["east.geo", "west.geo"] {
            assert_eq!(bind.records(name), "A 5 192.0.2.4", "{name}");
        }
        assert_eq!(push(&mut updater, 3, &[]).await.foreign, 0);
        for name in ["east", "east.geo", "west", "west.geo", "new"] {
            assert_eq!(bind.records(name), "", "{name}");
        }
    }
    assert_eq!(bind.records("taken"), "A 60 198.51.100.1");
}

#[tokio::test]
async fn what_somebody_else_put_is_left_alone() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    let mut updater = bind.good_updater(dir.path());
    let names = [
        ("alias", "192.0.2.7"),
        ("east", "192.0.2.1"),
        ("note", "192.0.2.8"),
        ("taken", "198.51.100.1"),
    ];
    // Also when it is what would be put.
    assert_eq!(push(&mut updater, 1, &names).await.foreign, 2);
    assert_eq!(bind.records("alias"), "CNAME 60 ns1.redis.example.");
    assert_eq!(bind.records("taken"), "A 60 198.51.100.1");
    assert_eq!(bind.records("east"), "A 5 192.0.2.1");
    // Other data beside it is no matter, and stays.
    let beside = "A 5 192.0.2.8, TXT 60 \"somebody's\"";
    assert_eq!(
        bind.records("note").replace('"', ""),
        beside.replace('"', "")
    );

    // Nor does an attempt that never reached the server make it ours.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut late = bind.good_updater(elsewhere.path());
    late.config.server = "127.0.0.1:1".to_owned();
    let (_publish, served) = nothing_newer();
    let first = generation(1, &[("taken", "198.51.100.1")]);
    assert!(late.push(&first, Which::All, &served).await.is_err());
    late.config.server = bind.address.to_string();
    let done = late.push(&first, Which::All, &served).await.unwrap();
    assert_eq!(done.foreign, 1);

    // Somebody changes what was put: it is theirs now.
    let theirs = tempfile::tempdir().unwrap();
    let mut other = bind.good_updater(theirs.path());
    other
        .pushed
        .confirm("east.redis.example", vec!["192.0.2.1".parse().unwrap()]);
    push(&mut other, 1, &[("east", "203.0.113.1")]).await;
    assert_eq!(
        push(&mut updater, 2, &[("east", "192.0.2.9")])
            .await
            .foreign,
        1
    );
    assert_eq!(bind.records("east"), "A 5 203.0.113.1");
    assert_eq!(push(&mut updater, 3, &[]).await.foreign, 1);
    assert_eq!(bind.records("east"), "A 5 203.0.113.1");
    assert_eq!(bind.records("note").replace('"', ""), "TXT 60 somebody's");
    // They give the name up, and it can be put again.
    push(&mut other, 2, &[]).await;
    assert_eq!(
        push(&mut updater, 4, &[("east", "192.0.2.9")])
            .await
            .foreign,
        0
    );
    assert_eq!(bind.records("east"), "A 5 192.0.2.9");
}

#[tokio::test]
async fn an_update_whose_answer_was_never_heard_is_known_to_be_ours() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    let mut updater = bind.good_updater(dir.path());
    push(&mut updater, 1, &[("east", "192.0.2.1")]).await;
    // What is on the disk right before an update is sent, and never after it.
    let files = tempfile::tempdir().unwrap();
    updater.pushed.intend(
        &[(
            "east.redis.example".to_owned(),
            vec!["192.0.2.2".parse().unwrap()],
        )]
        .into(),
    );
    updater.keep().await.unwrap();
    fs::copy(dir.path().join("pushed"), files.path().join("pushed")).unwrap();
    push(&mut updater, 2, &[("east", "192.0.2.2")]).await;

    let mut crashed = bind.good_updater(files.path());
    assert_eq!(
        push(&mut crashed, 3, &[("east", "192.0.2.3")])
            .await
            .foreign,
        0
    );
    assert_eq!(bind.records("east"), "A 5 192.0.2.3");
}

#[tokio::test]
async fn what_is_gone_from_the_other_server_is_put_again_when_it_is_looked_at() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    let mut updater = bind.good_updater(dir.path());
    push(&mut updater, 1, &[("east", "192.0.2.1")]).await;
    let theirs = tempfile::tempdir().unwrap();
    let mut other = bind.good_updater(theirs.path());
    other
        .pushed
        .confirm("east.redis.example", vec!["192.0.2.1".parse().unwrap()]);
    push(&mut other, 1, &[]).await;
    assert_eq!(bind.records("east"), "");
    let (_publish, served) = nothing_newer();
    let same = generation(1, &[("east", "192.0.2.1")]);
    updater.push(&same, Which::Changed, &served).await.unwrap();
    assert_eq!(bind.records("east"), "");
    updater.push(&same, Which::All, &served).await.unwrap();
    assert_eq!(bind.records("east"), "A 5 192.0.2.1");
}

#[tokio::test]
async fn another_zone_of_names_takes_the_place_of_the_one_before() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    let mut updater = bind.good_updater(dir.path());
    updater.config.zone = Some(ZONE.to_owned());
    push(&mut updater, 1, &[("east", "192.0.2.1")]).await;
    let names = PublishedNames {
        zone: format!("sub.{ZONE}"),
        ..published(2, &[("east", "192.0.2.2")])
    };
    let zone = Zone::new(&names, &[], &[]).unwrap();
    let further_down = Arc::new(Generation { names, zone });
    let (_publish, served) = nothing_newer();
    let pushed = updater.push(&further_down, Which::All, &served).await;
    assert_eq!(pushed.unwrap().foreign, 0);
    assert_eq!(bind.records("east"), "");
    assert_eq!(bind.records("east.sub"), "A 5 192.0.2.2");
    // A zone that the other server does not update any more is left as it is.
    updater.config.zone = Some("elsewhere.test".to_owned());
    let (changed, _) = updater.pushed.compare(&BTreeMap::new());
    assert_eq!(changed, ["east.sub.redis.example"]);
    updater.pushed.leave(&absolute("elsewhere.test").unwrap());
    assert_eq!(updater.pushed.compare(&BTreeMap::new()).0, [""; 0]);
}

#[tokio::test]
async fn what_keeps_a_key_from_updating_is_named() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    for (key, named) in [
        (
            key_file("k256", "hmac-sha256", OTHER_SECRET),
            "another secret",
        ),
        (
            key_file("unknown", "hmac-sha256", SECRET),
            "does not know it",
        ),
        (key_file("k256", "hmac-sha512", SECRET), "does not know it"),
        (key_file("reader", "hmac-sha256", SECRET), "allow the key"),
    ] {
        let mut updater = bind.updater(dir.path(), &key);
        let said = refused(&mut updater).await;
        assert!(said.contains(named), "{key}: {said}");
        assert!(!said.contains(SECRET));
    }
    let mut elsewhere = bind.good_updater(dir.path());
    elsewhere.config.zone = Some("elsewhere.test".to_owned());
    assert!(refused(&mut elsewhere).await.contains("refuses"));
    let mut nobody = bind.good_updater(dir.path());
    nobody.config.server = "127.0.0.1:1".to_owned();
    let said = refused(&mut nobody).await;
    assert!(
        said.contains("127.0.0.1:1") && said.contains("connect"),
        "{said}"
    );
    assert_eq!(bind.records("east"), "");
}

#[tokio::test]
async fn a_task_of_its_own_follows_every_generation() {
    let bind = Bind::start();
    let dir = tempfile::tempdir().unwrap();
    let (publish, served) = nothing_newer();
    let tasks = runtime::tasks::Tasks::new();
    tasks.spawn("updates", bind.good_updater(dir.path()).run(served));
    let until = async |expected: &str| {
        while bind.records("west.geo") != expected {
            tokio::task::yield_now().await;
        }
    };
    publish.send_replace(Some(generation(1, &LINKED)));
    until("A 5 192.0.2.2").await;
    let mut swapped = LINKED;
    swapped[1].1 = "192.0.2.9";
    publish.send_replace(Some(generation(2, &swapped)));
    until("A 5 192.0.2.9").await;
    assert!(tasks.stop(Duration::from_secs(5)).await);
}
