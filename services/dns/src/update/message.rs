//! One update: what has to be there, and what is to be there instead.

use std::net::IpAddr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA},
    },
};

/// What becomes of a name.
pub(super) struct Wanted<'a> {
    /// The zone that the other server has.
    pub(super) zone: &'a Name,
    pub(super) name: &'a Name,
    /// In seconds.
    pub(super) ttl: u32,
    /// The addresses that have to be there now, and no others.
    pub(super) there: &'a [IpAddr],
    /// The addresses that are to be there.
    pub(super) addresses: &'a [IpAddr],
}

const TYPES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

impl Wanted<'_> {
    /// The message that says so (RFC 2136 2.4 and 2.5).
    pub(super) fn message(&self, id: u16) -> Message {
        let mut message = Message::new(id, MessageType::Query, OpCode::Update);
        message.add_query(Query::query(self.zone.clone(), RecordType::SOA));
        // Nothing can stand beside an alias.
        message.add_answer(self.absent(RecordType::CNAME));
        for of in TYPES {
            let there = select(self.there, of);
            if there.is_empty() {
                message.add_answer(self.absent(of));
            }
            for data in there {
                message.add_answer(Record::from_rdata(self.name.clone(), 0, data));
            }
        }
        if self.there == self.addresses {
            return message;
        }
        for of in TYPES {
            if !select(self.there, of).is_empty() {
                message.add_authority(self.class(DNSClass::ANY, of));
            }
            for data in select(self.addresses, of) {
                message.add_authority(Record::from_rdata(self.name.clone(), self.ttl, data));
            }
        }
        message
    }

    /// "RRset does not exist".
    fn absent(&self, of: RecordType) -> Record {
        self.class(DNSClass::NONE, of)
    }

    fn class(&self, class: DNSClass, of: RecordType) -> Record {
        let mut record = Record::update0(self.name.clone(), 0, of);
        record.dns_class = class;
        record
    }
}

fn select(all: &[IpAddr], of: RecordType) -> Vec<RData> {
    let data = all.iter().map(|ip| match ip {
        IpAddr::V4(ip) => RData::A(A(*ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(*ip)),
    });
    data.filter(|data| data.record_type() == of).collect()
}
