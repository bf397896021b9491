use std::fmt::Write as _;

use hickory_proto::{
    op::Query,
    rr::{Name, RData, rdata::opt::EdnsOption},
};
use proptest::prelude::*;

use super::*;
use crate::zone::{absolute, tests::linked};

fn question(name: &str, of: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    // As it is written: `absolute` folds.
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, of));
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn ask_over(message: &Message, over: Over) -> (Message, usize) {
    let reply = answer(Some(&linked()), &bytes(message), over).unwrap();
    let parsed = Message::from_vec(&reply.bytes).unwrap();
    assert_eq!(parsed.metadata.id, message.metadata.id);
    assert_eq!(parsed.metadata.message_type, MessageType::Response);
    (parsed, reply.bytes.len())
}

fn ask(message: &Message) -> Message {
    ask_over(message, Over::Tcp).0
}

/// What an answer says, in a line.
fn said(reply: &Message) -> String {
    let mut text = format!("{:?}", reply.metadata.response_code);
    for (flag, set) in [
        ("aa", reply.metadata.authoritative),
        ("tc", reply.metadata.truncation),
        ("ra", reply.metadata.recursion_available),
    ] {
        if set {
            let _ = write!(text, " {flag}");
        }
    }
    for (section, records) in [
        ("", &reply.answers),
        (" auth", &reply.authorities),
        (" more", &reply.additionals),
    ] {
        for record in records {
            let data = if let RData::SOA(soa) = &record.data {
                format!("{}/{}", soa.serial, soa.minimum)
            } else {
                record.data.to_string()
            };
            let _ = write!(
                text,
                "{section} {} {} {} {data}",
                record.name,
                record.ttl,
                record.record_type()
            );
        }
    }
    text
}

#[test]
fn each_kind_of_question_has_its_answer() {
    use RecordType::{A, AAAA, ANY, AXFR, CNAME, IXFR, MX, NS, OPT, SOA, TXT};

    const SOA_TEXT: &str = "redis.example. 5 SOA 7/5";
    for (name, of, expected) in [
        ("east.redis.example", A, "NoError aa east.redis.example. 5 A 192.0.2.1".to_owned()),
        ("east.redis.example", AAAA, "NoError aa east.redis.example. 5 AAAA 2001:db8::1".to_owned()),
        ("east.redis.example", CNAME, format!("NoError aa auth {SOA_TEXT}")),
        ("east.redis.example", MX, format!("NoError aa auth {SOA_TEXT}")),
        ("east.redis.example", RecordType::Unknown(1000), format!("NoError aa auth {SOA_TEXT}")),
        ("east.redis.example", ANY, "NoError aa east.redis.example. 5 HINFO RFC8482 ".to_owned()),
        ("west.redis.example", AAAA, format!("NoError aa auth {SOA_TEXT}")),
        ("new.redis.example", A, format!("NoError aa auth {SOA_TEXT}")),
        ("east.geo.redis.example", A, "NoError aa east.geo.redis.example. 5 A 192.0.2.2".to_owned()),
        (
            "west.geo.redis.example",
            A,
            "NoError aa west.geo.redis.example. 5 CNAME east.geo.redis.example. east.geo.redis.example. 5 A 192.0.2.2".to_owned(),
        ),
        (
            "west.geo.redis.example",
            AAAA,
            format!("NoError aa west.geo.redis.example. 5 CNAME east.geo.redis.example. auth {SOA_TEXT}"),
        ),
        ("west.geo.redis.example", CNAME, "NoError aa west.geo.redis.example. 5 CNAME east.geo.redis.example.".to_owned()),
        ("west.geo.redis.example", ANY, "NoError aa west.geo.redis.example. 5 CNAME east.geo.redis.example.".to_owned()),
        ("geo.redis.example", A, format!("NoError aa auth {SOA_TEXT}")),
        ("none.redis.example", A, format!("NXDomain aa auth {SOA_TEXT}")),
        ("none.redis.example", ANY, format!("NXDomain aa auth {SOA_TEXT}")),
        ("x.east.redis.example", A, format!("NXDomain aa auth {SOA_TEXT}")),
        ("*.redis.example", A, format!("NXDomain aa auth {SOA_TEXT}")),
        ("redis.example", SOA, format!("NoError aa {SOA_TEXT}")),
        ("redis.example", ANY, format!("NoError aa {SOA_TEXT}")),
        ("redis.example", A, format!("NoError aa auth {SOA_TEXT}")),
        ("redis.example", TXT, format!("NoError aa auth {SOA_TEXT}")),
        (
            "redis.example",
            NS,
            "NoError aa redis.example. 5 NS a.ns.redis.example. more a.ns.redis.example. 5 A 192.0.2.53".to_owned(),
        ),
        ("a.ns.redis.example", A, "NoError aa a.ns.redis.example. 5 A 192.0.2.53".to_owned()),
        ("redis.example", AXFR, "Refused".to_owned()),
        ("redis.example", IXFR, "Refused".to_owned()),
        ("example", A, "Refused".to_owned()),
        (".", NS, "Refused".to_owned()),
        ("version.bind", TXT, "Refused".to_owned()),
        ("redis.example", OPT, "FormErr".to_owned()),
        ("redis.example", RecordType::Unknown(253), "NotImp".to_owned()),
        ("redis.example", RecordType::TSIG, "NotImp".to_owned()),
    ] {
        let reply = ask(&question(name, of));
        assert_eq!(said(&reply), expected, "{name} {of}");
        assert_eq!(reply.queries.len(), 1, "{name} {of}: the question is told");
        assert!(reply.metadata.recursion_desired && reply.edns.is_none());
    }
}

