use super::*;
use crate::{
    LinkActivity, LinkObserved, ShardIndex,
    samples::{member, observed, position},
};

fn fresh() -> LinkRecord {
    let (east, west) = (member("east", "eastus"), member("west", "westus"));
    LinkRecord::begin(LinkId::new("l"), east, west, Epoch(1), Timestamp(0))
}

fn linked() -> LinkRecord {
    fresh().enter(LinkPhase::Linked, Timestamp(0))
}

fn sees(member: &Member, epoch: u64, role: RoleKind, standing: ShardStanding) -> CacheObserved {
    let here = (standing != ShardStanding::Lost).then(|| position(5));
    let mut seen = observed(&member.uid, epoch, role, standing);
    let shard = &mut seen.shards[0];
    (shard.position, shard.keys) = (here, 3);
    shard.link = Some(LinkObserved {
        connected: true,
        activity: LinkActivity::Streaming,
        ..LinkObserved::default()
    });
    seen
}

fn advance(
    record: &LinkRecord,
    primary: Option<&CacheObserved>,
    secondary: Option<&CacheObserved>,
    now: u64,
) -> LinkRecord {
    match record.advance(
        LinkSeen {
            primary,
            secondary,
            ..LinkSeen::default()
        },
        Timestamp(now),
    ) {
        Advance::Become(next) => *next,
        Advance::Stay => record.clone(),
        Advance::Remove => panic!("removed"),
    }
}

#[test]
fn a_link_goes_from_creating_to_syncing_to_succeeded() {
    let link = fresh();
    let p = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Writable);
    let old = sees(&link.secondary, 0, RoleKind::Alone, ShardStanding::Writable);
    assert_eq!(
        advance(&link, Some(&p), Some(&old), 1),
        link,
        "an old report says nothing"
    );
    let s = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Syncing,
    );
    let link = advance(&link, Some(&p), Some(&s), 1);
    assert_eq!(link.provisioning_state(), "Syncing");
    assert_eq!(
        advance(&link, Some(&p), Some(&s), 2),
        link,
        "not before it is in step"
    );
    let s = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    assert_eq!(
        advance(&link, Some(&p), Some(&s), 3).provisioning_state(),
        "Succeeded"
    );
}

fn handing_off() -> LinkRecord {
    let link = linked();
    let p = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Writable);
    let s = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    let seen = LinkSeen {
        primary: Some(&p),
        secondary: Some(&s),
        ..LinkSeen::default()
    };
    link.fail_over(seen, Timestamp(0), 10_000).unwrap()
}

#[test]
fn a_handoff_is_decided_once() {
    let link = handing_off();
    assert_eq!(link.attempt, 1);
    assert!(matches!(
        link.role_of(&link.primary.uid, None),
        GeoRole::Yielding { attempt: 1, .. }
    ));
    assert_eq!(
        link.decide(2, &[position(9)], Timestamp(1)),
        Decision::TooLate
    );
    assert_eq!(link.decide(1, &[], Timestamp(1)), Decision::TooLate);
    let Decision::Promote(won) = link.decide(1, &[position(9)], Timestamp(1)) else {
        panic!("not promoted")
    };
    assert_eq!((won.epoch, &won.primary), (Epoch(2), &link.secondary));
    assert_eq!(won.standing.barrier(ShardIndex(0)), Some(position(9)));
    assert_eq!(
        won.decide(1, &[position(9)], Timestamp(2)),
        Decision::AlreadyPromoted
    );
    assert_eq!(
        won.decide(2, &[position(9)], Timestamp(2)),
        Decision::TooLate
    );
}

#[test]
fn an_aborted_handoff_cannot_be_won_by_a_late_request() {
    let link = handing_off();
    let aborted = advance(&link, None, None, 10_000);
    assert_eq!(aborted.phase, LinkPhase::Linked);
    assert_eq!(aborted.epoch, Epoch(1));
    assert!(
        aborted
            .last_abort
            .as_ref()
            .is_some_and(|(attempt, _)| *attempt == 1)
    );
    assert_eq!(
        aborted.decide(1, &[position(9)], Timestamp(1)),
        Decision::TooLate
    );
    let p = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Writable);
    let s = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    let seen = LinkSeen {
        primary: Some(&p),
        secondary: Some(&s),
        ..LinkSeen::default()
    };
    let again = aborted.fail_over(seen, Timestamp(0), 10_000).unwrap();
    assert_eq!(
        again.decide(1, &[position(9)], Timestamp(1)),
        Decision::TooLate
    );
}

