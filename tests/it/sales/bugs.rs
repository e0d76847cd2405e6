//! What went wrong for others in public, as small cases. Each is named for what broke.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use onhand::sales::{Asked, Catalog, Decimal, Request, Rule, SalesError};

use super::{Folder, at, request, run, told};

fn one(name: &str, bytes: impl AsRef<[u8]>) -> (Folder, Request) {
    let folder = Folder::new();
    let file = folder.file(name, bytes);
    (folder, request(&[file]))
}

fn units(request: &Request) -> BTreeMap<String, f64> {
    let found = run(request).unwrap();
    found
        .skus
        .into_iter()
        .map(|sku| (sku.sku, sku.units))
        .collect()
}

#[track_caller]
fn check_units(request: &Request, expected: &[(&str, f64)]) {
    let found = units(request);
    let found: Vec<_> = found
        .iter()
        .map(|(sku, units)| (sku.as_str(), *units))
        .collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn refused(request: &Request, says: &str) {
    let error = run(request).unwrap_err();
    assert!(matches!(error, SalesError::File { .. }), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

const HEAD: &str = "order id,time,sku,quantity\n";

#[test]
fn s01_zeros_in_front_of_a_sku_stay() {
    let (_folder, request) = one(
        "a.csv",
        format!(
            "{HEAD}1,2026-11-01T10:00:00Z,0870,1\n2,2026-11-01T10:00:00Z,870,1\n3,2026-11-01T10:00:00Z,00870,1\n"
        ),
    );
    check_units(&request, &[("00870", 1.0), ("0870", 1.0), ("870", 1.0)]);
    let found = run(&request).unwrap();
    assert!(
        found.warnings.iter().any(|w| w.contains("zeros in front")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn s02_a_tab_report_with_commas_is_the_same_report() {
    let text = "amazon-order-id\tpurchase-date\torder-status\tsales-channel\tproduct-name\tsku\titem-status\tquantity\n\
                1\t2026-11-01T10:00:00+00:00\tShipped\tAmazon.com\tRuler\tRUL-1\tShipped\t2\n";
    let (_a, tabs) = one("a.txt", text);
    let (_b, commas) = one("b.csv", text.replace('\t', ","));
    let (tabs, commas) = (run(&tabs).unwrap(), run(&commas).unwrap());
    assert_eq!(told(&tabs), told(&commas));
    assert_eq!(
        (
            tabs.files[0].separator.as_str(),
            commas.files[0].separator.as_str()
        ),
        ("\\t", ",")
    );
}

#[test]
fn s03_encodings_are_found_and_bad_bytes_told() {
    let report = |title: &str, channel: &str| {
        format!(
            "amazon-order-id\tpurchase-date\torder-status\tsales-channel\tproduct-name\tsku\titem-status\tquantity\n\
             1\t2026-11-01T10:00:00+00:00\tShipped\t{channel}\t{title}\tJP-001\tShipped\t2\n"
        )
    };
    let japanese = encoding_rs::SHIFT_JIS
        .encode(&report("赤いマグ 表", "Amazon.co.jp"))
        .0
        .into_owned();
    let western = encoding_rs::WINDOWS_1252
        .encode(&report("Größe", "Amazon.de"))
        .0
        .into_owned();
    for (bytes, encoding) in [
        (japanese, "windows-31j"),
        (western, "windows-1252"),
        (report("Größe", "Amazon.de").into_bytes(), "utf-8"),
    ] {
        let (_folder, request) = one("a.txt", bytes);
        let found = run(&request).unwrap();
        assert_eq!(found.files[0].encoding, encoding);
        assert_eq!(
            (found.skus[0].sku.as_str(), found.skus[0].units),
            ("JP-001", 2.0)
        );
    }
    // An explicit encoding: a bad byte in the SKU rejects the row, in the title it is only told.
    let mut bytes = b"order id,time,title,sku,quantity\n".to_vec();
    bytes.extend_from_slice(
        b"1,2026-11-01T10:00:00Z,Gr\xf6sse,A,1\n2,2026-11-01T10:00:00Z,x,B\xf6,1\n",
    );
    let (_folder, mut request) = one("b.csv", bytes);
    request.asked.encoding = Some("utf-8".to_owned());
    let found = run(&request).unwrap();
    assert_eq!(
        (
            found.rows.counted,
            found.rejected.len(),
            found.rejected[0].line
        ),
        (1, 1, 3)
    );
    assert!(
        found.rejected[0].reason.contains("bytes"),
        "{}",
        found.rejected[0].reason
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|w| w.contains("do not matter here")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn s04_cells_of_an_order_are_joined_over_the_whole_file() {
    let head = "Name,Financial Status,Created at,Lineitem quantity,Lineitem sku,Cancelled at,Payment Method,Id\n";
    let at = "2026-11-01 10:00:00 +0000";
    // Sorted by SKU, so that the rows of both orders are mixed.
    let rows = format!(
        "#1001,,{at},1,A,,,\n#1002,,{at},1,A,,,\n#1001,refunded,{at},1,B,{at},Card,9001\n#1002,paid,{at},1,B,,Card,9002\n#1001,,{at},1,C,,,\n"
    );
    let (folder, request) = one("orders_export_1.csv", format!("{head}{rows}"));
    let reasons = |found: &[String]| {
        found
            .iter()
            .filter(|line| line.ends_with("cancelled"))
            .count()
    };
    let found = told(&run(&request).unwrap());
    assert_eq!((reasons(&found), found.len()), (3, 5), "{found:#?}");
    // An order that is cut across two files.
    let cut = rows.match_indices('\n').nth(1).unwrap().0 + 1;
    let (first, second) = rows.split_at(cut);
    let files = [
        folder.file("a.csv", format!("{head}{first}")),
        folder.file("b.csv", format!("{head}{second}")),
    ];
    let found = told(&run(&super::request(&files)).unwrap());
    assert_eq!((reasons(&found), found.len()), (3, 5), "{found:#?}");
}

#[test]
fn s05_blank_lines_and_no_rows() {
    let row = "1,2026-11-01T10:00:00Z,A,1\n2,2026-11-01T10:00:00Z,A,1\n";
    let (_a, request) = one("a.csv", format!("\n\n{HEAD}{row}\n\n"));
    check_units(&request, &[("A", 2.0)]);
    let (_b, request) = one("b.csv", format!("{HEAD}\n"));
    refused(&request, "no data rows");
    let (_c, request) = one("c.csv", "");
    refused(&request, "none of its first");
}

#[test]
fn s06_a_mark_and_a_sep_line_are_no_data() {
    for text in [
        "\u{feff}\"sku\",\"qty\",\"time\"\n\"A\",\"1\",\"2026-11-01T10:00:00Z\"\n",
        "\u{feff}sku,qty,time\nA,1,2026-11-01T10:00:00Z\n",
        "\u{feff}sep=;\nsku;qty;time\nA;1;2026-11-01T10:00:00Z\n",
        "sep=;\r\nsku;qty;time\r\nA;1;2026-11-01T10:00:00Z\r\n",
    ] {
        let (_folder, request) = one("a.csv", text);
        check_units(&request, &[("A", 1.0)]);
    }
}

#[test]
fn s07_s08_spreadsheet_damage_is_quarantined_with_a_suggestion() {
    let rows = "1,2026-11-01T10:00:00Z,1.9143100000101E+18,5\n2,2026-11-01T10:00:00Z,10-Mar,5\n3,2026-11-01T10:00:00Z,1-Mar,5\n4,2026-11-01T10:00:00Z,MAR1,1\n";
    let (_folder, mut request) = one("a.csv", format!("{HEAD}{rows}"));
    request.catalog = Catalog {
        skus: ["1914310000010100016", "3-10", "MAR1"]
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
        ..Catalog::default()
    };
    let found = run(&request).unwrap();
    let reasons: Vec<_> = found
        .rejected
        .iter()
        .map(|row| (row.line, row.reason.as_str()))
        .collect();
    for ((line, reason), (expected, says)) in
        reasons
            .iter()
            .zip([(2, "1914310000010100016"), (3, "3-10"), (4, "MAR1")])
    {
        assert_eq!(*line, expected);
        assert!(
            reason.contains("it may be") && reason.contains(says),
            "{reason}"
        );
    }
    assert_eq!(
        (reasons.len(), found.skus.len(), found.rows.counted),
        (3, 1, 1)
    );
}

#[test]
fn s09_one_thousand_two_hundred_or_one_and_a_fifth() {
    let text = |price: &str| {
        format!("order id;time;sku;quantity;price\n1;2026-11-01T10:00:00Z;A;1.200;{price}\n")
    };
    let (_a, mut request) = one("a.csv", text("1.355"));
    refused(&request, "--decimal comma");
    request.decimal = Some(Decimal::Comma);
    check_units(&request, &[("A", 1_200.0)]);
    request.decimal = Some(Decimal::Point);
    check_units(&request, &[("A", 1.2)]);
    // The price tells.
    let (_b, request) = one("b.csv", text("1.355,90"));
    check_units(&request, &[("A", 1_200.0)]);
}

#[test]
fn s10_s11_outer_blanks_go_and_inner_ones_stay() {
    let rows = [
        "SKU123",
        "SKU123 ",
        "SKU123\u{a0}",
        "123456 Oaktree",
        "123456  Oaktree",
    ];
    let mut text = HEAD.to_owned();
    for (n, sku) in rows.iter().enumerate() {
        writeln!(text, "{n},2026-11-01T10:00:00Z,{sku},1").unwrap();
    }
    let (_folder, request) = one("a.csv", text);
    check_units(
        &request,
        &[
            ("123456  Oaktree", 1.0),
            ("123456 Oaktree", 1.0),
            ("SKU123", 3.0),
        ],
    );
}

#[test]
fn s15_new_years_eve_is_in_the_old_year() {
    let (_folder, mut request) = one("a.csv", format!("{HEAD}1,2022-12-31 19:50,A,1\n"));
    request.as_of = Some(at("2023-01-01T06:00:00Z"));
    request.window_hours = 365 * 24;
    refused(&request, "--tz Europe/London");
    request.tz = Some("America/Chicago".parse().unwrap());
    let found = run(&request).unwrap();
    assert_eq!(told(&found), ["1 A 1 2023-01-01T01:50:00Z sales"]);
    let heat = found.heat.unwrap();
    assert_eq!(heat.rows[5][19], 1, "Saturday, 19 h in the shop");
}

#[test]
fn s16_the_hour_that_happens_twice_counts_twice() {
    let times = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"];
    let file = |times: &[&str]| {
        let mut text = HEAD.to_owned();
        for (n, time) in times.iter().enumerate() {
            writeln!(text, "{n},2018-10-28 {time},A,1").unwrap();
        }
        let (folder, mut request) = one("a.csv", text);
        request.tz = Some("Europe/Berlin".parse().unwrap());
        (folder, run(&request).unwrap())
    };
    let hours = |found: &onhand::sales::Classified| -> Vec<String> {
        let lines = found.lines.as_ref().unwrap();
        lines
            .iter()
            .map(|line| line.at_utc.as_ref().unwrap().get(8..16).unwrap().to_owned())
            .collect()
    };
    let (_a, found) = file(&times);
    assert_eq!(
        hours(&found),
        [
            "27T23:30", "28T00:00", "28T00:30", "28T01:00", "28T01:30", "28T02:00"
        ]
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|w| w.contains("4 local times happened twice")),
        "{:?}",
        found.warnings
    );
    // Newest first tells as much.
    let backward: Vec<_> = times.into_iter().rev().collect();
    let (_b, found) = file(&backward);
    assert_eq!(
        hours(&found),
        [
            "28T02:00", "28T01:30", "28T01:00", "28T00:30", "28T00:00", "27T23:30"
        ]
    );
    // In no order the first of the two is taken.
    let (_c, found) = file(&["03:00", "02:30", "01:30", "02:00"]);
    assert_eq!(
        hours(&found),
        ["28T02:00", "28T00:30", "27T23:30", "28T00:00"]
    );
}

#[test]
fn s17_cancelled_orders_are_demand_only_where_stock_was_missing() {
    let mut text = "order id,time,sku,quantity,status\n".to_owned();
    let groups = [
        ("paid", 10),
        ("cancelled by buyer", 5),
        ("cancelled by seller: out of stock", 2),
        ("test", 1),
    ];
    let mut n = 0;
    for (status, count) in groups {
        for _ in 0..count {
            n += 1;
            writeln!(text, "{n},2026-11-01T10:00:00Z,A,1,{status}").unwrap();
        }
    }
    let (_folder, mut request) = one("a.csv", text);
    let found = run(&request).unwrap();
    assert_eq!((found.rows.read, found.rows.counted), (18, 12));
    let ignored: Vec<_> = found
        .ignored
        .iter()
        .map(|row| (row.reason.as_str(), row.rows))
        .collect();
    assert_eq!(ignored, [("cancelled_by_buyer", 5), ("test_order", 1)]);
    let noted = told(&found)
        .iter()
        .filter(|line| line.ends_with("cancelled_out_of_stock_counted"))
        .count();
    assert_eq!(noted, 2);
    // A switch changes it.
    request.asked = Asked {
        counted: vec!["cancelled_by_buyer".to_owned()],
        ..Asked::default()
    };
    assert_eq!(run(&request).unwrap().rows.counted, 17);
}

#[test]
fn s18_a_drop_at_the_end_is_told_and_no_evidence() {
    let file = |last_days: u32| {
        let mut text = HEAD.to_owned();
        let mut n = 0;
        for day in 0..90_i64 {
            let count = if day >= 83 { last_days } else { 150 };
            for k in 0..count {
                n += 1;
                let hour = 8 + k % 12;
                let date = chrono::DateTime::from_timestamp(
                    1_780_000_000 / 86_400 * 86_400 + day * 86_400,
                    0,
                )
                .unwrap();
                writeln!(
                    text,
                    "{n},{}T{hour:02}:{:02}:00Z,A,1",
                    date.format("%Y-%m-%d"),
                    k % 60
                )
                .unwrap();
            }
        }
        let (folder, mut request) = one("a.csv", text);
        request.lines = false;
        (folder, run(&request).unwrap())
    };
    let (_a, found) = file(30);
    assert!(
        found.warnings[0].contains("the last 7 days look incomplete"),
        "{:?}",
        found.warnings
    );
    assert!(
        found.warnings[0].contains("--as-of "),
        "{:?}",
        found.warnings
    );
    assert!(found.incomplete_since.is_some());
    let (_b, found) = file(150);
    assert_eq!(found.incomplete_since, None, "{:?}", found.warnings);
}

#[test]
fn s19_columns_come_and_go_by_name() {
    let (_a, request) = one(
        "a.csv",
        "new column,quantity,sku,order id,time\nx,2,A,1,2026-11-01T10:00:00Z\n",
    );
    let found = run(&request).unwrap();
    assert!((found.skus[0].units - 2.0).abs() < 1e-9);
    let (_b, request) = one(
        "b.txt",
        "sku\tpurchase-date\tamazon-order-id\tquantity\torder-status\nA\t2026-11-01T10:00:00Z\t1\t2\tShipped\n",
    );
    let found = run(&request).unwrap();
    assert_eq!(
        found.files[0].missing_columns,
        ["sales-channel", "item-status"]
    );
    let (_c, mut request) = one(
        "c.txt",
        "sku\tpurchase-date\tquantity\torder-status\nA\t2026-11-01\t2\tShipped\n",
    );
    request.asked.profile = onhand::sales::built_in()
        .iter()
        .find(|p| p.name == "amazon")
        .cloned();
    refused(&request, "its header lacks amazon-order-id");
}

/// Sales of many SKUs in the order of time; the same rows in one file or in twelve give the same answer.
#[test]
fn s20_one_file_or_twelve_are_the_same() {
    let rows: Vec<String> = (0..24_000_u64)
        .map(|n| {
            let at = chrono::DateTime::from_timestamp(
                1_780_000_000 + i64::try_from(n).unwrap() * 200,
                0,
            )
            .unwrap();
            format!(
                "{},{},S{},{}\n",
                n / 2,
                at.format("%Y-%m-%dT%H:%M:%SZ"),
                n * n % 97,
                n % 3 + 1
            )
        })
        .collect();
    let folder = Folder::new();
    let whole = folder.file("whole.csv", format!("{HEAD}{}", rows.concat()));
    let parts: Vec<_> = rows
        .chunks(2_000)
        .enumerate()
        .map(|(n, rows)| folder.file(&format!("{n}.csv"), format!("{HEAD}{}", rows.concat())))
        .collect();
    for rule in [Rule::Peak, Rule::MaxHour] {
        let answer = |files: &[std::path::PathBuf]| {
            let mut request = request(files);
            (request.lines, request.rule) = (false, rule);
            run(&request).unwrap()
        };
        let (one, twelve) = (answer(std::slice::from_ref(&whole)), answer(&parts));
        assert_eq!(one.skus, twelve.skus);
        assert_eq!(one.rows, twelve.rows);
    }
}

#[test]
fn overlapping_exports_count_a_line_once() {
    let row = |n: u32, sku: &str| format!("{n},2026-11-01T10:00:00Z,{sku},1\n");
    let folder = Folder::new();
    // Order 2 has two equal lines, and both files hold it.
    let first = folder.file(
        "a.csv",
        format!("{HEAD}{}{}{}", row(1, "A"), row(2, "A"), row(2, "A")),
    );
    let second = folder.file(
        "b.csv",
        format!("{HEAD}{}{}{}", row(2, "A"), row(2, "A"), row(3, "A")),
    );
    let copy = folder.file(
        "c.csv",
        format!("{HEAD}{}{}{}", row(1, "A"), row(2, "A"), row(2, "A")),
    );
    let found = run(&request(&[first, second, copy])).unwrap();
    assert_eq!((found.rows.read, found.rows.counted), (6, 4));
    assert_eq!(
        (found.ignored[0].reason.as_str(), found.ignored[0].rows),
        ("duplicate", 2)
    );
    assert!(
        found.warnings.iter().any(|w| w.contains("the same bytes")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn archives_and_line_ends_do_not_matter() {
    let text = format!("{HEAD}1,2026-11-01T10:00:00Z,\"A, 1\",1\n2,2026-11-01T10:00:00Z,B,2\n");
    let folder = Folder::new();
    let gzip = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let archive = {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive
            .start_file("inner/a.csv", zip::write::SimpleFileOptions::default())
            .unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let wide = |big: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    for (name, bytes) in [
        ("a.csv.gz", gzip),
        ("a.zip", archive),
        ("a-utf16le.csv", wide(false)),
        ("a-utf16be.csv", wide(true)),
        ("a-cr.csv", text.replace('\n', "\r").into_bytes()),
        ("a-crlf.csv", text.replace('\n', "\r\n").into_bytes()),
        ("a-mixed.csv", text.replacen('\n', "\r", 1).into_bytes()),
        (
            "a-junk.csv",
            format!("Export of today\n\n{text}").into_bytes(),
        ),
    ] {
        let file = folder.file(name, bytes);
        let found = run(&request(&[file])).unwrap();
        let skus: Vec<_> = found
            .skus
            .iter()
            .map(|sku| (sku.sku.as_str(), sku.units))
            .collect();
        assert_eq!(skus, [("A, 1", 1.0), ("B", 2.0)], "{name}");
    }
}

#[test]
fn bundles_count_as_what_is_in_them() {
    let (_folder, mut request) = one(
        "a.csv",
        format!("{HEAD}1,2026-11-01T10:00:00Z,SET,2\n2,2026-11-01T11:00:00Z,MUG,1\n"),
    );
    request.catalog = Catalog {
        skus: ["MUG", "SPOON"].iter().map(ToString::to_string).collect(),
        recipes: BTreeMap::from([(
            "SET".to_owned(),
            vec![("MUG".to_owned(), 1), ("SPOON".to_owned(), 3)],
        )]),
    };
    check_units(&request, &[("MUG", 3.0), ("SPOON", 6.0)]);
}

#[test]
fn a_time_in_the_future_is_a_mistake() {
    let (_folder, request) = one(
        "a.csv",
        format!("{HEAD}1,2026-11-26T10:00:00Z,A,1\n2,2036-11-01T10:00:00Z,A,1\n"),
    );
    let found = run(&request).unwrap();
    assert_eq!(
        (found.rows.counted, found.rejected[0].reason.as_str()),
        (1, "the time is in the future")
    );
}

#[test]
fn a_day_that_could_be_a_month_is_asked() {
    let text = |day: &str| format!("{HEAD}1,05/11/2026 10:00,A,1\n2,{day}/11/2026 10:00,A,1\n");
    let (_a, mut request) = one("a.csv", text("06"));
    request.tz = Some("UTC".parse().unwrap());
    refused(&request, "--dates day-first");
    let (_b, mut request) = one("b.csv", text("13"));
    request.tz = Some("UTC".parse().unwrap());
    assert_eq!(
        told(&run(&request).unwrap())[0],
        "1 A 1 2026-11-05T10:00:00Z sales"
    );
}
