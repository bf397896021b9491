use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use parking_lot::Mutex;
use runtime::{dice::Dice, durable, tasks::Tasks};
use tls::{Authority, testing};
use tokio::net::TcpListener;

use super::*;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

struct Plane {
    authority: Authority,
    zone: String,
    asked: Vec<Vec<IpAddr>>,
    is_down: bool,
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
            authority: testing::authority(),
            zone: "zone.test".to_owned(),
            asked: Vec::new(),
            is_down: false,
        }));
        let service = Router::new()
            .route("/agents/v1/server-certificates", post(issue))
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

    fn keeper(&self, data: &Path) -> Keeper {
        let directory = Directory::open(data).unwrap();
        let client = Agents::new(&format!("http://{}", self.address), Secret::new("t")).unwrap();
        let front = FrontTls::new().unwrap();
        Keeper::open(&directory, &"eastus".parse().unwrap(), client, front).unwrap()
    }

    fn wanted(&self, zone: &str, doors: &[&str]) -> Wanted {
        let region = "eastus".parse().unwrap();
        let identity = testing::identity(&self.plane.lock().authority, &region);
        let doors = doors.iter().map(|ip| ip.parse().unwrap());
        Wanted::new(&identity, zone, doors).unwrap()
    }

    fn issued(&self) -> usize {
        self.plane.lock().asked.len()
    }

    async fn stop(&self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

async fn issue(
    State(plane): State<Shared>,
    Json(asked): Json<ServerCertificateRequest>,
) -> Response {
    let mut plane = plane.lock();
    if plane.is_down {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    plane.asked.push(asked.addresses.clone());
    let names = ServerNames::new(&plane.zone, asked.addresses).unwrap();
    let dice = Dice::from_system();
    let issued =
        plane
            .authority
            .issue_server(&asked.region, &names, &asked.request, Clock.now(), &dice);
    Json(issued.unwrap()).into_response()
}

fn names(keeper: &Keeper) -> Vec<String> {
    keeper.front.certificate().unwrap().names().to_vec()
}

#[tokio::test]
async fn it_is_kept_over_a_restart_in_a_file_of_its_owners_alone() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path());
    let wanted = control.wanted("zone.test", &["127.77.0.1"]);
    assert!(keeper.front.certificate().is_none());
    keeper.check(&wanted, Clock.now()).await.unwrap();
    keeper.check(&wanted, Clock.now()).await.unwrap();
    let shown = [
        "DNS:*.zone.test",
        "DNS:*.geo.zone.test",
        "DNS:*.privatelink.zone.test",
        "IP:127.77.0.1",
    ];
    assert_eq!(names(&keeper), shown);
    let path = dir.path().join("server-certificate.json");
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut again = control.keeper(dir.path());
    assert_eq!(names(&again), shown);
    again.check(&wanted, Clock.now()).await.unwrap();
    assert_eq!(control.issued(), 1);
    control.stop().await;
}

#[tokio::test]
async fn a_new_door_a_new_zone_and_a_new_authority_mean_a_new_one() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path());
    let now = Clock.now();
    let one = ["127.77.0.1"];
    let two = ["127.77.0.1", "127.77.0.2"];
    // What the zone is may not be known yet: then the control plane alone knows.
    for (doors, issued) in [(&one[..], 1), (&two, 2), (&one, 2)] {
        keeper.check(&control.wanted("", doors), now).await.unwrap();
        assert_eq!(control.issued(), issued, "{doors:?}");
    }
    keeper
        .check(&control.wanted("zone.test", &two), now)
        .await
        .unwrap();
    assert_eq!(control.issued(), 2);
    control.plane.lock().zone = "other.test".to_owned();
    keeper
        .check(&control.wanted("other.test", &two), now)
        .await
        .unwrap();
    assert!(names(&keeper).contains(&"DNS:*.geo.other.test".to_owned()));
    assert_eq!(control.issued(), 3);
    control.plane.lock().authority = testing::authority();
    let wanted = control.wanted("other.test", &two);
    keeper.check(&wanted, now).await.unwrap();
    assert_eq!(keeper.held.as_ref().unwrap().authority, wanted.authority);
    assert_eq!(control.issued(), 4);
    control.stop().await;
}

#[tokio::test]
async fn it_is_renewed_when_a_third_is_left_and_goes_on_while_it_cannot_be() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path());
    let (now, wanted) = (Clock.now(), control.wanted("zone.test", &[]));
    keeper.check(&wanted, now).await.unwrap();
    keeper
        .check(&wanted, now.plus_ms(19 * DAY_MS))
        .await
        .unwrap();
    assert_eq!(control.issued(), 1);
    control.plane.lock().is_down = true;
    let late = now.plus_ms(21 * DAY_MS);
    let error = keeper.check(&wanted, late).await.unwrap_err();
    assert!(matches!(error, KeepError::Ask(_)), "{error}");
    assert!(keeper.front.certificate().is_some());
    control.plane.lock().is_down = false;
    let before = durable::read_if_there(&dir.path().join("server-certificate.json")).unwrap();
    keeper.check(&wanted, late).await.unwrap();
    assert_eq!(control.issued(), 2);
    let after = durable::read_if_there(&dir.path().join("server-certificate.json")).unwrap();
    assert_ne!(before, after);
    control.stop().await;
}

#[tokio::test]
async fn an_answer_of_another_authority_is_not_shown() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = control.keeper(dir.path());
    let wanted = control.wanted("zone.test", &[]);
    control.plane.lock().authority = testing::authority();
    let error = keeper.check(&wanted, Clock.now()).await.unwrap_err();
    assert!(matches!(error, KeepError::OtherAuthority), "{error}");
    assert!(keeper.front.certificate().is_none());
    assert!(!dir.path().join("server-certificate.json").exists());
    control.stop().await;
}

#[tokio::test]
async fn a_damaged_file_is_replaced_and_a_newer_one_is_not() {
    let control = Control::start().await;
    let dir = tempfile::tempdir().unwrap();
    let wanted = control.wanted("zone.test", &[]);
    let path = dir.path().join("server-certificate.json");
    control
        .keeper(dir.path())
        .check(&wanted, Clock.now())
        .await
        .unwrap();
    let whole = durable::read_if_there(&path).unwrap().unwrap();
    let text = String::from_utf8(whole).unwrap();
    for damaged in ["", "{}", &text[..text.len() / 2], &text.replace("MI", "AA")] {
        durable::write_durable(&path, damaged.as_bytes()).unwrap();
        let mut keeper = control.keeper(dir.path());
        assert!(keeper.front.certificate().is_none(), "{damaged}");
        keeper.check(&wanted, Clock.now()).await.unwrap();
        assert!(keeper.front.certificate().is_some());
    }
    durable::write_durable(&path, b"{\"version\":99}").unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    assert!(matches!(read(&directory), Err(StateError::Newer { .. })));
    control.stop().await;
}

#[test]
fn waits_grow_to_a_minute() {
    let waits = [0, 1, 2, 5, 6, 40, u32::MAX].map(|failures| pause(failures).as_secs());
    assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60]);
}
