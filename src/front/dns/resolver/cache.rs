//! What resolvers answered, kept for as long as they allow (RFC 2308, RFC 1035 §7.4).
//!
//! Two generations bound it without bookkeeping: when the young one is full it becomes the old
//! one, whose survivors are those asked for again meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::{Name, ToName};
use domain::base::{Message, ParsedRecord};
use domain::rdata::Soa;

use crate::front::dns::query::Query;

/// Answers in each generation.
const GENERATION: usize = 1024;
/// The longest answer kept, in octets: with [`GENERATION`] it bounds the memory.
const LONGEST: usize = 1232;
/// The longest an answer is kept.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// Questions whose answers are the same: one name whatever its case, one type, and the same
/// wish for signatures and for checking.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: Name<Vec<u8>>,
    rtype: Rtype,
    dnssec_ok: bool,
    checking_disabled: bool,
}

impl Key {
    fn of(query: &Query) -> Self {
        Self {
            name: query.name().to_name(),
            rtype: query.rtype(),
            dnssec_ok: query.dnssec_ok(),
            checking_disabled: query.header.cd(),
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    answered: Message<Bytes>,
    at: Instant,
    life: Duration,
}

/// A bounded memory of answers.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
}

impl Cache {
    /// The answer and its age in seconds, if it is still good.
    pub(super) fn find(&mut self, query: &Query, now: Instant) -> Option<(Message<Bytes>, u32)> {
        let key = Key::of(query);
        if let Some(entry) = self.old.remove(&key) {
            self.insert(key.clone(), entry);
        }
        let entry = self.young.get(&key)?;
        let age = now.saturating_duration_since(entry.at);
        if age >= entry.life {
            self.young.remove(&key);
            return None;
        }
        Some((entry.answered.clone(), u32::try_from(age.as_secs()).unwrap_or(u32::MAX)))
    }

