use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use model::Secret;
use parking_lot::Mutex;
use runtime::{dice::Dice, durable, tasks::Tasks};
use tls::{Authority, KnownAuthority, Protocol, TlsError};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::*;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What there is of a control plane.
struct Plane {
    authority: Authority,
    /// The agent that certificates are issued for, when not for who asks.
    region: Option<Region>,
    now: Timestamp,
    issued: u32,
    /// So many requests are refused first.
    broken: u32,
}

type Shared = Arc<Mutex<Plane>>;

struct Control {
    plane: Shared,
    address: SocketAddr,
    tasks: Tasks,
}

impl Control {
    async fn start() -> Self {
        let plane = Arc::new(Mutex::new(Plane {
            authority: authority("store-1"),
            region: None,
            now: Clock.now(),
            issued: 0,
            broken: 0,
        }));
        let service = Router::new()
            .route("/agents/v1/authority", get(tell))
            .route("/agents/v1/certificates", post(issue))
            .with_state(Arc::clone(&plane));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn("control plane", async move {
            axum::serve(listener, service).await.unwrap();
        });
        Self {
            plane,
            address,
            tasks,
        }
    }

    fn client(&self) -> Agents {
        Agents::new(&format!("http://{}", self.address), Secret::new("t")).unwrap()
    }

    fn keeper(&self, data: &Path, name: &str) -> Keeper {
        let directory = Directory::open(data).unwrap();
        Keeper::open(&directory, &region(name), None, self.client()).unwrap()
    }

    fn issued(&self) -> u32 {
        self.plane.lock().issued
    }

    async fn stop(&self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

async fn tell(State(plane): State<Shared>) -> Response {
    let mut plane = plane.lock();
    if plane.broken > 0 {
        plane.broken -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let authority = plane.authority.certificate_pem().to_owned();
    Json(KnownAuthority { authority }).into_response()
}

async fn issue(State(plane): State<Shared>, Json(asked): Json<CertificateRequest>) -> Response {
    let mut plane = plane.lock();
    plane.issued += 1;
    let region = plane.region.clone().unwrap_or(asked.region);
    let dice = Dice::from_system();
    let issued = plane
        .authority
        .issue(&region, &asked.request, plane.now, &dice);
    Json(issued.unwrap()).into_response()
}

fn authority(store: &str) -> Authority {
    Authority::create(&StoreId::new(store), Clock.now()).unwrap()
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn certificate(keeper: &Keeper) -> String {
    let held = keeper.identity.certified().unwrap();
    held.issued().certificate.clone()
}

async fn meet(server: &Identity, client: &Identity) -> Result<Region, TlsError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, dialled) = tokio::join!(listener.accept(), dialled);
    let (near, far) = (accepted.unwrap().0, dialled.unwrap());
    let (accepted, connected) = tokio::join!(
        server.accept(near),
        client.connect(far, server.region(), Protocol::Relay)
    );
    connected?;
    accepted.map(|(_stream, peer)| peer.region)
}

#[tokio::test]
async fn a_first_certificate_is_kept_over_a_restart() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path(), "eastus");
    assert_eq!(keeper.identity.expires(), None);
    keeper.settle().await;
    let first = certificate(&keeper);
    let path = dir.path().join("identity.json");
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Nothing is due, neither now nor after a restart.
    keeper.check(Clock.now()).await.unwrap();
    let mut again = control.keeper(dir.path(), "eastus");
    again.settle().await;
    again.check(Clock.now()).await.unwrap();
    assert_eq!(certificate(&again), first);
    assert_eq!(control.issued(), 1);
    control.stop().await;
}

#[tokio::test]
async fn it_is_renewed_when_a_third_is_left_under_the_same_identity() {
    let control = Control::start().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut east = control.keeper(one.path(), "eastus");
    let mut west = control.keeper(other.path(), "westus");
    east.settle().await;
    west.settle().await;
    let (identity, now) = (east.identity(), Clock.now());
    let (first, key) = (certificate(&east), identity.certified().unwrap());
    east.check(now.plus_ms(19 * DAY_MS)).await.unwrap();
    assert_eq!(certificate(&east), first);
    east.check(now.plus_ms(21 * DAY_MS)).await.unwrap();
    assert_ne!(certificate(&east), first);
    assert_eq!(control.issued(), 3);
    // Who held the identity before has the new certificate, which is for a new key.
    let renewed = identity.certified().unwrap();
    assert_eq!(renewed.issued().certificate, certificate(&east));
    assert!(!renewed.key().matches(key.key().reveal()));
    assert_eq!(
        meet(&west.identity(), &identity).await.unwrap(),
        region("eastus")
    );
    let after = control.keeper(one.path(), "eastus");
    assert_eq!(certificate(&after), certificate(&east));
    control.stop().await;
}

#[tokio::test]
async fn without_the_control_plane_the_certificate_goes_on() {
    let control = Control::start().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, name) in [(&one, "eastus"), (&other, "westus")] {
        control.keeper(dir.path(), name).settle().await;
    }
    control.stop().await;
    let mut east = control.keeper(one.path(), "eastus");
    let west = control.keeper(other.path(), "westus");
    east.settle().await;
    let late = Clock.now().plus_ms(25 * DAY_MS);
    let error = east.check(late).await.unwrap_err();
    assert!(matches!(error, KeepError::Ask(_)), "{error}");
    assert_eq!(
        meet(&east.identity(), &west.identity()).await.unwrap(),
        region("westus")
    );
    // An agent that never had one starts all the same, and says why nobody gets through.
    let empty = tempfile::tempdir().unwrap();
    let mut north = control.keeper(empty.path(), "northus");
    north.settle().await;
    let error = meet(&west.identity(), &north.identity()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("`northus` has no certificate yet"),
        "{error}"
    );
    assert_eq!(north.identity().expires(), None);
}