#[test]
fn after_the_decision_the_link_is_made_again_the_other_way_round() {
    let Decision::Promote(won) = handing_off().decide(1, &[position(9)], Timestamp(1)) else {
        panic!("not promoted")
    };
    let link = *won;
    assert_eq!(link.provisioning_state(), "Deleting");
    let p = sees(&link.primary, 2, RoleKind::Primary, ShardStanding::Writable);
    let link = advance(&link, Some(&p), None, 2);
    assert_eq!(link.provisioning_state(), "Creating");
    let s = sees(
        &link.secondary,
        2,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    let link = advance(&link, Some(&p), Some(&s), 3);
    let link = advance(&link, Some(&p), Some(&s), 4);
    assert_eq!(link.provisioning_state(), "Succeeded");
}

#[test]
fn the_role_goes_back_when_the_new_primary_lost_its_data_before_it_was_promoted() {
    let Decision::Promote(won) = handing_off().decide(1, &[position(9)], Timestamp(1)) else {
        panic!("not promoted")
    };
    let p = sees(&won.primary, 2, RoleKind::Primary, ShardStanding::Lost);
    let s = sees(&won.secondary, 2, RoleKind::Secondary, ShardStanding::Cut);
    let back = advance(&won, Some(&p), Some(&s), 2);
    assert_eq!((back.epoch, &back.primary), (Epoch(3), &won.secondary));
    let gone = sees(&won.secondary, 2, RoleKind::Secondary, ShardStanding::Lost);
    assert_eq!(
        advance(&won, Some(&p), Some(&gone), 2),
        *won,
        "nowhere to go back to"
    );
    let mut refounded = s.clone();
    let own = Position::new("b".repeat(40).parse().unwrap(), psync::Offset(0));
    refounded.shards[0].position = Some(own);
    assert_eq!(
        advance(&won, Some(&p), Some(&refounded), 2),
        *won,
        "it was started empty meanwhile"
    );
    let why = "nobody knows".to_owned();
    let mut unknown = sees(
        &won.primary,
        2,
        RoleKind::Primary,
        ShardStanding::Unpromotable { why },
    );
    assert_ne!(advance(&won, Some(&unknown), Some(&s), 2), *won);
    unknown.shards[0].position = None;
    assert_eq!(
        advance(&won, Some(&unknown), Some(&s), 2),
        *won,
        "it may have been promoted before its leader died"
    );
}

#[test]
fn a_failover_needs_both_agents_and_a_secondary_in_step() {
    let link = linked();
    let p = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Writable);
    let s = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    let cut = sees(&link.secondary, 1, RoleKind::Secondary, ShardStanding::Cut);
    let refused = |primary, secondary| {
        link.fail_over(
            LinkSeen {
                primary,
                secondary,
                ..LinkSeen::default()
            },
            Timestamp(0),
            1,
        )
        .unwrap_err()
    };
    assert!(matches!(
        refused(None, Some(&s)),
        FailoverRefused::PrimaryUnseen(_)
    ));
    assert!(matches!(
        refused(Some(&p), None),
        FailoverRefused::SecondaryUnseen(_)
    ));
    assert!(matches!(
        refused(Some(&p), Some(&cut)),
        FailoverRefused::NotInStep(_)
    ));
    let seen = LinkSeen {
        primary: Some(&p),
        secondary: Some(&s),
        ..LinkSeen::default()
    };
    let busy = handing_off().fail_over(seen, Timestamp(0), 1);
    assert_eq!(busy, Err(FailoverRefused::Busy("Deleting")));
}

#[test]
fn a_primary_that_lost_everything_hands_over_at_a_person_s_word() {
    let link = linked();
    let lost = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Lost);
    let cut = sees(&link.secondary, 1, RoleKind::Secondary, ShardStanding::Cut);
    assert_eq!(
        advance(&link, Some(&lost), Some(&cut), 1),
        link,
        "not by itself"
    );
    let seen = LinkSeen {
        primary: Some(&lost),
        secondary: Some(&cut),
        ..LinkSeen::default()
    };
    let next = link.fail_over(seen, Timestamp(0), 1).unwrap();
    let forced = Standing::Forced {
        at: Epoch(2),
        forks: None,
    };
    assert_eq!((next.standing, next.epoch), (forced, Epoch(2)));
    let half = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Syncing,
    );
    let seen = LinkSeen {
        primary: Some(&lost),
        secondary: Some(&half),
        ..LinkSeen::default()
    };
    assert!(matches!(
        link.fail_over(seen, Timestamp(0), 1),
        Err(FailoverRefused::NothingWhole(_))
    ));
}

