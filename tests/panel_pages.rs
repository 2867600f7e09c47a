//! The panel as a browser meets it: every page and form, through HTTP, with a core that answers.
//!
//! With `PIAULE_PAGES=folder` the pages are left there, to be looked at.
#![allow(clippy::expect_used, clippy::panic, reason = "what helps a test may fail it")]

mod panel;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use panel::{Browser, KEY, PANEL, PASSWORD, Page, Stage, job, own, room, token};
use piaule::core::builder;
use piaule::core::reconcile::plan::Step;
use piaule::front::house::House;
use piaule::model::{JobKind, JobState, Phase, StepState, Wanted};
use piaule::wire::{Command, Fault, FaultKind, JobEvent, RoomView, StepView};

fn starting(name: &str) -> RoomView {
    let mut room = room(name);
    room.phase = Phase::Starting;
    room.memory_used = None;
    let mut job = job(4, JobKind::Create, JobState::Running);
    job.steps.truncate(3);
    room.job = Some(job);
    room
}

fn failed(name: &str) -> RoomView {
    let mut room = room(name);
    room.phase = Phase::Failed;
    room.problem = Some("launch: <script>alert(1)</script> & more".into());
    let mut job = job(4, JobKind::Start, JobState::Failed);
    job.steps.truncate(3);
    job.steps[0].state = StepState::Undone;
    job.steps[1].state = StepState::Undone;
    job.steps[2].state = StepState::Failed;
    job.steps[2].detail = Some("<script>alert(1)</script> & more".into());
    room.job = Some(job);
    room
}

fn keep(name: &str, page: &Page) {
    if let Some(folder) = std::env::var_os("PIAULE_PAGES") {
        let file = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder");
        std::fs::write(file, &page.html).expect("written");
    }
}

async fn sign_in(browser: &mut Browser, login: &str, password: &str, next: &str) -> Page {
    let fields = [("login", login), ("password", password), ("next", next)];
    browser.post("/sign-in", &own(), &fields).await
}

