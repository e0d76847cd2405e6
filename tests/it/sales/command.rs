//! `onhand classify` as people type it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::Folder;
use crate::fixtures::shared;

impl Folder {
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env_clear();
        command.output().unwrap()
    }

    /// Runs a command that must end with this code; what it said on both ways.
    #[track_caller]
    pub(super) fn check(&self, line: &str, code: i32) -> (String, String) {
        let found = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (data, talk) = (text(&found.stdout), text(&found.stderr));
        assert_eq!(found.status.code(), Some(code), "{line}:\n{data}\n{talk}");
        (data, talk)
    }

    #[track_caller]
    pub(super) fn json(&self, line: &str, code: i32) -> Value {
        serde_json::from_str(&self.check(&format!("{line} --format json"), code).0).unwrap()
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }
}

/// A shop in which `n` orders an hour of A are sold from 8 to 20 on 30 days, and one of B.
fn shop(n: usize, first_day: u32) -> String {
    let mut text = "order id,time,sku,quantity\n".to_owned();
    for day in first_day..first_day + 28 {
        for hour in 8..20 {
            for k in 0..n {
                writeln!(
                    text,
                    "{day}-{hour}-{k},{}T{hour:02}:{:02}:00Z,A,1",
                    date(day),
                    k % 60
                )
                .unwrap();
            }
            writeln!(text, "{day}-{hour}-b,{}T{hour:02}:30:00Z,=B+1,1", date(day)).unwrap();
        }
    }
    text
}

fn date(day: u32) -> String {
    let at = chrono::DateTime::from_timestamp(1_780_272_000 + i64::from(day) * 86_400, 0).unwrap();
    at.format("%Y-%m-%d").to_string()
}

