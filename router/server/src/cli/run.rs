//! `router run`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{CliError, Common};
use crate::{
    gateway::{self, Gateway},
    router::{Folder, Router},
};

#[derive(Args)]
pub(super) struct Run {
    /// Address of the HTTP gateway. Other than loopback needs a token.
    #[arg(long, env = "ROUTER_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// File that holds the token which callers have to send.
    #[arg(long, env = "ROUTER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Run {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let token = match &self.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| CliError::File(path.display().to_string(), e))?;
                let token = text.trim();
                if token.len() < 16 {
                    let place = path.display();
                    return Err(CliError::Usage(format!(
                        "the token in {place} has less than 16 characters; make a longer one"
                    )));
                }
                Some(Arc::from(token))
            }
            None if !self.listen.ip().is_loopback() => {
                let listen = self.listen;
                return Err(CliError::Usage(format!(
                    "{listen} is not loopback: give --token-file, or listen on 127.0.0.1"
                )));
            }
            None => None,
        };
        let router = Arc::new(Router::start(&common.folder())?);
        let runtime = runtime()?;
        let served = runtime.block_on(serve(router.clone(), common, self.listen, token));
        end(runtime, router);
        served
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|e| CliError::Unreachable(format!("no threads can be started: {e}")))
}

pub(super) async fn serve(
    router: Arc<Router>,
    common: &Common,
    listen: SocketAddr,
    token: Option<Arc<str>>,
) -> Result<(), CliError> {
    let listener = TcpListener::bind(listen).await.map_err(|e| CliError::File(listen.to_string(), e))?;
    let address = listener.local_addr().map_err(|e| CliError::File(listen.to_string(), e))?;
    let (stop, stopped) = watch::channel(false);
    let local = local(router.clone(), common, stopped.clone())?;
    let app = gateway::app(Gateway { router, token });
    eprintln!("router: ready on http://{address}, data in {}", common.folder().display());
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| CliError::File("SIGTERM".into(), e))?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.send_replace(true);
    });
    gateway::serve(listener, app, stopped).await;
    let _ = local.await;
    Ok(())
}

/// Serves the verbs of the command line on the folder's own socket, which only its owner can open.
pub(super) fn local(
    router: Arc<Router>,
    common: &Common,
    stopped: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<()>, CliError> {
    use std::os::unix::fs::PermissionsExt;
    let path = Folder(common.folder()).socket();
    let file = |e| CliError::File(path.display().to_string(), e);
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(file(e)),
    }
    let listener = UnixListener::bind(&path).map_err(file)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(file)?;
    let app = gateway::local(Gateway { router, token: None });
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(wait(stopped)).await {
            tracing::error!(%error, "the local socket ended");
        }
        let _ = std::fs::remove_file(path);
    }))
}

/// Ends what was served, then the router.
pub(super) fn end(runtime: tokio::runtime::Runtime, router: Arc<Router>) {
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    // Connections that outlived the wait keep the router; the log is whole all the same.
    if let Some(router) = Arc::into_inner(router) {
        router.stop();
    }
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // The sender lives as long as the signal is waited for; its end is an end too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
