//! The file: its mode, reopening, backups, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::wire::Fault;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_accepted_is_there_after_reopening() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 2).await;
    let blog = bench.room(ada.id, "blog").await;
    let Bench { store, folder, network, range } = bench;
    let path = folder.path().join("store.db");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path().join("store.db-wal")), 0o600);
    let generation = store.generation().await.expect("read");
    drop(store);

    let store = Store::open(&path).expect("opens again");
    let bench = Bench { store, folder, network, range };
    let found = bench.again(&blog).await;
    assert_eq!((found.address, found.ports, found.keys), (blog.address, blog.ports, blog.keys));
    assert_eq!(bench.store.generation().await.expect("read"), generation);
    assert_eq!(bench.store.audit_verify().await.expect("whole"), 3);
    let wiki = bench.room(ada.id, "wiki").await;
    assert_eq!(u32::from(wiki.address), u32::from(blog.address) + 1, "the cursors survive");
}

#[tokio::test]
async fn every_connection_is_durable_and_checked() {
    let Bench { store, .. } = &Bench::bare();
    for (pragma, expected) in [("synchronous", "2"), ("foreign_keys", "1"), ("journal_mode", "wal")]
    {
        let value = move |connection: &mut rusqlite::Connection| {
            let query = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
            Ok(connection.query_row(&query, [], |row| row.get::<_, String>(0))?)
        };
        assert_eq!(store.writer.run(value).await.expect("read"), expected, "{pragma}");
    }
}

#[tokio::test]
async fn a_file_open_to_others_is_closed_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
    let _store = Store::open(&path).expect("opens");
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn a_backup_is_a_store() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 1).await;
    bench.room(ada.id, "blog").await;
    let copy = bench.folder.path().join("copy.db");
    bench.store.backup(copy.clone()).await.expect("copied");
    assert_eq!(mode(&copy), 0o600);
    assert_eq!(kind(bench.store.backup(copy.clone()).await), FaultKind::Conflict);
    let nowhere = bench.folder.path().join("none/copy.db");
    let failed = bench.store.backup(nowhere).await;
    assert!(matches!(failed, Err(StoreError::Backup { .. })), "{failed:?}");

    let copy = Store::open(&copy).expect("opens");
    assert_eq!(copy.rooms().await.expect("read").len(), 1);
    assert_eq!(copy.audit_verify().await.expect("whole"), 3);
}

#[test]
fn what_is_no_store_is_not_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &Path| Store::open(path).expect_err("no store");
    assert!(matches!(open(&folder.path().join("none/store.db")), StoreError::Open { .. }));
    let text = folder.path().join("text");
    fs::write(&text, "no database at all".repeat(100)).expect("written");
    assert!(matches!(open(&text), StoreError::Open { .. }));

    let newer = folder.path().join("newer");
    drop(Store::open(&newer).expect("opens"));
    let connection = rusqlite::Connection::open(&newer).expect("opens");
    connection.pragma_update(None, "user_version", 1000).expect("set");
    assert!(matches!(open(&newer), StoreError::Migrate(_)));
}

#[tokio::test]
async fn a_failure_tells_administrators_why_and_others_nothing() {
    let Bench { store, .. } = &Bench::bare();
    let failed = store.write(|tx| Ok(tx.execute("INSERT INTO house (id) VALUES (2)", [])?)).await;
    let fault = Fault::from(failed.expect_err("a constraint"));
    assert_eq!(fault.kind, FaultKind::Internal);
    assert_eq!(fault.message, "the store failed; the log says more");
    assert!(!fault.chain.is_empty());
    let fault = Fault::from(StoreError::Closed);
    assert_eq!(fault.chain, ["the store is closed"]);
}

#[tokio::test]
async fn what_is_asked_is_done_even_if_nobody_waits() {
    let bench = Bench::bare();
    let new = new_account("ada", "ada@school.example", 1);
    {
        let asked = bench.store.account_create(admin(), at(1), new);
        tokio::pin!(asked);
        // One poll puts it in the queue; then the asker goes away.
        let _ = futures_util::FutureExt::now_or_never(asked.as_mut());
    }
    assert!(bench.store.account(&login("ada")).await.expect("read").is_some());
}
