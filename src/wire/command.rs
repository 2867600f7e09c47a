//! The one enum of everything that can be asked of core.

use serde::{Deserialize, Serialize};

use crate::model::{
    AccountId, Email, JobId, Login, Password, Protocol, PublicPort, RoomName, RoomPort, SshKey,
    TemplateName,
};

/// Who asks, as core established it: from peer credentials on the Unix socket, or from the
/// token that came with a command from front. Never taken from the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A local user who may open the Unix socket.
    Admin {
        /// Their uid (SO_PEERCRED, unix(7)).
        uid: u32,
    },
    /// A signed-in account.
    Account {
        /// Its row.
        id: AccountId,
        /// Its login, for the audit.
        login: Login,
    },
    /// Someone at the panel who has not signed in.
    Anonymous,
}

/// A redirection to make. Without `public`, core chooses a free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPort {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where in the room.
    pub room: RoomPort,
    /// The public port, or any free one.
    #[serde(default)]
    pub public: Option<PublicPort>,
}

/// One thing asked of core. On the wire: `{"room_show":{"name":"blog"}}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Sign in. → `Session`
    SignIn { login: Login, password: Password },
    /// End the session the command comes with. → `Done`
    SignOut,
    /// The account the command comes with. → `Account`
    WhoAmI,

    /// The house at a glance. → `Status`
    Status,

    /// Make an account. → `Account`
    AccountCreate {
        login: Login,
        email: Email,
        password: Password,
        /// Rooms it may have; 1 when absent.
        #[serde(default)]
        max_rooms: Option<u32>,
    },
    /// All accounts. → `Accounts`
    AccountList,
    /// One account. → `Account`
    AccountShow { login: Login },
    /// Replace a password and end the account's sessions. → `Done`
    AccountPassword { login: Login, password: Password },
    /// Change how many rooms an account may have. → `Account`
    AccountRooms { login: Login, max_rooms: u32 },
    /// Remove an account without rooms. → `Done`
    AccountDelete { login: Login },

    /// The templates that rooms can be made from. → `Templates`
    TemplateList,
    /// Build a new version from its recipe. → `Accepted`
    TemplateBuild { name: TemplateName },

    /// Make a room and start it. → `Accepted`
    RoomCreate {
        name: RoomName,
        template: TemplateName,
        /// Whose; the caller's own when absent.
        #[serde(default)]
        owner: Option<Login>,
        keys: Vec<SshKey>,
        /// Besides the one for SSH, which every room gets.
        #[serde(default)]
        ports: Vec<NewPort>,
    },
    /// The caller's rooms; an administrator's, all of them. → `Rooms`
    RoomList,
    /// One room. → `Room`
    RoomShow { name: RoomName },
    /// → `Accepted`
    RoomStart { name: RoomName },
    /// → `Accepted`
    RoomStop { name: RoomName },
    /// → `Accepted`
    RoomRestart { name: RoomName },
    /// Stop it and keep it 30 days. → `Accepted`
    RoomArchive { name: RoomName },
    /// Take it back from the archive, stopped. → `Accepted`
    RoomUnarchive { name: RoomName },
    /// Remove it and everything it wrote, at once. → `Accepted`
    RoomDestroy { name: RoomName },
    /// The end of what it wrote on its console. → `Text`
    RoomLog { name: RoomName },

    /// → `Accepted`
    PortAdd { name: RoomName, port: NewPort },
    /// → `Accepted`
    PortDelete { name: RoomName, protocol: Protocol, public: PublicPort },
    /// → `Accepted`
    KeyAdd { name: RoomName, key: SshKey },
    /// By `SHA256:…` fingerprint. → `Accepted`
    KeyDelete { name: RoomName, fingerprint: String },

    /// One job with its steps. → `Job`
    JobShow { job: JobId },
    /// A room's jobs, newest first, at most 50. → `Jobs`
    JobList { name: RoomName },

    /// Audit rows, newest first. → `Audit`
    AuditList {
        #[serde(default)]
        object: Option<String>,
        /// 1 to 1000.
        limit: u32,
    },
    /// Recompute the chain from the first row. → `Text`, or a fault naming the first bad row
    AuditVerify,
}
