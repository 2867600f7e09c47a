//! What each verb says to core, and what is done with the answer.

use std::io::Write;

use super::args::{
    AccountVerb, Arguments, Create, KeyVerb, OneRoom, PortVerb, TemplateVerb, Verb, Wait,
};
use super::client::Client;
use super::follow::{self, Timeline};
use super::input::{self, JobsOf};
use super::{attach, colour, prompt, show};
use crate::model::{JobId, RoomName, SshKey};
use crate::wire::{Command, Fault, FaultKind, Reply};

/// A verb, ready to be done.
enum Task {
    /// Say this and show the reply.
    Ask(Command),
    /// Say this and follow the job it begins.
    Begin(Command, Wait),
    /// Exchange descriptors with core.
    Attach(attach::Session),
}

/// Does what the command line says; the status to exit with.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let session = Session { client: Client::new(arguments.socket), json: arguments.json };
    match task(arguments.verb)? {
        Task::Ask(command) => on_runtime(session.ask(&command)),
        Task::Begin(command, wait) => on_runtime(session.begin(&command, wait)),
        // The relay waits in poll(2) for signals, which must find no other thread.
        Task::Attach(attach) => attach.run(&session.client, arguments.json),
    }
}

fn on_runtime(task: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(task)
}

/// Turns a verb into what to do, asking what has to be asked.
fn task(verb: Verb) -> anyhow::Result<Task> {
    use Task::{Ask, Attach, Begin};
    Ok(match verb {
        Verb::Status => Ask(Command::Status),
        Verb::Account(verb) => Ask(account(verb)?),
        Verb::Template(TemplateVerb::Build { name, wait }) => {
            Begin(Command::TemplateBuild { name }, wait)
        }
        Verb::Template(TemplateVerb::List) => Ask(Command::TemplateList),
        Verb::Template(TemplateVerb::Export { name, file }) => {
            Attach(attach::Session::Export { name, file })
        }
        Verb::Template(TemplateVerb::Import { name, file }) => {
            Attach(attach::Session::Import { name, file })
        }
        Verb::Create(create) => begin_creation(create)?,
        Verb::List => Ask(Command::RoomList),
        Verb::Show { name } => Ask(Command::RoomShow { name }),
        Verb::Start(room) => one(room, |name| Command::RoomStart { name }),
        Verb::Stop(room) => one(room, |name| Command::RoomStop { name }),
        Verb::Restart(room) => one(room, |name| Command::RoomRestart { name }),
        Verb::Archive(room) => one(room, |name| Command::RoomArchive { name }),
        Verb::Unarchive(room) => one(room, |name| Command::RoomUnarchive { name }),
        Verb::Destroy { room, yes } => {
            if !yes {
                let warning =
                    format!("This removes the room {} and all its files, at once.", room.name);
                prompt::confirm(&warning, room.name.as_ref())?;
            }
            one(room, |name| Command::RoomDestroy { name })
        }
        Verb::Port(PortVerb::Add { name, port, wait }) => {
            Begin(Command::PortAdd { name, port: port.0 }, wait)
        }
        Verb::Port(PortVerb::Del { name, port, wait }) => {
            let (protocol, public) = (port.protocol, port.public);
            Begin(Command::PortDelete { name, protocol, public }, wait)
        }
        Verb::Key(KeyVerb::Add { name, key, wait }) => {
            Begin(Command::KeyAdd { name, key: one_key(&key)? }, wait)
        }
        Verb::Key(KeyVerb::Del { name, fingerprint, wait }) => {
            Begin(Command::KeyDelete { name, fingerprint }, wait)
        }
        Verb::Enter { name, command } => Attach(attach::Session::Enter { name, command }),
        Verb::Console { name } => Attach(attach::Session::Console { name }),
        Verb::Logs { name } => Ask(Command::RoomLog { name }),
        Verb::Jobs { of: JobsOf::Room(name) } => Ask(Command::JobList { name }),
        Verb::Jobs { of: JobsOf::Job(job) } => Ask(Command::JobShow { job }),
        Verb::Audit { verify: true, .. } => Ask(Command::AuditVerify),
        Verb::Audit { object, limit, .. } => Ask(Command::AuditList { object, limit }),
        Verb::Core { .. } | Verb::Dismantle { .. } | Verb::Completion { .. } => {
            return Err(
                Fault::new(FaultKind::Internal, "this verb asks nothing of the house").into()
            );
        }
    })
}

