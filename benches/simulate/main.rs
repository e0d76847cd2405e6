//! `cargo bench --bench simulate -- python=PYTHON generator=GEN.py [data=FOLDER] [runs=N] [retail=FILE profile=FILE.toml]`: how
//! long `simulate` takes and how much memory, over generated orders, and over a real export if one is given.
//!
//! Prints medians and asserts no time. What the figures mean is in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and breaks off where it cannot go on"
)]

#[path = "../classify/took.rs"]
mod took;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use took::{Took, load, machine, median, run};

/// What is asked of every file: each latency with each buffer, both ways.
const GRID: &[&str] = &["--latency", "5s,1m,5m,15m", "--buffer", "0,1,2,10%"];
/// Generated files: name and rows.
const SETS: &[(&str, &str)] = &[("1m", "1000000"), ("10m", "10000000")];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let get = |name: &str| {
        args.iter().find_map(|arg| {
            arg.strip_prefix(name)?
                .strip_prefix('=')
                .map(ToOwned::to_owned)
        })
    };
    let (Some(python), Some(generator)) = (get("python"), get("generator")) else {
        println!(
            "SKIPPED: a measurement; hint: cargo bench --bench simulate -- python=PYTHON generator=GEN.py"
        );
        return;
    };
    let runs = get("runs").map_or(3, |text| text.parse().unwrap());
    let data = get("data").map_or_else(
        || std::env::temp_dir().join("onhand-classify"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&data).unwrap();
    println!(
        "onhand {}; {}; load average {}",
        env!("CARGO_PKG_VERSION"),
        machine(),
        load()
    );
    println!("| | wall s | cpu s | peak MiB |\n|---|---|---|---|");
    if let (Some(retail), Some(profile)) = (get("retail"), get("profile")) {
        let asked = ["--export", &profile];
        tell("real export", runs, || {
            simulate(&data, Path::new(&retail), &asked)
        });
    }
    for (name, rows) in SETS {
        let file = data.join(format!("{name}.csv"));
        if !file.exists() {
            let mut make = Command::new(&python);
            make.arg(&generator)
                .args(["--rows", rows, "--out"])
                .arg(&file)
                .stdout(Stdio::null());
            assert!(
                make.status().unwrap().success(),
                "{generator} makes no {name}"
            );
        }
        tell(name, runs, || simulate(&data, &file, &[]));
    }
}

fn simulate(folder: &Path, file: &Path, asked: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
    command
        .arg("simulate")
        .arg(file)
        .args(GRID)
        .args(asked)
        .current_dir(folder);
    command
}

fn tell(name: &str, n_runs: usize, command: impl Fn() -> Command) {
    let runs: Vec<Took> = (0..n_runs).map(|_| run(command())).collect();
    let of = |get: fn(&Took) -> f64| median(runs.iter().map(get).collect());
    println!(
        "| {name} | {:.2} | {:.2} | {:.0} |",
        of(|took| took.wall_s),
        of(|took| took.cpu_s),
        of(|took| took.peak_mib)
    );
}
