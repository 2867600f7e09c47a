use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

const NAMES: [&str; 2] = ["*.host.example", "host.example"];

fn open(dir: &Path) -> Authority {
    let zone = "host.example".parse().expect("zone");
    Authority::open(dir, &zone, Timestamp::now()).expect("authority")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Writes what `openssl` is to look at, and returns its path.
fn shown(dir: &Path, name: &str, content: &[u8]) -> String {
    let path = dir.join(name);
    fs::write(&path, content).expect("write");
    path.to_str().expect("text").to_owned()
}

#[test]
fn openssl_accepts_the_leaf_for_its_names_only() {
    let dir = tempfile::tempdir().expect("dir");
    let authority = open(dir.path());
    let leaf = authority.certificate(&names(&NAMES), Timestamp::now()).expect("leaf");
    let ca = shown(dir.path(), "ca.pem", authority.ca_pem().as_bytes());
    let der = shown(dir.path(), "leaf.der", &leaf.chain[0]);
    for (host, good) in [
        ("blog.host.example", true),
        ("host.example", true),
        ("a.blog.host.example", false),
        ("club.example", false),
    ] {
        let (accepted, said) = openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            host,
            "-CAfile",
            &ca,
            &der,
        ]);
        assert_eq!(accepted, good, "{host}: {said}");
    }
}

#[test]
fn says_what_it_is() {
    let dir = tempfile::tempdir().expect("dir");
    let authority = open(dir.path());
    let ca = shown(dir.path(), "ca.pem", authority.ca_pem().as_bytes());
    let (_, said) = openssl(&["x509", "-in", &ca, "-noout", "-text"]);
    for expected in [
        "CN = Piaule internal CA of host.example",
        "CA:TRUE, pathlen:0",
        "Certificate Sign",
        "prime256v1",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let leaf = authority.certificate(&names(&NAMES), Timestamp::now()).expect("leaf");
    let der = shown(dir.path(), "leaf.der", &leaf.chain[0]);
    let (_, said) = openssl(&["x509", "-in", &der, "-noout", "-text"]);
    for expected in [
        "DNS:*.host.example, DNS:host.example",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "Subject Key Identifier",
        "Authority Key Identifier",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let still_good_in = |days: u32| {
        openssl(&["x509", "-in", &der, "-noout", "-checkend", &(days * 86_400).to_string()]).0
    };
    assert!(still_good_in(89) && !still_good_in(91));
}

#[test]
fn is_made_once_for_root_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let inner = dir.path().join("authority");
    let first = open(&inner);
    assert_eq!(first.ca_pem(), open(&inner).ca_pem());
    let mode = |path: &Path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
    assert_eq!(mode(&inner.join("authority.pem")), 0o600);
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(fs::read_dir(&inner).expect("dir").count(), 1, "nothing half-made is left");
}

#[test]
fn refuses_what_is_not_an_authority() {
    let (dir, other) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let authority = open(dir.path());
    open(other.path());
    let path = dir.path().join("authority.pem");
    let whole = fs::read_to_string(&path).expect("made");
    let others = fs::read_to_string(other.path().join("authority.pem")).expect("made");
    let key = |pem: &str| pem[pem.find("-----BEGIN PRIVATE").expect("key")..].to_owned();
    for content in
        [String::new(), authority.ca_pem(), key(&whole), authority.ca_pem() + &key(&others)]
    {
        fs::write(&path, &content).expect("write");
        let zone = "host.example".parse().expect("zone");
        let opened = Authority::open(dir.path(), &zone, Timestamp::now());
        assert!(matches!(opened, Err(AuthorityError::Parse(_))), "{content}");
        assert_eq!(
            fs::read_to_string(&path).expect("kept"),
            content,
            "it is left for a person to judge"
        );
    }
}

#[test]
fn reissues_when_it_must() {
    let dir = tempfile::tempdir().expect("dir");
    let authority = open(dir.path());
    let (names, start) = (names(&NAMES), Timestamp::now());
    let current = |authority: &Authority, names: &[String], days: i32| {
        authority.current(names, start + DAY * days).expect("leaf").chain
    };
    let first = current(&authority, &names, 0);
    assert_eq!(current(&open(dir.path()), &names, 59), first, "kept over restarts");
    let renewed = current(&authority, &names, 61);
    assert_ne!(renewed, first, "30 days before its end");
    assert_ne!(current(&authority, &names, 0), renewed, "not valid yet, by a clock set back");
    let fewer = current(&authority, &names[..1], 0);
    assert_ne!(fewer, current(&authority, &names, 0), "other names");
    let kept = current(&authority, &names, 0);
    fs::write(dir.path().join("leaf.json"), b"{").expect("write");
    assert_ne!(current(&authority, &names, 0), kept, "the cache is garbled");
    let kept = current(&authority, &names, 0);
    fs::remove_file(dir.path().join("authority.pem")).expect("remove");
    assert_ne!(current(&open(dir.path()), &names, 0), kept, "another authority");
}

#[test]
fn long_names_fit() {
    let dir = tempfile::tempdir().expect("dir");
    let zone = format!("{}.{}.example", "a".repeat(60), "b".repeat(60));
    let authority = Authority::open(dir.path(), &zone.parse().expect("zone"), Timestamp::now())
        .expect("authority");
    let leaf = authority.certificate(&[format!("*.{zone}")], Timestamp::now()).expect("leaf");
    let ca = shown(dir.path(), "ca.pem", authority.ca_pem().as_bytes());
    let der = shown(dir.path(), "leaf.der", &leaf.chain[0]);
    let (accepted, said) = openssl(&["verify", "-x509_strict", "-CAfile", &ca, &der]);
    assert!(accepted, "{said}");
}
