//! English.

use jiff::Timestamp;

use super::{
    NewRoomTexts, Notice, RefusalTexts, RoomTexts, RoomsTexts, SignInTexts, Texts, binary, rounded,
    short,
};
use crate::front::panel::pages::progress::RoomState;
use crate::front::panel::request::route::Verb;
use crate::model::{JobKind, JobState, StepState};
use crate::wire::FaultKind;

pub(in crate::front::panel) static ENGLISH: Texts = Texts {
    tag: "en",
    name: "English",
    tagline: "A little machine of your own, in the students’ house.",
    skip: "Skip to content",
    account: "Your account",
    sign_in: SignInTexts {
        title: "Sign in",
        welcome: "Come in, the light is on",
        login: "Login",
        password: "Password",
        submit: "Sign in",
        leave: "Sign out",
        refused: "This login and this password do not go together. Check them and try again.",
        needed: "Sign in to go on.",
        lost: "No account yet, or a forgotten password? Ask the people who run the house.",
        lit,
    },
    rooms: RoomsTexts {
        title: "Your rooms",
        empty: Notice {
            title: "You have no room yet",
            sentence: "A room is a little Linux machine of your own: a name, an HTTPS site and SSH access, ready in about a second.",
        },
        create: "Create a room",
        ask: "Your account cannot create one by itself: ask the people who run the house, they will see to it.",
    },
    room: RoomTexts {
        connect: "Connect by SSH",
        connect_hint: "Paste it into a terminal. Your SSH key stands for a password, and sudo asks for none.",
        no_ssh: "No redirection leads to this room’s SSH port.",
        copy: "Copy",
        copied: "Copied!",
        timeline: "What is going on",
        no_job: "Nothing for now.",
        away: "The house does not answer at the moment: this page may be out of date. It keeps trying by itself.",
        reload: "Reload the page",
        nothing_left: "Nothing is left of it: you can try again.",
        under_way: "Under way…",
        total: "in all",
        facts: "The machine",
        address: "Address",
        mac: "MAC address",
        template: "Template",
        version: |version| format!("version\u{a0}{version}"),
        memory: "Memory",
        used_of: |used, limit| format!("{} of {}", bytes(used), bytes(limit)),
        disk: "Disk",
        created: "Created on",
        destroyed: "Will be destroyed on",
        ports: "Redirections",
        ports_hint: "What reaches the house’s public port goes to your room’s port.",
        public: "Public port",
        inside: "Port in the room",
        protocol: "Protocol",
        no_ports: "No redirection.",
        keys: "SSH keys",
        no_keys: "No key: nobody can get in by SSH.",
        no_comment: "no comment",
    },
    new_room: NewRoomTexts {
        title: "Create a room",
        welcome: "Choose a name and give your public key: about a second later it is ready.",
        name: "Name",
        name_hint: "2 to 30 lower-case letters or digits, a letter first.",
        template: "Template",
        keys: "SSH public key",
        keys_hint: "The content of ~/.ssh/id_ed25519.pub, for example. Several keys? One per line.",
        submit: "Create my room",
        no_template: Notice {
            title: "No template yet",
            sentence: "The people who run the house have not prepared any template yet. Come back a little later.",
        },
        look_again: "Something needs another look:",
    },
    refusals: RefusalTexts {
        back: "Back to the entrance",
        no_such_page: Notice {
            title: "Nobody lives at this door",
            sentence: "This page does not exist, or no longer does.",
        },
        wrong_method: Notice {
            title: "This door does not open that way",
            sentence: "This address is not asked for in this manner. Start again from the entrance.",
        },
        foreign: Notice {
            title: "This form does not come from here",
            sentence: "It was sent from another site, or from a page opened before you last signed in. Nothing was changed: reload the page and try again.",
        },
        not_a_form: Notice {
            title: "This form is incomplete",
            sentence: "It arrived damaged. Nothing was changed: try again.",
        },
        too_long: Notice {
            title: "That is too long",
            sentence: "This form is longer than 64\u{202f}KiB. Nothing was changed.",
        },
        too_slow: Notice {
            title: "That took too long",
            sentence: "The form did not arrive in time. Nothing was changed: try again.",
        },
        slow_down: Notice {
            title: "Too many attempts",
            sentence: "Too many failed sign-ins from your network. Wait a few minutes, then try again.",
        },
        house,
    },
    state,
    verb,
    job,
    step_state,
    step,
    milliseconds,
    bytes,
    moment,
    sentence: |english| Some(as_sentence(english)),
};

/// Core's clauses begin in lower case and end without a full stop.
fn as_sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    let mut sentence: String = first.chain(chars).collect();
    if sentence.ends_with(char::is_alphanumeric) {
        sentence.push('.');
    }
    sentence
}

fn lit(on: usize, of: usize) -> String {
    match (on, of) {
        (_, 0) => "The house awaits its first room.".to_owned(),
        (0, 1) => "One room, asleep.".to_owned(),
        (0, _) => format!("{of} rooms, all asleep."),
        (1, 1) => "One room, its light on.".to_owned(),
        _ => format!("{on} of {of} rooms have their light on."),
    }
}