#[test]
fn other_classes_are_refused() {
    for class in [DNSClass::CH, DNSClass::HS, DNSClass::ANY, DNSClass::NONE] {
        let mut asked = question("east.redis.example", RecordType::A);
        asked.queries[0].set_query_class(class);
        assert_eq!(said(&ask(&asked)), "Refused", "{class}");
    }
}

#[test]
fn without_names_every_question_fails() {
    let asked = bytes(&question("east.redis.example", RecordType::A));
    let reply = answer(None, &asked, Over::Udp).unwrap();
    let parsed = Message::from_vec(&reply.bytes).unwrap();
    assert_eq!(said(&parsed), "ServFail");
}

#[test]
fn the_case_of_a_question_comes_back_everywhere() {
    let asked = question("wEsT.GeO.rEdIs.ExAmPlE", RecordType::A);
    let (reply, length) = ask_over(&asked, Over::Udp);
    assert!(reply.queries[0].name().eq_case(asked.queries[0].name()));
    assert!(reply.answers[0].name.eq_case(asked.queries[0].name()));
    let plain = question("west.geo.redis.example", RecordType::A);
    // Only the label of the other name that is not the question's own is written out.
    assert!(length <= ask_over(&plain, Over::Udp).1 + "geo.".len());
}

fn with_edns(mut message: Message, version: u8, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_version(version).set_max_payload(payload);
    message.set_edns(edns);
    message
}

#[test]
fn edns_is_answered_with_edns_of_version_0() {
    let plain = question("redis.example", RecordType::SOA);
    for (version, payload, expected) in [
        (0, 512, "NoError aa"),
        (0, 0, "NoError aa"),
        (0, 65_535, "NoError aa"),
        (1, 1_232, "BADVERS"),
        (255, 1_232, "BADVERS"),
    ] {
        let mut asked = with_edns(plain.clone(), version, payload);
        let edns = asked.edns.as_mut().unwrap();
        edns.flags_mut().z = 0x40;
        edns.set_dnssec_ok(true);
        edns.options_mut()
            .insert(EdnsOption::Unknown(100, Vec::new()));
        let reply = ask(&asked);
        // BADSIG is the same number.
        let said = said(&reply).replace("BADSIG", "BADVERS");
        assert!(said.starts_with(expected), "{version}: {said}");
        assert_eq!(reply.answers.is_empty(), version > 0);
        let ours = reply.edns.unwrap();
        assert_eq!((ours.version(), ours.max_payload()), (0, 1_232));
        assert_eq!((ours.flags().dnssec_ok, ours.flags().z), (true, 0));
        assert!(
            ours.options().as_ref().is_empty(),
            "no option is known here"
        );
    }
}

