//! The same question to `DuckDB`, from CSV files: every row that is not as it should be, or not there.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use super::Wishes;
use super::shelf::{count, differs, id, missing, order, shows};
use super::store::UNITS;

/// The stock by SKU, what each listing is, and what each channel shows, by listing and by SKU.
pub(crate) fn write(folder: &Path, wishes: Wishes) {
    let open = |name: &str| BufWriter::new(File::create(folder.join(name)).unwrap());
    let (mut stock, mut listings) = (open("stock.csv"), open("listings.csv"));
    let (mut live, mut live_by_sku) = (open("live.csv"), open("live_by_sku.csv"));
    writeln!(stock, "sku,units").unwrap();
    writeln!(listings, "channel,listing,sku").unwrap();
    writeln!(live, "channel,listing,shows").unwrap();
    writeln!(live_by_sku, "channel,sku,shows").unwrap();
    for n in 0..wishes.skus {
        writeln!(stock, "SKU-{n:08},{UNITS}").unwrap();
    }
    for channel in 0..wishes.channels {
        for n in (0..wishes.skus).map(order(wishes)) {
            writeln!(listings, "c{channel},{},SKU-{n:08}", id(n)).unwrap();
            if !missing(n, wishes) {
                let shows = shows(n, channel, wishes);
                writeln!(live, "c{channel},{},{shows}", id(n)).unwrap();
                writeln!(live_by_sku, "c{channel},SKU-{n:08},{shows}").unwrap();
            }
        }
    }
    for mut file in [stock, listings, live, live_by_sku] {
        file.flush().unwrap();
    }
}

/// Asks it, and checks the answer.
pub(crate) fn ask(python: &str, folder: &Path, wishes: Wishes) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/benches/reconcile/peers/duck.py"
    );
    let out = Command::new(python)
        .arg(script)
        .arg(folder)
        .arg(wishes.channels.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let expected = (count(wishes, differs) + count(wishes, missing)) * wishes.channels;
    for line in text.lines() {
        let found = line.split_whitespace().last().unwrap();
        assert_eq!(found, expected.to_string(), "{line}");
        println!("{line}");
    }
}
