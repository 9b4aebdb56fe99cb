//! `router demo`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::{Args, builder::TypedValueParser};
use router_ingest::json::Span;

use super::{CliError, Common, Format, run, text::print};
use crate::{
    config::Settings,
    demo::{self, Offering, Program, Robots},
    gateway::Access,
    router::{Folder, Router},
};

#[derive(Args)]
pub(super) struct Demo {
    /// Orders to play; beyond the 4,723 sales that it has they are played again under new ids.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    orders: u64,
    /// Orders a second, or `max`.
    #[arg(long, default_value = "500", value_parser = rate)]
    rate: Rate,
    /// End when all is played, with an audit; else go on serving.
    #[arg(long)]
    exit: bool,
    /// No store grabs: all orders are assigned.
    #[arg(long)]
    no_grab: bool,
    /// Of 100 offers to a store, so many are claimed by its robot [default: 85, or what --decline leaves].
    #[arg(long, value_name = "PERCENT", value_parser = percent())]
    claim: Option<u8>,
    /// Of 100 offers to a store, so many are declined, some of them by line; what is neither claimed nor declined lapses
    /// [default: 10, or what --claim leaves].
    #[arg(long, value_name = "PERCENT", value_parser = percent())]
    decline: Option<u8>,
    /// Of 100 pieces of work, robots go on with so many: accept, pick, make ready, ship.
    #[arg(long, value_name = "PERCENT", default_value_t = 40, value_parser = percent())]
    work: u8,
    /// How long a robot thinks on average [default: 400ms; with --rate max 40ms].
    #[arg(long, value_name = "TIME", value_parser = span(0, 60_000))]
    think: Option<Span>,
    /// How long each of an offer's two rounds lasts [default: 4s; with --store 60s]. What is over is looked for every five
    /// seconds.
    #[arg(long, value_name = "TIME", value_parser = span(1000, 3_600_000))]
    ttl: Option<Span>,
    /// Seed of what robots do; when they do it is up to the machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave this store to you: no robot acts for it, and the others leave you 20 seconds for an offer that it got too. May
    /// be given again.
    #[arg(long, value_name = "ID", conflicts_with_all = ["no_grab", "exit"])]
    store: Vec<String>,
    /// Address of the HTTP gateway while it goes on serving; loopback only.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[derive(Clone, Copy)]
struct Rate(Option<u32>);

fn rate(text: &str) -> Result<Rate, String> {
    match (text, text.parse()) {
        ("max", _) => Ok(Rate(None)),
        (_, Ok(rate @ 1..)) => Ok(Rate(Some(rate))),
        _ => Err("give a number from 1 on, or max".into()),
    }
}

fn percent() -> impl TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(0..=100)
}

/// A length of time between these, ms.
fn span(from: i64, to: i64) -> impl Fn(&str) -> Result<Span, String> + Clone {
    move |text: &str| match text.parse::<Span>() {
        Ok(span) if (from..=to).contains(&span.0) => Ok(span),
        Ok(_) => Err(format!("give a time from {} to {}", Span(from), Span(to))),
        Err(wrong) => Err(wrong.into()),
    }
}

impl Demo {
    /// Of a hundred offers to a store, how many its robot claims and declines.
    fn answers(&self) -> (u8, u8) {
        match (self.claim, self.decline) {
            (Some(claim), Some(decline)) => (claim, decline),
            (Some(claim), None) => (claim, (100 - claim).min(10)),
            (None, decline) => {
                let decline = decline.unwrap_or(10);
                ((100 - decline).min(85), decline)
            }
        }
    }

