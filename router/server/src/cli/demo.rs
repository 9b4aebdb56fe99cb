//! `router demo`.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;

use super::{CliError, Common, Format, run, text::print};
use crate::{
    config::Settings,
    demo,
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

impl Demo {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        if !self.listen.ip().is_loopback() {
            return Err(CliError::Usage(format!("{} is not loopback; the demo has no token", self.listen)));
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
        let played = runtime.block_on(async {
            if self.exit {
                // The signal is waited for first: its handler is there before anything is made that has to go again.
                return tokio::select! {
                    biased;
                    _ = tokio::signal::ctrl_c() => Ok(None),
                    played = demo::play(router.clone(), self.orders, self.rate.0, &place) => played.map(Some),
                };
            }
            let served = run::serve(router.clone(), common, self.listen, Access::Open);
            let shown = async {
                let outcome = demo::play(router.clone(), self.orders, self.rate.0, &place).await?;
                report(common, &outcome);
                eprintln!("demo: still serving; try, then end with Ctrl-C:");
                eprintln!("  curl 'http://{}/v1/orders?state=parked:unfillable&limit=3'", self.listen);
                eprintln!("  router log cat stores.assignments --limit 3 --data-dir {place}");
                std::future::pending::<Result<(), demo::DemoError>>().await
            };
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
