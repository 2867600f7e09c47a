//! The thread that owns the connection.

use std::io;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// Tasks that may wait before askers have to.
const QUEUE: usize = 256;

type Task = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the thread. It ends, and closes the connection, once the last clone is dropped
/// and what was asked before is done.
#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::Sender<Task>);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(mut connection: Connection) -> io::Result<Self> {
        let (tasks, mut waiting) = mpsc::channel::<Task>(QUEUE);
        thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(task) = waiting.blocking_recv() {
                task(&mut connection);
            }
        })?;
        Ok(Self(tasks))
    }

    /// Runs `act` after everything asked before it. Once it is in the queue it runs to its end,
    /// even if whoever asked has stopped waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // The asker may have gone away meanwhile.
            let _ = answer.send(act(connection));
        });
        self.0.send(task).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}