#[test]
fn an_empty_primary_is_accepted_only_when_the_secondary_holds_nothing() {
    let link = linked();
    let lost = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Lost);
    let mut cut = sees(&link.secondary, 1, RoleKind::Secondary, ShardStanding::Cut);
    assert!(!advance(&link, Some(&lost), Some(&cut), 1).accept_empty);
    assert!(!advance(&link, Some(&lost), None, 1).accept_empty);
    cut.shards[0].keys = 0;
    let suspected = advance(&link, Some(&lost), Some(&cut), 1);
    assert!(!suspected.accept_empty, "the secondary's word may be older");
    assert_eq!(suspected.epoch, Epoch(2));
    assert_eq!(
        advance(&suspected, Some(&lost), Some(&cut), 2),
        suspected,
        "reports of the epoch before say nothing"
    );
    let later = |epoch, standing: ShardStanding| {
        let mut p = sees(&link.primary, epoch, RoleKind::Primary, standing);
        p.shards[0].keys = 0;
        p
    };
    cut.epoch = Epoch(2);
    let accepted = advance(
        &suspected,
        Some(&later(2, ShardStanding::Lost)),
        Some(&cut),
        2,
    );
    assert!(accepted.accept_empty);
    assert_eq!(accepted.epoch, Epoch(3));
    let role = accepted.role_of(&accepted.primary.uid, None);
    assert!(matches!(
        role,
        GeoRole::Primary {
            accept_empty: Some(Epoch(3)),
            ..
        }
    ));
    let writable = later(3, ShardStanding::Writable);
    assert!(!advance(&accepted, Some(&writable), Some(&cut), 2).accept_empty);
    cut.epoch = Epoch(3);
    let again = advance(
        &accepted,
        Some(&later(3, ShardStanding::Lost)),
        Some(&cut),
        2,
    );
    assert!(
        !again.accept_empty && again.epoch == Epoch(4),
        "it was used: {again:?}"
    );
}

#[test]
fn a_suspicion_of_emptiness_ends_when_the_secondary_has_something() {
    let link = LinkRecord {
        suspect_empty: true,
        ..linked()
    };
    let lost = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Lost);
    let receiving = sees(
        &link.secondary,
        1,
        RoleKind::Secondary,
        ShardStanding::Syncing,
    );
    let next = advance(&link, Some(&lost), Some(&receiving), 1);
    assert_eq!(next, linked());
    let handing_off = LinkRecord {
        suspect_empty: true,
        ..handing_off()
    };
    let aborted = advance(&handing_off, None, None, 10_000);
    assert!(!aborted.suspect_empty, "a new phase looks anew");
}

/// What a person's word comes to, by what is seen of the primary.
#[test]
fn an_empty_source_is_accepted_at_a_person_s_word_when_it_is_lost() {
    let link = linked();
    let p = |epoch, standing| sees(&link.primary, epoch, RoleKind::Primary, standing);
    let name = || "east".to_owned();
    for (record, primary, expected) in [
        (
            link.clone(),
            Some(p(1, ShardStanding::Writable)),
            AcceptEmptyRefused::NotLost(name()),
        ),
        (
            link.clone(),
            Some(p(1, ShardStanding::Silent)),
            AcceptEmptyRefused::NotLost(name()),
        ),
        (
            link.clone(),
            None,
            AcceptEmptyRefused::PrimaryUnseen(name()),
        ),
        (
            link.clone(),
            Some(p(0, ShardStanding::Lost)),
            AcceptEmptyRefused::PrimaryUnseen(name()),
        ),
        (
            fresh().enter(LinkPhase::Syncing, Timestamp(0)),
            Some(p(1, ShardStanding::Lost)),
            AcceptEmptyRefused::Busy("Syncing"),
        ),
        (
            link.unlink(Timestamp(0)).unwrap(),
            Some(p(1, ShardStanding::Lost)),
            AcceptEmptyRefused::Busy("Deleting"),
        ),
    ] {
        let seen = LinkSeen {
            primary: primary.as_ref(),
            secondary: None,
            ..LinkSeen::default()
        };
        assert_eq!(record.accept_empty_source(seen), Err(expected));
    }
}

