//! Who may say what: the whole permission table, and nothing else.
//!
//! | caller | may |
//! |---|---|
//! | an administrator on the Unix socket | everything |
//! | a signed-in account | what concerns itself and its own rooms, short of destroying them |
//! | anyone else | sign in |
//!
//! The gate judges the kind of command only. Whether a room is the caller's own is checked in
//! `handle`, against the store, and somebody else's room is answered as one that does not exist:
//! a refusal here would tell names apart.

use crate::wire::{Caller, Command, Fault, FaultKind};

/// Who may say a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Anyone.
    Anyone,
    /// Whoever is signed in, and administrators.
    Accounts,
    /// Administrators.
    Admins,
}

/// The table. Without a wildcard, so that a new command does not compile until it has its row.
fn who(command: &Command) -> Who {
    match command {
        Command::SignIn { .. } => Who::Anyone,

        Command::SignOut
        | Command::WhoAmI
        | Command::TemplateList
        | Command::RoomCreate { .. }
        | Command::RoomList
        | Command::RoomShow { .. }
        | Command::RoomStart { .. }
        | Command::RoomStop { .. }
        | Command::RoomRestart { .. }
        | Command::RoomArchive { .. }
        | Command::RoomUnarchive { .. }
        | Command::RoomLog { .. }
        | Command::PortAdd { .. }
        | Command::PortDelete { .. }
        | Command::KeyAdd { .. }
        | Command::KeyDelete { .. }
        | Command::JobShow { .. }
        | Command::JobList { .. } => Who::Accounts,

        Command::Status
        | Command::AccountCreate { .. }
        | Command::AccountList
        | Command::AccountShow { .. }
        | Command::AccountPassword { .. }
        | Command::AccountRooms { .. }
        | Command::AccountDelete { .. }
        | Command::TemplateBuild { .. }
        | Command::RoomDestroy { .. }
        | Command::AuditList { .. }
        | Command::AuditVerify => Who::Admins,
    }
}

/// Lets a command through, or says why not.
///
/// # Errors
/// `Unauthenticated` when signing in could help, `Forbidden` when it could not.
pub fn allow(caller: &Caller, command: &Command) -> Result<(), Fault> {
    match (caller, who(command)) {
        (Caller::Admin { .. }, _) | (_, Who::Anyone) => Ok(()),
        (Caller::Anonymous, Who::Accounts | Who::Admins) => {
            Err(Fault::new(FaultKind::Unauthenticated, "sign in first"))
        }
        (Caller::Account { .. }, Who::Admins) => Err(forbidden()),
        (Caller::Account { login, .. }, Who::Accounts) => match command {
            Command::RoomCreate { owner: Some(owner), .. } if owner != login => Err(forbidden()),
            _ => Ok(()),
        },
    }
}

fn forbidden() -> Fault {
    Fault::new(FaultKind::Forbidden, "only the administrators of this house may do this; ask them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountId;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    /// Every command with who may say it: `-` nobody more than administrators, `a` accounts too,
    /// `*` anyone.
    fn table() -> Vec<(char, serde_json::Value)> {
        use serde_json::json;
        let login = json!({"login": "bob", "password": "a long sentence"});
        let room = json!({"name": "blog"});
        let create = |owner| json!({"room_create": {"name": "blog", "template": "light", "owner": owner, "keys": [KEY]}});
        vec![
            ('*', json!({"sign_in": login})),
            ('a', json!("sign_out")),
            ('a', json!("who_am_i")),
            ('-', json!("status")),
            (
                '-',
                json!({"account_create": {"login": "bob", "email": "b@x.example", "password": "a long sentence"}}),
            ),
            ('-', json!("account_list")),
            ('-', json!({"account_show": {"login": "bob"}})),
            ('-', json!({"account_password": login})),
            ('-', json!({"account_rooms": {"login": "bob", "max_rooms": 2}})),
            ('-', json!({"account_delete": {"login": "bob"}})),
            ('a', json!("template_list")),
            ('-', json!({"template_build": {"name": "light"}})),
            ('a', create(None)),
            ('a', create(Some("ada"))),
            ('-', create(Some("bob"))),
            ('a', json!("room_list")),
            ('a', json!({"room_show": room})),
            ('a', json!({"room_start": room})),
            ('a', json!({"room_stop": room})),
            ('a', json!({"room_restart": room})),
            ('a', json!({"room_archive": room})),
            ('a', json!({"room_unarchive": room})),
            ('-', json!({"room_destroy": room})),
            ('a', json!({"room_log": room})),
            ('a', json!({"port_add": {"name": "blog", "port": {"protocol": "tcp", "room": 80}}})),
            ('a', json!({"port_delete": {"name": "blog", "protocol": "tcp", "public": 20000}})),
            ('a', json!({"key_add": {"name": "blog", "key": KEY}})),
            ('a', json!({"key_delete": {"name": "blog", "fingerprint": "SHA256:x"}})),
            ('a', json!({"job_show": {"job": 1}})),
            ('a', json!({"job_list": room})),
            ('-', json!({"audit_list": {"limit": 1}})),
            ('-', json!("audit_verify")),
        ]
    }

    #[test]
    fn every_command_by_every_caller() {
        let ada = Caller::Account { id: AccountId(1), login: "ada".parse().expect("valid") };
        for (who, json) in table() {
            let command: Command = serde_json::from_value(json.clone()).expect("a command");
            let verdict = |caller| allow(caller, &command).map_err(|fault| fault.kind);
            let anonymous = if who == '*' { Ok(()) } else { Err(FaultKind::Unauthenticated) };
            let account = if who == '-' { Err(FaultKind::Forbidden) } else { Ok(()) };
            assert_eq!(verdict(&Caller::Admin { uid: 0 }), Ok(()), "{json}");
            assert_eq!(verdict(&Caller::Anonymous), anonymous, "{json}");
            assert_eq!(verdict(&ada), account, "{json}");
        }
    }

    #[test]
    fn the_table_misses_no_command() {
        // serde's own list of variants is in its message about one that is unknown.
        let message =
            serde_json::from_str::<Command>("\"nothing\"").expect_err("unknown").to_string();
        let known = message.split("one of").nth(1).expect("a list").matches('`').count() / 2;
        let mut named: Vec<String> = table()
            .into_iter()
            .map(|(_, json)| match json {
                serde_json::Value::Object(fields) => fields.keys().next().expect("a name").clone(),
                other => other.as_str().expect("a name").to_owned(),
            })
            .collect();
        named.sort();
        named.dedup();
        assert_eq!(named.len(), known);
    }
}
