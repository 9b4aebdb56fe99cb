//! Connections: a bounded number, none held by who sends slowly.

use std::{io, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{Semaphore, watch},
};

use crate::telemetry::TELEMETRY;

/// Connections over HTTP at one time; more wait until one ends. Below the 1024 files that a process may usually open.
const CONNECTIONS: usize = 800;
/// Verbs of the command line at one time.
const VERBS: usize = 32;
/// Time for the head of a request, which is also how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);
/// Bytes of a head, and of what is read ahead.
const BUFFER: usize = 64 * 1024;
/// Time for requests under way once the end is asked for.
const END: Duration = Duration::from_secs(10);

/// Where connections come from.
pub(crate) trait Listen: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Connections at one time.
    const MOST: usize;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;
    const MOST: usize = CONNECTIONS;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        // Answers are small and whole: waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;
    const MOST: usize = VERBS;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// Serves until `stopped` says so, then lets what is under way end.
pub(crate) async fn serve<L: Listen>(listener: L, app: axum::Router, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(L::MOST));
    let graceful = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.next().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            // The sender lives as long as the signal is waited for; its end is an end too.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                // Files or memory are short: they come back as connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            TELEMETRY.connections.inc();
            // Whoever breaks a connection off knows it.
            let _ = connection.await;
            TELEMETRY.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(END, graceful.shutdown()).await;
}
