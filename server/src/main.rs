//! `footlight-server`: reads the configuration, starts the server, and waits for a signal to end it.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Parser as _;
use footlight_server::auth::{Authority, Grant};
use footlight_server::config::{self, Cli, Command, Config, Settings, TokenArgs};
use footlight_server::data_dir::DataDir;
use footlight_server::{Server, announce, self_test, stun_discovery};
use tracing_subscriber::EnvFilter;

/// What standard output is for.
#[derive(Clone, Copy)]
enum Output {
    Summary { qr_code: bool },
    Json,
}

fn main() -> ExitCode {
    let mut cli = Cli::parse();
    let done = match cli.command.take() {
        Some(Command::Token(arguments)) => print_token(*arguments),
        None => run(cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footlight-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let config = config::load(cli.settings, cli.config.as_deref())?;
    let filter = EnvFilter::try_new(&config.log).context("the setting `log` is not a valid filter")?;
    if cli.check_config {
        println!("The configuration is valid:\n{config:#?}");
        return Ok(());
    }
    // Standard output belongs to whoever reads the address from it.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    // Each viewer is a file descriptor or two, and the usual limit of 1,024 is for programs that use select(2).
    if let Err(error) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let output = if cli.print_json_address {
        Output::Json
    } else {
        let qr_code = cli.qr || std::io::stdout().is_terminal();
        Output::Summary { qr_code }
    };
    let runtime = tokio::runtime::Runtime::new().context("the async runtime cannot be started")?;
    runtime.block_on(serve(config, output))
}

fn print_token(arguments: TokenArgs) -> anyhow::Result<()> {
    let settings = Settings {
        data_dir: arguments.data_dir,
        auth: arguments.auth,
        ..Settings::default()
    };
    let config = config::load(settings, arguments.config.as_deref())?;
    let data = DataDir::open(config.data_dir.as_deref())?;
    let grant = Grant {
        session: arguments.session,
        user: arguments.user,
        name: arguments.name,
        role: arguments.role,
        lifetime: *arguments.expires,
    };
    let issued = Authority::load(&config.auth, &data)?.issue(grant, SystemTime::now())?;
    // The token and nothing else, for `$(footlight-server token …)`.
    writeln!(std::io::stdout(), "{}", issued.token).context("standard output cannot be written")
}

async fn serve(config: Config, output: Output) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("signals cannot be received")?;
    let server = Server::start(with_public_addresses(config).await)?;
    let tested = self_test::run(&server).await;
    announce(&server, tested.as_ref().ok(), output)?;
    match tested {
        Ok(report) => {
            tracing::info!(ways = %report, "media can be reached");
            report.failures().for_each(|failure| tracing::warn!("{failure}"));
        }
        Err(error) => tracing::warn!(%error, "the media port could not be tested"),
    }
    signals.recv().await;
    tracing::info!(
        seconds = server.config().drain.as_secs(),
        "shutting down; a second signal ends at once"
    );
    tokio::select! {
        () = server.drain() => {}
        () = signals.recv() => tracing::warn!("ended at once"),
    }
    Ok(())
}

/// With the addresses from outside, for the first answers, the certificate and the self-test to have them. The server asks
/// again, and tells where nothing answers.
async fn with_public_addresses(mut config: Config) -> Config {
    if let Some(stun) = &config.stun_discovery
        && let Ok(addresses) = stun_discovery::public_addresses(stun).await
    {
        tracing::info!(?addresses, "addresses from outside");
        config.public_addresses = addresses;
    }
    config
}

fn announce(server: &Server, tested: Option<&self_test::Report>, output: Output) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match output {
        Output::Json => {
            let address = serde_json::json!({
                "url": server.urls().first(),
                "media_port": server.media().port(),
                "pid": std::process::id(),
                "ways": tested.map(ToString::to_string),
                "addresses": tested.map(announce::addresses),
            });
            writeln!(stdout, "{address}")?;
        }
        Output::Summary { qr_code } => {
            write!(stdout, "{}", announce::summary(server, tested))?;
            if let Some(code) = qr_code.then(|| announce::qr_code(server)).flatten() {
                writeln!(stdout, "\n{code}")?;
            }
        }
    }
    stdout.flush().context("standard output cannot be written")
}

/// SIGINT and SIGTERM, or Ctrl-C where there are no such signals.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn recv(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without the signal there is nothing to wait for, and ending at once would be worse.
            std::future::pending::<()>().await;
        }
    }
}
