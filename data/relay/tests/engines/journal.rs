//! The journal beside the geo-primary: longer than backlogs, full, damaged, lost.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use model::{EngineKind, EventKind};
use tokio::time::Instant;

use crate::rig::{Rig, flip, key, segment, source, write_noise, write_some};

both! {
    an_outage_longer_than_the_backlog_costs_no_full_sync,
    an_engine_that_drops_the_follower_again_and_again_costs_no_byte,
    a_full_disk_is_told_and_heals,
    a_damaged_journal_is_begun_anew,
    a_lost_journal_is_begun_where_the_secondary_stands,
}

async fn an_outage_longer_than_the_backlog_costs_no_full_sync(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-backlog-size", "16384")]).await;
    rig.link();
    rig.until_streaming().await;
    rig.until_equal().await;
    rig.wan.down();
    write_noise(&rig.primary, 0, 1500);
    let journaled = || rig.out().journaled == Some(rig.primary.position().offset);
    rig.eventually("all is journaled", journaled).await;
    let out = rig.out();
    assert!(out.journal_bytes > 15_000_000, "{out:?}");
    rig.wan.up();
    write_some(&rig.primary, 0, 500);
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.primary.count("sync_partial_ok"), 1);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    rig.stop().await;
}

/// Each time the follower stops in the middle of what it writes.
async fn an_engine_that_drops_the_follower_again_and_again_costs_no_byte(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-backlog-size", "64mb")]).await;
    rig.link();
    rig.until_streaming().await;
    rig.wan.down();
    for round in 0..20 {
        write_noise(&rig.primary, round * 40, 40);
        rig.primary.run("CLIENT KILL TYPE replica");
    }
    rig.wan.up();
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    rig.stop().await;
}

/// A file system of 64 MB.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]);
        let done = mount.arg(at).status().unwrap();
        assert!(done.success(), "mounting a small file system needs root");
        Self(at.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn a_full_disk_is_told_and_heals(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-backlog-size", "64mb")]).await;
    let small = Small::mount(&rig.journal());
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;

    let filler = small.0.join("somebody else's");
    let file = File::create(&filler).unwrap();
    let free = rustix::fs::statvfs(&small.0).unwrap();
    let free = free.f_bavail * free.f_frsize;
    file.write_all_at(&vec![1; usize::try_from(free - (4 << 20)).unwrap()], 0)
        .unwrap();
    write_noise(&rig.primary, 0, 500);
    let told = || {
        let why = rig.out().last_error.unwrap_or_default();
        why.contains("bytes free") && why.contains("nothing is replicated until")
    };
    rig.eventually("it is told", told).await;
    // The geo-primary does not notice.
    write_noise(&rig.primary, 500, 500);
    let held = rig.primary.count("mem_clients_slaves");
    assert!(held < 32 << 20, "{held}");

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    rig.until_equal().await;
    assert_eq!(rig.out().last_error, None);
    assert_eq!(rig.primary.count("sync_full"), 1);
    let told = rig.events(EventKind::JournalFailed);
    assert!((1..=3).contains(&told.len()), "{told:?}");
    rig.outbound.close(&key(), &rig.journal(), false).await;
    drop(small);
    rig.stop().await;
}

async fn a_damaged_journal_is_begun_anew(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    // In the middle, which is noticed when it is read; in the header, which is noticed at once.
    for (round, place) in [5_000_000, 10].into_iter().enumerate() {
        rig.wan.down();
        write_noise(&rig.primary, 0, 1000);
        // What is not known to be durable is left for torn, and what was written later knows.
        let since = Instant::now();
        rig.eventually("it is durable", || since.elapsed() > Duration::from_secs(2))
            .await;
        write_some(&rig.primary, 0, 100);
        let read = || rig.out().read == Some(rig.primary.position());
        rig.eventually("all is read", read).await;
        rig.close_outbound().await;
        flip(&segment(&rig.journal()), place);
        rig.open_outbound().await;
        rig.serve(source(&rig.primary, 1));
        rig.until_equal().await;
        let told = rig.events(EventKind::JournalFailed);
        assert_eq!(told.len(), round + 1, "{told:?}");
        let last = told.last().unwrap();
        assert!(
            last.contains("damaged") && last.contains("begun anew"),
            "{last}"
        );
    }
    rig.stop().await;
}

async fn a_lost_journal_is_begun_where_the_secondary_stands(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-backlog-size", "64mb")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    rig.wan.down();
    write_noise(&rig.primary, 0, 1000);
    rig.outbound.close(&key(), &rig.journal(), true).await;
    assert!(!rig.journal().exists());
    write_noise(&rig.primary, 1000, 100);
    rig.open_outbound().await;
    rig.serve(source(&rig.primary, 1));
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    rig.stop().await;
}
