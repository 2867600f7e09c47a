use std::io::PipeWriter;
use std::thread::JoinHandle;

use super::*;
use crate::cli::attach::terminal::set_nonblocking;

/// The room's side of a relay with pipes: its input and output, core's end, and the relay itself.
struct Room {
    input: io::PipeReader,
    output: PipeWriter,
    core: UnixStream,
    relay: JoinHandle<io::Result<Ended>>,
}

/// A relay between `(typed, shown)` and a room.
fn room(typed: OwnedFd, shown: OwnedFd, leave: Option<u8>) -> Room {
    let (input, to_room) = io::pipe().expect("pipe");
    let (from_room, output) = io::pipe().expect("pipe");
    let (core, ours) = UnixStream::pair().expect("pair");
    set_nonblocking(to_room.as_fd()).expect("nonblocking");
    let relay = Relay {
        flows: vec![
            Flow::input(typed, to_room.into(), leave),
            Flow::output(from_room.into(), shown),
        ],
        core: Some(ours),
        terminal: None,
        signals: None,
    };
    Room { input, output, core, relay: std::thread::spawn(move || relay.run()) }
}

fn exit(core: &mut UnixStream, status: i32) {
    writeln!(core, "{{\"exit\":{status}}}").expect("answer");
}

#[test]
fn bytes_go_both_ways_and_the_last_ones_arrive() {
    let (typed, mut keyboard) = io::pipe().expect("pipe");
    let (mut screen, shown) = io::pipe().expect("pipe");
    let mut room = room(typed.into(), shown.into(), None);
    keyboard.write_all(b"hello").expect("type");
    drop(keyboard);
    let mut heard = String::new();
    room.input.read_to_string(&mut heard).expect("the end of the input reaches the room");
    assert_eq!(heard, "hello");
    room.output.write_all(b"last words").expect("write");
    exit(&mut room.core, 3);
    let ended = room.relay.join().expect("thread").expect("relayed");
    assert!(matches!(ended, Ended::Answer(Attached::Exit(3))), "{ended:?}");
    let mut text = String::new();
    screen.read_to_string(&mut text).expect("read");
    assert_eq!(text, "last words");
}

#[test]
fn a_room_that_does_not_listen_is_still_heard() {
    let (typed, mut keyboard) = io::pipe().expect("pipe");
    let (mut screen, shown) = io::pipe().expect("pipe");
    let mut room = room(typed.into(), shown.into(), None);
    // More than the pipes on the way hold; it ends when the relay does.
    let flood = std::thread::spawn(move || keyboard.write_all(&vec![b'x'; 1 << 20]));
    room.output.write_all(b"busy").expect("write");
    let mut text = [0; 4];
    screen.read_exact(&mut text).expect("heard");
    assert_eq!(&text, b"busy");
    exit(&mut room.core, 0);
    room.relay.join().expect("thread").expect("relayed");
    assert!(flood.join().expect("thread").is_err());
}

#[test]
fn when_nobody_reads_the_room_is_told() {
    let (typed, _keyboard) = io::pipe().expect("pipe");
    let (screen, shown) = io::pipe().expect("pipe");
    let mut room = room(typed.into(), shown.into(), None);
    drop(screen);
    // The first bytes may still fit; the relay then closes its end.
    while room.output.write_all(b"y\n").is_ok() {}
    exit(&mut room.core, 141);
    assert!(matches!(room.relay.join().expect("thread"), Ok(Ended::Answer(Attached::Exit(141)))));
}

#[test]
fn the_leaving_key_leaves() {
    let (typed, mut keyboard) = io::pipe().expect("pipe");
    let (_screen, shown) = io::pipe().expect("pipe");
    let mut room = room(typed.into(), shown.into(), Some(0x1d));
    keyboard.write_all(b"ls\x1dnot sent").expect("type");
    assert!(matches!(room.relay.join().expect("thread"), Ok(Ended::Left)));
    let mut heard = String::new();
    room.input.read_to_string(&mut heard).expect("read");
    assert_eq!(heard, "ls");
}

#[test]
fn core_hanging_up_is_an_error() {
    let (typed, _keyboard) = io::pipe().expect("pipe");
    let (_screen, shown) = io::pipe().expect("pipe");
    let room = room(typed.into(), shown.into(), None);
    drop(room.core);
    assert!(room.relay.join().expect("thread").is_err());
}
