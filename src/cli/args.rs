//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::input::{JobsOf, PortSpec, PublicSpec};
use crate::model::{Email, Login, RoomName, TemplateName};

/// Where core listens.
pub(super) const SOCKET: &str = "/run/piaule/piaule.sock";
/// Where the settings are.
const SETTINGS: &str = "/etc/piaule/piaule.toml";

const BEGIN: &str = "\
To begin:
  piaule template build light                            make what rooms are made from
  piaule account create ada ada@school.example           make an account
  piaule create blog --owner ada --key ada.pub           make a room and start it
  piaule show blog                                       where it is, how it does

Exit status:
  0  done
  1  the house failed, or the job did
  2  what was given cannot be used
  3  not allowed
  4  there is no such thing
  5  it clashes with what is there, a limit is reached, or a later command took over
  6  the house does not answer, or cannot now
`piaule enter` exits with the command's own status; 128 + N when signal N killed it.";

/// Keep a house of small Linux machines.
#[derive(Debug, Parser)]
#[command(name = "piaule", version, after_help = BEGIN)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub(super) struct Arguments {
    /// The house's socket
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET, help_heading = "Everywhere")]
    pub(super) socket: PathBuf,
    /// Print the house's reply as JSON, for scripts
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The house at a glance
    Status,
    /// Accounts: who may have rooms
    #[command(subcommand)]
    Account(AccountVerb),
    /// Templates: what rooms are made from
    #[command(subcommand)]
    Template(TemplateVerb),
    /// Make a room and start it
    #[command(after_help = "\
Examples:
  piaule create blog --owner ada --key ~/.ssh/id_ed25519.pub
  piaule create game --owner ada --key ada.pub --port 8080 --port 20010:27015/udp")]
    Create(Create),
    /// All rooms
    List,
    /// One room: where it is, its ports and keys, how it does
    Show {
        /// The room
        name: RoomName,
    },
    /// Start a room
    Start(OneRoom),
    /// Stop a room; it stays off until started
    Stop(OneRoom),
    /// Stop a room and start it again
    Restart(OneRoom),
    /// Redirections of public ports to a room
    #[command(subcommand)]
    Port(PortVerb),
    /// Keys that may sign in to a room by SSH
    #[command(subcommand)]
    Key(KeyVerb),
    /// Stop a room and keep it 30 days, then destroy it
    Archive(OneRoom),
    /// Take a room back from the archive, stopped
    Unarchive(OneRoom),
    /// Remove a room and everything it wrote, at once
    #[command(after_help = "\
