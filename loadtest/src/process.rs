//! The router as a process: started, watched through `/proc`, ended.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::LoadError;

/// Microseconds of a clock tick of `/proc`: always 100 a second on Linux.
const TICK_US: u64 = 10_000;

/// A router that was started here.
pub(crate) struct Started {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
    pub address: SocketAddr,
    /// From start to ready.
    pub took: Duration,
}

impl Started {
    /// Starts `program run` on `folder` and waits until it is ready.
    pub fn start(program: &Path, folder: &Path) -> Result<Started, LoadError> {
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["run", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(LoadError::io(format!("cannot start {}", program.display())))?;
        let mut lines = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready on http://"));
        let address =
            ready.as_deref().and_then(|line| line.split("http://").nth(1)?.split(',').next()?.parse().ok());
        let took = began.elapsed();
        let Some(address) = address else {
            let _ = child.kill();
            return Err(LoadError::Wrong("the router ended before it was ready".into()));
        };
        // What it says later belongs to whoever looks on.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Ok(Started { child, program: program.to_owned(), folder: folder.to_owned(), address, took })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and waits for its end.
    pub fn end(mut self) -> Result<Duration, LoadError> {
        let began = Instant::now();
        let told = Command::new("kill").arg(self.child.id().to_string()).status();
        told.and_then(|_| self.child.wait()).map_err(LoadError::io("cannot end the router"))?;
        Ok(began.elapsed())
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<(), LoadError> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(|_| ())
            .map_err(LoadError::io("cannot kill the router"))
    }

    /// Ends it, and lets its log be audited.
    pub fn audit(self) -> Result<serde_json::Value, LoadError> {
        let (program, folder) = (self.program.clone(), self.folder.clone());
        self.end()?;
        let audit =
            Command::new(program).args(["audit", "--format", "json", "--data-dir"]).arg(folder).output();
        let audit = audit.map_err(LoadError::io("cannot run the audit"))?;
        let text = String::from_utf8_lossy(&audit.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| {
            LoadError::Wrong(format!(
                "the audit did not end well: {text}{}",
                String::from_utf8_lossy(&audit.stderr)
            ))
        })
    }
}

impl Drop for Started {
    /// Nothing that was started outlives the measurement.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// CPU time, µs.
    pub cpu_us: u64,
    /// CPU time by thread name, µs.
    pub threads: BTreeMap<String, u64>,
    /// Memory that it holds now, KiB.
    pub resident_kib: u64,
}

impl Used {
    /// Reads it; nothing where there is no such process.
    pub fn of(pid: u32) -> Used {
        let mut used = Used::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let Some((name, cpu)) =
                fs::read_to_string(task.path().join("stat")).ok().as_deref().and_then(cpu)
            else {
                continue;
            };
            *used.threads.entry(name).or_default() += cpu;
        }
        // Of threads that have ended too.
        let all = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        used.cpu_us = all.as_deref().and_then(cpu).map_or(0, |(_, cpu)| cpu);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        used.resident_kib = resident.and_then(|kib| kib.parse().ok()).unwrap_or(0);
        used
    }

    /// What was used since.
    pub fn since(&self, before: &Used) -> Used {
        let earlier = |name: &String| before.threads.get(name).copied().unwrap_or(0);
        let threads =
            self.threads.iter().map(|(name, us)| (name.clone(), us.saturating_sub(earlier(name)))).collect();
        Used { cpu_us: self.cpu_us.saturating_sub(before.cpu_us), threads, resident_kib: self.resident_kib }
    }
}

/// Name and CPU time of a line of `/proc/PID/stat`.
fn cpu(stat: &str) -> Option<(String, u64)> {
    // The name stands in brackets and may hold anything.
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some((name.to_owned(), (user + system) * TICK_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 99";
        assert_eq!(cpu(line), Some(("a) b".to_owned(), 1_750_000)));
        assert!(Used::of(std::process::id()).resident_kib > 0);
    }
}
