//! Accounts, sessions and templates.

use super::*;

#[tokio::test]
async fn an_account_comes_and_goes() {
    let bench = Bench::bare();
    let store = &bench.store;
    let ada = bench.account("ada", 2).await;
    bench.account("abel", 1).await;
    assert_eq!((ada.max_rooms, ada.rooms.len(), ada.created_at), (2, 0, at(1)));

    let found = store.account(&login("ada")).await.expect("read").expect("there");
    assert_eq!((found.id, found.email), (ada.id, "ada@school.example".parse().expect("valid")));
    assert!(store.account(&login("eve")).await.expect("read").is_none());
    let by_id = store.account_by_id(ada.id).await.expect("read").expect("there");
    assert_eq!(by_id.login, ada.login);
    let logins: Vec<_> =
        store.accounts().await.expect("read").into_iter().map(|a| a.login).collect();
    assert_eq!(logins, [login("abel"), login("ada")]);

    let ada = store.account_set_rooms(admin(), at(3), ada.login, 5).await.expect("changed");
    assert_eq!(ada.max_rooms, 5);
    assert_eq!(store.account_by_id(ada.id).await.expect("read").expect("there").max_rooms, 5);

    store.account_delete(admin(), at(4), ada.login.clone()).await.expect("gone");
    assert!(store.account_by_id(ada.id).await.expect("read").is_none());
    let back = bench.account("ada", 1).await;
    assert_ne!(back.id, ada.id, "a number is never given twice");
}

#[tokio::test]
async fn logins_and_addresses_are_one_persons() {
    let bench = Bench::bare();
    bench.account("ada", 1).await;
    for (name, email, named) in [
        ("ada", "other@school.example", "`ada`"),
        ("eve", "ada@school.example", "ada@school.example"),
        ("eve", "ADA@School.example", "ADA@school.example"),
    ] {
        let made = bench.store.account_create(admin(), at(2), new_account(name, email, 1)).await;
        let (kind, sentence) = refused(made);
        assert_eq!(kind, FaultKind::Conflict);
        assert!(sentence.contains(named), "{sentence}");
    }
    assert_eq!(
        bench.store.audit(None, 10).await.expect("read").len(),
        1,
        "a refusal leaves no trace"
    );
}

#[tokio::test]
async fn who_is_not_there_cannot_be_changed() {
    let Bench { store, .. } = &Bench::bare();
    let eve = || login("eve");
    let missing = FaultKind::NotFound;
    assert_eq!(
        kind(store.account_set_password(admin(), at(1), eve(), String::new()).await),
        missing
    );
    assert_eq!(kind(store.account_set_rooms(admin(), at(1), eve(), 3).await), missing);
    assert_eq!(kind(store.account_delete(admin(), at(1), eve()).await), missing);
    let session = store.session_create(admin(), at(1), AccountId(7), [1; 32], at(2)).await;
    assert_eq!(kind(session), missing);
    assert!(store.password_hash(&eve()).await.expect("read").is_none());
}

#[tokio::test]
async fn an_account_with_rooms_stays() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let delete = || bench.store.account_delete(admin(), at(3), login("ada"));
    let (kind, sentence) = refused(delete().await);
    assert_eq!(kind, FaultKind::Conflict);
    assert!(sentence.contains("`blog`"), "{sentence}");
    bench.store.room_forget(at(4), blog.id).await.expect("gone");
    delete().await.expect("gone");
}

#[tokio::test]
async fn sessions_end_in_time_or_with_the_password() {
    let bench = Bench::bare();
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    for token in [[1; 32], [2; 32]] {
        store.session_create(admin(), at(2), ada.id, token, at(100)).await.expect("opened");
    }
    let who = |token, now| store.session(token, now);
    assert_eq!(who([1; 32], at(99)).await.expect("read"), Some((ada.id, login("ada"))));
    assert_eq!(who([1; 32], at(100)).await.expect("read"), None);
    assert_eq!(who([3; 32], at(3)).await.expect("read"), None);

    store.session_delete([1; 32]).await.expect("ended");
    assert_eq!(who([1; 32], at(3)).await.expect("read"), None);
    assert!(who([2; 32], at(3)).await.expect("read").is_some());

    store.account_set_password(admin(), at(4), login("ada"), "new".to_owned()).await.expect("set");
    assert_eq!(who([2; 32], at(5)).await.expect("read"), None);
    let (id, hash) = store.password_hash(&login("ada")).await.expect("read").expect("there");
    assert_eq!((id, hash.as_str()), (ada.id, "new"));

    for (token, end) in [([4; 32], 10), ([5; 32], 20)] {
        store.session_create(admin(), at(6), ada.id, token, at(end)).await.expect("opened");
    }
    store.sessions_expire(at(10)).await.expect("expired");
    let early = at(0);
    assert_eq!(who([4; 32], early).await.expect("read"), None);
    assert!(who([5; 32], early).await.expect("read").is_some());
    store.account_delete(admin(), at(7), login("ada")).await.expect("gone");
    assert_eq!(who([5; 32], early).await.expect("read"), None);
}

#[tokio::test]
async fn template_numbers_are_given_once() {
    let bench = Bench::new().await;
    let (store, light) = (&bench.store, template("light"));
    let next = || store.template_next_version(&light);
    assert_eq!(next().await.expect("a number"), TemplateVersion(2));
    assert_eq!(next().await.expect("a number"), TemplateVersion(3));
    let add =
        |version| store.template_add(admin(), at(1), light.clone(), TemplateVersion(version), 9);
    add(3).await.expect("added");
    for version in [0, 3, 4] {
        assert_eq!(kind(add(version).await), FaultKind::Conflict, "{version}");
    }
    let latest = || store.template_latest(&light);
    assert_eq!(latest().await.expect("read"), Some(TemplateVersion(3)));
    assert_eq!(store.template_latest(&template("wiki")).await.expect("read"), None);

    let remove =
        |version| store.template_remove(admin(), at(2), light.clone(), TemplateVersion(version));
    remove(3).await.expect("removed");
    assert_eq!(kind(remove(3).await), FaultKind::NotFound);
    assert_eq!(latest().await.expect("read"), Some(TemplateVersion(1)));
    assert_eq!(next().await.expect("a number"), TemplateVersion(4));

    let ada = bench.account("ada", 1).await;
    bench.room(ada.id, "blog").await;
    assert_eq!(kind(remove(1).await), FaultKind::Conflict);
    let all = store.templates().await.expect("read");
    let [only] = &all[..] else { panic!("{all:?}") };
    assert_eq!((only.version, only.size, only.rooms), (TemplateVersion(1), 1000, 1));
}