It asks for the room's name again, unless given --yes. `piaule archive` is the gentler way: it
keeps the room for 30 days.")]
    Destroy {
        #[command(flatten)]
        room: OneRoom,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Run a command in a room as its root, or a login shell
    #[command(after_help = "\
Examples:
  piaule enter blog
  piaule enter blog -- systemctl status apache2
  tar c site | piaule enter blog -- tar x -C /var/www")]
    Enter {
        /// The room
        name: RoomName,
        /// The command and its arguments, after `--`
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// See and type on a room's console; Ctrl-] leaves it
    Console {
        /// The room
        name: RoomName,
    },
    /// The end of what a room wrote on its console
    Logs {
        /// The room
        name: RoomName,
    },
    /// A room's jobs, or one job by its number, with their steps
    #[command(after_help = "Examples:\n  piaule jobs blog\n  piaule jobs 17")]
    Jobs {
        /// The room, or the job's number
        #[arg(value_name = "NAME|JOB")]
        of: JobsOf,
    },
    /// Who did what, newest first
    #[command(after_help = "\
Each row carries a hash of itself and of the row before. --verify recomputes them all, and exits
with 5 when a row was changed or is missing.")]
    Audit {
        /// Check that no row was changed
        #[arg(long, conflicts_with_all = ["object", "limit"])]
        verify: bool,
        /// Only what concerns this room, account or template
        #[arg(long)]
        object: Option<String>,
        /// How many rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Remove the house from this machine: rooms, accounts, pool and all
    Dismantle {
        /// The settings file
        #[arg(long, value_name = "FILE", default_value = SETTINGS)]
        config: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// A script that completes commands in your shell
    #[command(after_help = "\
Examples:
  piaule completion bash > /etc/bash_completion.d/piaule
  piaule completion zsh > /usr/share/zsh/vendor-completions/_piaule
  piaule completion fish > ~/.config/fish/completions/piaule.fish")]
    Completion {
        /// Whose language to write it in
        shell: Shell,
    },
    /// Be the house (systemd starts this)
    #[command(hide = true)]
    Core {
        /// The settings file
        #[arg(long, value_name = "FILE", default_value = SETTINGS)]
        config: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AccountVerb {
    /// Make an account; asks for its password
    #[command(after_help = "\
Examples:
  piaule account create ada ada@school.example
  pwgen 20 1 | piaule account create ada ada@school.example --password-stdin")]
    Create {
        /// 2 to 32 lower-case letters, digits and hyphens, a letter first
        login: Login,
        /// Where mail reaches its holder
        email: Email,
        /// Rooms it may have, 1 unless said
        #[arg(long, value_name = "NUMBER")]
        rooms: Option<u32>,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// All accounts
    List,
    /// One account
    Show {
        /// Whose
        login: Login,
    },
    /// Replace an account's password, and sign it out everywhere
    Password {
        /// Whose
        login: Login,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Change how many rooms an account may have
    Rooms {
        /// Whose
        login: Login,
        /// At most so many, archived ones included
        number: u32,
    },
    /// Remove an account that has no room
    Delete {
        /// Whose
        login: Login,
    },
}

#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(super) password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateVerb {
    /// Build a new version from its recipe
    Build {
        /// The template, such as `light`
        name: TemplateName,
        #[command(flatten)]
        wait: Wait,
    },
    /// All versions, and how many rooms were born with each
    List,
    /// Write the newest version to a file, for another house
    #[command(after_help = "\
Examples:
  piaule template export light light.tar.zst
  piaule template export light - | ssh other piaule template import light -")]
    Export {
        /// The template
        name: TemplateName,
        /// A tar.zst file to make, or `-` for standard output
        file: PathBuf,
    },
    /// Make a new version from a file of `export`
    Import {
        /// The template
        name: TemplateName,
        /// A tar.zst file, or `-` for standard input
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// 2 to 30 lower-case letters and digits; it becomes the room's host name
    pub(super) name: RoomName,
    /// The account whose room it is
    #[arg(long, value_name = "LOGIN")]
    pub(super) owner: Login,
    /// A public key that may sign in: a file, `-` for standard input, or the key itself
    #[arg(long = "key", value_name = "KEY", required = true)]
    pub(super) keys: Vec<String>,
    /// What it is made from
    #[arg(long, default_value = "light")]
    pub(super) template: TemplateName,
    /// A port of the room to redirect: [PUBLIC:]ROOM[/udp]
    #[arg(long = "port", value_name = "PORT")]
    pub(super) ports: Vec<PortSpec>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct OneRoom {
    /// The room
    pub(super) name: RoomName,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Wait {
    /// Return at once, with the job's number
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum PortVerb {
    /// Redirect a public port to one of the room's
    #[command(after_help = "\
Examples:
  piaule port add blog 8080             any free public port to the room's tcp 8080
  piaule port add game 20010:27015/udp  the public udp 20010 to the room's 27015")]
    Add {
        /// The room
        name: RoomName,
        /// [PUBLIC:]ROOM[/udp]
        port: PortSpec,
        #[command(flatten)]
        wait: Wait,
    },
    /// No longer redirect a public port
    #[command(after_help = "Example:\n  piaule port del game 20010/udp")]
    Del {
        /// The room
        name: RoomName,
        /// PUBLIC[/udp]
        port: PublicSpec,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Let a key sign in
    #[command(after_help = "\
Examples:
  piaule key add blog ~/.ssh/id_ed25519.pub
  curl -s https://github.com/ada.keys | head -1 | piaule key add blog -")]
    Add {
        /// The room
        name: RoomName,
        /// A file, `-` for standard input, or the key itself
        key: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// No longer let a key sign in
    #[command(after_help = "`piaule show NAME` lists the fingerprints.")]
    Del {
        /// The room
        name: RoomName,
        /// Such as SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE
        fingerprint: String,
        #[command(flatten)]
        wait: Wait,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn lines_people_type() {
        for good in [
            "piaule status",
            "piaule --json list",
            "piaule create blog --owner ada --key k.pub --port 8080 --port 20010:27015/udp",
            "piaule port del blog 20010/tcp --no-wait",
            "piaule enter blog -- ls -l",
            "piaule destroy blog --yes",
            "piaule audit --verify",
            "piaule jobs 17",
        ] {
            assert!(Arguments::try_parse_from(good.split(' ')).is_ok(), "{good}");
        }
        for bad in [
            "piaule",
            "piaule create blog --owner ada",
            "piaule create w_w --owner ada --key k.pub",
            "piaule port add blog 0",
            "piaule port add blog 80:80",
            "piaule port add blog 80/icmp",
            "piaule account create ada ada@school.example --password secret",
            "piaule audit --limit 0",
        ] {
            assert!(Arguments::try_parse_from(bad.split(' ')).is_err(), "{bad}");
        }
    }
}
