use std::os::unix::net::UnixListener;

use super::*;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
    fs::write(path, text).expect("file");
}

/// The least tree that is fit.
fn fit() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("folder");
    fs::create_dir_all(root.path().join("sbin")).expect("folder");
    symlink("/lib/systemd/systemd", root.path().join("sbin/init")).expect("link");
    root
}

#[test]
fn files_are_copied_with_plain_modes() {
    let (from, onto) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    write(&from.path().join("etc/new/plain"), "new");
    write(&from.path().join("bin/run"), "run");
    symlink("plain", from.path().join("etc/new/link")).expect("link");
    fs::set_permissions(from.path().join("bin/run"), fs::Permissions::from_mode(0o700))
        .expect("mode");
    fs::set_permissions(from.path().join("etc/new/plain"), fs::Permissions::from_mode(0o666))
        .expect("mode");
    write(&onto.path().join("etc/new/plain"), "old");
    copy(from.path(), onto.path()).expect("copied");

    let mode = |path: &str| {
        onto.path().join(path).metadata().expect("there").permissions().mode() & 0o7777
    };
    assert_eq!(fs::read_to_string(onto.path().join("etc/new/plain")).expect("there"), "new");
    assert_eq!((mode("etc/new/plain"), mode("bin/run"), mode("bin")), (0o644, 0o755, 0o755));
    assert_eq!(fs::read_link(onto.path().join("etc/new/link")).expect("link"), Path::new("plain"));
}

#[test]
fn a_link_in_the_tree_leads_nowhere() {
    let (from, onto) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let outside = tempfile::tempdir().expect("folder");
    write(&from.path().join("etc/passwd"), "from the recipe");
    symlink(outside.path(), onto.path().join("etc")).expect("link");
    assert!(copy(from.path(), onto.path()).is_err());
    assert_eq!(fs::read_dir(outside.path()).expect("folder").count(), 0);
}

#[test]
fn masks_replace_what_is_there() {
    let root = tempfile::tempdir().expect("folder");
    write(&root.path().join("etc/systemd/system/tmp.mount"), "[Mount]");
    let masked: Masked = toml::from_str(
        "reason = \"x\"\nunits = [\"tmp.mount\", \"a@b.service\"]\ngenerators = [\"g\"]",
    )
    .expect("valid");
    for _twice in 0..2 {
        mask(root.path(), std::slice::from_ref(&masked)).expect("masked");
    }
    for path in ["system/tmp.mount", "system/a@b.service", "system-generators/g"] {
        let link = root.path().join("etc/systemd").join(path);
        assert_eq!(fs::read_link(link).expect("a link"), Path::new("/dev/null"), "{path}");
    }
}

#[test]
fn apt_is_left_with_the_sources_only() {
    let root = tempfile::tempdir().expect("folder");
    let apt = root.path().join("etc/apt");
    for file in ["sources.list", "sources.list.d/0000main.sources", "apt.conf.d/99mmdebstrap"] {
        write(&apt.join(file), "left by the build");
    }
    set_sources(root.path(), "Types: deb\n").expect("set");
    let left: Vec<_> = fs::read_dir(apt.join("sources.list.d")).expect("folder").collect();
    assert_eq!(left.len(), 1);
    assert!(!exists(&apt.join("sources.list")) && !exists(&apt.join("apt.conf.d/99mmdebstrap")));
}

#[test]
fn bytes_are_counted_once() {
    let root = fit();
    write(&root.path().join("usr/a"), "12345");
    fs::hard_link(root.path().join("usr/a"), root.path().join("usr/b")).expect("link");
    assert_eq!(survey(root.path()).expect("fit"), 5);
}

#[test]
fn what_rooms_must_not_share_is_refused() {
    let refused = |path: &str| match survey(fit_with(path).path()) {
        Err(TemplateError::Unfit { path: found, .. }) => {
            assert_eq!(found, Path::new("/").join(path));
        }
        other => panic!("{path}: {other:?}"),
    };
    for path in OWN {
        refused(path);
    }
    refused("etc/ssh/ssh_host_ed25519_key");
}

fn fit_with(path: &str) -> tempfile::TempDir {
    let root = fit();
    write(&root.path().join(path), "");
    root
}

#[test]
fn a_tree_without_init_or_with_a_socket_is_refused() {
    assert!(survey(tempfile::tempdir().expect("folder").path()).is_err());
    let root = fit();
    let _left = UnixListener::bind(root.path().join("left")).expect("socket");
    assert!(survey(root.path()).is_err());
}
