//! Programs that are run to their end.

use std::borrow::BorrowMut;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    #[expect(dead_code, reason = "read through Debug, in the words of a failed test")]
    /// The program's words, for messages.
    pub said: String,
    /// Its exit status; 128 + n when signal n ended it.
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// What it wrote, when it must have ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    /// The same without the white space around.
    #[track_caller]
    pub fn word(self) -> String {
        self.ok().trim().to_owned()
    }

    pub fn is_ok(&self) -> bool {
        self.status == 0
    }
}

/// Runs a program with this on its standard input.
pub fn run(mut command: impl BorrowMut<Command>, input: &[u8]) -> Outcome {
    let command = command.borrow_mut();
    let said = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {said}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let ended = thread::scope(|scope| {
        // A program that ends early does not read it all.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("it can be waited for")
    });
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let signal = || 128 + ended.status.signal().unwrap_or_default();
    let status = ended.status.code().unwrap_or_else(signal);
    Outcome { said, status, out: text(ended.stdout), err: text(ended.stderr) }
}
