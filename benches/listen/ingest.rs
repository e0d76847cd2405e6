//! How many webhooks a second are accepted so that a kill loses none, beside a server that only answers and beside the
//! receiver that is usually written by hand.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::child::{Killed, Seller, port};
use super::load::{self, Connection, FIRST_ORDER, FIRST_PRODUCT, SECRET};
use super::{Wishes, machine};

/// Keep-alive connections.
const CONNECTIONS: usize = 64;
/// SKUs that the orders are spread over.
const SKUS: usize = 5_000;
/// Units of each: more than are sold.
const UNITS: i64 = 1_000_000;
/// Orders that one connection can number.
const ORDERS_PER_CONNECTION: u64 = 10_000_000;
/// Where PostgreSQL is.
const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/test";

/// One run against one server.
struct Run {
    accepted: BTreeSet<u64>,
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Cores that the load generator used.
    load_cores: f64,
    /// Cores that the server's process used.
    server_cores: f64,
}

pub(crate) async fn run(wishes: &Wishes) {
    println!(
        "# ingest: {CONNECTIONS} connections, closed loop, {} s a run, one unit of one of {SKUS} SKUs an order",
        wishes.seconds
    );
    let peer = Peer::prepare();
    let (mut to_bare, mut to_peer) = (Vec::new(), Vec::new());
    for pair in 1..=wishes.pairs {
        println!("## pair {pair}, load average {}", machine::load());
        let bare = bare(wishes).await;
        say("bare axum", &bare, "nothing is kept");
        let Some(ours) = ours(wishes).await else {
            continue;
        };
        to_bare.push(ours.per_s / bare.per_s);
        if let Some(peer) = &peer
            && let Some(theirs) = peer.run(wishes).await
        {
            to_peer.push(ours.per_s / theirs.per_s);
        }
    }
    summary("onhand / bare axum", &mut to_bare);
    summary("onhand / Express + PostgreSQL", &mut to_peer);
}

fn say(name: &str, run: &Run, kept: &str) {
    println!(
        "{name:24} {:8.0} req/s  p50 {:6.2} ms  p99 {:6.2} ms  server {:.2} cores, load {:.2} cores  {kept}",
        run.per_s, run.p50_ms, run.p99_ms, run.server_cores, run.load_cores
    );
}

fn summary(name: &str, ratios: &mut [f64]) {
    ratios.sort_by(f64::total_cmp);
    match (ratios.first(), ratios.get(ratios.len() / 2), ratios.last()) {
        (Some(least), Some(median), Some(most)) => println!(
            "{name}: median {median:.3} of {} pairs, from {least:.3} to {most:.3}",
            ratios.len()
        ),
        _ => println!("{name}: no figure"),
    }
}

/// Asks as fast as it is answered, and kills the server in the middle of that.
async fn drive(address: SocketAddr, server: &mut Killed, long: Duration) -> Run {
    let date = load::today();
    let pid = server.0.id();
    let (own, theirs) = (machine::cpu_s(std::process::id()), machine::cpu_s(pid));
    let began = Instant::now();
    let ends = began + long;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|n| tokio::spawn(connection(address, n, date.clone(), ends)))
        .collect();
    tokio::time::sleep_until(ends.into()).await;
    let seconds = began.elapsed().as_secs_f64();
    let load_cores = (machine::cpu_s(std::process::id()) - own) / seconds;
    let server_cores = (machine::cpu_s(pid) - theirs) / seconds;
    server.kill();
    let (mut accepted, mut times) = (BTreeSet::new(), Vec::new());
    let mut in_time = 0_u32;
    for task in tasks {
        let (ids, mut took, n) = task.await.unwrap();
        accepted.extend(ids);
        times.append(&mut took);
        in_time += n;
    }
    times.sort_unstable();
    Run {
        accepted,
        per_s: f64::from(in_time) / seconds,
        p50_ms: load::at(&times, 0.5),
        p99_ms: load::at(&times, 0.99),
        load_cores,
        server_cores,
    }
}

/// One connection until the server dies: accepted orders, their times, and how many were answered within the run.
async fn connection(
    address: SocketAddr,
    n: usize,
    date: String,
    ends: Instant,
) -> (Vec<u64>, Vec<Duration>, u32) {
    let (mut accepted, mut times, mut in_time) = (Vec::new(), Vec::new(), 0);
    let mut connection = Connection::open(address).await.unwrap();
    let first = FIRST_ORDER + u64::try_from(n).unwrap() * ORDERS_PER_CONNECTION;
    for id in first..first + ORDERS_PER_CONNECTION {
        let item = usize::try_from(id).unwrap() * 31 % SKUS;
        let request = load::order(id, item, &date);
        let began = Instant::now();
        match connection.ask(&request).await {
            Ok(status) if (200..300).contains(&status) => accepted.push(id),
            Ok(status) => panic!("answered {status}"),
            Err(_) => break,
        }
        times.push(began.elapsed());
        if Instant::now() <= ends {
            in_time += 1;
        }
    }
    (accepted, times, in_time)
}

