//! `cargo bench --bench classify -- python=PYTHON generator=GEN.py [data=FOLDER] [pairs=N] [sets=NAME,…]`: one simple
//! question (per SKU the units, the largest clock hour, the tier by it) to onhand, `DuckDB`, polars and pandas, in turn over
//! the same bytes, with the answers compared; and beside it our whole rule, and `wc -l` as the limit.
//!
//! PYTHON has duckdb, polars, pandas and pyarrow; GEN.py makes the files. Prints medians of the ratios of pairs and asserts
//! no time. What the figures mean is in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and breaks off where it cannot go on"
)]

mod took;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use took::{Took, load, machine, median, run};

/// A file to ask about: its name, and what makes it.
const SETS: &[(&str, &[&str])] = &[
    ("1m", &["--rows", "1000000"]),
    ("10m", &["--rows", "10000000"]),
    ("20m", &["--rows", "20000000"]),
    ("5m-shuffled", &["--rows", "5000000", "--shuffle"]),
    ("2m-dirty", &["--rows", "2000000", "--dirty", "50"]),
];

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
    let dirty = is_dirty(&file);
    let mut all: BTreeMap<&str, Vec<Took>> = BTreeMap::new();
    for pair in 0..wishes.pairs {
        for who in who(dirty) {
            let out = wishes.data.join(format!("{who}.csv"));
            let took = run(command(wishes, who, &file, &out));
            all.entry(who).or_default().push(took);
            let comparable = !matches!(who, "wc -l" | "onhand, whole rule");
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

/// Whether a file holds what plain readers of its columns would stumble over.
fn is_dirty(file: &Path) -> bool {
    file.to_string_lossy().contains("dirty")
}

/// Who answers. A dirty file stops readers that want every row to fit; `DuckDB` is told what to mend.
fn who(dirty: bool) -> Vec<&'static str> {
    if dirty {
        vec!["onhand", "DuckDB", "onhand, whole rule", "wc -l"]
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
        "DuckDB" if is_dirty(file) => script("duck_dirty.py"),
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
