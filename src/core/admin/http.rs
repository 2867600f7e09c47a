//! HTTP on the administrator's socket: which request is which command, and how it is answered.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{AdminService, PATIENCE};
use crate::model::{JobId, JobKind, JobState};
use crate::wire::{Caller, Command, Fault, FaultKind, JobEvent, JobView, Reply};

/// The longest body, in bytes.
const LONGEST: usize = 1024 * 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the requests of one connection.
///
/// # Errors
/// When the connection fails or what comes is no HTTP.
pub(super) async fn serve(
    stream: UnixStream,
    caller: &Caller,
    service: &Arc<dyn AdminService>,
) -> io::Result<()> {
    let answer = service_fn(|request| async move {
        Ok::<_, Infallible>(
            answer(request, caller, service)
                .await
                .unwrap_or_else(|fault| json(fault.kind.http_status(), &fault)),
        )
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .map_err(io::Error::other)
}

/// What a request asks.
#[derive(Debug)]
enum Asked {
    /// The command in its body.
    Body,
    /// This command.
    This(Command),
    /// A job's events until it ends.
    Events(JobId),
}

/// Tells what a request asks, by its method and path alone.
fn route(method: &Method, path: &str) -> Result<Asked, Fault> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["v1", rest @ ..] = segments.as_slice() else { return Err(nothing_here()) };
    let get = match (method, rest) {
        (&Method::POST, ["command"]) => return Ok(Asked::Body),
        (&Method::GET | &Method::HEAD, rest) => rest,
        _ => return Err(nothing_here()),
    };
    Ok(Asked::This(match get {
        ["status"] => Command::Status,
        ["rooms"] => Command::RoomList,
        ["rooms", name] => Command::RoomShow { name: name.parse()? },
        ["rooms", name, "jobs"] => Command::JobList { name: name.parse()? },
        ["rooms", name, "log"] => Command::RoomLog { name: name.parse()? },
        ["accounts"] => Command::AccountList,
        ["accounts", login] => Command::AccountShow { login: login.parse()? },
        ["templates"] => Command::TemplateList,
        ["jobs", job] => Command::JobShow { job: job.parse()? },
        ["jobs", job, "events"] => return Ok(Asked::Events(job.parse()?)),
        ["audit"] => Command::AuditList { object: None, limit: 100 },
        _ => return Err(nothing_here()),
    }))
}

fn nothing_here() -> Fault {
    Fault::new(
        FaultKind::NotFound,
        "there is nothing here; there is POST /v1/command, and GET /v1/status, /v1/rooms, \
         /v1/rooms/NAME, /v1/rooms/NAME/jobs, /v1/rooms/NAME/log, /v1/accounts, \
         /v1/accounts/LOGIN, /v1/templates, /v1/jobs/ID, /v1/jobs/ID/events, /v1/audit",
    )
}

async fn answer(
    request: Request<Incoming>,
    caller: &Caller,
    service: &Arc<dyn AdminService>,
) -> Result<Response<Body>, Fault> {
    let command = match route(request.method(), request.uri().path())? {
        Asked::Body => read_command(request.into_body()).await?,
        Asked::This(command) => command,
        Asked::Events(job) => return events(job, caller, service).await,
    };
    Ok(json(200, &service.command(caller.clone(), command).await?))
}

async fn read_command(body: Incoming) -> Result<Command, Fault> {
    let whole = tokio::time::timeout(PATIENCE, Limited::new(body, LONGEST).collect()).await;
    let invalid = |sentence: String| Fault::new(FaultKind::Invalid, sentence);
    let bytes = whole
        .map_err(|_| invalid("the body did not come in time".to_owned()))?
        .map_err(|error| invalid(format!("the body cannot be read, or is above 1 MiB: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("the body is not a command: {error}")))
}

/// A line of JSON, its newline included so that a terminal shows it well.
fn line(value: &impl Serialize) -> Bytes {
    // Our own types have string keys and no failing `Serialize`.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn json(status: u16, value: &impl Serialize) -> Response<Body> {
    respond(status, "application/json", Full::new(line(value)).boxed_unsync())
}

fn respond(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

async fn show(
    job: JobId,
    caller: &Caller,
    service: &Arc<dyn AdminService>,
) -> Result<JobView, Fault> {
    match service.command(caller.clone(), Command::JobShow { job }).await? {
        Reply::Job(job) => Ok(job),
        _ => Err(Fault::new(FaultKind::Internal, "core answered a job with something else")),
    }
}

/// How far a job is, as an event.
fn event(job: JobView) -> JobEvent {
    let room = if job.kind == JobKind::Template { None } else { job.object.parse().ok() };
    JobEvent { room, phase: None, job }
}

/// A job's events, one per line (application/x-ndjson), the state now first.
async fn events(
    job: JobId,
    caller: &Caller,
    service: &Arc<dyn AdminService>,
) -> Result<Response<Body>, Fault> {
    // Listening comes before looking, or what happens between the two would be missed.
    let news = service.job_events();
    let first = event(show(job, caller, service).await?);
    let (caller, service) = (caller.clone(), Arc::clone(service));
    let watch = Watch { first: Some(first), over: false, job, news, caller, service };
    let frames = futures_util::stream::unfold(watch, async |mut watch| {
        let event = watch.next().await?;
        Some((Ok(Frame::data(line(event.as_ref()))), watch))
    });
    Ok(respond(200, "application/x-ndjson", StreamBody::new(frames).boxed_unsync()))
}

/// Someone watches a job.
struct Watch {
    first: Option<JobEvent>,
    over: bool,
    job: JobId,
    news: broadcast::Receiver<Arc<JobEvent>>,
    caller: Caller,
    service: Arc<dyn AdminService>,
}

impl Watch {
    /// The job's next event; none after the one that ends it.
    async fn next(&mut self) -> Option<Arc<JobEvent>> {
        let event = match self.first.take() {
            Some(first) => Arc::new(first),
            None if self.over => return None,
            None => self.news().await?,
        };
        self.over = event.job.state != JobState::Running;
        Some(event)
    }

    async fn news(&mut self) -> Option<Arc<JobEvent>> {
        loop {
            match self.news.recv().await {
                Ok(event) if event.job.id == self.job => return Some(event),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let now = show(self.job, &self.caller, &self.service).await.ok()?;
                    return Some(Arc::new(event(now)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let (get, post) = (Method::GET, Method::POST);
        let cases = [
            (&post, "/v1/command", "Body"),
            (&get, "/v1/status", "This(Status)"),
            (&get, "/v1/rooms/", "This(RoomList)"),
            (&get, "/v1/rooms/blog", "This(RoomShow { name: RoomName(\"blog\") })"),
            (&get, "/v1/jobs/7/events", "Events(JobId(7))"),
        ];
        for (method, path, asked) in cases {
            assert_eq!(format!("{:?}", route(method, path).expect(path)), asked);
        }
        for (method, path, kind) in [
            (&get, "/", FaultKind::NotFound),
            (&get, "/v2/status", FaultKind::NotFound),
            (&get, "/v1/command", FaultKind::NotFound),
            (&post, "/v1/status", FaultKind::NotFound),
            (&get, "/v1/rooms/..%2f", FaultKind::Invalid),
            (&get, "/v1/jobs/x", FaultKind::Invalid),
        ] {
            assert_eq!(route(method, path).expect_err(path).kind, kind, "{path}");
        }
    }
}
