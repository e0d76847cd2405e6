//! `cargo bench --bench classify -- python=PYTHON generator=GEN.py [data=FOLDER] [pairs=N] [sets=NAME,…]`: one simple
//! question (per SKU the units, the largest clock hour, the tier by it) to onhand, `DuckDB`, polars and pandas, in turn over
//! the same bytes, with the answers compared; and beside it our whole rule, and `wc -l` as the limit.
//!
//! PYTHON has duckdb, polars, pandas and pyarrow; GEN.py makes the files. Prints medians of the ratios of pairs and asserts
//! no time. What the figures mean is in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement prints, breaks off where it cannot go on, and takes the time"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks a second of `/proc/*/stat`.
const TICKS_PER_S: f64 = 100.0;
/// How often a child's memory is looked at.
const LOOK: Duration = Duration::from_millis(4);

/// A file to ask about: its name, and what makes it.
const SETS: &[(&str, &[&str])] = &[
    ("1m", &["--rows", "1000000"]),
    ("10m", &["--rows", "10000000"]),
    ("20m", &["--rows", "20000000"]),
    ("5m-shuffled", &["--rows", "5000000", "--shuffle"]),
    ("2m-dirty", &["--rows", "2000000", "--dirty", "50"]),
];

/// What one run took.
#[derive(Debug, Clone, Copy)]
struct Took {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
}

struct Wishes {
    python: PathBuf,
    generator: PathBuf,
    data: PathBuf,
    pairs: usize,
    sets: Vec<String>,
}

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
            "SKIPPED: a measurement; hint: cargo bench --bench classify -- python=PYTHON generator=GEN.py"
        );
        return;
    };
    let wishes = Wishes {
        python: python.into(),
        generator: generator.into(),
        data: get("data").map_or_else(
            || std::env::temp_dir().join("onhand-classify"),
            PathBuf::from,
        ),
        pairs: get("pairs").map_or(5, |text| text.parse().unwrap()),
        sets: get("sets").map_or_else(Vec::new, |text| {
            text.split(',').map(ToOwned::to_owned).collect()
        }),
    };
    std::fs::create_dir_all(&wishes.data).unwrap();
    println!(
        "onhand {}; {}; load average {}",
        env!("CARGO_PKG_VERSION"),
        machine(),
        load()
    );
    for (name, flags) in SETS {
        if wishes.sets.is_empty() || wishes.sets.iter().any(|wanted| wanted == name) {
            set(&wishes, name, flags);
        }
    }
}

/// One file: everybody in turn, as often as was wished for.
fn set(wishes: &Wishes, name: &str, flags: &[&str]) {
    let file = wishes.data.join(format!("{name}.csv"));
    if !file.exists() {
        let mut make = Command::new(&wishes.python);
        make.arg(&wishes.generator)
            .args(flags)
            .arg("--out")
            .arg(&file)
            .stdout(Stdio::null());
        assert!(
            make.status().unwrap().success(),
            "{} makes no {name}",
            wishes.generator.display()
        );
    }
    let dirty = name.contains("dirty");
    let mut all: BTreeMap<&str, Vec<Took>> = BTreeMap::new();
    for pair in 0..wishes.pairs {
        for who in who(dirty) {
            let out = wishes.data.join(format!("{who}.csv"));
            let took = run(command(wishes, who, &file, &out));
            all.entry(who).or_default().push(took);
            let comparable = !matches!(who, "wc -l" | "onhand, whole rule") && !dirty;
            if comparable && pair == 0 {
                let ours = answers(&wishes.data.join("onhand.csv"));
                assert!(
                    answers(&out) == ours,
                    "{who} answers something else about {name}"
                );
            }
        }
    }
    let bytes = std::fs::metadata(&file).unwrap().len();
    println!(
        "\n{name}: {} MiB, {} runs each, load average {}",
        bytes >> 20,
        wishes.pairs,
        load()
    );
    println!("| | wall s | cpu s | peak MiB | wall / DuckDB | cpu / DuckDB | peak / DuckDB |");
    println!("|---|---|---|---|---|---|---|");
    for (who, runs) in &all {
        let base = all.get("DuckDB").unwrap_or(runs);
        let ratio = |get: fn(&Took) -> f64| {
            median(
                runs.iter()
                    .zip(base)
                    .map(|(a, b)| get(a) / get(b))
                    .collect(),
            )
        };
        let of = |get: fn(&Took) -> f64| median(runs.iter().map(get).collect());
        println!(
            "| {who} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} |",
            of(|t| t.wall_s),
            of(|t| t.cpu_s),
            of(|t| t.peak_mib),
            ratio(|t| t.wall_s),
            ratio(|t| t.cpu_s),
            ratio(|t| t.peak_mib)
        );
    }
}

/// Who answers. A dirty file stops readers that want every row to fit, so only ours are asked about it.
fn who(dirty: bool) -> Vec<&'static str> {
    if dirty {
        vec!["onhand", "onhand, whole rule", "wc -l"]
    } else {
        vec![
            "onhand",
            "DuckDB",
            "polars",
            "pandas",
            "onhand, whole rule",
            "wc -l",
        ]
    }
}

fn command(wishes: &Wishes, who: &str, file: &Path, out: &Path) -> Command {
    let script = |name: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("benches/classify/peers")
            .join(name);
        let mut command = Command::new(&wishes.python);
        command.arg(script).arg(file).arg(out);
        command
    };
    let ours = |rule: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .arg("classify")
            .arg(file)
            .args(["--rule", rule, "-q", "--out"])
            .arg(out)
            .current_dir(&wishes.data);
        command
    };
    match who {
        "onhand" => ours("max-hour"),
        "onhand, whole rule" => ours("peak"),
        "DuckDB" => script("duck.py"),
        "polars" => script("polars_streaming.py"),
        "pandas" => script("pandas_c.py"),
        _ => {
            let mut command = Command::new("wc");
            command.arg("-l").arg(file);
            command
        }
    }
}

/// Runs to the end. A child that has ended keeps its times until it is waited for, and they are read then.
fn run(mut command: Command) -> Took {
    let begin = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_mib: f64 = 0.0;
    let cpu_s = loop {
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            let ticks = |idx: usize| {
                fields
                    .get(idx)
                    .and_then(|text| text.parse::<f64>().ok())
                    .unwrap_or(0.0)
            };
            break (ticks(11) + ticks(12)) / TICKS_PER_S;
        }
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        peak_mib = peak_mib.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(LOOK);
    };
    let wall_s = begin.elapsed().as_secs_f64();
    let status = child.wait().unwrap();
    // Rows that were rejected end with 1.
    assert!(matches!(status.code(), Some(0 | 1)), "{command:?} failed");
    Took {
        wall_s,
        cpu_s,
        peak_mib,
    }
}

/// SKU to tier, peak and units.
fn answers(file: &Path) -> BTreeMap<String, (String, u64, u64)> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |names: &[&str]| {
        headers
            .iter()
            .position(|header| names.contains(&header))
            .unwrap()
    };
    let (sku, tier, units) = (column(&["sku"]), column(&["tier"]), column(&["units"]));
    let peak = column(&["peak", "max_hour_units"]);
    let mut found = BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        let whole = |idx: usize| row.get(idx).unwrap().parse::<u64>().unwrap();
        let answer = (row.get(tier).unwrap().to_owned(), whole(peak), whole(units));
        found.insert(row.get(sku).unwrap().to_owned(), answer);
    }
    found
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} x {cores}", model.map_or("?", |(_, name)| name.trim()))
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