#[test]
fn a_person_s_word_counts_once_and_is_not_taken_back_by_what_the_secondary_holds() {
    let link = linked();
    let primary = |epoch, standing| sees(&link.primary, epoch, RoleKind::Primary, standing);
    let cut = |epoch| {
        sees(
            &link.secondary,
            epoch,
            RoleKind::Secondary,
            ShardStanding::Cut,
        )
    };
    let accept = |record: &LinkRecord, primary: &CacheObserved| {
        let seen = LinkSeen {
            primary: Some(primary),
            secondary: None,
            ..LinkSeen::default()
        };
        record.accept_empty_source(seen).unwrap()
    };
    let lost = primary(1, ShardStanding::Lost);
    let accepted = accept(&link, &lost);
    assert_eq!((accepted.epoch, accepted.accept_empty), (Epoch(2), true));
    assert_eq!(accepted.phase, LinkPhase::Linked);
    assert_eq!(accept(&accepted, &lost), accepted, "given twice at once");
    // What is reported until the primary has started empty.
    for (p, s) in [
        (primary(1, ShardStanding::Lost), cut(1)),
        (primary(1, ShardStanding::Lost), cut(2)),
        (primary(2, ShardStanding::Starting), cut(2)),
    ] {
        assert_eq!(advance(&accepted, Some(&p), Some(&s), 1), accepted);
    }
    let starting = primary(2, ShardStanding::Starting);
    assert_eq!(accept(&accepted, &starting), accepted);
    let writable = primary(2, ShardStanding::Writable);
    let begun = advance(&accepted, Some(&writable), Some(&cut(2)), 1);
    assert_eq!((begun.epoch, begun.accept_empty), (Epoch(2), false));
    // It died once more before it took a write: the word is used up, and may be given again.
    let lost = primary(2, ShardStanding::Lost);
    let withdrawn = advance(&accepted, Some(&lost), Some(&cut(2)), 1);
    assert_eq!((withdrawn.epoch, withdrawn.accept_empty), (Epoch(2), false));
    let again = accept(&accepted, &lost);
    assert_eq!((again.epoch, again.accept_empty), (Epoch(3), true));
}

#[test]
fn a_primary_that_was_emptied_is_accepted_like_one_that_is_lost() {
    let link = linked();
    let mut emptied = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Writable);
    emptied.shards[0].link.as_mut().unwrap().source_empty = true;
    let seen = LinkSeen {
        primary: Some(&emptied),
        secondary: None,
        ..LinkSeen::default()
    };
    let accepted = link.accept_empty_source(seen).unwrap();
    assert_eq!((accepted.epoch, accepted.accept_empty), (Epoch(2), true));
}

#[test]
fn a_failover_or_an_unlink_takes_a_person_s_word_back() {
    let link = linked();
    let lost = sees(&link.primary, 1, RoleKind::Primary, ShardStanding::Lost);
    let seen = LinkSeen {
        primary: Some(&lost),
        secondary: None,
        ..LinkSeen::default()
    };
    let accepted = link.accept_empty_source(seen).unwrap();
    let lost = sees(&link.primary, 2, RoleKind::Primary, ShardStanding::Lost);
    let cut = sees(&link.secondary, 2, RoleKind::Secondary, ShardStanding::Cut);
    let seen = LinkSeen {
        primary: Some(&lost),
        secondary: Some(&cut),
        ..LinkSeen::default()
    };
    let failed_over = accepted.fail_over(seen, Timestamp(0), 1).unwrap();
    assert_eq!(failed_over.epoch, Epoch(3));
    assert!(!failed_over.accept_empty);
    let unlinking = accepted.unlink(Timestamp(0)).unwrap();
    assert_eq!(
        unlinking.role_of(&link.primary.uid, None),
        GeoRole::Alone,
        "alone, it may start empty anyway"
    );
}

#[test]
fn unlink_frees_the_primary_then_the_secondary_then_ends() {
    let link = linked().unlink(Timestamp(0)).unwrap();
    assert!(link.unlink(Timestamp(0)).is_none());
    assert_eq!(link.role_of(&link.primary.uid, None), GeoRole::Alone);
    assert!(matches!(
        link.role_of(&link.secondary.uid, None),
        GeoRole::Secondary { .. }
    ));
    let p = sees(&link.primary, 2, RoleKind::Alone, ShardStanding::Writable);
    let s = sees(&link.secondary, 2, RoleKind::Secondary, ShardStanding::Cut);
    let link = advance(&link, Some(&p), Some(&s), 1);
    assert_eq!(link.phase, LinkPhase::UnlinkingSecondary);
    let s = sees(&link.secondary, 2, RoleKind::Alone, ShardStanding::Writable);
    let seen = LinkSeen {
        primary: Some(&p),
        secondary: Some(&s),
        ..LinkSeen::default()
    };
    assert_eq!(link.advance(seen, Timestamp(2)), Advance::Remove);
}

#[test]
fn unlink_does_not_wait_for_ever_for_a_dead_region() {
    let link = linked().unlink(Timestamp(0)).unwrap();
    assert_eq!(advance(&link, None, None, 9_999), link);
    let link = advance(&link, None, None, 10_000);
    assert_eq!(link.phase, LinkPhase::UnlinkingSecondary);
}
