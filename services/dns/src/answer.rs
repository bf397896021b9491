//! The answer to a question: bytes and a zone in, bytes out.
//!
//! RFC 1034 and 1035, with RFC 2308 (negative answers), 3225 (DO), 6891 (EDNS), 8020 (nothing below
//! a name that is not there), 8482 (ANY), 8906 (what no server may fail to answer) and 8945 (TSIG,
//! of which no key is known).

mod records;

use hickory_proto::{
    ProtoError,
    op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Record, RecordType,
        rdata::tsig::{TSIG, TsigError, make_tsig_record},
    },
    serialize::binary::BinEncoder,
};

use crate::zone::{Node, Relative, Zone};
use records::Records;

/// Bytes of a message's header.
const HEADER: usize = 12;
/// What every host can take over UDP (RFC 1035 2.3.4).
const PLAIN_LIMIT: usize = 512;
/// Over UDP, no answer is larger than so many of its questions: nobody gains by a forged sender.
const AMPLIFICATION: usize = 3;

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// In a datagram.
    Udp,
    /// In a datagram that asks for TCP and tells nothing: a sender that is not forged comes back.
    UdpShort,
    /// On a connection.
    Tcp,
}

/// What an answer is about, so that equal ones can be counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A name that is there.
    Name(Relative),
    /// Any name that is not.
    NoName,
    /// A question that is not answered.
    Refusal,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) subject: Subject,
    /// What was asked for, when that could be read.
    pub(crate) kind: Option<RecordType>,
    /// What it says.
    pub(crate) code: ResponseCode,
}

/// Answers a message; `None`: it deserves none, since it is no question at all. Without a zone,
/// because no names have arrived yet, every question fails.
pub(crate) fn answer(zone: Option<&Zone>, asked: &[u8], over: Over) -> Option<Reply> {
    let header = Asked::read(asked)?;
    if header.is_response {
        return None;
    }
    let Decided {
        mut reply,
        subject,
        payload,
    } = decide(zone, asked, header);
    let kind = reply.queries.first().map(Query::query_type);
    let code = reply.metadata.response_code;
    if over == Over::UdpShort && !reply.queries.is_empty() {
        shorten(&mut reply);
    }
    let bytes = match over {
        Over::Tcp => written(&reply)?,
        Over::Udp | Over::UdpShort => fitted(reply, limit(payload, asked.len()))?,
    };
    Some(Reply {
        bytes,
        subject,
        kind,
        code,
    })
}

/// What is looked at before a message is taken apart.
#[derive(Debug, Clone, Copy)]
struct Asked {
    id: u16,
    is_response: bool,
    opcode: OpCode,
    recursion_desired: bool,
    questions: u16,
}

impl Asked {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let [id_high, id_low, flags, _, count_high, count_low, ..] = *header;
        Some(Self {
            id: u16::from_be_bytes([id_high, id_low]),
            is_response: flags & 0x80 != 0,
            opcode: OpCode::from_u8((flags >> 3) & 0x0F),
            recursion_desired: flags & 1 != 0,
            questions: u16::from_be_bytes([count_high, count_low]),
        })
    }

    /// An answer that says no more than this.
    fn reply(self, code: ResponseCode) -> Message {
        let mut reply = Message::new(self.id, MessageType::Response, self.opcode);
        reply.metadata.recursion_desired = self.recursion_desired;
        reply.metadata.response_code = code;
        reply
    }
}

struct Decided {
    reply: Message,
    subject: Subject,
    /// What the sender can take in a datagram, when it says so.
    payload: Option<u16>,
}

fn decide(zone: Option<&Zone>, bytes: &[u8], header: Asked) -> Decided {
    let refuse = |code, parsed: Option<&Message>| {
        let mut reply = header.reply(code);
        Decided {
            payload: parsed.and_then(|parsed| agree(&mut reply, parsed)),
            reply,
            subject: Subject::Refusal,
        }
    };
    // A message with more is not taken apart: it would cost what its header promises.
    let parsed = (header.questions <= 1)
        .then(|| Message::from_vec(bytes).ok())
        .flatten();
    if header.opcode != OpCode::Query {
        return refuse(ResponseCode::NotImp, parsed.as_ref());
    }
    let Some(parsed) = parsed else {
        return refuse(ResponseCode::FormErr, None);
    };
    let [question] = parsed.queries.as_slice() else {
        return refuse(ResponseCode::FormErr, Some(&parsed));
    };
    let mut reply = header.reply(ResponseCode::NoError);
    reply.metadata.checking_disabled = parsed.metadata.checking_disabled;
    reply.add_query(question.clone());
    let payload = agree(&mut reply, &parsed);
    let subject = if parsed.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        reply.metadata.response_code = ResponseCode::BADVERS;
        Subject::Refusal
    } else if let Some(signature) = parsed.signature() {
        reply.metadata.response_code = ResponseCode::NotAuth;
        reply.signature = Some(Box::new(unknown_key(signature)));
        Subject::Refusal
    } else {
        look_up(zone, question, &mut reply)
    };
    Decided {
        reply,
        subject,
        payload,
    }
}

