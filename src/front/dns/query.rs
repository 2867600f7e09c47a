//! Reading a request: what is silence, what is an error by its header alone, what is a question.

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::name::{Name, ToName};
use domain::base::{Header, Message, MessageBuilder, Question};
use domain::rdata::AllRecordData;

/// The UDP payload every path carries unfragmented: what is accepted and announced
/// (RFC 6891 §6.2.5, DNS Flag Day 2020).
pub(super) const PAYLOAD: u16 = 1232;
/// The UDP payload of a client without EDNS (RFC 1035 §4.2.1).
const CLASSIC_PAYLOAD: u16 = 512;

/// How a request came, and so how long its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// One question and the circumstances that shape its answer.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// The request's header.
    pub(super) header: Header,
    /// The question, its name in the case it was asked in.
    pub(super) question: Question<Name<Vec<u8>>>,
    /// What the client's OPT record said, if it sent one.
    pub(super) edns: Option<Edns>,
    /// The longest answer it takes, in octets.
    pub(super) limit: usize,
}

/// The client's OPT record (RFC 6891 §6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edns {
    pub(super) version: u8,
    pub(super) dnssec_ok: bool,
    payload: u16,
}

/// Why there is no question to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not a request at all: an answer to it could start a loop.
    Silence,
    /// A request to be answered with this, header only.
    Error(Vec<u8>),
}

impl Query {
    /// Reads a request.
    pub(super) fn parse(request: &[u8], transport: Transport) -> Result<Self, Unreadable> {
        let message = Message::from_slice(request).map_err(|_| Unreadable::Silence)?;
        let header = message.header();
        if header.qr() {
            return Err(Unreadable::Silence);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(error(header, Rcode::NOTIMP));
        }
        // Exactly one question (RFC 9619).
        let question = message.sole_question().map_err(|_| error(header, Rcode::FORMERR))?;
        let edns = read_edns(message).map_err(|_| error(header, Rcode::FORMERR))?;
        let limit = match transport {
            Transport::Tcp => u16::MAX,
            Transport::Udp => {
                edns.map_or(CLASSIC_PAYLOAD, |edns| edns.payload.clamp(CLASSIC_PAYLOAD, PAYLOAD))
            }
        };
        let (qtype, qclass) = (question.qtype(), question.qclass());
        let question = Question::new(question.into_qname().to_name(), qtype, qclass);
        Ok(Self { header, question, edns, limit: usize::from(limit) })
    }

    /// The name asked about.
    pub(super) fn name(&self) -> &Name<Vec<u8>> {
        self.question.qname()
    }

    /// The type asked for.
    pub(super) fn rtype(&self) -> Rtype {
        self.question.qtype()
    }

    /// The class asked in.
    pub(super) fn class(&self) -> Class {
        self.question.qclass()
    }

    /// Whether signatures are wanted too (RFC 3225).
    pub(super) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

/// A request's records do not parse, or there are two OPT among them (RFC 6891 §6.1.1).
struct Malformed;

fn read_edns(message: &Message<[u8]>) -> Result<Option<Edns>, Malformed> {
    let mut found = None;
    let additional = message.additional().map_err(|_| Malformed)?;
    for record in additional {
        let record = record.map_err(|_| Malformed)?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        // The options themselves must be sound, too.
        record.to_any_record::<AllRecordData<_, _>>().map_err(|_| Malformed)?;
        let [_, version, flags, _] = record.ttl().as_secs().to_be_bytes();
        let edns = Edns { version, dnssec_ok: flags & 0x80 != 0, payload: record.class().to_int() };
        if found.replace(edns).is_some() {
            return Err(Malformed);
        }
    }
    Ok(found)
}

/// An answer by header alone, for a request whose question cannot be relied upon.
fn error(request: Header, rcode: Rcode) -> Unreadable {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(request.id());
    header.set_qr(true);
    header.set_opcode(request.opcode());
    header.set_rd(request.rd());
    header.set_rcode(rcode);
    Unreadable::Error(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with these flags and counts, then what follows.
    fn request(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd];
        bytes.extend(flags.to_be_bytes());
        bytes.extend(counts.map(u16::to_be_bytes).as_flattened());
        bytes.extend(rest);
        bytes
    }

    const QUESTION: &[u8] = b"\x04blog\x07example\0\0\x01\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\0";

    #[test]
    fn what_is_not_a_sound_question() {
        let with = |parts: &[&[u8]]| parts.concat();
        let rcode = |rcode: u8, high: u8| Some((high, rcode));
        let cases = [
            ("short", b"\0\x01\0\0\0\x01".to_vec(), None),
            ("an answer", request(0x8000, [1, 0, 0, 0], QUESTION), None),
            ("notify", request(0x2000, [1, 0, 0, 0], QUESTION), rcode(4, 0xa0)),
            ("update", request(0x2800, [1, 0, 0, 0], QUESTION), rcode(4, 0xa8)),
            ("no question", request(0x0100, [0, 0, 0, 0], b""), rcode(1, 0x81)),
            ("two", request(0, [2, 0, 0, 0], &with(&[QUESTION, QUESTION])), rcode(1, 0x80)),
            ("cut short", request(0, [1, 0, 0, 0], &QUESTION[..9]), rcode(1, 0x80)),
            ("a loop", request(0, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"), rcode(1, 0x80)),
            ("missing OPT", request(0, [1, 0, 0, 1], QUESTION), rcode(1, 0x80)),
            ("two OPT", request(0, [1, 0, 0, 2], &with(&[QUESTION, OPT, OPT])), rcode(1, 0x80)),
        ];
        for (what, bytes, expected) in cases {
            match Query::parse(&bytes, Transport::Udp).expect_err(what) {
                Unreadable::Silence => assert_eq!(expected, None, "{what}"),
                Unreadable::Error(reply) => {
                    assert_eq!(reply.len(), 12, "{what}");
                    assert_eq!(reply[..2], [0xab, 0xcd], "{what}");
                    assert_eq!(Some((reply[2], reply[3])), expected, "{what}");
                }
            }
        }
    }

    #[test]
    fn how_long_an_answer_may_be() {
        let opt = |payload: u16| {
            let mut opt = OPT.to_vec();
            opt[3..5].copy_from_slice(&payload.to_be_bytes());
            request(0, [1, 0, 0, 1], &[QUESTION, &opt].concat())
        };
        let plain = request(0, [1, 0, 0, 0], QUESTION);
        let cases = [
            (plain.clone(), Transport::Udp, 512),
            (plain, Transport::Tcp, 65_535),
            (opt(0), Transport::Udp, 512),
            (opt(800), Transport::Udp, 800),
            (opt(4096), Transport::Udp, 1232),
            (opt(512), Transport::Tcp, 65_535),
        ];
        for (bytes, transport, limit) in cases {
            let query = Query::parse(&bytes, transport).expect("sound");
            assert_eq!(query.limit, limit);
        }
        assert!(Query::parse(&opt(1232), Transport::Udp).expect("sound").dnssec_ok());
    }
}