#[test]
fn the_answer_comes_in_every_form() {
    let folder = Folder::new();
    folder.file("a.csv", shop(12, 0) + "x,yesterday,A,1\n");
    let (table, talk) = folder.check(
        "classify a.csv --rejects bad.csv --report page.html --out out.parquet",
        1,
    );
    assert!(
        table.starts_with("tier  skus  skus %  units  units %\nA        1"),
        "{table}"
    );
    assert!(table.contains("\"yesterday\" is no time"), "{table}");
    assert!(
        talk.contains("read 4369 rows: 4368 counted, 0 ignored, 1 rejected"),
        "{talk}"
    );
    assert_eq!(
        folder.read("bad.csv"),
        "file,line,reason\na.csv,4370,\"\"\"yesterday\"\" is no time\"\n"
    );
    let page = folder.read("page.html");
    assert!(
        page.contains("s week</h2>") && page.contains("<polyline") && !page.contains("<script")
    );
    let parquet = std::fs::read(folder.path().join("out.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    // A formula in a SKU stays a text for a spreadsheet.
    let (csv, _) = folder.check("classify a.csv --format csv", 1);
    assert!(csv.contains("\n'=B+1,C,"), "{csv}");
    folder.check("classify a.csv --out out.csv --out-of-stock none.csv", 2);
    let found = folder.json("classify a.csv --lines", 1);
    assert_eq!(found["schema"], "onhand.classify/1");
    assert_eq!(found["lines"].as_array().unwrap().len(), 4_369);
    assert_eq!(found["skus"][1]["channels"]["sales"], 4_032.0);
    for (line, says) in [
        ("classify nowhere.csv", "nowhere.csv"),
        ("classify a.csv --out x.txt", "its ending says no format"),
        ("classify a.csv --tz Mars", "no time zone"),
        ("classify a.csv --export etsy", "one of shopify, amazon"),
        (
            "classify a.csv --columns sku=sku,quantity=pieces,time=time",
            "its header lacks pieces",
        ),
    ] {
        assert!(folder.check(line, 2).1.contains(says), "{line}");
    }
    assert!(
        !folder.path().join("data").exists(),
        "looking makes no store"
    );
}

#[test]
fn tiers_are_kept_go_up_at_once_and_down_slowly() {
    let folder = Folder::new();
    folder.file("stock.csv", "sku,on_hand\nA,100\n");
    folder.check("stock import stock.csv", 0);
    let apply = |n: usize, day: u32| {
        folder.file("a.csv", shop(n, day));
        folder.json("classify a.csv --window 28d --apply", 0)
    };
    let tier_of_a = |found: &Value| {
        let changes = found["changes"].as_array().unwrap();
        let a = changes.iter().find(|change| change["sku"] == "A");
        a.map(|change| {
            (
                change["to"].as_str().unwrap().to_owned(),
                change["why"].as_str().unwrap().to_owned(),
            )
        })
    };
    let of = |tier: &str, why: &str| Some((tier.to_owned(), why.to_owned()));
    assert_eq!(tier_of_a(&apply(5, 0)), of("B", "new"));
    assert_eq!(tier_of_a(&apply(12, 1)), of("A", "faster: at once"));
    assert_eq!(tier_of_a(&apply(12, 2)), None);
    let slower = |n: &str| of("A", &format!("measured B; slower in {n} of 3 windows"));
    assert_eq!(tier_of_a(&apply(5, 3)), slower("1"));
    assert_eq!(
        tier_of_a(&apply(5, 3)),
        None,
        "the same window again is no evidence"
    );
    assert_eq!(tier_of_a(&apply(5, 4)), slower("2"));
    assert_eq!(tier_of_a(&apply(5, 5)), of("B", "slower in 3 windows"));
    let history = folder.check("audit A", 0).0;
    assert!(history.contains("faster: at once"), "{history}");
    // Without the flag nothing is kept, and what would change is shown; a pin wins.
    folder.file("a.csv", shop(12, 6));
    let (table, talk) = folder.check("classify a.csv --window 28d", 0);
    assert!(
        table.contains("faster: at once") && talk.contains("--apply would change 1"),
        "{table}{talk}"
    );
    folder.file("config.toml", "[tiers.pin]\n\"A\" = \"C\"\n");
    let found = folder.json("classify a.csv --window 28d", 0);
    let a = &found["skus"][1];
    assert_eq!(
        (&a["tier"], &a["measured_tier"], &a["pinned"]),
        (&"C".into(), &"A".into(), &true.into())
    );
    // A SKU that the files do not name keeps its tier.
    folder.file(
        "b.csv",
        "order id,time,sku,quantity\n1,2026-06-01T10:00:00Z,Z,1\n",
    );
    let found = folder.json("classify b.csv --apply", 0);
    assert_eq!(found["stale"], 2);
}

#[test]
fn the_published_call_gives_the_published_numbers() {
    let Some(data) = shared("data/online-retail.csv.gz") else {
        return;
    };
    let folder = Folder::new();
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/online-retail.toml");
    let line = format!(
        "classify {} --export {} --window 90d --as-of 2011-12-09T13:00:00Z",
        data.display(),
        profile.display()
    );
    let found = folder.json(&line, 0);
    assert_eq!(found["rows"]["counted"], 203_176);
    let n = |tier: &str| {
        found["skus"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|sku| sku["tier"] == tier)
            .count()
    };
    assert_eq!((n("A"), n("B"), n("C")), (38, 484, 2_636));
}

#[test]
fn hours_without_stock_come_from_the_books() {
    let folder = Folder::new();
    folder.file(
        "stock.csv",
        "sku,on_hand,as_of\nA,30,2026-06-01T00:00:00Z\n",
    );
    folder.check("stock import stock.csv", 0);
    // Gone from noon of the 11th to noon of the 16th: five days, of which the first hour in part.
    folder.file(
        "count.csv",
        "sku,counted,counted_at\nA,0,2026-06-11T12:30:00Z\n",
    );
    folder.check("stock count count.csv", 0);
    folder.file(
        "count.csv",
        "sku,counted,counted_at\nA,30,2026-06-16T12:30:00Z\n",
    );
    folder.check("stock count count.csv", 0);
    let mut text = "order id,time,sku,quantity\n".to_owned();
    for day in (1..=11).chain(16..=28) {
        writeln!(text, "{day},2026-06-{day:02}T12:10:00Z,A,1").unwrap();
    }
    folder.file("a.csv", &text);
    let exposure = |line: &str| folder.json(line, 0)["skus"][0]["exposure_hours"].clone();
    let line = "classify a.csv --window 28d --as-of 2026-06-29T00:00:00Z";
    // From its first sale on, without those hours.
    assert_eq!(exposure(line), 28 * 24 - 12 - (5 * 24 - 1));
    // Sold while the books say that there was none: the books are not believed.
    folder.file("a.csv", text + "x,2026-06-13T09:00:00Z,A,1\n");
    assert_eq!(exposure(line), 28 * 24 - 12);
    folder.file(
        "a.csv",
        "order id,time,sku,quantity\n1,2026-06-01T12:10:00Z,A,1\n",
    );
    assert_eq!(exposure(line), 28 * 24 - 12 - (5 * 24 - 1));
    folder.file("none.csv", "sku,from,until\n");
    let all = exposure(&format!("{line} --out-of-stock none.csv"));
    assert_eq!(all, 28 * 24 - 12);
}

#[test]
fn a_tools_export_beside_the_channels_own_is_refused_until_it_is_said_which_counts() {
    let folder = Folder::new();
    let header = "Order Id,Channel reference,Received date,SKU,Quantity,Source,SubSource,Status,Item number\n";
    folder.file(
        "tool.csv",
        header.to_owned()
            + "1,SH1,01/06/2026 10:00:00,A,2,SHOPIFY,My Shop,PROCESSED,1\n\
               2,SH2,02/06/2026 11:00:00,A,3,SHOPIFY,My Shop,PROCESSED,1\n\
               3,E1,01/06/2026 12:00:00,A,5,EBAY,eBay1,PROCESSED,1\n\
               4,SH9,09/06/2026 12:00:00,A,7,SHOPIFY,My Shop,PROCESSED,1\n",
    );
    folder.file(
        "own.csv",
        "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem sku\n\
         #1,a@b.c,paid,2026-06-01 10:00:00 +0000,2,A,A\n\
         #2,a@b.c,paid,2026-06-02 11:00:00 +0000,3,A,A\n",
    );
    let (_, talk) = folder.check("classify tool.csv own.csv", 2);
    assert!(
        talk.contains("its orders of shopify are in own.csv, too") && talk.contains("--overlap"),
        "{talk}"
    );
    // 5 of eBay and 7 after the days of Shopify's own export are in the tool's alone.
    for (wins, rule, ignored) in [
        ("own", "peak", 2),
        ("tool", "peak", 2),
        ("own", "max-hour", 2),
    ] {
        let line = format!("classify tool.csv own.csv --overlap {wins} --rule {rule}");
        let found = folder.json(&line, 0);
        assert_eq!(found["skus"][0]["units"], 17.0, "{line}");
        assert_eq!(found["ignored"][0]["reason"], "in_other_export", "{line}");
        assert_eq!(found["ignored"][0]["rows"], ignored, "{line}");
    }
    let found = folder.json("classify tool.csv", 0);
    assert_eq!(found["skus"][0]["units"], 17.0);
}