fn state(state: RoomState) -> &'static str {
    match state {
        RoomState::Stopped => "Off",
        RoomState::Starting => "Starting…",
        RoomState::Running => "On",
        RoomState::Stopping => "Stopping…",
        RoomState::Failed => "Out of order",
        RoomState::Archived => "Archived",
        RoomState::Leaving => "Being destroyed",
        RoomState::Gone => "Gone",
    }
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "Start",
        Verb::Stop => "Stop",
        Verb::Restart => "Restart",
    }
}

fn job(kind: JobKind, state: JobState) -> &'static str {
    use JobKind::{
        Archive, Create, Destroy, Keys, Ports, Restart, Start, Stop, Template, Unarchive,
    };
    match (state, kind) {
        (JobState::Running, Create) => "Creating the room…",
        (JobState::Running, Start) => "Starting the room…",
        (JobState::Running, Stop) => "Stopping the room…",
        (JobState::Running, Restart) => "Restarting the room…",
        (JobState::Running, Ports) => "Changing the redirections…",
        (JobState::Running, Keys) => "Changing the keys…",
        (JobState::Running, Archive) => "Archiving the room…",
        (JobState::Running, Unarchive) => "Taking the room out of the archive…",
        (JobState::Running, Destroy) => "Destroying the room…",
        (JobState::Running, Template) => "Building the template…",
        (JobState::Done, Create) => "The room is created",
        (JobState::Done, Start) => "The room is on",
        (JobState::Done, Stop) => "The room is off",
        (JobState::Done, Restart) => "The room has restarted",
        (JobState::Done, Ports) => "The redirections are up to date",
        (JobState::Done, Keys) => "The keys are up to date",
        (JobState::Done, Archive) => "The room is archived",
        (JobState::Done, Unarchive) => "The room is out of the archive",
        (JobState::Done, Destroy) => "The room is destroyed",
        (JobState::Done, Template) => "The template is built",
        (JobState::Failed, Create) => "The creation failed",
        (JobState::Failed, Start) => "The start failed",
        (JobState::Failed, Stop) => "The stop failed",
        (JobState::Failed, Restart) => "The restart failed",
        (JobState::Failed, Ports) => "The redirections could not be changed",
        (JobState::Failed, Keys) => "The keys could not be changed",
        (JobState::Failed, Archive) => "The archiving failed",
        (JobState::Failed, Unarchive) => "Taking it out of the archive failed",
        (JobState::Failed, Destroy) => "The destruction failed",
        (JobState::Failed, Template) => "The template’s build failed",
        (JobState::Superseded, _) => "Replaced by a later request",
    }
}

fn step_state(state: StepState) -> &'static str {
    match state {
        StepState::Done => "done",
        StepState::Failed => "failed",
        StepState::Undone => "undone",
    }
}

fn step(name: &str) -> Option<&'static str> {
    Some(match name {
        "publish" => "Name and site",
        "network" => "Network",
        "layer" => "Disk",
        "launch" => "Launch",
        "keys" => "Keys",
        "ready" => "Boot",
        "stop" => "Shutdown",
        "release" => "Clean-up",
        "erase" => "Disk erased",
        "forget" => "Name given back",
        "begin" => "Preparations",
        "packages" => "Packages",
        "prepare" => "Settings",
        "check" => "Check",
        _ => return None,
    })
}

fn milliseconds(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{}\u{202f}ms", rounded(ms, "."))
    } else {
        format!("{:.2}\u{202f}s", ms / 1000.0)
    }
}

fn bytes(bytes: u64) -> String {
    let (number, unit) = binary(bytes, ["bytes", "KiB", "MiB", "GiB", "TiB"]);
    format!("{}\u{202f}{unit}", short(number, "."))
}

fn moment(moment: Timestamp) -> String {
    moment.strftime("%-d %B %Y at %H:%M UTC").to_string()
}

fn house(kind: FaultKind) -> Notice {
    match kind {
        FaultKind::Invalid => Notice {
            title: "That does not fit",
            sentence: "What was asked cannot be used. Nothing was changed.",
        },
        FaultKind::Unauthenticated => {
            Notice { title: "Your session is over", sentence: "Sign in again to go on." }
        }
        FaultKind::Forbidden => {
            Notice { title: "This door is not yours", sentence: "Your account may not do this." }
        }
        FaultKind::NotFound => Notice {
            title: "Nobody lives at this door",
            sentence: "What you look for does not exist, or no longer does.",
        },
        FaultKind::Conflict => Notice {
            title: "Not in this state",
            sentence: "This clashes with what is there. Nothing was changed.",
        },
        FaultKind::Limit => {
            Notice { title: "The limit is reached", sentence: "The house cannot give you more." }
        }
        FaultKind::Internal => Notice {
            title: "The house had a problem",
            sentence: "It is not your fault. The people who run it will find the cause in the log.",
        },
        FaultKind::Unavailable => Notice {
            title: "The house is restarting",
            sentence: "The rooms go on running; only this dashboard takes a break. Try again in a moment.",
        },
    }
}
