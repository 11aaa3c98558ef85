//! `camhook password`: what to write under `admin.users` and `admin.tokens`.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use super::show::line;
use crate::admin::{self, passwords};

/// Fewer can be guessed.
const CHARACTERS_MIN: usize = 8;
/// What a typing hand sends: the end of the input, an interrupt, and two ways to take back.
const END: u8 = 4;
const INTERRUPT: u8 = 3;
const BACK: [u8; 2] = [8, 127];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print a new random token instead.
    #[arg(long)]
    new_token: bool,
}

pub(super) fn password(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.new_token {
        line(&admin::random_token());
        return Ok(());
    }
    let password = match io::stdin().is_terminal() {
        true => {
            let first = typed("Password: ")?;
            if typed("Once more: ")? != first {
                return Err(Failure::Said(
                    "these are two different passwords".to_owned(),
                ));
            }
            first
        }
        false => {
            let mut text = String::new();
            io::stdin().lock().read_line(&mut text)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if password.chars().count() < CHARACTERS_MIN {
        let message = format!("a password needs at least {CHARACTERS_MIN} characters");
        return Err(Failure::Said(message));
    }
    line(&passwords::hash(&password).map_err(Failure::Said)?);
    Ok(())
}

/// Reads a line from the terminal and shows nothing of it.
fn typed(prompt: &str) -> Result<String, Failure> {
    let mut error = io::stderr().lock();
    let _ = write!(error, "{prompt}").and_then(|()| error.flush());
    let bytes = {
        let _unseen = Unseen::begin()?;
        read_line(io::stdin().lock())
    };
    let _ = writeln!(error);
    let bytes = bytes?.ok_or_else(|| Failure::Said("nothing was entered".to_owned()))?;
    String::from_utf8(bytes).map_err(|_| Failure::Said("a password must be UTF-8".to_owned()))
}

/// One line, key by key; none when it was broken off.
fn read_line(input: impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    for byte in input.bytes() {
        match byte? {
            b'\r' | b'\n' => return Ok(Some(line)),
            INTERRUPT | END => return Ok(None),
            byte if BACK.contains(&byte) => {
                // A character may be several bytes.
                while line
                    .pop()
                    .is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
                {}
            }
            byte => line.push(byte),
        }
    }
    Ok(None)
}

/// The terminal shows nothing and passes on every key, until this is dropped: also Ctrl-C, which would leave it so otherwise.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_typed_and_taken_back() {
        let read = |keys: &[u8]| read_line(keys).unwrap();
        assert_eq!(
            read("pé\u{7f}ass\n rest".as_bytes()),
            Some(b"pass".to_vec())
        );
        assert_eq!(read(b"\x7f\x7fab\r"), Some(b"ab".to_vec()));
        for broken_off in [&b"abc\x03"[..], b"abc\x04", b"abc"] {
            assert_eq!(read(broken_off), None);
        }
    }
}