#[tokio::test]
async fn the_way_in_and_out() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(false).await;

    assert_eq!(browser.get("/").await.location(), "/sign-in");
    let away = browser.get("/rooms/blog").await;
    assert_eq!(
        (away.status, away.location()),
        (StatusCode::SEE_OTHER, "/sign-in?next=/rooms/blog")
    );
    let door = browser.get("/sign-in?next=/rooms/blog").await;
    door.has(&["name=\"next\" value=\"/rooms/blog\"", "Connecte-toi pour continuer."]);
    door.has(&["8 piaules allumées sur 12.", "href=\"/sign-in?next=/rooms/blog&amp;lang=en\""]);

    // A phone's keyboard begins with a capital and ends with a space.
    let entered = sign_in(&mut browser, "Ada ", PASSWORD, "/rooms/blog").await;
    assert_eq!((entered.status, entered.location()), (StatusCode::SEE_OTHER, "/rooms/blog"));
    let set = entered.headers["set-cookie"].to_str().expect("text");
    for flag in ["__Host-piaule=", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/"] {
        assert!(set.contains(flag), "{flag} in {set}");
    }
    assert!(!set.contains("Domain") && !set.contains("Max-Age"), "{set}");

    let home = browser.get("/").await;
    home.has(&["<h1>blog</h1>", "ada"]);
    let left = browser.post("/sign-out", &own(), &[("token", &home.form_token())]).await;
    assert_eq!(left.location(), "/sign-in");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    assert!(stage.core().asked.iter().any(|command| matches!(command, Command::SignOut)));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(false).await;
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "/sign-out", "zut"] {
        let entered = sign_in(&mut browser, "ada", PASSWORD, next).await;
        assert_eq!(entered.location(), "/", "{next}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_whether_a_login_exists() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(false).await;
    let wrong = sign_in(&mut browser, "ada", "wrong but long enough", "").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    wrong.has(&["ne vont pas ensemble", "role=\"alert\""]);
    wrong.lacks(&["wrong but long enough"]);
    for (login, password) in [
        ("bob", "wrong but long enough"),
        ("ada", "short"),
        ("", ""),
        ("\"><script>", "wrong but long enough"),
    ] {
        let page = sign_in(&mut browser, login, password, "").await;
        assert_eq!(page.status, wrong.status, "{login}");
        let escaped = login.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
        let same = page.html.replace(&format!("value=\"{escaped}\""), "value=\"ada\"");
        assert_eq!(same, wrong.html, "{login}");
    }
    keep("refused.html", &wrong);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(false).await;
    for _ in 0..30 {
        let page = sign_in(&mut browser, "ada", "wrong but long enough", "").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    let asked = stage.core().asked.len();
    let page = sign_in(&mut browser, "ada", PASSWORD, "").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = page.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=601).contains(&wait), "{wait}");
    assert_eq!(stage.core().asked.len(), asked, "core was not asked");
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused_before_core_is_asked() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(true).await;
    let good = browser.get("/").await.form_token();
    stage.core().asked.clear();

    let other = panel::room("wiki").host;
    for origin in [format!("https://{other}"), "null".into(), format!("http://{PANEL}")] {
        let page = browser.post("/rooms/blog/stop", &origin, &[("token", &good)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin}");
        let fields = [("login", "ada"), ("password", PASSWORD)];
        let page = browser.post("/sign-in", &origin, &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin}");
    }
    browser.say("sec-fetch-site", "same-site");
    let page = browser.post("/rooms/blog/stop", &own(), &[("token", &good)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "a sibling's page");
    browser.say("sec-fetch-site", "same-origin");
    for token in ["", "0", &"0".repeat(64), token().expose()] {
        for path in ["/rooms/blog/stop", "/sign-out", "/new-room"] {
            let page = browser.post(path, &own(), &[("token", token)]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {token}");
        }
    }
    assert!(stage.core().asked.is_empty(), "{:?}", stage.core().asked);
}

#[tokio::test]
async fn buttons_become_commands() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(true).await;
    let good = browser.get("/rooms/blog").await.form_token();
    for (verb, expected) in
        [("start", "RoomStart"), ("stop", "RoomStop"), ("restart", "RoomRestart")]
    {
        let page = browser.post(&format!("/rooms/blog/{verb}"), &own(), &[("token", &good)]).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/rooms/blog"));
        let last = format!("{:?}", stage.core().asked.last().expect("asked"));
        assert!(last.starts_with(expected) && last.contains("\"blog\""), "{last}");
    }
}

#[tokio::test]
async fn a_room_shows_all_a_student_needs() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(true).await;
    let page = browser.get("/rooms/blog").await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&[
        "href=\"https://blog.house.example/\"",
        "ssh -p 20022 student@blog.house.example",
        "192.168.200.2",
        "02:37:c0:a8:c8:02",
        "light, version\u{a0}2",
        "26\u{202f}Mio sur 1\u{202f}Gio",
        "<td>20053</td>",
        "SHA256:TUFcAFtdzpwQ6Ip7Q6xWgKkM2K5bbrvyAzoPsEmSEcs",
        "data-state=\"running\"",
        "253\u{202f}ms",
        "1er septembre 2026",
    ]);
    page.lacks(&["http-equiv"]);
    keep("room.html", &page);

    stage.core().rooms = vec![starting("blog")];
    let page = browser.get("/rooms/blog").await;
    page.has(&["<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>", "En cours…"]);
    keep("starting.html", &page);

    stage.core().rooms = vec![failed("blog")];
    let page = browser.get("/rooms/blog?lang=en").await;
    page.has(&["&lt;script&gt;alert(1)&lt;/script&gt; &amp; more", "Out of order"]);
    page.lacks(&["<script>", "http-equiv"]);
    keep("failed.html", &page);
}

#[tokio::test]
async fn the_entrance_shows_no_room_one_or_several() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(true).await;
    let page = browser.get("/").await;
    page.has(&["Tu n’as pas encore de piaule", "href=\"/new-room\""]);
    keep("empty.html", &page);
    stage.core().max_rooms = 0;
    let page = browser.get("/").await;
    page.has(&["demande à l’équipe"]);
    page.lacks(&["/new-room"]);

    stage.core().max_rooms = 3;
    let mut archived = room("wiki");
    archived.wanted = Wanted::Archived;
    archived.destroy_at = Some("2026-10-01T08:00:00Z".parse().expect("a timestamp"));
    stage.core().rooms = vec![room("blog"), archived];
    let page = browser.get("/").await;
    page.has(&["href=\"/rooms/blog\"", "href=\"/rooms/wiki\"", "Archivée", "href=\"/new-room\""]);
    keep("rooms.html", &page);
    browser.get("/rooms/wiki").await.has(&["Sera détruite le", "1er octobre 2026"]);
}

