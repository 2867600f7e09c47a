//! The administrator's verbs that reach into a room, and the audit.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use crate::house::House;
use crate::house::patience::until;
use crate::house::room::Room;

#[test]
fn enter_ends_as_its_command_does() {
    let house = House::shared();
    let room = house.room("entered");
    assert_eq!(room.root("exit 3").status, 3);
    assert_eq!(room.root("kill -9 $$").status, 128 + 9);
    assert_eq!(room.root("kill -TERM $$").status, 128 + 15);
    assert_eq!(room.enter(&["no-such-command"]).status, 127);
    let both = room.root("echo out; echo err >&2");
    assert_eq!((both.out.as_str(), both.err.as_str()), ("out\n", "err\n"));
    assert!(room.enter(&["id"]).word().starts_with("uid=0(root)"));
    assert_eq!(room.enter(&["readlink", "/proc/1/exe"]).word(), "/usr/lib/systemd/systemd");
    assert_eq!(house.piaule(&["enter", "nobody", "--", "true"]).status, 4);
    room.does("stop");
    let off = room.enter(&["true"]);
    assert_eq!(off.status, 5);
    assert!(off.err.contains("is off"), "{off:?}");
}

#[test]
fn enter_relays_what_is_piped() {
    let house = House::shared();
    let room = house.room("piped");
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let back = room.enter_given(&["cat"], &sent).ok();
    assert!(back.as_bytes() == sent, "{} bytes of {}", back.len(), sent.len());
    assert_eq!(room.enter_given(&["wc", "-c"], &sent).word(), "3000000");
    // A command that does not read does not hang.
    room.enter_given(&["true"], &sent).ok();
    assert_ne!(room.enter(&["test", "-t", "0"]).status, 0);
}

#[test]
fn enter_gives_a_terminal_to_a_terminal() {
    let house = House::shared();
    let room = house.room("typed");
    let script = "test -t 0 && test -t 1 && stty -a && exit 4";
    let mut terminal = Terminal::run(&house, &["enter", &room.name, "--", "sh", "-c", script]);
    let status = terminal.status();
    assert_eq!(status, 4, "{}", terminal.said());

    let mut shell = Terminal::run(&house, &["enter", &room.name]);
    shell.types("echo $((6 * 7)) in $(hostname)\n");
    shell.shows("42 in typed");
    shell.types("exit 5\n");
    assert_eq!(shell.status(), 5);
}

#[test]
fn the_console_is_seen_left_and_remembered() {
    let house = House::shared();
    let room = house.room("console");
    assert_console_works(&room);
    let logs = house.piaule(&["logs", &room.name]).ok();
    assert!(logs.contains("said on the console"), "{logs}");
    let none = house.piaule(&["console", &room.name]);
    assert_eq!(none.status, 2, "a console needs a terminal: {none:?}");
}

/// What the room says on its console is seen by who attaches, who can leave.
pub fn assert_console_works(room: &Room<'_>) {
    let mut console = Terminal::run(room.house, &["console", &room.name]);
    console.shows("Ctrl-]");
    room.root("echo said on the console > /dev/console").ok();
    console.shows("said on the console");
    console.types("\x1d");
    assert_eq!(console.status(), 0, "{}", console.said());
}

#[test]
fn the_audit_tells_who_did_what() {
    let house = House::shared();
    let room = house.room("audited");
    house.piaule(&["port", "add", &room.name, "8080"]).ok();
    room.does("stop");
    assert_eq!(house.piaule(&["start", "nobody"]).status, 4);
    let rows = house.ask(&["audit", "--object", &room.name]);
    let actions: Vec<&str> =
        rows.as_array().expect("rows").iter().filter_map(|row| row["action"].as_str()).collect();
    for action in ["room.create", "port.add", "room.stop"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    assert_eq!(rows[0]["actor"], "admin:0");
    house.piaule(&["audit", "--verify"]).ok();
}

#[test]
fn a_changed_audit_does_not_verify() {
    let house = House::bare("");
    house.account("ada");
    house.account("bob");
    house.piaule(&["audit", "--verify"]).ok();
    house.manager.stop();
    let database = rusqlite::Connection::open(house.folder().join("state/piaule.db")).expect("it");
    let changed = database.execute("UPDATE audit SET object = 'eve' WHERE object = 'ada'", []);
    // A trigger may refuse; whoever can write the file can drop it.
    if changed.is_err() {
        let triggers =
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'";
        let mut statement = database.prepare(triggers).expect("SQL");
        let names: Vec<String> =
            statement.query_map([], |row| row.get(0)).expect("rows").flatten().collect();
        for name in names {
            database.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped");
        }
        database.execute("UPDATE audit SET object = 'eve' WHERE object = 'ada'", []).expect("now");
    }
    house.manager.start();
    let verified = house.piaule(&["audit", "--verify"]);
    assert_eq!(verified.status, 5, "{verified:?}");
}

/// A `piaule` verb at a terminal of script(1)'s making.
pub struct Terminal {
    child: Child,
    log: std::path::PathBuf,
}

impl Terminal {
    pub fn run(house: &House, words: &[&str]) -> Self {
        let quoted: Vec<String> =
            house.command(words).iter().map(|word| format!("'{word}'")).collect();
        let folder = tempfile::tempdir_in(house.folder()).expect("a folder").keep();
        let log = folder.join("typescript");
        let mut script = Command::new("script");
        script.args(["--quiet", "--flush", "--return", "--command", &quoted.join(" ")]).arg(&log);
        script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: script.env("TERM", "xterm").spawn().expect("script(1)"), log }
    }

    pub fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(text.as_bytes()).expect("typed");
    }

    pub fn said(&self) -> String {
        let mut bytes = Vec::new();
        let _ = std::fs::File::open(&self.log).map(|mut log| log.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        until(text, || self.said().contains(text).then_some(()));
    }

    #[track_caller]
    pub fn status(&mut self) -> i32 {
        let ended = until("the verb ends", || self.child.try_wait().expect("a child"));
        ended.code().expect("a status")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
