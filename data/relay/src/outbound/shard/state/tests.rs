//! Stalls and lags, at given instants.

use super::*;

fn position(offset: u64) -> Position {
    Position::new("a".repeat(40).parse().unwrap(), Offset(offset))
}

fn reach(end: u64) -> Reach {
    Reach {
        history: 1,
        end: Some(position(end)),
        confirmed: true,
        journaled: Offset(end),
    }
}

fn session(sent: u64, received: u64) -> SessionState {
    SessionState {
        token: CancellationToken::new(),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        keys_held: 0,
        pulse: Pulse::new(Instant::now()),
        sent: Some(position(sent)),
        history: 1,
        received: Some(Offset(received)),
        barrier_sent: None,
        loading: false,
        applies: true,
    }
}

/// Streams, applied up to 100 at `start`; then up to `end` is read.
fn streaming(start: Instant, end: u64) -> State {
    let mut state = State::new(start, 1);
    state.stands_at(Offset(100), start);
    state.stream();
    state.read(Offset(end), start);
    state
}

fn at(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

fn began(news: Option<StallNews>) -> String {
    match news {
        Some(StallNews::Began(why)) => why,
        Some(StallNews::Ended(text)) => panic!("it ended: {text}"),
        None => panic!("nothing"),
    }
}

#[tokio::test]
async fn a_stall_begins_after_ten_seconds_and_ends_with_the_next_byte() {
    let start = Instant::now();
    let mut state = streaming(start, 200);
    state.session = Some(session(200, 200));
    for seconds in 0..10 {
        assert!(
            state
                .look(reach(200), None, false, at(start, seconds))
                .is_none()
        );
    }
    let why = began(state.look(reach(200), None, false, at(start, 10)));
    assert!(why.contains("100 bytes have arrived"), "{why}");
    assert!(why.contains("does not apply them"), "{why}");
    assert_eq!(state.traffic.stalls, 1);
    // It is told once, and goes on.
    assert!(state.look(reach(300), None, false, at(start, 11)).is_none());
    assert!(state.stalled.is_some());
    state.note_applied(Offset(150), at(start, 12));
    match state.look(reach(300), None, false, at(start, 12)) {
        Some(StallNews::Ended(text)) => assert!(text.contains("after 12 s"), "{text}"),
        Some(StallNews::Began(why)) => panic!("another one: {why}"),
        None => panic!("nothing"),
    }
    assert!(state.stalled.is_none());
}

#[tokio::test]
async fn nothing_that_waits_is_no_stall() {
    let start = Instant::now();
    let mut idle = streaming(start, 100);
    let mut fenced = streaming(start, 200);
    let mut loading = streaming(start, 200);
    loading.enter(Phase::FullSync {
        moved_bytes: 0,
        total_bytes: None,
    });
    for seconds in 0..60 {
        let now = at(start, seconds);
        assert!(idle.look(reach(100), None, false, now).is_none());
        assert!(fenced.look(reach(200), None, true, now).is_none());
        assert!(loading.look(reach(200), None, false, now).is_none());
    }
    // What came after a quiet hour is young.
    idle.read(Offset(101), at(start, 3600));
    let now = at(start, 3609);
    assert!(
        idle.look(reach(100), None, false, at(start, 3600))
            .is_none()
    );
    assert!(idle.look(reach(101), None, false, now).is_none());
}

#[tokio::test]
async fn a_stall_says_who_waits_for_whom() {
    let start = Instant::now();
    let rate = NonZeroU64::new(1000);
    let cases = [
        (None, None, "does not dial"),
        (Some(session(150, 100)), rate, "the link's limit is 1000"),
        (Some(session(150, 100)), None, "does not take them"),
        (Some(session(200, 100)), None, "has not received them"),
        (Some(session(200, 150)), rate, "does not apply them"),
    ];
    for (session, rate, said) in cases {
        let mut state = streaming(start, 200);
        state.session = session;
        let why = began(state.look(reach(200), rate, false, at(start, 10)));
        assert!(why.contains(said), "{why}");
    }
}

#[tokio::test]
async fn what_is_applied_is_of_one_history() {
    let start = Instant::now();
    let mut state = streaming(start, 200);
    state.history_begins(2);
    assert_eq!(state.applied(), None);
    assert_eq!(state.lag(at(start, 5)), None);
    state.stands_at(Offset(50), at(start, 5));
    state.history_forks(3);
    assert_eq!(state.applied(), Some(Offset(50)), "the same bytes");
}
