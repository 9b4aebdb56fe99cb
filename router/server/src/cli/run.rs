//! `router run`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{CliError, Common, text, validate};
use crate::{
    config::Given,
    gateway::{self, Access, Gateway},
    router::{Folder, Router, RouterError},
};

#[derive(Args)]
pub(super) struct Run {
    /// Address of the HTTP gateway; other than loopback needs a token [default: 127.0.0.1:8080].
    #[arg(long)]
    listen: Option<String>,
    /// File that holds one token of the role admin.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// File that says which tokens there are, each bound to a role; `router token new` makes entries.
    #[arg(long)]
    tokens_file: Option<PathBuf>,
    /// Any key of the configuration; wins over file and environment.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Run {
    /// Hands the flags to the configuration.
    pub(super) fn give(&self, given: &mut Given) -> Result<(), CliError> {
        validate::give(&self.set, given)?;
        if let Some(listen) = &self.listen {
            given.set("listen", listen.clone(), "--listen");
        }
        if let Some(path) = &self.token_file {
            given.set("token_file", path.display().to_string(), "--token-file");
        }
        if let Some(path) = &self.tokens_file {
            given.set("tokens_file", path.display().to_string(), "--tokens-file");
        }
        Ok(())
    }

    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let access = Access::of(&common.settings).map_err(CliError::Configuration)?;
        of_ours(&common.folder())?;
        let router = Arc::new(Router::start(&common.settings)?);
        let runtime = runtime()?;
        let served = runtime.block_on(serve(router.clone(), common, common.settings.listen, access));
        end(runtime, router);
        served
    }
}

/// Refuses a folder that holds something else: its name is more likely wrong than meant.
pub(super) fn of_ours(folder: &Path) -> Result<(), CliError> {
    if Folder(folder.to_owned()).journal().exists() {
        return Ok(());
    }
    // What is not there will be made; what cannot be read is refused where it is opened.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let other =
        names.into_iter().find(|name| !name.starts_with('.') && name != "lost+found" && name != "keys");
    match other {
        Some(name) => {
            let place = folder.display();
            Err(CliError::Foreign(format!("{place} holds {name:?} and no log of a router")))
        }
        None => Ok(()),
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|e| CliError::Router(RouterError::Thread(e)))
}

pub(super) async fn serve(
    router: Arc<Router>,
    common: &Common,
    listen: SocketAddr,
    access: Access,
) -> Result<(), CliError> {
    // Before anybody is told that it is ready: a signal that comes at once is a wish to end cleanly as well.
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| CliError::File("SIGTERM".into(), e))?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|e| CliError::File("SIGINT".into(), e))?;
    let listener = TcpListener::bind(listen).await.map_err(|e| CliError::Listen(listen, e))?;
    let address = listener.local_addr().map_err(|e| CliError::File(listen.to_string(), e))?;
    let (stop, stopped) = watch::channel(false);
    let local = local(router.clone(), common, stopped.clone())?;
    let feed = router.feed.clone();
    let access = Arc::new(access);
    // Before anybody is told that it is ready: the signal that asks for another look would end the process.
    let follows = gateway::follow(access.clone()).map_err(|e| CliError::File("SIGHUP".into(), e))?;
    tokio::spawn(follows);
    let app = gateway::app(Gateway { router, access });
    text::note(&format!("router: ready on http://{address}, data in {}", common.folder().display()));
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        stop.send_replace(true);
        // Streams end, so that nobody has to be waited for.
        feed.close();
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
    let app = gateway::local(Gateway { router, access: Arc::new(Access::Local) });
    Ok(tokio::spawn(async move {
        gateway::serve(listener, app, stopped).await;
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
