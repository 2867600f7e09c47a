//! The house's beginning: every piece made and joined, in the order in which they need each
//! other, and its end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{SignalKind, signal};

use super::CoreError;
use super::admin::{self, AdminSocket};
use super::authority::Authority;
use super::builder::Builder;
use super::config::Config;
use super::doors::{self, Door, DoorError};
use super::handle::{Handler, HandlerSettings};
use super::keeper::{Keeper, Recorded};
use super::kernel::cgroup::Cgroups;
use super::kernel::console;
use super::kernel::fdstore::Kept;
use super::kernel::link::{self, Links};
use super::kernel::notify::{self, Notify};
use super::kernel::pool::Pool;
use super::living::{AdminDesk, FrontDesk, Living};
use super::reconcile::{Border, Ledger, Live, Pieces, Publisher, Reconciler, RoomSettings};
use super::store::{Actor, Store};
use crate::model::{JobKind, RoomId, Wanted};
use crate::wire::FrontSettings;

/// Days an archived room is kept.
pub const ARCHIVE_DAYS: u32 = 30;
/// How often what has run out is looked for.
const ROUND: Duration = Duration::from_secs(600);
/// How long an earlier front may take to let go of its sockets.
const HANDOVER: Duration = Duration::from_secs(5);

/// Where things are in the state and run folders.
#[derive(Debug, Clone)]
pub struct Places {
    pub database: PathBuf,
    pub image: PathBuf,
    pub authority: PathBuf,
    pub ca: PathBuf,
    pub socket: PathBuf,
    pub notify: PathBuf,
    pub front: PathBuf,
    pub uplink: PathBuf,
}

impl Places {
    pub fn of(config: &Config) -> Self {
        Self {
            database: config.state.join("piaule.db"),
            image: config.state.join("pool.img"),
            authority: config.state.join("authority"),
            ca: config.state.join("ca.pem"),
            socket: config.run.join("piaule.sock"),
            notify: config.run.join("notify"),
            front: config.run.join("front.pid"),
            uplink: config.run.join("uplink"),
        }
    }
}

/// Begins the house and keeps it until SIGTERM or SIGINT. Rooms and front go on after that: the
/// next core takes them up.
pub async fn house(config: Config) -> Result<(), CoreError> {
    let places = Places::of(&config);
    let mut kept = Kept::take();
    make_folders(&config)?;
    let store = Store::open(&places.database)?;
    let (pool, cgroups) = open_kernel(&config, &places).await?;
    let links = raise_network(&config, &places).await?;
    let authority = Authority::open(&places.authority, &config.zone, Timestamp::now())?;
    write(&places.ca, authority.ca_pem().as_bytes())?;
    let doors = open_doors(&config, &places, &mut kept).await?;
    let stored = kept.remove(notify::STORED_AS).into_iter().next();
    // Rooms that run hold the stored socket; a new one they have never seen.
    let heard = stored.is_some();
    let notify = Notify::open(&places.notify, stored).map_err(|source| CoreError::Io {
        doing: "open",
        path: places.notify.clone(),
        source,
    })?;

    let live = Arc::new(Live::default());
    let ledger = Ledger::start(store.clone());
    let settings = front_settings(&config)?;
    let keeper =
        Arc::new(Keeper::new(store.clone(), settings, authority, doors, places.front.clone()));
    let reconciler = Reconciler::new(Pieces {
        border: Border::new(store.clone(), links, config.network.clone(), config.public_address),
        publisher: Arc::clone(&keeper) as Arc<dyn Publisher>,
        settings: RoomSettings {
            zone: config.zone.clone(),
            network: config.network.clone(),
            notify: places.notify.clone(),
        },
        store: store.clone(),
        pool: pool.clone(),
        cgroups: cgroups.clone(),
        ledger: ledger.clone(),
        live: Arc::clone(&live),
    });
    let builder = Builder::new(store.clone(), pool.clone(), ledger.clone(), config.recipes.clone());
    let living = Living {
        reconciler: Arc::clone(&reconciler),
        live: Arc::clone(&live),
        builder: Arc::clone(&builder),
        keeper: Arc::clone(&keeper),
        cgroups: cgroups.clone(),
        pool,
        warnings: warnings(),
    };
    let handler = Handler::new(store.clone(), Arc::new(living), handler_settings(&config));
    tokio::spawn(Arc::clone(&keeper).keep(Arc::new(FrontDesk(handler.clone())), ledger.sender()));
    builder.begin().await?;
    reconciler.begin(consoles(&mut kept), heard).await?;
    // Once rooms are adopted: what one of them said meanwhile waits in the socket.
    tokio::spawn(hear(notify, Arc::clone(&live), cgroups));
    let desk = AdminDesk {
        handler,
        store: store.clone(),
        reconciler: Arc::clone(&reconciler),
        live,
        builder,
        ledger,
    };
    let listener = AdminSocket::bind(&places.socket)?;
    tokio::spawn(admin::serve(listener, Arc::new(desk)));
    tokio::spawn(rounds(store, reconciler, Arc::clone(&keeper)));
    keeper.wait_ready().await;
    // Without a service manager nobody is told.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(zone = %config.zone, "the house is open");
    wait_for_end().await
}

