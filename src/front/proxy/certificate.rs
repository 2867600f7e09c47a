//! The certificates of the snapshot, each ready to shake hands with, found by server name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ResolvesServerCertUsingSni};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};

use crate::wire;

/// A certificate that could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("the private key is not PKCS#8, SEC 1 or PKCS#1")]
    Read,
    #[error("the private key cannot be used")]
    Load(#[source] rustls::Error),
    #[error("the private key is not this certificate's")]
    Match(#[source] rustls::Error),
}

/// One certificate, and the TLS settings that present it and no other.
#[derive(Debug)]
pub(super) struct Credential {
    names: Vec<String>,
    chain: Vec<Vec<u8>>,
    pub(super) config: Arc<ServerConfig>,
}

impl Credential {
    fn parse(
        certificate: &wire::Certificate,
        base: &ServerConfig,
    ) -> Result<Self, CertificateError> {
        let key =
            PrivateKeyDer::try_from(certificate.key.clone()).map_err(|_| CertificateError::Read)?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(CertificateError::Load)?;
        let chain = certificate.chain.iter().cloned().map(CertificateDer::from).collect();
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(error) => return Err(CertificateError::Match(error)),
        }
        let mut config = base.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(pair));
        Ok(Self {
            names: certificate.names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            chain: certificate.chain.clone(),
            config: Arc::new(config),
        })
    }

    /// Whether it speaks for a host, given in lower case (RFC 9525 §6.3: `*` is one whole
    /// label, the first).
    pub(super) fn covers(&self, host: &str) -> bool {
        let parent = parent(host);
        self.names
            .iter()
            .any(|name| name == host || (parent.is_some() && name.strip_prefix("*.") == parent))
    }

    fn is(&self, certificate: &wire::Certificate) -> bool {
        // The leaf names the public key, so an equal chain has an equal private key.
        self.chain == certificate.chain && self.names.iter().eq(certificate.names.iter())
    }
}

/// All of them, by the names they are good for.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    exact: HashMap<String, Arc<Credential>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<Credential>>,
}

impl Certificates {
    /// Reads the snapshot's certificates, keeping what `before` has of them already. One that
    /// cannot be used is left out and logged: the others' sites go on.
    pub(super) fn build(given: &[wire::Certificate], base: &ServerConfig, before: &Self) -> Self {
        let mut built = Self::default();
        for certificate in given {
            match before
                .find(certificate)
                .map_or_else(|| Credential::parse(certificate, base).map(Arc::new), Ok)
            {
                Ok(credential) => built.add(&credential),
                Err(error) => {
                    let cause = std::error::Error::source(&error);
                    tracing::error!(names = ?certificate.names, %error, ?cause, "certificate left out");
                }
            }
        }
        built
    }

    /// The one to present for a server name in lower case: its own before the wildcard.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Credential>> {
        self.exact.get(name).or_else(|| self.wildcard.get(parent(name)?))
    }

    fn add(&mut self, credential: &Arc<Credential>) {
        for name in &credential.names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, name.as_str()),
            };
            map.insert(name.to_owned(), Arc::clone(credential));
        }
    }

    fn find(&self, certificate: &wire::Certificate) -> Option<Arc<Credential>> {
        let name = certificate.names.first()?;
        let known = match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.get(parent),
            None => self.exact.get(name),
        };
        known.filter(|credential| credential.is(certificate)).cloned()
    }
}

/// What follows the first label, which must not be empty.
fn parent(host: &str) -> Option<&str> {
    host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent)
}

/// The settings all certificates share: TLS 1.2 and 1.3, HTTP/2 before HTTP/1, resumption by
/// sealed tickets so that no session is kept here. A ticket is good for the server name it was
/// given for only (rustls checks it).
pub(super) fn base() -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    config.alpn_protocols = [&b"h2"[..], b"http/1.1", b"http/1.0"].map(Vec::from).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> wire::Certificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names.clone()).expect("certificate");
        wire::Certificate {
            names,
            chain: vec![made.cert.der().to_vec()],
            key: made.signing_key.serialize_der(),
        }
    }

    fn build(given: &[wire::Certificate], before: &Certificates) -> Certificates {
        Certificates::build(given, &base().expect("base"), before)
    }

    #[test]
    fn finds_by_name() {
        let given = [
            certificate(&["*.host.example", "host.example"]),
            certificate(&["club.example"]),
            certificate(&["own.host.example"]),
        ];
        let built = build(&given, &Certificates::default());
        for (name, expected) in [
            ("host.example", Some(0)),
            ("blog.host.example", Some(0)),
            ("own.host.example", Some(2)),
            ("club.example", Some(1)),
            ("a.blog.host.example", None),
            (".host.example", None),
            ("a.club.example", None),
            ("example", None),
            ("nothost.example", None),
            ("", None),
        ] {
            let found = built.get(name);
            assert_eq!(found.is_some(), expected.is_some(), "{name}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert_eq!(found.chain, given[expected].chain, "{name}");
                assert!(found.covers(name), "{name}");
            }
        }
    }

    #[test]
    fn covers_one_label() {
        let built = build(&[certificate(&["*.host.example"])], &Certificates::default());
        let credential = built.get("blog.host.example").expect("known");
        assert!(credential.covers("wiki.host.example"));
        for host in
            ["host.example", "a.b.host.example", ".host.example", "club.example", "*.example"]
        {
            assert!(!credential.covers(host), "{host}");
        }
    }

    #[test]
    fn keeps_what_did_not_change() {
        let (kept, renewed) = (certificate(&["a.example"]), certificate(&["b.example"]));
        let before = build(&[kept.clone(), renewed], &Certificates::default());
        let after = build(&[kept, certificate(&["b.example"])], &before);
        let same =
            |name| Arc::ptr_eq(before.get(name).expect("before"), after.get(name).expect("after"));
        assert!(same("a.example"));
        assert!(!same("b.example"));
    }

    #[test]
    fn leaves_out_what_is_broken() {
        let mut swapped = certificate(&["swapped.example"]);
        swapped.key = certificate(&["other.example"]).key;
        let mut garbled = certificate(&["garbled.example"]);
        garbled.key.truncate(10);
        let built =
            build(&[swapped, garbled, certificate(&["good.example"])], &Certificates::default());
        assert!(built.get("good.example").is_some());
        assert!(built.get("swapped.example").is_none() && built.get("garbled.example").is_none());
    }
}