#[tokio::test]
async fn a_room_is_made_or_the_form_says_what_is_wrong() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(true).await;
    let page = browser.get("/new-room").await;
    assert_eq!(page.html.matches("<option").count(), 1, "one per template, not per version");
    keep("new.html", &page);
    let token = page.form_token();
    let fields = |name, keys| {
        [("token", token.clone()), ("name", name), ("template", "light".into()), ("keys", keys)]
    };
    let send = |name: &str, keys: &str| fields(name.to_owned(), keys.to_owned());

    let wrong = send("Mon-Blog", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n");
    let wrong: Vec<_> = wrong.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let page = browser.post("/new-room", &own(), &wrong).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.has(&["value=\"Mon-Blog\"", "aria-invalid=\"true\"", "lettres minuscules", "clé privée"]);
    page.lacks(&["b3Bl"]);
    assert!(!stage.core().asked.iter().any(|c| matches!(c, Command::RoomCreate { .. })));
    keep("wrong.html", &page);

    let right = send("blog", KEY);
    let right: Vec<_> = right.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let page = browser.post("/new-room", &own(), &right).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/rooms/blog"));
    match stage.core().asked.last() {
        Some(Command::RoomCreate { name, owner: None, keys, .. }) => {
            assert_eq!((name.as_ref(), keys.len()), ("blog", 1));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_honestly() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(true).await;
    let token = browser.get("/").await.form_token();

    let page = browser.get("/rooms/nobody").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.has(&["Il n’y a personne à cette porte"]);
    keep("missing.html", &page);
    assert_eq!(browser.get("/rooms/../etc/passwd").await.status, StatusCode::NOT_FOUND);
    let page = browser.get("/sign-out").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(page.headers["allow"], "POST");

    let long = "x".repeat(70 * 1024);
    // The rest of it is not read, so that connection ends.
    let mut talkative = stage.browser(true).await;
    let page = talkative.post("/rooms/blog/stop", &own(), &[("token", &long)]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);

    stage.core().refuse = Some(Fault::new(FaultKind::Conflict, "<b>it is being archived</b>"));
    let page = browser.post("/rooms/blog/start", &own(), &[("token", &token)]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.has(&["<span lang=\"en\">&lt;b&gt;it is being archived"]);

    stage.core().refuse = Some(Fault::new(FaultKind::Internal, "cannot open /srv/secret"));
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    page.lacks(&["/srv/secret"]);

    stage.house.lost();
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.has(&["La maison redémarre", "<meta http-equiv=\"refresh\""]);
    page.lacks(&["<noscript>"]);
    assert!(page.headers.contains_key("retry-after"));
    let page = browser.post("/rooms/blog/start", &own(), &[("token", &token)]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.lacks(&["http-equiv"]);
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(false).await;
    browser.cookies.push(("__Host-piaule".into(), "0".repeat(64)));
    let page = browser.get("/rooms/blog").await;
    assert_eq!(page.location(), "/sign-in?next=/rooms/blog");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
}

#[tokio::test]
async fn every_response_is_guarded() {
    let stage = Stage::with(vec![room("blog")]);
    let mut browser = stage.browser(true).await;
    for path in ["/", "/sign-in", "/rooms/blog", "/rooms/nobody", "/new-room", "/zut", "/sign-out"]
    {
        let page = browser.get(path).await;
        for (name, part) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("strict-transport-security", "max-age="),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("content-language", "fr"),
        ] {
            let value = page.headers.get(name).expect(name).to_str().expect("text");
            assert!(value.contains(part), "{path}: {name}: {value}");
        }
        let policy = page.headers["content-security-policy"].to_str().expect("text");
        assert!(!policy.contains("unsafe"), "{policy}");
        page.lacks(&[" style=", "<style", " onclick=", "<script>", "javascript:"]);
        well_made(&page);
    }
}

/// One `h1`, a label for each field, and no id twice.
fn well_made(page: &Page) {
    assert_eq!(page.html.matches("<h1").count(), 1, "{}", page.html);
    let values = |before: &str| -> Vec<String> {
        let after = page.html.split(before).skip(1);
        after.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let mut ids = values(" id=\"");
    for reference in values(" for=\"").iter().chain(&values(" aria-labelledby=\"")) {
        assert!(ids.contains(reference), "{reference} in {}", page.html);
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id twice in {}", page.html);
}

#[tokio::test]
async fn assets_are_named_by_content_and_kept_for_ever() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(false).await;
    let door = browser.get("/sign-in").await;
    let links = door.html.split("=\"/assets/").skip(1).map(|rest| rest.split('"').next());
    let mut found = 0;
    for file in links.flatten() {
        let asset = browser.get(&format!("/assets/{file}")).await;
        assert_eq!(asset.status, StatusCode::OK, "{file}");
        assert!(asset.headers["cache-control"].to_str().expect("text").contains("immutable"));
        assert_eq!(asset.headers["x-content-type-options"], "nosniff");
        assert!(!asset.headers.contains_key("set-cookie"));
        keep(&format!("assets/{file}"), &asset);
        found += 1;
    }
    assert_eq!(found, 3);
    assert_eq!(browser.get("/assets/panel.0000000000000000.css").await.status, 404);
    keep("door.html", &door);

    let response = browser.send(Method::HEAD, "/sign-in", String::new()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.into_body().collect().await.expect("a body").to_bytes().is_empty());
}

#[tokio::test]
async fn the_language_is_the_visitors() {
    let stage = Stage::with(vec![]);
    let mut browser = stage.browser(false).await;
    browser.get("/sign-in").await.has(&["<html lang=\"fr\">", "Se connecter"]);
    browser.say("accept-language", "en-GB,en;q=0.9");
    let page = browser.get("/sign-in").await;
    page.has(&["<html lang=\"en\">", "Sign in"]);
    assert!(!page.headers.contains_key("set-cookie"));
    let page = browser.get("/sign-in?lang=fr").await;
    page.has(&["<html lang=\"fr\">"]);
    let set = page.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-lang=fr; ") && set.contains("Secure"), "{set}");
    browser.get("/sign-in").await.has(&["<html lang=\"fr\">"]);
    browser.get("/sign-in?lang=de%0d%0a").await.has(&["<html lang=\"fr\">"]);
}

/// The next event of a stream.
async fn next_event(body: &mut hyper::body::Incoming) -> Option<String> {
    loop {
        let deadline = std::time::Duration::from_secs(10);
        let frame = tokio::time::timeout(deadline, body.frame()).await.expect("in time")?;
        let data = frame.expect("a frame").into_data().expect("data");
        let text = String::from_utf8(data.to_vec()).expect("UTF-8");
        if text.starts_with("data: ") {
            return Some(text);
        }
    }
}

#[tokio::test]
async fn the_timeline_is_live_and_the_owners_only() {
    let stage = Stage::with(vec![starting("blog")]);
    let mut stranger = stage.browser(false).await;
    assert_eq!(stranger.get("/rooms/blog/events").await.status, StatusCode::SEE_OTHER);
    let mut browser = stage.browser(true).await;
    assert_eq!(browser.get("/rooms/wiki/events").await.status, StatusCode::NOT_FOUND);

    let response = browser.send(Method::GET, "/rooms/blog/events", String::new()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = next_event(&mut body).await.expect("the room as it is");
    assert!(first.contains("data-state=\"starting\"") && first.ends_with("\n\n"), "{first}");

    let event = |room: &str, id, kind, state, phase| JobEvent {
        room: Some(room.parse().expect("a name")),
        phase: Some(phase),
        job: job(id, kind, state),
    };
    // Another room's, then a job that a newer one followed: neither is passed on.
    stage.house.job(event("wiki", 5, JobKind::Stop, JobState::Running, Phase::Stopping));
    stage.house.job(event("blog", 3, JobKind::Stop, JobState::Superseded, Phase::Stopping));
    stage.house.job(event("blog", 4, JobKind::Create, JobState::Running, Phase::Starting));
    let moved = next_event(&mut body).await.expect("a step");
    assert!(moved.contains("La piaule se crée…") && moved.contains("Réseau"), "{moved}");

    // At its end core is asked again, and what it says is shown.
    stage.core().rooms = vec![room("blog")];
    stage.house.job(event("blog", 4, JobKind::Create, JobState::Done, Phase::Running));
    let done = next_event(&mut body).await.expect("the end");
    assert!(done.contains("data-state=\"running\"") && done.contains("en tout"), "{done}");

    // Somebody else's by now: not a word more.
    stage.core().rooms.clear();
    stage.house.job(event("blog", 6, JobKind::Stop, JobState::Done, Phase::Stopped));
    assert_eq!(next_event(&mut body).await, None);
}

#[tokio::test]
async fn the_end_of_a_room_is_the_last_word() {
    let mut created = job(4, JobKind::Create, JobState::Failed);
    created.error = Some("layer: the pool is full".into());
    let destroyed = job(5, JobKind::Destroy, JobState::Done);
    for (job, expected) in
        [(created, "La création a échoué"), (destroyed, "La piaule est détruite")]
    {
        let stage = Stage::with(vec![starting("blog")]);
        let mut browser = stage.browser(true).await;
        let response = browser.send(Method::GET, "/rooms/blog/events", String::new()).await;
        let mut body = response.into_body();
        next_event(&mut body).await.expect("the room as it is");
        stage.core().rooms.clear();
        let room = Some("blog".parse().expect("a name"));
        stage.house.job(JobEvent { room: room.clone(), phase: Some(Phase::Failed), job });
        // Its name is free again; the next one who takes it may be somebody else.
        let other = panel::job(6, JobKind::Create, JobState::Running);
        stage.house.job(JobEvent { room, phase: Some(Phase::Stopped), job: other });
        let last = next_event(&mut body).await.expect("the last word");
        assert!(last.contains("data-state=\"gone\"") && last.contains(expected), "{last}");
        assert_eq!(next_event(&mut body).await, None);
    }
}

#[tokio::test]
async fn streams_end_when_core_is_gone_or_front_drains() {
    for leave in [House::lost, House::hush] {
        let stage = Stage::with(vec![room("blog")]);
        let mut browser = stage.browser(true).await;
        let response = browser.send(Method::GET, "/rooms/blog/events", String::new()).await;
        let mut body = response.into_body();
        next_event(&mut body).await.expect("the room as it is");
        leave(&stage.house);
        assert_eq!(next_event(&mut body).await, None);
    }
}

/// Core's steps, one after another. A step that is added does not compile until it is here.
fn after(step: Step) -> Option<Step> {
    Some(match step {
        Step::Publish => Step::Network,
        Step::Network => Step::Layer,
        Step::Layer => Step::Launch,
        Step::Launch => Step::Keys,
        Step::Keys => Step::Ready,
        Step::Ready => Step::Stop,
        Step::Stop => Step::Release,
        Step::Release => Step::Erase,
        Step::Erase => Step::Forget,
        Step::Forget => return None,
    })
}

#[tokio::test]
async fn every_step_of_core_has_a_name_in_both_languages() {
    let steps = std::iter::successors(Some(Step::Publish), |step| after(*step));
    let names: Vec<&str> = steps.map(Step::name).chain(builder::step_names()).collect();
    let mut done = job(4, JobKind::Create, JobState::Done);
    let step = done.steps[0].clone();
    done.steps =
        names.iter().map(|name| StepView { name: (*name).into(), ..step.clone() }).collect();
    let mut shown = room("blog");
    shown.job = Some(done);
    let stage = Stage::with(vec![shown]);
    let mut browser = stage.browser(true).await;
    for language in ["fr", "en"] {
        let page = browser.get(&format!("/rooms/blog?lang={language}")).await;
        assert_eq!(page.html.matches("<span class=\"label\">").count(), names.len());
        for name in &names {
            page.lacks(&[&format!("<span class=\"label\">{name}<")]);
        }
    }
}