fn make_folders(config: &Config) -> Result<(), CoreError> {
    for (path, mode) in [(&config.state, 0o700), (&config.run, 0o755)] {
        fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
            .map_err(|source| CoreError::Io { doing: "make", path: path.clone(), source })?;
    }
    Ok(())
}

async fn open_kernel(config: &Config, places: &Places) -> Result<(Pool, Cgroups), CoreError> {
    let (root, image, size) = (config.pool.clone(), places.image.clone(), config.pool_size);
    let pool = tokio::task::spawn_blocking(move || Pool::open(&root, &image, size)).await??;
    Ok((pool, Cgroups::open(&config.cgroup, &config.state)?))
}

async fn raise_network(config: &Config, places: &Places) -> Result<Links, CoreError> {
    let links = Links::open()?;
    links.raise_house(&config.network).await?;
    let uplink = match &config.uplink {
        Some(uplink) => uplink.clone(),
        None => links.default_uplink().await?,
    };
    // What it was before is written down once, for `dismantle`.
    if !link::forwards(&uplink)? {
        write(&places.uplink, uplink.as_bytes())?;
        link::set_forwarding(&uplink, true)?;
    }
    Ok(links)
}

async fn open_doors(
    config: &Config,
    places: &Places,
    kept: &mut Kept,
) -> Result<Vec<Door>, DoorError> {
    let gateway = config.network.gateway();
    let opened = doors::open(config.public_address, gateway, kept);
    // No service manager kept the sockets, and the earlier core's front still serves them.
    let in_use = matches!(&opened, Err(error) if error.is_in_use());
    let Some(earlier) = in_use.then(|| Recorded::read(&places.front)).flatten() else {
        return opened;
    };
    earlier.retire();
    let deadline = tokio::time::Instant::now() + HANDOVER;
    loop {
        match doors::open(config.public_address, gateway, kept) {
            Err(error) if error.is_in_use() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return other,
        }
    }
}

fn front_settings(config: &Config) -> Result<FrontSettings, CoreError> {
    let (uid, gid) = config.front_ids()?;
    Ok(FrontSettings {
        zone: config.zone.clone(),
        panel: config.panel(),
        public_address: config.public_address,
        network: config.network.clone(),
        resolvers: config.resolvers(),
        uid,
        gid,
    })
}

fn handler_settings(config: &Config) -> HandlerSettings {
    HandlerSettings {
        zone: config.zone.clone(),
        panel: config.panel(),
        public_address: config.public_address,
        network: config.network.clone(),
        public_ports: config.public_ports.clone(),
        limits: config.limits,
        archive_days: ARCHIVE_DAYS,
    }
}

/// What this machine lacks.
fn warnings() -> Vec<String> {
    let mut warnings = Vec::new();
    if !Path::new("/sys/kernel/security/apparmor").exists() {
        warnings.push(
            "this kernel has no AppArmor: rooms are held by namespaces, seccomp and capabilities alone"
                .to_owned(),
        );
    }
    warnings
}

fn consoles(kept: &mut Kept) -> Vec<(RoomId, std::os::fd::OwnedFd)> {
    let named: Vec<(RoomId, String)> = kept
        .names()
        .into_iter()
        .filter_map(|name| Some((console::room_of(&name)?, name)))
        .collect();
    named
        .into_iter()
        .filter_map(|(room, name)| Some((room, kept.remove(&name).into_iter().next()?)))
        .collect()
}

/// Hears the rooms' inits say that they are ready.
async fn hear(notify: Notify, live: Arc<Live>, cgroups: Cgroups) {
    loop {
        let heard = notify.ready().await;
        if let Ok(pid) = heard
            && let Some(room) = cgroups.room_of_init(pid)
        {
            if let Err(error) = cgroups.mark_ready(room, pid) {
                tracing::warn!(%room, %error, "a next core would wait for the room again");
            }
            live.said_ready(room);
        }
        if let Err(error) = heard.and_then(|_| notify.taken()) {
            tracing::error!(%error, "the rooms' inits cannot be heard");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Ends what has run out: sessions, and archived rooms after their time; and gives front a
/// certificate before the old one ends.
async fn rounds(store: Store, reconciler: Arc<Reconciler>, keeper: Arc<Keeper>) {
    loop {
        if let Err(error) = round(&store, &reconciler).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a round failed");
        }
        tokio::time::sleep(ROUND).await;
        keeper.publish().await;
    }
}

async fn round(store: &Store, reconciler: &Reconciler) -> Result<(), super::store::StoreError> {
    let now = Timestamp::now();
    store.sessions_expire(now).await?;
    let kept_since = now - SignedDuration::from_hours(24 * i64::from(ARCHIVE_DAYS));
    for room in store.rooms().await? {
        if room.archived_at.is_some_and(|at| at < kept_since) && room.wanted == Wanted::Archived {
            store
                .room_want(Actor::house(), now, room.id, Wanted::Destroyed, JobKind::Destroy)
                .await?;
            reconciler.wake(room.id);
        }
    }
    Ok(())
}

async fn wait_for_end() -> Result<(), CoreError> {
    let failed = |source| CoreError::Io { doing: "watch signals for", path: "core".into(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("core ends; rooms and front go on");
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CoreError> {
    let failed =
        |source: io::Error| CoreError::Io { doing: "write", path: path.to_owned(), source };
    fs::write(path, bytes).map_err(failed)
}
