//! What each command does: opens what it needs, asks the rooms, and writes the answer through [`Out`].

mod audit;
mod bundles;
mod calls;
mod channels;
#[cfg(feature = "sales")]
mod classify;
mod daemon;
mod demo;
mod discover;
mod erase;
mod explain;
mod exports;
mod imports;
mod incidents;
mod keeping;
mod known;
mod listen;
mod listings;
mod listings_import;
mod lock;
mod matching;
mod papers;
mod pass;
mod plan;
mod plan_file;
mod rebook;
#[cfg(feature = "sales")]
mod recommend;
mod reconcile;
mod report;
mod requests;
#[cfg(feature = "sales")]
mod sales_files;
mod schedule;
mod seller;
mod setup;
mod sheet;
#[cfg(feature = "sales")]
mod simulate;
mod status;
mod stock;
mod stock_adjust;
mod stock_count;
mod stock_import;
mod stock_receive;
mod stock_transfer;
mod sync;
mod watch;

use std::sync::Arc;

use self::pass::Delivery;
use crate::channels::PLATFORMS;
use crate::cli::{Bundles, Channels, Cli, Command, Dlq, Global, Listings, Stock};
use crate::config::{Environment, load};
use crate::exit::{Failure, Found};
use crate::output::{Out, logging};
use crate::runtime::clock::SystemClock;

pub use calls::{CallAudit, StoredTokens};
pub use seller::{OpenChannel, OpenChannels, Seller, book_rules, folding, policy};

/// Runs one command.
///
/// # Errors
/// [`Failure`], which knows its exit code; it was not reported yet.
pub fn run(cli: Cli, env: &Environment, out: &mut Out) -> Result<Found, Failure> {
    let Cli { global, command } = cli;
    logging::start(
        global.quiet,
        global.verbose,
        env.get("RUST_LOG"),
        out.color_talk(),
    )?;
    match command {
        Command::Init => setup::init(global.config.as_deref(), out),
        Command::Completions(args) => setup::completions(&args, out),
        Command::Man(args) => setup::man(&args, out),
        Command::Demo(args) => runtime()?.block_on(demo::demo(args, out)),
        #[cfg(feature = "sales")]
        Command::Classify(args) => classify::classify(&args, &global, env, out),
        #[cfg(feature = "sales")]
        Command::Simulate(args) => simulate::simulate(&args, &global, env, out),
        #[cfg(feature = "sales")]
        Command::Recommend(args) => recommend::recommend(&args, &global, env, out),
        command => with_seller(command, &global, env, out),
    }
}

/// Runs a command that needs the settings and the store.
fn with_seller(
    command: Command,
    global: &Global,
    env: &Environment,
    out: &mut Out,
) -> Result<Found, Failure> {
    let loaded = load(global.config.as_deref(), env, PLATFORMS)?;
    for warning in &loaded.warnings {
        out.warning(warning);
    }
    let seller = Seller::open(loaded.settings, env.clone(), Arc::new(SystemClock))?;
    let runtime = runtime()?;
    let command = match command {
        // It ends calls under way before it ends, so it takes signals itself.
        Command::Listen(args) => return runtime.block_on(listen::listen(args, seller, out)),
        Command::Schedule(args) if !args.list => {
            return runtime.block_on(async {
                plan::check(&Command::Schedule(args), &seller, out).await?;
                schedule::schedule(seller, out).await
            });
        }
        command => command,
    };
    runtime.block_on(async {
        tokio::select! {
            done = checked(command, &seller, out) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    })
}

/// Runs `reconcile` once for a seller that is open already.
///
/// # Errors
/// As the command.
pub async fn reconcile_once(
    args: crate::cli::Reconcile,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    reconcile::reconcile(args, seller, &Delivery::default(), out).await
}

/// Runs `sync` once for a seller that is open already.
///
/// # Errors
/// As the command.
pub async fn sync_once(
    args: crate::cli::SyncOnce,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    sync::sync(args, seller, &Delivery::default(), out).await
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Start)
}

/// Runs a command unless it would send by another plan than the one that is delivered by.
async fn checked(command: Command, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    plan::check(&command, seller, out).await?;
    answer(command, seller, out).await
}

async fn answer(command: Command, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    match command {
        Command::Stock(Stock::Show(args)) => stock::show(args, seller, out).await,
        Command::Stock(Stock::Set(args)) => stock::set(args, seller, out).await,
        Command::Stock(Stock::Import(args)) => stock_import::import(args, seller, out).await,
        Command::Stock(Stock::Count(args)) => stock_count::count(args, seller, out).await,
        Command::Stock(Stock::Receive(args)) => stock_receive::receive(args, seller, out).await,
        Command::Stock(Stock::Expect(args)) => stock_receive::expect(args, seller, out).await,
        Command::Stock(Stock::Transfer(args)) => stock_transfer::transfer(args, seller, out).await,
        Command::Stock(Stock::Adjust(args)) => stock_adjust::adjust(args, seller, out).await,
        Command::Stock(Stock::Hold(args)) => stock_adjust::hold(args, seller, out).await,
        Command::Stock(Stock::Release(args)) => stock_adjust::release(args, seller, out).await,
        Command::Stock(Stock::Rename(args)) => rebook::rename(args, seller, out).await,
        Command::Listings(Listings::Rebook(args)) => rebook::rebook(args, seller, out).await,
        Command::Incidents(command) => incidents::run(command, seller, out).await,
        Command::Listings(Listings::Show(args)) => listings::show(args, seller, out).await,
        Command::Listings(Listings::Check(args)) => listings::check(args, seller, out).await,
        Command::Listings(Listings::Import(args)) => {
            listings_import::import(args, seller, out).await
        }
        Command::Listings(Listings::Discover(args)) => discover::discover(args, seller, out).await,
        Command::Bundles(Bundles::Show) => bundles::show(seller, out).await,
        Command::Bundles(Bundles::Import(args)) => bundles::import(args, seller, out).await,
        Command::Channels(Channels::Check(args)) => channels::check(args, seller, out).await,
        Command::Channels(Channels::Subscribe(args)) => {
            channels::subscribe(args, seller, out).await
        }
        Command::Channels(Channels::Hold(args)) => channels::hold(args, seller, out).await,
        Command::Channels(Channels::Release { channel }) => {
            channels::release(channel, seller, out).await
        }
        Command::Explain(args) => explain::explain(args, seller, out).await,
        Command::Audit(args) => audit::audit(args, seller, out).await,
        Command::Erase(args) => erase::erase(args, seller, out).await,
        Command::Sync(args) => sync::sync(args, seller, &Delivery::default(), out).await,
        Command::Reconcile(args) => {
            reconcile::reconcile(args, seller, &Delivery::default(), out).await
        }
        Command::Schedule(args) => schedule::list(args, seller, out).await,
        Command::Report(command) => report::run(command, seller, out).await,
        Command::Status => status::status(seller, out).await,
        Command::Verify => status::verify(seller, out).await,
        Command::Dlq(Dlq::List) => status::dead_letters(seller, out).await,
        // They were run before.
        Command::Init
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Listen(_)
        | Command::Demo(_) => Ok(Found::Nothing),
        #[cfg(feature = "sales")]
        Command::Classify(_) | Command::Simulate(_) | Command::Recommend(_) => Ok(Found::Nothing),
    }
}