#[tokio::test]
async fn a_new_authority_means_a_new_certificate() {
    let control = Control::start().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut east = control.keeper(one.path(), "eastus");
    let mut west = control.keeper(other.path(), "westus");
    east.settle().await;
    west.settle().await;
    control.plane.lock().authority = authority("store-1");
    // A start looks before anybody is let in.
    let mut east = control.keeper(one.path(), "eastus");
    east.settle().await;
    let error = meet(&east.identity(), &west.identity()).await.unwrap_err();
    assert!(
        error.to_string().contains("another control plane"),
        "{error}"
    );
    west.check(Clock.now()).await.unwrap();
    assert_eq!(
        meet(&east.identity(), &west.identity()).await.unwrap(),
        region("westus")
    );
    control.stop().await;
}

#[tokio::test]
async fn another_store_is_not_followed() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path(), "eastus");
    keeper.settle().await;
    let first = certificate(&keeper);
    control.plane.lock().authority = authority("store-2");
    let error = keeper.check(Clock.now()).await.unwrap_err().to_string();
    assert!(
        error.contains("store store-2, and this agent belongs to store store-1"),
        "{error}"
    );
    assert_eq!(certificate(&keeper), first);
    // The same before there is a certificate, by the desired state that the agent knows.
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    let store = Some(StoreId::new("store-1"));
    let new = Keeper::open(&directory, &region("eastus"), store, control.client()).unwrap();
    let error = new.check(Clock.now()).await.unwrap_err();
    assert!(matches!(error, KeepError::OtherStore { .. }), "{error}");
    assert_eq!(control.issued(), 1);
    control.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_of_no_use_changes_nothing() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let keeper = control.keeper(dir.path(), "eastus");
    control.plane.lock().region = Some(region("westus"));
    let error = keeper.check(Clock.now()).await.unwrap_err().to_string();
    assert!(
        error.contains("`westus` in answer to that of `eastus`"),
        "{error}"
    );
    control.plane.lock().region = None;
    // Where the file would be written stands something else.
    let blocked = dir.path().join("identity.json.new");
    durable::make_directory(&blocked).unwrap();
    let error = keeper.check(Clock.now()).await.unwrap_err();
    assert!(matches!(error, KeepError::State(_)), "{error}");
    assert_eq!(keeper.identity.expires(), None);
    assert!(!dir.path().join("identity.json").exists());
    control.stop().await;
}

#[tokio::test]
async fn what_is_on_the_disk_is_used_only_if_it_is_the_agents() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    control.keeper(dir.path(), "eastus").settle().await;
    let path = dir.path().join("identity.json");
    let whole = durable::read_if_there(&path).unwrap().unwrap();
    let elsewhere = control.keeper(dir.path(), "westus");
    assert_eq!(elsewhere.identity.expires(), None);
    let directory = Directory::open(dir.path()).unwrap();
    let open = |store: &str| {
        let store = Some(StoreId::new(store));
        Keeper::open(&directory, &region("eastus"), store, control.client())
    };
    assert!(open("store-1").unwrap().identity.expires().is_some());
    assert_eq!(open("store-2").unwrap().identity.expires(), None);
    let text = String::from_utf8(whole).unwrap();
    for damaged in ["", "{}", &text[..text.len() / 2], &text.replace("MI", "AA")] {
        durable::write_durable(&path, damaged.as_bytes()).unwrap();
        assert_eq!(
            open("store-1").unwrap().identity.expires(),
            None,
            "{damaged}"
        );
    }
    durable::write_durable(&path, b"{\"version\":99}").unwrap();
    let newer = open("store-1").map(drop).unwrap_err().to_string();
    assert!(
        newer.contains("identity.json") && newer.contains("99"),
        "{newer}"
    );
    control.stop().await;
}

#[tokio::test]
async fn it_tries_again_until_it_has_one() {
    let control = Control::start().await;
    control.plane.lock().broken = 1;
    let dir = tempfile::tempdir().unwrap();
    let keeper = control.keeper(dir.path(), "eastus");
    let identity = keeper.identity();
    let tasks = Tasks::new();
    tasks.spawn("certificate", keeper.run());
    let deadline = Instant::now() + Duration::from_secs(20);
    while identity.expires().is_none() {
        assert!(Instant::now() < deadline, "no certificate");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(control.plane.lock().broken, 0);
    assert!(tasks.stop(Duration::from_secs(5)).await);
    control.stop().await;
}

#[test]
fn what_is_due_and_when_to_look_again() {
    let authority = authority("store-1");
    let held = tls::testing::certified(&authority, &region("eastus"));
    let trusted = authority.certificate();
    let until = held.validity().until;
    let before = |days| Timestamp(until.0 - days * DAY_MS);
    assert_eq!(due(None, trusted, before(30)), Some(Due::None));
    assert_eq!(due(Some(&held), trusted, before(30)), None);
    assert_eq!(due(Some(&held), trusted, before(11)), None);
    assert_eq!(due(Some(&held), trusted, before(9)), Some(Due::NearlyOver));
    assert_eq!(
        due(Some(&held), trusted, until.plus_ms(DAY_MS)),
        Some(Due::NearlyOver)
    );
    let other = self::authority("store-1");
    let found = due(Some(&held), other.certificate(), before(30));
    assert_eq!(found, Some(Due::OtherAuthority));
    let pauses = [0, 1, 2, 6, 7, 8, 40, u32::MAX].map(|failures| pause(failures).as_secs());
    assert_eq!(pauses, [60, 1, 2, 32, 60, 60, 60, 60]);
}
