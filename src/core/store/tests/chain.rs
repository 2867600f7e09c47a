//! The audit's chain, and what breaks it.

use super::*;
use crate::core::store::audit::{hex, note};
use crate::wire::Caller;

/// Does to the rows what only someone past the triggers can.
async fn tamper(store: &Store, sql: &'static str) {
    let act = move |connection: &mut rusqlite::Connection| {
        connection
            .execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_cut;")?;
        Ok(connection.execute_batch(sql)?)
    };
    store.writer.run(act).await.expect("tampered");
}

async fn notes(store: &Store, count: i64) {
    for number in 1..=count {
        let detail = format!("note {number}");
        store.audit_note(admin(), at(number), "room.enter", "blog", detail).await.expect("noted");
    }
}

#[test]
fn actors() {
    let cases = [
        (Caller::Admin { uid: 1000 }, "admin:1000"),
        (Caller::Account { id: AccountId(1), login: login("ada") }, "account:ada"),
        (Caller::Anonymous, "anonymous"),
    ];
    for (caller, expected) in cases {
        assert_eq!(Actor::from(&caller).0, expected);
    }
    assert_eq!(Actor::house().0, "house");
}

#[tokio::test]
async fn rows_are_newest_first_and_chained() {
    let Bench { store, .. } = &Bench::bare();
    assert_eq!(store.audit_verify().await.expect("whole"), 0);
    notes(store, 3).await;
    store.audit_note(Actor::house(), at(9), "other", "wiki", "").await.expect("noted");
    assert_eq!(store.audit_verify().await.expect("whole"), 4);
    let rows = store.audit(None, 2).await.expect("read");
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [4, 3]);
    let blog = store.audit(Some("blog".to_owned()), 100).await.expect("read");
    assert_eq!(blog.len(), 3);
    let first = &blog[2];
    assert_eq!((first.at, first.detail.as_str(), first.hash.len()), (at(1), "note 1", 64));
    let mut row = vec![0; 32];
    row.extend(1_u64.to_be_bytes());
    row.extend(1_700_000_001_000_u64.to_be_bytes());
    for text in ["admin:0", "room.enter", "blog", "note 1"] {
        row.extend((text.len() as u64).to_be_bytes());
        row.extend(text.as_bytes());
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &row);
    assert_eq!(first.hash, hex(digest.as_ref()), "as the module's documentation says");
}

#[tokio::test]
async fn rows_cannot_be_changed_or_removed() {
    let Bench { store, .. } = &Bench::bare();
    notes(store, 1).await;
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let done = store.write(move |tx| Ok(tx.execute(sql, [])?)).await;
        assert!(matches!(done, Err(StoreError::Query(_))), "{sql}: {done:?}");
    }
    assert_eq!(store.audit_verify().await.expect("whole"), 1);
}

#[tokio::test]
async fn tampering_shows() {
    let cases = [
        ("UPDATE audit SET detail = 'nothing' WHERE seq = 2", "row 2 does not follow"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", "row 1 does not follow"),
        ("UPDATE audit SET actor = 'admin:0room', action = '.enter' WHERE seq = 3", "row 3 does"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", "row 4 does not follow"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE seq = 2", "row 2 is missing"),
        ("DELETE FROM audit WHERE seq > 2", "row 3 is missing"),
        ("DELETE FROM audit", "row 1 is missing"),
    ];
    for (sql, expected) in cases {
        let Bench { store, .. } = &Bench::bare();
        notes(store, 4).await;
        tamper(store, sql).await;
        let (kind, sentence) = refused(store.audit_verify().await);
        assert_eq!(kind, FaultKind::Conflict, "{sql}");
        assert!(sentence.contains(expected), "{sql}: {sentence}");
    }
}

#[tokio::test]
async fn a_long_chain_is_followed_in_pieces() {
    let Bench { store, .. } = &Bench::bare();
    let fill = |tx: &rusqlite::Transaction<'_>| {
        for number in 0..20_000 {
            note(tx, &admin(), at(number), "room.enter", "blog", "")?;
        }
        Ok(())
    };
    store.write(fill).await.expect("filled");
    assert_eq!(store.audit_verify().await.expect("whole"), 20_000);
    tamper(store, "UPDATE audit SET detail = 'x' WHERE seq = 15000").await;
    assert!(refused(store.audit_verify().await).1.contains("row 15000 "));
}