async fn bare(wishes: &Wishes) -> Run {
    let address = port();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--serve-bare", &address.port().to_string()])
        .spawn()
        .unwrap();
    let mut server = Killed(child);
    load::first_accepted(address, Instant::now()).await;
    drive(address, &mut server, wishes.long()).await
}

async fn ours(wishes: &Wishes) -> Option<Run> {
    let seller = Seller::open("observe", "", &[]).await;
    let names = (0..SKUS).map(|n| (FIRST_PRODUCT + n).to_string()).collect();
    seller.stock(SKUS, UNITS, &[(load::CHANNEL, names)]).await;
    let mut server = seller.listen();
    load::first_accepted(seller.hooks, Instant::now()).await;
    let run = drive(seller.hooks, &mut server, wishes.long()).await;
    let (p50, p99) = machine::fdatasync(seller.folder.path());
    let mut stored = seller.orders();
    stored.remove(&1);
    let kept = judge(
        run.accepted.difference(&stored).count(),
        run.accepted.len(),
        stored.len(),
    );
    if kept.is_err() {
        println!("{}", seller.log());
    }
    let run = told("onhand listen", run, kept)?;
    println!(
        "{:24} fdatasync of 4 KiB after it: p50 {:.2} ms, p99 {:.2} ms",
        "",
        p50.as_secs_f64() * 1000.0,
        p99.as_secs_f64() * 1000.0
    );
    Some(run)
}

/// Whether the store holds what was accepted: in words, or why there is no figure.
fn judge(lost: usize, accepted: usize, stored: usize) -> Result<String, String> {
    let says = format!(
        "accepted {accepted}, of these lost {lost}, stored {stored} (the rest was unanswered at the kill)"
    );
    let surplus_fits = stored >= accepted && stored - accepted <= CONNECTIONS;
    if lost == 0 && surplus_fits {
        Ok(says)
    } else {
        Err(says)
    }
}

fn told(name: &str, run: Run, kept: Result<String, String>) -> Option<Run> {
    match kept {
        Ok(kept) => {
            say(name, &run, &kept);
            Some(run)
        }
        Err(why) => {
            println!("{name:24} no figure: {why}");
            None
        }
    }
}

/// The receiver that is usually written by hand.
struct Peer {
    folder: TempDir,
}

impl Peer {
    /// Installs it into a temporary folder; nothing, loudly, where that cannot be.
    fn prepare() -> Option<Self> {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/peers/express-pg");
        let folder = tempfile::tempdir().unwrap();
        for file in ["package.json", "server.js"] {
            std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
        }
        let installed = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .current_dir(folder.path())
            .status();
        let reached = std::net::TcpStream::connect("127.0.0.1:5432").is_ok();
        if installed.is_ok_and(|status| status.success()) && reached {
            println!(
                "peer: {}, {}",
                version("node", &["--version"]),
                packages(folder.path())
            );
            Some(Self { folder })
        } else {
            println!(
                "SKIPPED: Express + PostgreSQL, for npm or PostgreSQL at 127.0.0.1:5432 is missing"
            );
            None
        }
    }

    async fn run(&self, wishes: &Wishes) -> Option<Run> {
        let address = port();
        let mut child = Command::new("node")
            .arg("server.js")
            .args([
                &address.port().to_string(),
                SECRET,
                &SKUS.to_string(),
                POSTGRES,
            ])
            .env("NODE_ENV", "production")
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut server = Killed(child);
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        load::first_accepted(address, Instant::now()).await;
        let run = drive(address, &mut server, wishes.long()).await;
        // What was under way ends with its connection.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stored = version(
            "psql",
            &[
                POSTGRES,
                "-Atc",
                "SELECT count(*) - 1 FROM onhand_bench.event",
            ],
        );
        let stored: usize = stored.parse().unwrap_or(0);
        let accepted = run.accepted.len();
        told(
            "Express + PostgreSQL",
            run,
            judge(accepted.saturating_sub(stored), accepted, stored),
        )
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        version(
            "psql",
            &[
                POSTGRES,
                "-qc",
                "DROP SCHEMA IF EXISTS onhand_bench CASCADE",
            ],
        );
    }
}

/// What a program prints.
fn version(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stderr(Stdio::null())
        .output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

fn packages(folder: &Path) -> String {
    let of = |name: &str| {
        let path = folder.join("node_modules").join(name).join("package.json");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        format!("{name} {}", parsed["version"].as_str().unwrap_or("?"))
    };
    let server = version("psql", &[POSTGRES, "-Atc", "SHOW server_version"]);
    format!("{}, {}, PostgreSQL {server}", of("express"), of("pg"))
}
