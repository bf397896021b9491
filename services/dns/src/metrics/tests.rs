use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use tokio::sync::watch;

use super::*;
use crate::{
    answer::{Over, answer},
    served::Generation,
    zone::{Zone, tests::published},
};

fn asked(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name.parse::<Name>().unwrap(), kind));
    message.to_vec().unwrap()
}

#[tokio::test]
async fn the_page_tells_questions_answers_and_generations() {
    let tally = Arc::new(Tally::default());
    let (publish, receiver) = watch::channel(None);
    let metrics = Metrics::new(Arc::clone(&tally), Served(receiver));
    let before = metrics.render();
    assert!(before.contains("godwit_dns_names 0.0\n"), "{before}");
    assert!(!before.contains("godwit_dns_generation "), "{before}");

    let names = published(7, &[("east", "192.0.2.1")]);
    let zone = Zone::new(&names, &[], &[]).unwrap();
    let apex = names.zone.clone();
    for (name, kind) in [
        (format!("east.{apex}."), RecordType::A),
        (format!("west.{apex}."), RecordType::A),
        (format!("east.{apex}."), RecordType::TXT),
        ("elsewhere.example.".to_owned(), RecordType::AAAA),
    ] {
        let reply = answer(Some(&zone), &asked(&name, kind), Over::Udp).unwrap();
        tally.note(Transport::Udp, &reply);
    }
    // A header with nothing behind it asks for nothing.
    let reply = answer(
        Some(&zone),
        &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Over::Tcp,
    )
    .unwrap();
    tally.note(Transport::Tcp, &reply);
    tally.note_withheld(Withheld::Shortened);
    tally.note_heard();
    publish.send_replace(Some(Arc::new(Generation { names, zone })));

    let page = metrics.render();
    for line in [
        "godwit_dns_questions_total{kind=\"A\",transport=\"udp\"} 2\n",
        "godwit_dns_questions_total{kind=\"AAAA\",transport=\"udp\"} 1\n",
        "godwit_dns_questions_total{kind=\"other\",transport=\"udp\"} 1\n",
        "godwit_dns_questions_total{kind=\"none\",transport=\"tcp\"} 1\n",
        "godwit_dns_answers_total{rcode=\"NOERROR\",transport=\"udp\"} 2\n",
        "godwit_dns_answers_total{rcode=\"NXDOMAIN\",transport=\"udp\"} 1\n",
        "godwit_dns_answers_total{rcode=\"REFUSED\",transport=\"udp\"} 1\n",
        "godwit_dns_answers_total{rcode=\"FORMERR\",transport=\"tcp\"} 1\n",
        "godwit_dns_withheld_total{reason=\"shortened\"} 1\n",
        "godwit_dns_withheld_total{reason=\"connection\"} 0\n",
        "godwit_dns_names 1.0\n",
        "godwit_dns_generation 7.0\n",
        "godwit_build_info{service=\"dns\",",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let document = include_str!("../../../../docs/metrics.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|line| line.split(' ').next()) {
        assert!(
            document.contains(&format!("`{name}")),
            "{name} is not documented"
        );
    }
}
