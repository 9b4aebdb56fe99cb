//! Asks a router over the socket of its folder: one that runs, or one that runs for this question only.

use std::{
    io::{ErrorKind, Read},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::body::{Body, Bytes};
use clap::Args;
use http_body_util::BodyExt;
use hyper::{Request, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{runtime::Runtime, sync::watch};

use super::{CliError, Common, run, source::encoded};
use crate::router::{Folder, Router, RouterError};

/// Where questions go.
pub(super) struct Client {
    socket: PathBuf,
    actor: String,
    reason: Option<String>,
    runtime: Option<Runtime>,
    own: Option<Own>,
}

struct Own {
    router: Arc<Router>,
    stop: watch::Sender<bool>,
}

/// Why something is asked for.
#[derive(Args)]
pub(super) struct Because {
    /// Why; kept in the log beside what is sent.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// An answer.
pub(super) struct Response {
    pub status: u16,
    pub body: Value,
}

/// An event of a stream.
pub(super) struct Heard {
    pub event: String,
    /// Where the stream goes on behind it.
    pub id: Option<String>,
    pub data: Value,
}

impl Heard {
    /// Reads the lines of an event; `None`: it has none, as a sign of life.
    fn read(block: &[u8]) -> Option<Heard> {
        let text = String::from_utf8_lossy(block);
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.strip_prefix(' ').unwrap_or(line).to_owned())
        };
        let data = serde_json::from_str(&field("data")?).ok()?;
        Some(Heard { event: field("event")?, id: field("id"), data })
    }
}

/// How long the router may be silent: more than any wait of its gateway; an audit and a simulation read the whole log.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_FOR_AUDIT: Duration = Duration::from_secs(6 * 3600);

impl Client {
    /// The router that runs on this folder, if one does.
    pub fn running(common: &Common) -> Result<Option<Client>, CliError> {
        let socket = Folder(common.folder()).socket();
        match UnixStream::connect(&socket) {
            Ok(_) => {}
            // No socket, one that was left behind, or a path that no socket can have.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::NotFound
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::InvalidInput
                        | ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(CliError::File(socket.display().to_string(), e)),
        }
        Ok(Some(Client { socket, actor: actor(), reason: None, runtime: Some(run::runtime()?), own: None }))
    }

    /// The router of this folder, started for this question where none runs. A folder without a log is refused:
    /// its name is more likely wrong than new.
    pub fn connect(common: &Common) -> Result<Client, CliError> {
        if let Some(client) = Client::running(common)? {
            return Ok(client);
        }
        let folder = Folder(common.folder());
        if !folder.journal().is_dir() {
            return Err(RouterError::from(router_log::LogError::Missing(folder.0)).into());
        }
        let router = Arc::new(Router::start_to_ask(&common.settings)?);
        let runtime = run::runtime()?;
        let (stop, stopped) = watch::channel(false);
        {
            let _inside = runtime.enter();
            run::local(router.clone(), common, stopped)?;
        }
        let own = Some(Own { router, stop });
        Ok(Client { socket: folder.socket(), actor: actor(), reason: None, runtime: Some(runtime), own })
    }

    /// Says why with all that is asked.
    pub fn because(mut self, reason: &Because) -> Client {
        self.reason = reason.reason.clone();
        self
    }

    /// Waits until the rows hold all that the log holds, where the router runs for this question only.
    pub fn settle(&self) {
        if let Some(own) = &self.own {
            own.router.settle();
        }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Response, CliError> {
        self.request("GET", path, Body::empty())
    }

    /// `POST`.
    pub fn post(&self, path: &str, body: Vec<u8>) -> Result<Response, CliError> {
        self.request("POST", path, Body::from(body))
    }

    fn request(&self, method: &str, path: &str, body: Body) -> Result<Response, CliError> {
        self.block(async {
            let response = self.exchange(method, path, body).await?;
            let status = response.status().as_u16();
            let collected = tokio::time::timeout(PATIENCE, response.into_body().collect()).await;
            let bytes = collected
                .map_err(|_| self.silent("no answer came in time"))?
                .map_err(|e| self.silent(&e))?
                .to_bytes();
            let body = serde_json::from_slice(&bytes);
            let body = body.map_err(|_| CliError::Answer(format!("{method} {path} gave status {status}")))?;
            Ok(Response { status, body })
        })
    }

    /// Hears the events at `path`, behind the one with the id `last`, until `each` has enough or the stream ends. An
    /// answer that is no stream is handed back.
    pub fn listen(
        &self,
        path: &str,
        last: Option<&str>,
        mut each: impl FnMut(Heard) -> bool,
    ) -> Result<Option<Response>, CliError> {
        self.block(async {
            let headers = last.map(|last| ("last-event-id", last));
            let response = self.exchange_with("GET", path, headers, Body::empty()).await?;
            let status = response.status().as_u16();
            let mut frames = response.into_body();
            let mut buffer = Vec::new();
            loop {
                // The router gives a sign of life more often than that.
                let frame = tokio::time::timeout(PATIENCE, frames.frame()).await;
                let Some(frame) = frame.map_err(|_| self.silent("nothing came in time"))? else { break };
                let Ok(bytes) = frame.map_err(|e| self.silent(&e))?.into_data() else { continue };
                buffer.extend_from_slice(&bytes);
                while status == 200
                    && let Some(end) = memchr::memmem::find(&buffer, b"\n\n")
                {
                    let block: Vec<u8> = buffer.drain(..end + 2).collect();
                    if Heard::read(&block).is_some_and(|heard| !each(heard)) {
                        return Ok(None);
                    }
                }
            }
            if status == 200 {
                return Ok(None);
            }
            Ok(Some(Response { status, body: serde_json::from_slice(&buffer).unwrap_or_default() }))
        })
    }

    /// Posts what `body` holds, read as it is sent, and hands over the lines of the answer as they come. Fails
    /// where the answer is an error as a whole.
    pub fn post_lines(
        &self,
        path: &str,
        body: impl Read + Send + 'static,
        mut each: impl FnMut(Value),
    ) -> Result<(), CliError> {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
        let reading = std::thread::spawn(move || read(body, &sender));
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        let answered = self.block(async {
            let response = self.exchange("POST", path, Body::from_stream(stream)).await?;
            let status = response.status().as_u16();
            let mut frames = response.into_body();
            let mut buffer = Vec::new();
            loop {
                let frame = tokio::time::timeout(PATIENCE, frames.frame()).await;
                let Some(frame) = frame.map_err(|_| self.silent("no answer came in time"))? else { break };
                let Ok(bytes) = frame.map_err(|e| self.silent(&e))?.into_data() else { continue };
                buffer.extend_from_slice(&bytes);
                while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    each(serde_json::from_slice(&line).map_err(|e| CliError::Answer(e.to_string()))?);
                }
            }
            if status >= 400 {
                let problem: Value = serde_json::from_slice(&buffer).unwrap_or_default();
                return Err(refused(status, &problem));
            }
            Ok(())
        });
        // Its thread ends with the receiver, at the latest after the next chunk; what it could not read counts.
        if reading.is_finished()
            && let Ok(Err(error)) = reading.join()
        {
            return Err(CliError::File("the input".into(), error));
        }
        answered
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Body,
    ) -> Result<hyper::Response<Incoming>, CliError> {
        self.exchange_with(method, path, None, body).await
    }

    async fn exchange_with(
        &self,
        method: &str,
        path: &str,
        header: Option<(&str, &str)>,
        body: Body,
    ) -> Result<hyper::Response<Incoming>, CliError> {
        let stream = tokio::net::UnixStream::connect(&self.socket).await.map_err(|e| self.silent(&e))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.silent(&e))?;
        // Its errors come out of the request too.
        tokio::spawn(connection);
        let long = ["/v1/audit", "/v1/simulate"].contains(&path);
        let patience = if long { PATIENCE_FOR_AUDIT } else { PATIENCE };
        let mut request = Request::builder();
        if let Some(reason) = &self.reason {
            request = request.header("x-reason", encoded(reason));
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request
            .method(method)
            .uri(path)
            .header("host", "router")
            .header("content-type", "application/json")
            .header("router-actor", &self.actor)
            .body(body)
            .map_err(|e| CliError::Usage(format!("{path:?} cannot be asked for: {e}")))?;
        let sent = tokio::time::timeout(patience, sender.send_request(request)).await;
        sent.map_err(|_| self.silent("no answer came in time"))?.map_err(|e| self.silent(&e))
    }

    fn silent(&self, why: impl ToString) -> CliError {
        CliError::Unreachable(self.socket.display().to_string(), why.to_string())
    }

    fn block<T>(&self, asked: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        let runtime = self.runtime.as_ref().expect("it is taken when the client ends only");
        runtime.block_on(asked)
    }
}

/// A request that was turned away as a whole.
fn refused(status: u16, problem: &Value) -> CliError {
    match problem["code"].as_str() {
        Some(code) => {
            CliError::Refused(format!("{code}: {}", problem["detail"].as_str().unwrap_or_default()))
        }
        None => CliError::Answer(format!("status {status}")),
    }
}

/// Hands the input over in pieces, as fast as they are taken.
fn read(
    mut body: impl Read,
    sender: &tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> Result<(), std::io::Error> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let chunk = Bytes::copy_from_slice(&buffer[..length]);
                if sender.blocking_send(Ok(chunk)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                // The body breaks off, so that its last, half line is not taken for a message.
                let _ = sender.blocking_send(Err(std::io::Error::from(error.kind())));
                return Err(error);
            }
        }
    }
}

/// Who asks, for what is logged: the number that the system gives this process's user, and the name that the
/// user's session has.
pub(super) fn actor() -> String {
    use std::os::unix::fs::MetadataExt;
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(48).collect();
    let number =
        std::fs::metadata("/proc/self").map_or_else(|_| "local".into(), |me| format!("uid {}", me.uid()));
    if name.is_empty() { number } else { format!("{name} ({number})") }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let Some(Own { router, stop }) = self.own.take() else {
            runtime.shutdown_background();
            return;
        };
        stop.send_replace(true);
        // Before the router lets go of the folder: afterwards the socket may be another's.
        let _ = std::fs::remove_file(&self.socket);
        run::end(runtime, router);
    }
}
