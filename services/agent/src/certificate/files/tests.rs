use runtime::durable::write_durable;
use tls::{AgentKey, ServerNames, testing};

use super::*;

/// A certificate for `zone` and its key, both PEM.
fn issue(zone: &str) -> (String, Secret) {
    let authority = testing::authority();
    let key = AgentKey::generate().unwrap();
    let names = ServerNames::new(zone, []).unwrap();
    let dice = runtime::dice::Dice::from_system();
    let issued = authority.issue_server(
        &"eastus".parse().unwrap(),
        &names,
        &key.request().unwrap(),
        Clock.now(),
        &dice,
    );
    (issued.unwrap().certificate, key.to_pem())
}

struct Rig {
    follower: Follower,
    _directory: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: directory.path().join("chain.pem"),
            key: directory.path().join("key.pem"),
        };
        Self {
            follower: Follower::new(files, FrontTls::new().unwrap()),
            _directory: directory,
        }
    }

    fn write(&self, chain: &str, key: &Secret) {
        let files = &self.follower.files;
        write_durable(&files.certificate, chain.as_bytes()).unwrap();
        write_durable(&files.key, key.reveal().as_bytes()).unwrap();
    }

    /// What clients are shown after a look.
    async fn shown(&mut self) -> Option<Vec<String>> {
        self.follower.look().await;
        let shown = self.follower.front.certificate();
        shown.map(|certificate| certificate.names().to_vec())
    }
}

#[tokio::test]
async fn files_that_change_are_taken_up_without_anybody_asking() {
    let mut rig = Rig::new();
    assert_eq!(rig.shown().await, None);
    for zone in ["one.test", "two.test"] {
        let (chain, key) = issue(zone);
        rig.write(&chain, &key);
        let shown = rig.shown().await.unwrap();
        assert_eq!(
            shown,
            ["", "geo.", "privatelink."].map(|kind| format!("DNS:*.{kind}{zone}"))
        );
    }
}

#[tokio::test]
async fn a_certificate_before_its_key_waits_for_it() {
    let mut rig = Rig::new();
    let (old, old_key) = issue("one.test");
    rig.write(&old, &old_key);
    let before = rig.shown().await;
    let (new, new_key) = issue("two.test");
    rig.write(&new, &old_key);
    assert_eq!(rig.shown().await, before);
    rig.write(&new, &new_key);
    assert_ne!(rig.shown().await, before);
}

#[tokio::test]
async fn bad_files_leave_what_is_shown() {
    let mut rig = Rig::new();
    let (chain, key) = issue("one.test");
    rig.write(&chain, &key);
    let before = rig.shown().await;
    let half = &chain[..chain.len() / 2];
    let none = Secret::new("");
    for (chain, key) in [
        ("", &key),
        (half, &key),
        (key.reveal(), &key),
        (&chain, &none),
        (&chain, &Secret::new(&chain)),
        (&chain, &issue("one.test").1),
    ] {
        rig.write(chain, key);
        assert_eq!(rig.shown().await, before, "{chain}");
    }
    std::fs::remove_file(&rig.follower.files.key).unwrap();
    assert_eq!(rig.shown().await, before);
    rig.write(&chain, &key);
    assert_eq!(rig.shown().await, before);
}

#[tokio::test]
async fn an_endless_file_is_not_read_to_its_end() {
    let (chain, _) = issue("one.test");
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("chain.pem");
    write_durable(&certificate, chain.as_bytes()).unwrap();
    let key = "/dev/zero".into();
    let files = CertificateFiles { certificate, key };
    let mut follower = Follower::new(files, FrontTls::new().unwrap());
    follower.look().await;
    assert!(follower.front.certificate().is_none());
}