#[test]
fn other_operations_are_not_implemented() {
    for opcode in [1, 2, 3, 4, 5, 6, 15] {
        let mut asked = bytes(&with_edns(
            question("redis.example", RecordType::SOA),
            0,
            512,
        ));
        asked[2] = opcode << 3;
        let reply = answer(Some(&linked()), &asked, Over::Udp).unwrap();
        assert_eq!(reply.bytes[2] & 0x78, opcode << 3);
        let parsed = Message::from_vec(&reply.bytes).unwrap();
        assert_eq!(said(&parsed), "NotImp", "{opcode}");
        assert!(parsed.edns.is_some(), "{opcode}");
        // And with nothing but a header.
        let bare = [&asked[..4], &[0; 8]].concat();
        let reply = answer(Some(&linked()), &bare, Over::Udp).unwrap();
        assert_eq!(
            (reply.bytes.len(), reply.bytes[3] & 15),
            (12, 4),
            "{opcode}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_a_format_error_of_a_bare_header() {
    let whole = bytes(&question("east.redis.example", RecordType::A));
    let two = {
        let mut message = question("east.redis.example", RecordType::A);
        message.add_query(message.queries[0].clone());
        bytes(&message)
    };
    let mut looped = whole.clone();
    looped.splice(12..whole.len() - 4, [0xC0, 12]);
    let mut forward = whole.clone();
    forward.splice(12..whole.len() - 4, [0xC0, 40]);
    let mut promised = whole.clone();
    promised[4..6].copy_from_slice(&[0xFF, 0xFF]);
    let mut none = whole[..12].to_vec();
    none[4..6].copy_from_slice(&[0, 0]);
    for (what, asked) in [
        ("cut", &whole[..whole.len() - 1]),
        ("header only", &whole[..12]),
        ("two questions", &two),
        ("no question", &none),
        ("more questions than there are", &promised),
        ("a name that leads to itself", &looped),
        ("a name that leads ahead", &forward),
    ] {
        let reply = answer(Some(&linked()), asked, Over::Udp).unwrap();
        assert_eq!(reply.bytes.len(), 12, "{what}");
        assert_eq!(reply.bytes[..2], [0x12, 0x34], "{what}");
        assert_eq!(reply.bytes[3] & 15, 1, "{what}");
    }
    let mut twice = bytes(&with_edns(question("redis.example", RecordType::A), 0, 512));
    twice.extend_from_within(twice.len() - 11..);
    twice[11] = 2;
    let reply = answer(Some(&linked()), &twice, Over::Udp).unwrap();
    assert_eq!(reply.bytes[3] & 15, 1, "two OPT records");
}

#[test]
fn what_is_no_question_gets_no_answer() {
    let whole = bytes(&question("east.redis.example", RecordType::A));
    assert_eq!(answer(Some(&linked()), &whole[..11], Over::Udp), None);
    assert_eq!(answer(Some(&linked()), b"", Over::Tcp), None);
    let mut response = whole;
    response[2] |= 0x80;
    assert_eq!(answer(Some(&linked()), &response, Over::Udp), None);
}

#[test]
fn a_signed_question_is_told_that_its_key_is_unknown() {
    use hickory_proto::rr::{TSigner, rdata::tsig::TsigAlgorithm};

    let mut asked = question("east.redis.example", RecordType::A);
    let key = absolute("key.example").unwrap();
    let signer = TSigner::new(vec![1; 32], TsigAlgorithm::HmacSha256, key, 300).unwrap();
    asked.finalize(&signer, 1_700_000_000).unwrap();
    let reply = ask(&asked);
    assert_eq!(said(&reply), "NotAuth");
    let tsig = &reply.signature().unwrap().data;
    assert_eq!((tsig.error, tsig.mac.len()), (Some(TsigError::BadKey), 0));
}

#[test]
fn a_datagram_is_never_larger_than_three_of_its_questions() {
    let servers: Vec<_> = (0..8)
        .map(|number| {
            format!("a-name-server-{number}.elsewhere.test")
                .parse()
                .unwrap()
        })
        .collect();
    let names = crate::zone::tests::published(7, &[]);
    let zone = Zone::new(&names, &servers, &[]).unwrap();
    let asked = bytes(&question("redis.example", RecordType::NS));
    let read = |over| {
        let reply = answer(Some(&zone), &asked, over).unwrap();
        (Message::from_vec(&reply.bytes).unwrap(), reply.bytes.len())
    };
    let (short, length) = read(Over::Udp);
    assert!(length <= 3 * asked.len());
    assert_eq!(said(&short), "NoError aa tc");
    let (whole, _) = read(Over::Tcp);
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (8, false));
}

#[test]
fn a_short_answer_asks_for_tcp_and_tells_nothing() {
    let asked = with_edns(question("west.geo.redis.example", RecordType::A), 0, 1_232);
    let (reply, length) = ask_over(&asked, Over::UdpShort);
    assert_eq!(said(&reply), "NoError aa tc");
    assert_eq!(length, bytes(&asked).len());
    assert!(reply.edns.is_some());
}

#[test]
fn equal_answers_have_one_subject() {
    let subject = |name: &str, of| {
        let asked = bytes(&question(name, of));
        answer(Some(&linked()), &asked, Over::Udp).unwrap().subject
    };
    let east = subject("east.redis.example", RecordType::A);
    assert_eq!(east, subject("EAST.redis.example", RecordType::MX));
    assert_ne!(east, subject("west.redis.example", RecordType::A));
    let none = subject("x1.redis.example", RecordType::A);
    assert_eq!(none, subject("x2.redis.example", RecordType::A));
    assert_eq!(subject("example", RecordType::A), Subject::Refusal);
}

/// Any answer to any bytes is to the message that was sent, and no worse than it.
fn holds(asked: &[u8]) {
    let zone = linked();
    for over in [Over::Udp, Over::UdpShort, Over::Tcp] {
        let Some(reply) = answer(Some(&zone), asked, over) else {
            continue;
        };
        let read = Message::from_vec(&reply.bytes).unwrap();
        assert_eq!(reply.bytes[..2], asked[..2]);
        assert_eq!(read.metadata.message_type, MessageType::Response);
        assert_eq!(reply.bytes[2] & 0x79, asked[2] & 0x79, "opcode and RD");
        assert_eq!(asked[2] & 0x80, 0, "a response is not answered");
        if over != Over::Tcp {
            assert!(reply.bytes.len() <= 1_232);
            assert!(reply.bytes.len() <= 3 * asked.len());
        }
        if let [question] = read.queries.as_slice() {
            let theirs = Message::from_vec(asked).unwrap();
            assert_eq!(*question, theirs.queries[0]);
            assert!(question.name().eq_case(theirs.queries[0].name()));
        }
        for record in read.answers.iter().chain(&read.authorities) {
            assert!(record.ttl <= zone.ttl);
            assert!(zone.origin.zone_of(&record.name));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_right_or_not_at_all(asked in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&asked);
    }

    #[test]
    fn a_question_that_was_changed_is_one_too(
        which in 0_usize..5,
        edits in prop::collection::vec((0_usize..128, any::<u8>()), 0..6),
        cut in 0_usize..128,
        more in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let names = ["east.redis.example", "west.geo.redis.example", "redis.example", "none.redis.example", "elsewhere.test"];
        let of = [RecordType::A, RecordType::AAAA, RecordType::NS, RecordType::ANY, RecordType::SOA];
        let mut asked = bytes(&with_edns(question(names[which], of[which]), 0, 1_232));
        for (place, byte) in edits {
            let length = asked.len();
            asked[place % length] = byte;
        }
        if cut < 64 {
            asked.truncate(asked.len().saturating_sub(cut));
        }
        asked.extend(more);
        holds(&asked);
    }
}
