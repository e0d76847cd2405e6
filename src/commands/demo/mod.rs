//! `demo`: the whole product without credentials. Two emulated marketplaces on loopback, shoppers, faults, and a real
//! `listen` process that is killed and started again in the middle. What it says at the end was counted afterwards, from
//! the marketplaces' own journals and from the books.

mod judge;
mod report;
mod second;
#[cfg(feature = "sales")]
mod tiers;
mod town;
mod truth;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::judge::{Reconciled, Summary};
use self::town::Town;
use super::reconcile;
use super::seller::Seller;
use crate::channels::PLATFORMS;
use crate::cli::Demo;
use crate::config::{Environment, load};
use crate::domain::drift::Class;
use crate::exit::{Failure, Found};
use crate::ledger::counts;
use crate::output::{Out, html};
use crate::runtime::clock::SystemClock;

/// How long shoppers shop without `--minutes`.
const SHOPPING: Duration = Duration::from_secs(20);
/// How long the listener may take to open its doors.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// How long everything may take to come to rest after the last shopper.
const SETTLING_MAX: Duration = Duration::from_mins(1);
/// How long the listener stays dead after it was killed.
const DEAD: Duration = Duration::from_secs(1);

/// Runs the demo; exit code 1 if an invariant did not hold.
pub(super) async fn demo(args: Demo, out: &mut Out) -> Result<Found, Failure> {
    let seed = args.seed.unwrap_or_else(rand::random::<u32>);
    let shopping = args.minutes.map_or(SHOPPING, |minutes| {
        Duration::from_secs(60 * u64::from(minutes))
    });
    if let Some(path) = &args.report {
        writable(path)?;
    }
    let folder = Folder::new()?;
    let town = Town::open(u64::from(seed)).await?;
    let config = folder.path().join("config.toml");
    let ports = town::ports()?;
    write(&config, &town.config(ports))?;
    let env: Environment = town.secrets().into_iter().collect();
    let settings = load(Some(&config), &env, PLATFORMS)?.settings;
    let seller = Arc::new(Seller::open(settings, env, Arc::new(SystemClock))?);
    out.note(format!(
        "seed {seed}: two marketplaces on loopback, {} SKUs, {} s of shoppers",
        town::GOODS,
        shopping.as_secs()
    ));
    let (rows, now) = (town::opening_stock(seller.now()), seller.now());
    seller
        .ledger
        .write(move |tables| counts::count(tables, &rows, "demo", now))
        .await?;

    #[cfg(feature = "sales")]
    out.note(tiers::classify(&config, &town, folder.path())?);

    let mut listener = Listener::start(&config, &town, folder.path())?;
    town.wait_open(ports.0, OPENING_MAX).await?;
    out.note("the listener is open; shoppers come");
    town.shop(shopping / 2).await;
    listener.kill()?;
    out.note("the listener was killed in the middle of it; shoppers go on");
    town.shop(DEAD).await;
    listener = Listener::start(&config, &town, folder.path())?;
    town.wait_open(ports.0, OPENING_MAX).await?;
    out.note("the listener was started again");
    town.shop(shopping / 2).await;
    out.note("the shoppers are gone; everything comes to rest");
    let converged = settle(&town, &seller).await?;
    listener.stop().await?;
    out.note("the channels are compared with the books");
    let found = compare(&seller).await?;
    let mut summary = Summary::of(seed, &town, &seller, converged, found).await?;
    let scene = second::while_nobody_listens(&town, &seller).await?;
    listener = Listener::start(&config, &town, folder.path())?;
    town.wait_open(ports.0, OPENING_MAX).await?;
    out.note("second act: a delivery, a count, a transfer that is cut short, an oversell");
    let act = second::play(scene, &town, &seller).await?;
    listener.stop().await?;
    act.say(out);
    summary.second_act = Some(act);
    town.close().await;
    summary.say(out)?;
    if let Some(path) = &args.report {
        write(path, &html::drawn(&summary.page(shopping))?)?;
        out.note(format!("the report is in {}", path.display()));
    }
    if !summary.good() {
        out.note(format!(
            "the books and the listener's log are kept in {}",
            folder.keep().display()
        ));
    }
    Ok(Found::when(!summary.good()))
}

/// Finds out now, and not after the shoppers are gone, whether the report can be written.
fn writable(path: &Path) -> Result<(), Failure> {
    let mut options = std::fs::File::options();
    let file = options.create(true).append(true).open(path);
    file.map(drop).map_err(|error| disk(path, &error))
}

/// Compares every channel with the books; `None` if not all could be read.
async fn compare(seller: &Seller) -> Result<Option<Reconciled>, Failure> {
    Ok(reconcile::tally(seller).await?.map(|tally| Reconciled {
        compared: tally.compared,
        in_flight: tally.of(Class::InFlight),
        drifted: tally.drifted(),
    }))
}

/// Waits until every listing shows what it should and nothing is under way; false if that takes too long.
async fn settle(town: &Town, seller: &Seller) -> Result<bool, Failure> {
    let began = Instant::now();
    let mut calm = 0;
    while began.elapsed() < SETTLING_MAX {
        sleep(Duration::from_millis(500)).await;
        let rest = town.at_rest() && judge::wrong(town, seller).await?.is_empty();
        calm = if rest { calm + 1 } else { 0 };
        if calm == 4 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A folder of the demo's own, gone with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("onhand-demo-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).map_err(|error| disk(&path, &error))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves it where it is.
    fn keep(mut self) -> std::path::PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays for the system's own cleaning of temporary files.
        if !self.0.as_os_str().is_empty() {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

fn disk(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| disk(path, &error))
}

/// A `listen` process of this very program.
struct Listener(Child);

impl Listener {
    fn start(config: &Path, town: &Town, folder: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::Start)?;
        let log_path = folder.join("listen.log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_path);
        let log = log.map_err(|error| disk(&log_path, &error))?;
        let child = Command::new(program)
            .arg("listen")
            .arg("--config")
            .arg(config)
            .envs(town.secrets())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Failure::Start)?;
        Ok(Self(child))
    }

    /// SIGKILL: it has no chance to write anything down.
    fn kill(&mut self) -> Result<(), Failure> {
        self.0.kill().map_err(Failure::Start)?;
        self.0.wait().map_err(Failure::Start)?;
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    async fn stop(mut self) -> Result<(), Failure> {
        let id = self.0.id().to_string();
        let asked = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .map_err(Failure::Start)?;
        for _ in 0..100 {
            if !asked.success() || self.0.try_wait().map_err(Failure::Start)?.is_some() {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        self.kill()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
    }
}
