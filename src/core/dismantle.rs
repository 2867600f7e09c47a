//! Taking the house down to the ground: what core does at its beginning, backwards, and every
//! file it made. For a machine that is given up, and for demonstrations.

use std::fs;
use std::io;
use std::path::Path;

use super::CoreError;
use super::begin::Places;
use super::config::Config;
use super::keeper::Recorded;
use super::kernel::cgroup::Cgroups;
use super::kernel::firewall;
use super::kernel::link::{self, Links};
use super::kernel::pool::Pool;

/// Removes the house. Core must not be running.
pub async fn house(config: Config) -> Result<(), CoreError> {
    let places = Places::of(&config);
    if std::os::unix::net::UnixStream::connect(&places.socket).is_ok() {
        return Err(CoreError::Running);
    }
    if let Some(front) = Recorded::read(&places.front) {
        front.end();
    }
    let cgroups = Cgroups::open(&config.cgroup, &config.state)?;
    end_rooms(&cgroups).await?;
    cgroups.remove_house()?;
    firewall::remove()
        .await
        .map_err(super::reconcile::BorderError::from)
        .map_err(CoreError::Border)?;
    Links::open()?.remove_house().await?;
    restore_uplink(&places.uplink)?;
    let root = config.pool.clone();
    tokio::task::spawn_blocking(move || Pool::demolish(&root)).await??;
    for folder in [&config.state, &config.run] {
        match fs::remove_dir_all(folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(CoreError::Io { doing: "remove", path: folder.clone(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn end_rooms(cgroups: &Cgroups) -> Result<(), CoreError> {
    for room in cgroups.rooms() {
        cgroups.end(room).await;
        cgroups.remove(room)?;
    }
    Ok(())
}

fn restore_uplink(record: &Path) -> Result<(), CoreError> {
    match fs::read_to_string(record) {
        Ok(uplink) if Path::new("/sys/class/net").join(&uplink).exists() => {
            Ok(link::set_forwarding(&uplink, false)?)
        }
        _ => Ok(()),
    }
}
