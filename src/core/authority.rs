//! The house's own certificate authority, for a house that no public one vouches for.
//!
//! Only core uses it; the key never leaves this folder's files and this process. What goes to
//! front is a leaf and the leaf's key. The authority lasts ten years and is made once: to make
//! another, remove `authority.pem`. Every visitor who trusted the old one must then be given
//! the new one, which is why nothing here does it unasked.
//!
//! `authority.pem` holds certificate and key together, so that the two cannot part; `leaf.json`
//! is a cache, and anything wrong with it is answered by issuing anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::model::HostName;
use crate::wire::Certificate;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A visitor's clock may be behind.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);
const AUTHORITY_DAYS: i32 = 3652;
const LEAF_DAYS: i32 = 90;
/// A leaf is replaced in its last days.
const RENEWED_DAYS: i32 = 30;
/// The longest common name (RFC 5280 appendix A.1, `ub-common-name`).
const COMMON_NAME: usize = 64;

/// What went wrong with the authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder or a file in it.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The folder or a file in it.
    #[error("cannot write {0}")]
    Write(PathBuf, #[source] io::Error),
    /// It is not an authority of ours.
    #[error(
        "{0} does not hold a certificate and its ECDSA P-256 key; restore it, or remove it to make another authority"
    )]
    Parse(PathBuf),
    /// No randomness, or a name that cannot be in a certificate.
    #[error("cannot issue a certificate")]
    Issue(#[source] rcgen::Error),
    /// No randomness.
    #[error("cannot choose a serial number")]
    Serial,
}

/// The authority, ready to sign.
#[derive(Debug)]
pub struct Authority {
    /// The certificate, PEM.
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    cache: PathBuf,
}

/// The last leaf, as cached.
#[derive(Serialize, Deserialize)]
struct Leaf {
    /// Whose it is: the authority's public key.
    authority: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
    certificate: Certificate,
}

impl Authority {
    /// Loads the authority kept in `dir`, or makes it, named for the zone. The folder is made
    /// too, for root alone.
    ///
    /// # Errors
    /// When the folder cannot be used, or holds something else.
    pub fn open(dir: &Path, zone: &HostName, now: Timestamp) -> Result<Self, AuthorityError> {
        let path = dir.join("authority.pem");
        let pem = match fs::read_to_string(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = found(zone, now)?;
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(dir)
                    .and_then(|()| write(&path, pem.as_bytes()))
                    .map_err(|error| AuthorityError::Write(path.clone(), error))?;
                pem
            }
            Err(error) => return Err(AuthorityError::Read(path, error)),
        };
        Self::parse(&pem, dir).ok_or(AuthorityError::Parse(path))
    }

    fn parse(pem: &str, dir: &Path) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).ok()?;
        // Signing with another key than the certificate's would be noticed by visitors only.
        let public = key.public_key_raw();
        certificate.windows(public.len()).find(|bytes| *bytes == public)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).ok()?;
        let (start, end) = (pem.find(BEGIN)?, pem.find(END)? + END.len());
        let certificate = pem.get(start..end)?.to_owned() + "\n";
        Some(Self { certificate, issuer, cache: dir.join("leaf.json") })
    }

    /// The authority's certificate, for those who are to trust it (PEM, RFC 7468).
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.certificate.clone()
    }

    /// Issues a certificate for these names (`*.zone` covers one label), for 90 days, with a key
    /// of its own.
    ///
    /// # Errors
    /// When a name cannot be in a certificate.
    pub fn certificate(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Certificate, AuthorityError> {
        self.issue(names, now).map(|leaf| leaf.certificate)
    }

    /// The certificate for these names: the cached one, while it has more than 30 days left,
    /// else a new one.
    ///
    /// # Errors
    /// When a name cannot be in a certificate. A cache that cannot be written is only logged.
    pub fn current(&self, names: &[String], now: Timestamp) -> Result<Certificate, AuthorityError> {
        if let Some(leaf) = self.cached().filter(|leaf| self.still_good(leaf, names, now)) {
            return Ok(leaf.certificate);
        }
        let leaf = self.issue(names, now)?;
        let kept = serde_json::to_vec(&leaf).map_err(io::Error::from);
        if let Err(error) = kept.and_then(|json| write(&self.cache, &json)) {
            tracing::warn!(path = %self.cache.display(), %error, "cannot keep the certificate");
        }
        Ok(leaf.certificate)
    }

    fn cached(&self) -> Option<Leaf> {
        serde_json::from_slice(&fs::read(&self.cache).ok()?).ok()
    }

    fn still_good(&self, leaf: &Leaf, names: &[String], now: Timestamp) -> bool {
        leaf.authority == self.issuer.key().public_key_raw()
            && leaf.certificate.names == names
            && leaf.not_before <= now
            && now < leaf.not_after - DAY * RENEWED_DAYS
    }

    fn issue(&self, names: &[String], now: Timestamp) -> Result<Leaf, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Issue)?;
        let mut params = CertificateParams::new(names).map_err(AuthorityError::Issue)?;
        let (not_before, not_after) = (now - BACKDATED, now + DAY * LEAF_DAYS);
        params.distinguished_name = match names.first() {
            Some(name) if name.len() <= COMMON_NAME => named(name),
            _ => DistinguishedName::new(),
        };
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        date(&mut params, not_before, not_after)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Issue)?;
        Ok(Leaf {
            authority: self.issuer.key().public_key_raw().to_vec(),
            not_before,
            not_after,
            certificate: Certificate {
                names: names.to_vec(),
                chain: vec![signed.der().to_vec()],
                key: key.serialize_der(),
            },
        })
    }
}

/// Makes an authority: certificate and key, PEM.
fn found(zone: &HostName, now: Timestamp) -> Result<String, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Issue)?;
    let name: String = format!("Piaule internal CA of {zone}").chars().take(COMMON_NAME).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut params, now - BACKDATED, now + DAY * AUTHORITY_DAYS)?;
    let signed = params.self_signed(&key).map_err(AuthorityError::Issue)?;
    Ok(signed.pem() + &key.serialize_pem())
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Sets the validity and a serial number of 159 random bits (RFC 5280 §4.1.2.2: positive, at
/// most 20 bytes).
fn date(
    params: &mut CertificateParams,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<(), AuthorityError> {
    let since_1970 = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = since_1970(not_before);
    params.not_after = since_1970(not_after);
    let mut serial = [0; 20];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| AuthorityError::Serial)?;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}

/// Writes a file for root alone: whole and on disk, or not at all.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests;
