//! Writing a response: sections, EDNS, and truncation to what the client takes.

use domain::base::iana::{OptRcode, Rtype};
use domain::base::message::CopyRecordsError;
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, StaticCompressor};
use domain::base::{Message, MessageBuilder, Ttl};
use domain::rdata::AllRecordData;

use super::answer::Answer;
use super::query::{PAYLOAD, Query};
use super::zone::{DomainName, RecordSet};

/// The octets of an OPT record without options.
const OPT_LENGTH: usize = 11;

type Target = StaticCompressor<Vec<u8>>;
/// The records do not fit: the client is told to ask again over TCP.
struct Overflow;

/// The header bits that differ between answers.
#[derive(Debug, Clone, Copy)]
struct Bits {
    rcode: OptRcode,
    /// AA: from a zone of the house.
    authoritative: bool,
    /// RA: this client may ask about any name.
    recursion: bool,
    /// AD: the resolver behind says it validated.
    authentic: bool,
}

/// A response out of the house's own zones, or an error. `recursion`: whether this client may
/// ask about any name.
pub(super) fn compose(query: &Query, answer: &Answer<'_>, recursion: bool) -> Vec<u8> {
    let (rcode, authoritative) = match answer {
        Answer::Found { .. } | Answer::NoData(_) => (OptRcode::NOERROR, true),
        Answer::NoName(_) => (OptRcode::NXDOMAIN, true),
        Answer::Error(rcode) => (*rcode, false),
        Answer::Elsewhere => (OptRcode::REFUSED, false),
    };
    let bits = Bits { rcode, authoritative, recursion, authentic: false };
    respond(query, bits, |builder| write_answer(builder, query, answer))
}

/// The response when no resolver could be reached.
pub(super) fn server_failure(query: &Query) -> Vec<u8> {
    compose(query, &Answer::Error(OptRcode::SERVFAIL), true)
}

/// What a resolver answered `age` seconds ago, as a response to this query.
pub(super) fn relay(query: &Query, answered: &Message<[u8]>, age: u32) -> Vec<u8> {
    let bits = Bits {
        rcode: answered.opt_rcode(),
        authoritative: false,
        recursion: true,
        // Only for those who understand it (RFC 6840 §5.8).
        authentic: answered.header().ad() && (query.dnssec_ok() || query.header.ad()),
    };
    let mut damaged = false;
    let response =
        respond(query, bits, |builder| copy_records(builder, answered, age, &mut damaged));
    if damaged { server_failure(query) } else { response }
}

fn respond(
    query: &Query,
    bits: Bits,
    write: impl FnOnce(AnswerBuilder<Target>) -> Result<AdditionalBuilder<Target>, Overflow>,
) -> Vec<u8> {
    let reserved = if query.edns.is_some() { OPT_LENGTH } else { 0 };
    let mut builder = begin(query, bits);
    // The builder refuses what reaches its limit, not only what passes it.
    builder.set_push_limit(query.limit + 1 - reserved);
    let mut builder = write(builder).unwrap_or_else(|Overflow| {
        let mut builder = begin(query, bits);
        builder.header_mut().set_tc(true);
        builder.additional()
    });
    builder.clear_push_limit();
    if let Some(edns) = query.edns {
        let written = builder.opt(|opt| {
            opt.set_udp_payload_size(PAYLOAD);
            opt.set_dnssec_ok(edns.dnssec_ok);
            opt.set_rcode(bits.rcode);
            Ok(())
        });
        debug_assert!(written.is_ok(), "a counted record into a growing buffer");
    }
    builder.finish().into_target()
}

/// Header and question, the name in the case it was asked in.
fn begin(query: &Query, bits: Bits) -> AnswerBuilder<Target> {
    let target = StaticCompressor::new(Vec::with_capacity(query.limit.min(512)));
    let Ok(mut builder) = MessageBuilder::from_target(target);
    let header = builder.header_mut();
    header.set_id(query.header.id());
    header.set_qr(true);
    header.set_aa(bits.authoritative);
    header.set_rd(query.header.rd());
    header.set_ra(bits.recursion);
    header.set_ad(bits.authentic);
    header.set_cd(query.header.cd());
    header.set_rcode(bits.rcode.rcode());
    let mut builder = builder.question();
    let written = builder.push(&query.question);
    debug_assert!(written.is_ok(), "a counted question into a growing buffer");
    builder.answer()
}

fn write_answer(
    mut builder: AnswerBuilder<Target>,
    query: &Query,
    answer: &Answer<'_>,
) -> Result<AdditionalBuilder<Target>, Overflow> {
    match answer {
        Answer::Found { set, addresses } => {
            for data in &set.data {
                builder.push((query.name(), set.ttl, data)).map_err(|_| Overflow)?;
            }
            let mut builder = builder.additional();
            if let Some((host, set)) = addresses {
                write_addresses(&mut builder, host, set);
            }
            Ok(builder)
        }
        Answer::NoData(zone) | Answer::NoName(zone) => {
            let mut builder = builder.authority();
            for data in &zone.soa().data {
                builder.push((zone.apex(), zone.soa().ttl, data)).map_err(|_| Overflow)?;
            }
            Ok(builder.additional())
        }
        Answer::Error(_) | Answer::Elsewhere => Ok(builder.additional()),
    }
}

/// Helpful, not asked for: left out where there is no room (RFC 2181 §9).
fn write_addresses(builder: &mut AdditionalBuilder<Target>, host: &DomainName, set: &RecordSet) {
    for data in &set.data {
        if builder.push((host, set.ttl, data)).is_err() {
            return builder.rewind();
        }
    }
}

/// Copies every section; names are unpacked and packed again, since their pointers would be
/// wrong. OPT and TSIG speak of one hop only (RFC 6891 §6.1.1, RFC 8945 §5.1).
fn copy_records(
    builder: AnswerBuilder<Target>,
    answered: &Message<[u8]>,
    age: u32,
    damaged: &mut bool,
) -> Result<AdditionalBuilder<Target>, Overflow> {
    let copied = answered.copy_records(builder, |record| {
        if matches!(record.rtype(), Rtype::OPT | Rtype::TSIG) {
            return None;
        }
        let Ok(mut record) = record.into_any_record::<AllRecordData<_, _>>() else {
            *damaged = true;
            return None;
        };
        record.set_ttl(Ttl::from_secs(record.ttl().as_secs().saturating_sub(age)));
        Some(record)
    });
    copied.map_err(|error| {
        *damaged |= matches!(error, CopyRecordsError::Parse(_));
        Overflow
    })
}