/// Speaks EDNS with who speaks it; gives what they can take in a datagram.
fn agree(reply: &mut Message, asked: &Message) -> Option<u16> {
    let theirs = asked.edns.as_ref()?;
    let mut ours = Edns::new();
    ours.set_max_payload(DEFAULT_MAX_PAYLOAD_LEN);
    ours.set_dnssec_ok(theirs.flags().dnssec_ok);
    reply.set_edns(ours);
    Some(theirs.max_payload())
}

/// RFC 8945 5.2.1: no key is known here, and that is said unsigned.
fn unknown_key(signature: &Record<TSIG>) -> Record<TSIG> {
    let theirs = &signature.data;
    let tsig = TSIG::new(
        theirs.algorithm.clone(),
        theirs.time,
        theirs.fudge,
        Vec::new(),
        theirs.oid,
        Some(TsigError::BadKey),
        Vec::new(),
    );
    make_tsig_record(signature.name.clone(), tsig)
}

fn look_up(zone: Option<&Zone>, question: &Query, reply: &mut Message) -> Subject {
    let Some(zone) = zone else {
        reply.metadata.response_code = ResponseCode::ServFail;
        return Subject::Refusal;
    };
    if let Some(code) = unserved(question) {
        reply.metadata.response_code = code;
        return Subject::Refusal;
    }
    let Some(name) = zone.relative(question.name()) else {
        reply.metadata.response_code = ResponseCode::Refused;
        return Subject::Refusal;
    };
    reply.metadata.authoritative = true;
    let records = Records::new(zone, question.name());
    let Some(node) = zone.node(&name) else {
        reply.metadata.response_code = ResponseCode::NXDomain;
        reply.authorities.extend(records.soa());
        return Subject::NoName;
    };
    let wanted = question.query_type();
    let owner = question.name();
    match node {
        Node::Top if wanted == RecordType::NS => {
            reply.answers = records.servers();
            reply.additionals = records.server_addresses();
        }
        Node::Top if matches!(wanted, RecordType::SOA | RecordType::ANY) => {
            reply.answers.extend(records.soa());
        }
        Node::Alias(target) => {
            reply.answers.extend(records.alias(owner, target));
            if !matches!(wanted, RecordType::CNAME | RecordType::ANY)
                && let Some((target, node)) = records.name(target).zip(zone.target(target))
            {
                reply.answers.extend(records.of(&target, node, wanted));
                if reply.answers.len() == 1 {
                    reply.authorities.extend(records.soa());
                }
            }
        }
        Node::Between | Node::Top | Node::Addresses { .. } => {
            reply.answers = records.of(owner, node, wanted);
        }
    }
    if reply.answers.is_empty() {
        reply.authorities.extend(records.soa());
    }
    Subject::Name(name)
}

/// Questions that are not for names and their data.
fn unserved(question: &Query) -> Option<ResponseCode> {
    if question.query_class() != DNSClass::IN {
        return Some(ResponseCode::Refused);
    }
    match u16::from(question.query_type()) {
        // OPT is no type to ask for.
        41 => Some(ResponseCode::FormErr),
        // IXFR and AXFR.
        251 | 252 => Some(ResponseCode::Refused),
        // ANY.
        255 => None,
        // What else stands for no data (RFC 6895 3.1): TKEY, TSIG, MAILB, MAILA, unassigned ones.
        128..255 => Some(ResponseCode::NotImp),
        _ => None,
    }
}

/// Leaves the question, and asks for TCP.
fn shorten(reply: &mut Message) {
    reply.answers.clear();
    reply.authorities.clear();
    reply.additionals.clear();
    reply.metadata.truncation = true;
}

/// An answer within a limit, with as much as there is room for.
fn fitted(mut reply: Message, limit: usize) -> Option<Vec<u8>> {
    let bytes = written(&reply)?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    // Addresses of name servers can be asked for.
    reply.additionals.clear();
    let bytes = written(&reply)?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    shorten(&mut reply);
    written(&reply)
}

/// How large an answer may be in a datagram.
fn limit(payload: Option<u16>, asked: usize) -> usize {
    let room = payload.map_or(PLAIN_LIMIT, |bytes| {
        usize::from(bytes.min(DEFAULT_MAX_PAYLOAD_LEN)).max(PLAIN_LIMIT)
    });
    room.min(asked.saturating_mul(AMPLIFICATION))
}

fn written(reply: &Message) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match emit(reply, &mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            tracing::error!(%error, "An answer cannot be written; the question stays without one");
            None
        }
    }
}

fn emit(reply: &Message, bytes: &mut Vec<u8>) -> Result<(), ProtoError> {
    use hickory_proto::serialize::binary::BinEncodable as _;

    reply.emit(&mut BinEncoder::new(bytes))
}

#[cfg(test)]
mod tests;
