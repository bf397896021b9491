//! The records of an answer. Every name in it ends as the question's does, letter for letter, so
//! that it is written as a pointer there whatever case the question has.

use hickory_proto::rr::{
    Name, RData, Record, RecordType,
    rdata::{A, AAAA, CNAME, HINFO, NS, SOA},
};

use crate::zone::{Node, Server, Zone};

/// Who looks after the zone, below it (RFC 2142).
const MAILBOX: &str = "hostmaster";
/// What a server that copied the zone would go by, in seconds: refresh, retry, expire. Nobody can
/// copy it.
const COPIES: (i32, i32, i32) = (60, 10, 3_600);
/// All that there is to say to ANY (RFC 8482 4.2).
const ANY: &str = "RFC8482";

/// Makes records for one question.
pub(super) struct Records<'a> {
    zone: &'a Zone,
    /// The zone's name as the question has it.
    origin: Name,
}

impl<'a> Records<'a> {
    /// For a question about `name`, which is in the zone.
    pub(super) fn new(zone: &'a Zone, name: &Name) -> Self {
        Self {
            zone,
            origin: name.trim_to(zone.origin.iter().len()),
        }
    }

    fn record(&self, owner: &Name, data: RData) -> Record {
        Record::from_rdata(owner.clone(), self.zone.ttl, data)
    }

    /// A name below the zone's.
    pub(super) fn name(&self, labels: &[String]) -> Option<Name> {
        let mut labels = labels.iter().rev();
        labels
            .try_fold(self.origin.clone(), |below, label| {
                below.prepend_label(label.as_bytes())
            })
            .ok()
    }

    fn server(&self, server: &Server) -> Option<Name> {
        match server {
            Server::Within(labels) => self.name(labels),
            Server::Elsewhere(name) => Some(name.clone()),
        }
    }

    /// The zone's SOA. As an authority it says for how long nothing is to be expected (RFC 2308).
    pub(super) fn soa(&self) -> Option<Record> {
        let first = self.server(self.zone.servers.first()?)?;
        let mailbox = self.name(&[MAILBOX.to_owned()]);
        let (refresh, retry, expire) = COPIES;
        let soa = SOA::new(
            first,
            mailbox.unwrap_or_else(Name::root),
            self.zone.serial(),
            refresh,
            retry,
            expire,
            self.zone.ttl,
        );
        Some(self.record(&self.origin, RData::SOA(soa)))
    }

    /// The zone's name servers.
    pub(super) fn servers(&self) -> Vec<Record> {
        let names = self.zone.servers.iter();
        let names = names.filter_map(|server| self.server(server));
        let records = names.map(|name| self.record(&self.origin, RData::NS(NS(name))));
        records.collect()
    }

    /// The addresses of those that are within the zone.
    pub(super) fn server_addresses(&self) -> Vec<Record> {
        let within = self.zone.servers.iter().filter_map(|server| match server {
            Server::Within(labels) => Some((self.name(labels)?, self.zone.target(labels)?)),
            Server::Elsewhere(_) => None,
        });
        let records = within.flat_map(|(name, node)| {
            let mut all = self.of(&name, node, RecordType::A);
            all.extend(self.of(&name, node, RecordType::AAAA));
            all
        });
        records.collect()
    }

    /// The CNAME of an alias.
    pub(super) fn alias(&self, owner: &Name, target: &[String]) -> Option<Record> {
        let target = self.name(target)?;
        Some(self.record(owner, RData::CNAME(CNAME(target))))
    }

    /// What a node has of a type, but for what only the zone's top and aliases have.
    pub(super) fn of(&self, owner: &Name, node: &Node, wanted: RecordType) -> Vec<Record> {
        let Node::Addresses { v4, v6 } = node else {
            return Vec::new();
        };
        let data: Vec<RData> = if wanted == RecordType::A {
            v4.iter().map(|ip| RData::A(A(*ip))).collect()
        } else if wanted == RecordType::AAAA {
            v6.iter().map(|ip| RData::AAAA(AAAA(*ip))).collect()
        } else if wanted == RecordType::ANY {
            vec![RData::HINFO(HINFO::new(ANY.to_owned(), String::new()))]
        } else {
            Vec::new()
        };
        data.into_iter()
            .map(|data| self.record(owner, data))
            .collect()
    }
}
