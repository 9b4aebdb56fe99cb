//! What the router says of itself while and after orders are sent: decided, shown, and how far behind.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{LoadError, connection::Client};

/// A look at `/metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Orders that the engine has.
    pub orders: u64,
    /// Events whose rows are not written.
    pub lag: u64,
}

/// How deciding and showing went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Followed {
    /// Seconds until the engine had decided all.
    pub decided: f64,
    /// Seconds until the rows showed all.
    pub shown: f64,
    /// Largest number of events that the rows were behind.
    pub lag: u64,
}

/// Looks once.
pub(crate) fn look(client: &mut Client) -> Result<Look, LoadError> {
    let (_, text) = client.ask("GET", "/metrics", b"")?;
    let mut look = Look::default();
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let value = value.parse::<u64>().unwrap_or(0);
        if name.starts_with("router_stage_items{stage=\"engine\"") && name.ends_with("kind=\"orders\"}") {
            look.orders += value;
        } else if name.starts_with("router_rows_lag_events{") {
            look.lag += value;
        }
    }
    Ok(look)
}

/// Looks on until `sent` is set and the engine has `wanted()` orders and the rows show them.
pub(crate) fn follow(
    address: SocketAddr,
    began: Instant,
    sent: &AtomicBool,
    wanted: &dyn Fn() -> u64,
) -> Result<Followed, LoadError> {
    let mut client = Client::connect(address)?;
    let mut followed = Followed::default();
    let (mut moved, mut last) = (Instant::now(), (0, 0));
    loop {
        let done = sent.load(Ordering::Acquire);
        let now = look(&mut client)?;
        followed.lag = followed.lag.max(now.lag);
        if done && now.orders >= wanted() {
            if followed.decided == 0.0 {
                followed.decided = began.elapsed().as_secs_f64();
            }
            if now.lag == 0 {
                followed.shown = began.elapsed().as_secs_f64();
                return Ok(followed);
            }
        }
        if last != (now.orders, now.lag) {
            (moved, last) = (Instant::now(), (now.orders, now.lag));
        }
        if done && moved.elapsed() > Duration::from_secs(60) {
            let (orders, lag) = last;
            return Err(LoadError::Wrong(format!(
                "the router stands still: {orders} of {} orders decided, rows {lag} events behind",
                wanted()
            )));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
