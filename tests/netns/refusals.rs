//! What cannot be is refused at the edge with a sentence and an exit status, and changes nothing.

use crate::house::House;

/// A key as people have them.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPTA8ra0xdUXYkfkFMo0mQhQkCF7hWYKZvUvTBj0Vwt a@b";

#[test]
fn nothing_comes_of_what_cannot_be() {
    let house = House::own();
    house.account("ada");
    house.account("bob");
    let room = house.room("taken");
    house.piaule(&["port", "add", "taken", "29000:80"]).ok();
    let before = (house.ask(&["list"]), house.ask(&["account", "list"]), house.picture());
    // What is clear to the command line is told with its status 2; the rest, by core.
    let owner = room.owner.as_str();
    let long = "a".repeat(31);
    let create = |name: &'static str| vec!["create", name, "--owner", "ada", "--key", KEY];
    let with_key = |key: &'static str| vec!["create", "blog", "--owner", "ada", "--key", key];
    let cases: Vec<(i32, Vec<&str>)> = vec![
        (2, create("a")),
        (2, vec!["create", &long, "--owner", "ada", "--key", KEY]),
        (2, create("Blog")),
        (2, create("my-blog")),
        (2, create("my.blog")),
        (2, create("été")),
        (2, create("blog\n")),
        (2, create("../x")),
        (2, create("www")),
        (2, create("panel")),
        (5, create("taken")),
        (5, vec!["create", "second", "--owner", owner, "--key", KEY]),
        (4, vec!["create", "blog", "--owner", "nobody", "--key", KEY]),
        (4, vec!["create", "blog", "--owner", "ada", "--key", KEY, "--template", "windows"]),
        (2, vec!["create", "blog", "--owner", "ada"]),
        (2, with_key("ssh-ed25519 AAAA")),
        (2, with_key("not a key")),
        (
            2,
            with_key(
                "command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPTA8ra0xdUXYkfkFMo0mQhQkCF7hWYKZvUvTBj0Vwt",
            ),
        ),
        (
            2,
            with_key(
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPTA8ra0xdUXYkfkFMo0mQhQkCF7hWYKZvUvTBj0Vwt a\rssh-rsa b",
            ),
        ),
        (2, vec!["port", "add", "taken", "0"]),
        (2, vec!["port", "add", "taken", "65536"]),
        (2, vec!["port", "add", "taken", "80:80"]),
        (2, vec!["port", "add", "taken", "30000:81"]),
        (2, vec!["port", "add", "taken", "80/icmp"]),
        (5, vec!["port", "add", "taken", "29003:80"]),
        (5, vec!["port", "add", "taken", "29000:81"]),
        (4, vec!["port", "add", "nobody", "80"]),
        (4, vec!["port", "del", "taken", "29002"]),
        (4, vec!["key", "del", "taken", "SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE"]),
        (4, vec!["start", "nobody"]),
        (4, vec!["destroy", "nobody", "--yes"]),
        (4, vec!["jobs", "999999"]),
        (5, vec!["account", "create", "ada", "other@school.example", "--password-stdin"]),
        (2, vec!["account", "create", "A", "a@school.example", "--password-stdin"]),
        (2, vec!["account", "create", "carl", "no mail", "--password-stdin"]),
        (5, vec!["account", "delete", owner]),
        (4, vec!["account", "show", "nobody"]),
    ];
    for (status, words) in &cases {
        let answer = house.piaule_given(words, b"a window on the yard\n");
        assert_eq!(answer.status, *status, "{answer:?}");
        let sentence = answer.err.lines().next().unwrap_or_default();
        assert!(sentence.split(' ').count() >= 3, "a sentence: {answer:?}");
        assert!(!sentence.contains("panicked"), "{answer:?}");
    }
    let after = (house.ask(&["list"]), house.ask(&["account", "list"]), house.picture());
    assert_eq!(stable(before.0), stable(after.0));
    assert_eq!(before.1, after.1);
    assert_eq!(before.2.changes(&after.2), Vec::<String>::new());
}

/// Rooms without what changes by itself.
fn stable(mut rooms: serde_json::Value) -> serde_json::Value {
    for room in rooms.as_array_mut().expect("rooms") {
        let room = room.as_object_mut().expect("a room");
        room.remove("memory_used");
        room.remove("cpu_used_ms");
    }
    rooms
}
