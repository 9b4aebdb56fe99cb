//! A measurement from start to end.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use router_loadtest::orders::Orders;

use crate::{
    Asked, Format, LoadError, Mode, after, batch,
    connection::Client,
    furnish::furnish,
    post,
    process::{Started, Used},
    report::{Report, Sent},
};

/// A folder that is removed at the end, where nobody asked for it to stay.
struct Folder {
    path: PathBuf,
    stays: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.stays {
            // Best effort: it lies in the temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Measures, and prints the result. True: nothing is wrong.
pub(crate) fn run(asked: &Asked) -> Result<bool, LoadError> {
    let folder = folder(asked)?;
    let mut started = match asked.address {
        Some(address) if address.ip().is_loopback() => None,
        Some(address) => {
            return Err(LoadError::Wrong(format!("{address} is not loopback; nothing else is loaded")));
        }
        None => Some(Started::start(&program(asked)?, &folder.path)?),
    };
    let address = match (asked.address, &started) {
        (Some(address), _) => address,
        (None, Some(started)) => started.address,
        (None, None) => return Err(LoadError::Wrong("there is no router to ask".into())),
    };
    let used = |started: &Option<Started>| started.as_ref().map(|s| Used::of(s.pid())).unwrap_or_default();
    let bare = used(&started);
    furnish(address, asked)?;
    let known = after::look(&mut Client::connect(address)?)?.orders;
    let orders = Orders::new(asked.seed, asked.zones, asked.skus);
    let connections = asked.connections.unwrap_or(if asked.mode == Mode::Batch { 2 } else { 256 });
    let bounds = (asked.orders, Duration::from_secs(asked.seconds));
    let (before, load_before) = (used(&started), Used::of(std::process::id()));
    let (began, done, wanted) = (Instant::now(), AtomicBool::new(false), AtomicU64::new(0));
    let (sent, answered, load, followed) = std::thread::scope(|scope| {
        let follow =
            scope.spawn(|| after::follow(address, began, &done, &|| known + wanted.load(Ordering::Acquire)));
        let send = if asked.mode == Mode::Batch { batch::send } else { post::send };
        let sent = send(address, &orders, connections, bounds, asked.rate);
        let (answered, load) =
            (used(&started).since(&before), Used::of(std::process::id()).since(&load_before));
        wanted.store(sent.as_ref().map_or(0, |sent| sent.created), Ordering::Release);
        done.store(true, Ordering::Release);
        (sent, answered, load, follow.join().expect("looking on does not panic"))
    });
    let (sent, followed) = (sent?, followed?);
    let shown = used(&started);
    let mut report = report(asked, connections, &sent, &followed);
    let each = |us: u64| us as f64 / sent.created.max(1) as f64;
    let all = shown.since(&before);
    report.bytes_an_order = orders.mean_bytes() as u64;
    (report.cpu_to_answers_us, report.cpu_to_rows_us) = (each(answered.cpu_us), each(all.cpu_us));
    report.cpu_load_us = each(load.cpu_us);
    report.threads_us = all.threads.iter().map(|(name, us)| (name.clone(), each(*us))).collect();
    (report.resident_before_kib, report.resident_after_kib) = (before.resident_kib, shown.resident_kib);
    let grown = |from: &Used, to: &Used| to.resident_kib.saturating_sub(from.resident_kib) * 1024;
    report.resident_bytes_an_order = grown(&before, &shown) / sent.created.max(1);
    report.resident_bytes_a_cell = grown(&bare, &before) / (u64::from(asked.nodes) * u64::from(asked.skus));
    if asked.restart
        && let Some(running) = started.take()
    {
        started = Some(restart(running, asked, &folder, &mut report)?);
    }
    match started {
        Some(running) if asked.no_audit => _ = running.end()?,
        Some(running) => {
            let audit = running.audit()?;
            let count = |name: &str| audit.get(name).and_then(serde_json::Value::as_u64);
            (report.violations, report.oversold) = (count("violations"), count("oversold"));
        }
        None => {}
    }
    match asked.format {
        Format::Text => println!("{}", report.text()),
        Format::Json => println!("{}", serde_json::to_string(&report).unwrap_or_default()),
    }
    Ok(report.is_good())
}

fn report(asked: &Asked, connections: u16, sent: &Sent, followed: &after::Followed) -> Report {
    let rate = |seconds: f64| sent.created as f64 / seconds.max(1e-9);
    let quantile = |q: f64| sent.latency.0.value_at_quantile(q);
    Report {
        mode: if asked.mode == Mode::Batch { "batch" } else { "post" }.into(),
        connections,
        rate: asked.rate.unwrap_or(0),
        orders: sent.created,
        repeats: sent.repeats,
        refused: sent.refused,
        first_refusal: sent.first_refusal.clone(),
        durable_per_s: rate(sent.seconds),
        decided_per_s: rate(followed.decided),
        rows_per_s: rate(followed.shown),
        rows_lag_events: followed.lag,
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        max_us: sent.latency.0.max(),
        machine: machine(),
        ..Report::default()
    }
}

/// Starts the router again: after `kill -9` right behind the load, after an end, and after `kill -9` at rest.
fn restart(
    running: Started,
    asked: &Asked,
    folder: &Folder,
    report: &mut Report,
) -> Result<Started, LoadError> {
    running.kill()?;
    let again = Started::start(&program(asked)?, &folder.path)?;
    report.restart_cut_s = Some(again.took.as_secs_f64());
    report.end_s = Some(again.end()?.as_secs_f64());
    let again = Started::start(&program(asked)?, &folder.path)?;
    report.restart_s = Some(again.took.as_secs_f64());
    again.kill()?;
    let again = Started::start(&program(asked)?, &folder.path)?;
    report.restart_killed_s = Some(again.took.as_secs_f64());
    Ok(again)
}

fn program(asked: &Asked) -> Result<PathBuf, LoadError> {
    match &asked.router {
        Some(program) => Ok(program.clone()),
        None => {
            let own = std::env::current_exe().map_err(LoadError::io("cannot find this program"))?;
            Ok(own.with_file_name("router"))
        }
    }
}

fn folder(asked: &Asked) -> Result<Folder, LoadError> {
    let path = match &asked.data_dir {
        Some(path) => path.clone(),
        None => std::env::temp_dir().join(format!("router-loadtest-{}", std::process::id())),
    };
    if path.exists() {
        return Err(LoadError::Wrong(format!(
            "{} exists; a measurement begins with nothing",
            path.display()
        )));
    }
    Ok(Folder { path, stays: asked.data_dir.is_some() })
}

/// Processor and cores.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} with {cores} cores", name.map_or("a processor", |(_, name)| name))
}
