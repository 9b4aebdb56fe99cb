//! What a person sees while the demo runs: a picture redrawn in place on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use super::{offers::Grab, watch::Counts};

/// What is shown.
pub(super) struct Frame {
    pub head: String,
    pub done: u64,
    pub of: u64,
    pub counts: Counts,
    pub grab: Option<Grab>,
    pub cancelled: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub last: Vec<String>,
}

/// Draws on standard error, so that the report on standard output stays alone.
pub(super) struct Picture {
    terminal: bool,
    drawn: usize,
    /// The last line, where lines are written: what did not change is not said again.
    said: String,
    begun: Instant,
    drew: Option<Instant>,
}

impl Picture {
    pub fn new() -> Picture {
        Picture {
            terminal: std::io::stderr().is_terminal(),
            drawn: 0,
            said: String::new(),
            begun: Instant::now(),
            drew: None,
        }
    }

    /// True where it is time for the next frame.
    pub fn due(&self) -> bool {
        let pause = Duration::from_millis(if self.terminal { 200 } else { 2000 });
        self.drew.is_none_or(|drew| drew.elapsed() >= pause)
    }

    pub fn draw(&mut self, frame: &Frame) {
        self.drew = Some(Instant::now());
        let text = if self.terminal { self.whole(frame) } else { self.line(frame) };
        if !self.terminal && text == std::mem::replace(&mut self.said, text.clone()) {
            return;
        }
        // A picture that cannot be drawn ends nothing.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn line(&self, frame: &Frame) -> String {
        let Frame { done, of, counts, grab, p50_us, p99_us, .. } = frame;
        let offers = grab.as_ref().map(|grab| format!("; {}", told(grab))).unwrap_or_default();
        format!(
            "demo: {done} of {of} orders, {} allocated, {} split, {} backordered, {} unfillable, p50 {p50_us} µs, p99 {p99_us} µs{offers}\n",
            counts.allocated, counts.split, counts.backordered, counts.unfillable
        )
    }

    fn whole(&mut self, frame: &Frame) -> String {
        let Frame { head, done, of, counts, grab, cancelled, p50_us, p99_us, last } = frame;
        let width = 40;
        let full = usize::try_from(done * width as u64 / (*of).max(1)).unwrap_or(width).min(width);
        let rate = *done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let bar =
            |n: u64| "▇".repeat(usize::try_from(n * width as u64 / (*done).max(1)).unwrap_or(0).min(width));
        let row =
            |name: &str, n: u64, colour: &str| format!("{name:<12}{n:>9}  \x1b[{colour}m{}\x1b[0m", bar(n));
        let mut lines = vec![
            format!("\x1b[1m{}\x1b[0m", head.lines().next().unwrap_or_default()),
            format!("{}{} {done} of {of} orders, {rate:.0}/s", "█".repeat(full), "░".repeat(width - full)),
            row("allocated", counts.allocated, "32"),
            row("split", counts.split, "36"),
            row("backordered", counts.backordered, "33"),
            row("unfillable", counts.unfillable, "31"),
        ];
        if let Some(grab) = grab {
            lines.insert(4, row("central", grab.forwarded, "34"));
            lines.push(row("on offer", grab.offered, "35"));
        }
        lines.push(format!("{:<12}{cancelled:>9}", "cancels"));
        let to = if grab.is_some() { "store chosen or asked" } else { "store chosen" };
        lines.push(format!(
            "{:<12}{p50_us:>9} µs p50 {p99_us:>9} µs p99, order sent to {to}, on disk",
            "latency"
        ));
        lines.extend(grab.as_ref().map(told));
        lines.push("\x1b[1mlast decisions\x1b[0m".to_owned());
        lines.extend(last.iter().cloned());
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        self.drawn = lines.len();
        // Lines that wrap would break the count: wrapping is off while the picture is drawn.
        let body = lines.join("\n");
        format!("\x1b[?7l{up}{body}\n\x1b[?7h")
    }
}

/// Offers in a line.
fn told(grab: &Grab) -> String {
    let Grab { offers, open_offers, claims, declines, lapses, fallbacks, .. } = grab;
    let Grab { claimed_percent, claim_p50_ms, claim_p99_ms, parts_sent, .. } = grab;
    format!(
        "{offers} offers: {open_offers} open, {claims} claims ({claimed_percent} %, p50 {claim_p50_ms} ms, p99 {claim_p99_ms} ms), {declines} declines, {lapses} lapses, {fallbacks} fallbacks; {parts_sent} parts sent"
    )
}