    /// Keeps an answer, if it may be kept.
    pub(super) fn keep(&mut self, query: &Query, answered: &Message<Bytes>, now: Instant) {
        if answered.as_slice().len() > LONGEST {
            return;
        }
        if let Some(life) = life(answered.for_slice()).filter(|life| !life.is_zero()) {
            let entry = Entry { answered: answered.clone(), at: now, life };
            self.insert(Key::of(query), entry);
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

/// How long an answer may be kept: its shortest-lived record; for "no such thing" what the SOA
/// says, and without one not at all (RFC 2308 §5).
fn life(answered: &Message<[u8]>) -> Option<Duration> {
    if !matches!(answered.header().rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        return None;
    }
    let (_, answer, authority, _) = answered.sections().ok()?;
    let records: Vec<_> = answer.collect::<Result<_, _>>().ok()?;
    let asked = answered.sole_question().ok()?.qtype();
    let positive = records.iter().any(|record| record.rtype() == asked || asked == Rtype::ANY);
    let shortest = records.iter().map(|record| record.ttl().as_secs()).min();
    let seconds = if positive {
        shortest?
    } else {
        // A chain of CNAME that leads nowhere lives as long as its shortest part.
        let negative = authority.flatten().find_map(|record| negative_life(&record))?;
        shortest.unwrap_or(u32::MAX).min(negative)
    };
    Some(Duration::from_secs(seconds.into()).min(LONGEST_LIFE))
}

fn negative_life(record: &ParsedRecord<'_, [u8]>) -> Option<u32> {
    if record.class() != Class::IN {
        return None;
    }
    let soa = record.to_record::<Soa<_>>().ok()??;
    Some(soa.ttl().as_secs().min(soa.data().minimum().as_secs()))
}

#[cfg(test)]
mod tests {
    use domain::base::{MessageBuilder, Serial, Ttl};
    use domain::rdata::{A, Cname};

    use super::*;
    use crate::front::dns::query::Transport;

    fn name(text: &str) -> Name<Vec<u8>> {
        text.parse().expect("valid")
    }

    fn query(text: &str) -> Query {
        let mut builder = MessageBuilder::new_vec().question();
        builder.push((name(text), Rtype::A)).expect("fits");
        Query::parse(&builder.finish(), Transport::Udp).expect("sound")
    }

    fn soa(minimum: u32) -> Soa<Name<Vec<u8>>> {
        let [refresh, retry, expire, minimum] = [1, 1, 1, minimum].map(Ttl::from_secs);
        let (server, contact) = (name("ns.example"), name("hostmaster.example"));
        Soa::new(server, contact, Serial(1), refresh, retry, expire, minimum)
    }

    /// An answer with A records of these lifetimes, or negative with a SOA of (ttl, minimum).
    fn answered(rcode: Rcode, lifetimes: &[u32], negative: Option<(u32, u32)>) -> Message<Bytes> {
        let mut builder = MessageBuilder::new_bytes().question();
        builder.header_mut().set_rcode(rcode);
        builder.push((name("a.example"), Rtype::A)).expect("fits");
        let mut builder = builder.answer();
        for ttl in lifetimes {
            builder.push((name("a.example"), *ttl, A::from_octets(192, 0, 2, 1))).expect("fits");
        }
        let mut builder = builder.authority();
        if let Some((ttl, minimum)) = negative {
            builder.push((name("example"), ttl, soa(minimum))).expect("fits");
        }
        builder.into_message()
    }

    #[test]
    fn how_long_answers_live() {
        let cases = [
            (answered(Rcode::NOERROR, &[300, 60], None), Some(60)),
            (answered(Rcode::NOERROR, &[0], None), Some(0)),
            (answered(Rcode::NOERROR, &[86_400], None), Some(3600)),
            (answered(Rcode::NXDOMAIN, &[], Some((300, 60))), Some(60)),
            (answered(Rcode::NOERROR, &[], Some((30, 60))), Some(30)),
            (answered(Rcode::NXDOMAIN, &[], None), None),
            (answered(Rcode::SERVFAIL, &[], Some((300, 60))), None),
        ];
        for (message, seconds) in cases {
            assert_eq!(life(message.for_slice()), seconds.map(Duration::from_secs), "{message:?}");
        }
    }

    #[test]
    fn a_chain_that_leads_nowhere_lives_as_long_as_its_shortest_part() {
        let chain = |with_soa: bool| {
            let mut builder = MessageBuilder::new_bytes().question();
            builder.push((name("a.example"), Rtype::A)).expect("fits");
            let mut builder = builder.answer();
            builder.push((name("a.example"), 20, Cname::new(name("b.example")))).expect("fits");
            let mut builder = builder.authority();
            if with_soa {
                builder.push((name("example"), 300, soa(60))).expect("fits");
            }
            life(builder.into_message().for_slice())
        };
        assert_eq!(chain(true), Some(Duration::from_secs(20)));
        assert_eq!(chain(false), None);
    }

    #[test]
    fn found_whatever_the_case_until_too_old() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.keep(&query("a.example"), &answered(Rcode::NOERROR, &[60], None), start);
        let after = |seconds| start + Duration::from_secs(seconds);
        let (_, age) = cache.find(&query("A.Example"), after(59)).expect("still good");
        assert_eq!(age, 59);
        assert!(cache.find(&query("b.example"), start).is_none());
        assert!(cache.find(&query("a.example"), after(60)).is_none());
        assert!(cache.find(&query("a.example"), start).is_none(), "and forgotten");
    }

    #[test]
    fn bounded_and_the_used_survive() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let message = answered(Rcode::NOERROR, &[60], None);
        cache.keep(&query("kept.example"), &message, now);
        for number in 0..4 * GENERATION {
            cache.keep(&query(&format!("n{number}.example")), &message, now);
            assert!(cache.find(&query("kept.example"), now).is_some());
            assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        }
        assert!(cache.find(&query("n0.example"), now).is_none());
    }
}