    fn program(&self) -> Program {
        let think = match (self.think, self.rate.0) {
            (Some(think), _) => think.0,
            (None, Some(_)) => 400,
            // As fast as it goes, robots are quick too.
            (None, None) => 40,
        };
        let ttl = self.ttl.unwrap_or(Span(if self.store.is_empty() { 4_000 } else { 60_000 }));
        let (claim, decline) = self.answers();
        let robots = Robots {
            claim,
            decline,
            work: self.work,
            think: Duration::from_millis(think.unsigned_abs()),
            seed: self.seed,
            yours: self.store.clone(),
        };
        let grab = (!self.no_grab).then_some(Offering { robots, ttl });
        Program { orders: self.orders, rate: self.rate.0, grab }
    }

    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        if !self.listen.ip().is_loopback() {
            return Err(CliError::Usage(format!("{} is not loopback; the demo has no token", self.listen)));
        }
        let (claim, decline) = self.answers();
        if claim + decline > 100 {
            return Err(CliError::Usage(format!(
                "--claim {claim} and --decline {decline} are more than 100"
            )));
        }
        let grabs = demo::grabbing_stores();
        if let Some(unknown) = self.store.iter().find(|store| !grabs.contains(store)) {
            let grabs = grabs.join(", ");
            return Err(CliError::Usage(format!("{unknown:?} is none of the stores that grab: {grabs}")));
        }
        let temporary = !common.folder_named;
        let folder = match common.folder_named {
            true => common.folder(),
            false => std::env::temp_dir().join(format!("router-demo-{}", std::process::id())),
        };
        if Folder(folder.clone()).journal().exists() {
            let place = folder.display();
            return Err(CliError::Usage(format!("{place} holds a log already; name a new folder")));
        }
        run::of_ours(&folder)?;
        let settings = Settings { data_dir: folder.clone(), ..common.settings.clone() };
        let common = Common { settings, folder_named: true, format: common.format };
        let played = self.play(&common);
        if temporary {
            let _ = std::fs::remove_dir_all(&folder);
        }
        played
    }

    fn play(&self, common: &Common) -> Result<(), CliError> {
        let router = Arc::new(Router::start(&common.settings)?);
        let runtime = run::runtime()?;
        let place = common.folder().display().to_string();
        let (log, store) = (router.log.clone(), router.store.clone());
        let program = self.program();
        let played = runtime.block_on(async {
            if self.exit {
                // The signal is waited for first: its handler is there before anything is made that has to go again.
                return tokio::select! {
                    biased;
                    _ = tokio::signal::ctrl_c() => Ok(None),
                    played = demo::play(router.clone(), &program, &place, async |outcome| outcome) => played.map(Some),
                };
            }
            let served = run::serve(router.clone(), common, self.listen, Access::Open);
            for store in &self.store {
                eprintln!("demo: {store} is yours; see its offers, then claim one with what it says:");
                eprintln!("  curl http://{}/v1/nodes/{store}/offers", self.listen);
                let body = format!(r#"{{"order":"…","offer":"…","epoch":1,"node":"{store}"}}"#);
                eprintln!("  curl -d '{body}' http://{}/v1/offers/claims", self.listen);
            }
            let shown = demo::play(router.clone(), &program, &place, async |outcome| {
                report(common, &outcome);
                eprintln!("demo: still serving; try, then end with Ctrl-C:");
                eprintln!("  curl 'http://{}/v1/orders?state=parked:unfillable&limit=3'", self.listen);
                eprintln!("  router log cat stores.assignments --limit 3 --data-dir {place}");
                if program.grab.is_some() {
                    eprintln!("  router rules show demo-grab --data-dir {place}");
                }
                std::future::pending::<()>().await
            });
            tokio::select! {
                biased;
                served = served => { if let Err(error) = served { eprintln!("router: {error}"); } Ok(None) }
                failed = shown => failed.map(|()| None),
            }
        });
        run::end(runtime, router);
        let played: Option<demo::Outcome> = played?;
        let Some(mut outcome) = played else {
            return if self.exit { Err(CliError::Interrupted) } else { Ok(()) };
        };
        eprintln!("demo: audit");
        let audit = router_audit::audit(&*log, Some(&*store))?;
        outcome.audited(&audit);
        report(common, &outcome);
        if outcome.is_clean() {
            return Ok(());
        }
        for violation in &audit.first {
            eprintln!("router: {}: {}", violation.code, violation.detail);
        }
        Err(CliError::Found)
    }
}

fn report(common: &Common, outcome: &demo::Outcome) {
    let value = serde_json::to_value(outcome).unwrap_or_default();
    if common.format == Format::Json {
        return print(common, &value);
    }
    for (name, value) in value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        print(common, &serde_json::json!({ name.as_str(): value }));
    }
}