fn one(room: OneRoom, command: impl FnOnce(RoomName) -> Command) -> Task {
    Task::Begin(command(room.name), room.wait)
}

fn account(verb: AccountVerb) -> anyhow::Result<Command> {
    Ok(match verb {
        AccountVerb::Create { login, email, rooms: max_rooms, password } => {
            let password = prompt::new_password(password.password_stdin)?;
            Command::AccountCreate { login, email, password, max_rooms }
        }
        AccountVerb::List => Command::AccountList,
        AccountVerb::Show { login } => Command::AccountShow { login },
        AccountVerb::Password { login, password } => {
            let password = prompt::new_password(password.password_stdin)?;
            Command::AccountPassword { login, password }
        }
        AccountVerb::Rooms { login, number: max_rooms } => {
            Command::AccountRooms { login, max_rooms }
        }
        AccountVerb::Delete { login } => Command::AccountDelete { login },
    })
}

fn begin_creation(create: Create) -> anyhow::Result<Task> {
    let keys: Vec<Vec<SshKey>> =
        create.keys.iter().map(|source| input::keys(source)).collect::<Result<_, _>>()?;
    let command = Command::RoomCreate {
        name: create.name,
        template: create.template,
        owner: Some(create.owner),
        keys: keys.concat(),
        ports: create.ports.into_iter().map(|spec| spec.0).collect(),
    };
    Ok(Task::Begin(command, create.wait))
}

fn one_key(source: &str) -> anyhow::Result<SshKey> {
    let keys: [SshKey; 1] = input::keys(source)?.try_into().map_err(|_| {
        Fault::new(FaultKind::Invalid, format!("{source} holds several keys; add one at a time"))
    })?;
    let [key] = keys;
    Ok(key)
}

/// One verb's conversation with core.
struct Session {
    client: Client,
    json: bool,
}

impl Session {
    async fn ask(&self, command: &Command) -> anyhow::Result<u8> {
        let reply = self.client.ask(command).await?;
        print(&reply, self.json)?;
        Ok(0)
    }

    async fn begin(&self, command: &Command, wait: Wait) -> anyhow::Result<u8> {
        let reply = self.client.ask(command).await?;
        match reply {
            Reply::Accepted { job } if !wait.no_wait => self.follow(job, command).await,
            reply => {
                print(&reply, self.json)?;
                Ok(0)
            }
        }
    }

    async fn follow(&self, job: JobId, command: &Command) -> anyhow::Result<u8> {
        let mut timeline = if self.json { Timeline::silent() } else { Timeline::new(colour()) };
        let mut out = std::io::stdout();
        let ended = follow::to_its_end(&self.client, job, &mut timeline, &mut out).await?;
        if self.json {
            print(&Reply::Job(ended.clone()), true)?;
            follow::status(&ended)?;
        } else {
            writeln!(out, "{}", follow::verdict(&ended)?)?;
            self.tell_where(command).await?;
        }
        Ok(0)
    }

    /// After a creation, what people want to know next.
    async fn tell_where(&self, command: &Command) -> anyhow::Result<()> {
        let Command::RoomCreate { name, .. } = command else { return Ok(()) };
        let Reply::Room(room) = self.client.ask(&Command::RoomShow { name: name.clone() }).await?
        else {
            return Ok(());
        };
        let mut out = std::io::stdout();
        writeln!(out, "  https://{}", room.host)?;
        if let Some(port) = room.ssh_port() {
            writeln!(out, "  {}", show::ssh(&room, port))?;
        }
        Ok(())
    }
}

/// Prints a reply on standard output.
pub(super) fn print(reply: &Reply, json: bool) -> anyhow::Result<()> {
    let text =
        if json { serde_json::to_string(reply)? + "\n" } else { show::reply(reply, colour()) };
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
