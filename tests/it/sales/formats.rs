//! Formats of which we wrote the samples ourselves, from their columns: `tests/data/exports`.

use std::path::Path;

use super::{Folder, at, request, run, told};
use onhand::sales::Request;

fn sample(name: &str) -> Request {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/exports");
    let mut request = request(&[folder.join(name)]);
    request.window_hours = 366 * 24;
    request
}

#[track_caller]
fn check(request: &Request, expected: &[&str]) {
    assert_eq!(told(&run(request).unwrap()), expected);
}

#[test]
fn amazon_date_range_has_the_time_of_posting() {
    let request = sample("amazon-date-range.csv");
    check(
        &request,
        &[
            "113-0000001-0000001 PEN-1 2 2025-06-09T05:23:05Z amazon",
            "-113-0000002-0000002 PEN-1 1 2025-06-09T08:02:03Z amazon refund",
            "-  null 2025-06-09T09:00:00Z  not_a_sale",
            "113-0000003-0000003 00123 1200 2025-06-10T16:00:00Z amazon",
        ],
    );
    let found = run(&request).unwrap();
    assert_eq!(found.files[0].resolution, ["posted"]);
    assert!(
        found.warnings[0].contains("posting"),
        "{:?}",
        found.warnings
    );
    assert!(
        found.skus.iter().all(|sku| sku.own_peak == 0.0),
        "a posting proves no burst"
    );
}

#[test]
fn ebay_speaks_german() {
    check(
        &sample("ebay-orders-de.csv"),
        &[
            "07-00001-00001 BECHER-1 2 2026-10-01 ebay",
            "-07-00001-00002 BECHER-2 1 2026-10-02 ebay unpaid",
        ],
    );
}

#[test]
fn walmart_comes_as_csv_too() {
    check(
        &sample("walmart-po.csv"),
        &[
            "208000000000001 MUG-1 2 2026-11-01 walmart",
            "208000000000001 MUG-1 1 2026-11-01 walmart",
            "-208000000000002 MUG-2 1 2026-11-02 walmart cancelled",
        ],
    );
}

#[test]
fn totals_of_a_day_need_the_day() {
    let mut request = sample("walmart-item-sales.csv");
    let error = run(&request).unwrap_err().to_string();
    assert!(error.contains("--date 2026-11-25"), "{error}");
    request.day = Some("2026-11-20".parse().unwrap());
    check(
        &request,
        &[
            " MUG-1 82 2026-11-20 walmart",
            "- MUG-2 0 2026-11-20 walmart zero_quantity",
        ],
    );
}

#[test]
fn tiktok_takes_the_zone_of_the_country() {
    check(
        &sample("tiktok-sea.csv"),
        &[
            "577000000000000001 KAOS-1 2 2026-11-05T07:30:05Z tiktok",
            "-577000000000000002 KAOS-1 1 2026-11-13T02:00:00Z tiktok cancelled",
            "-577000000000000003 KAOS-2 1 2026-11-13T02:10:00Z tiktok unpaid",
        ],
    );
}

#[test]
fn woocommerce_packs_items_into_a_cell_or_rows() {
    let mut request = sample("woocommerce-cell.csv");
    request.tz = Some("Europe/London".parse().unwrap());
    check(
        &request,
        &[
            "6001 MUG-1 2 2026-07-01T09:00:00Z woocommerce",
            "6001 00123 1 2026-07-01T09:00:00Z woocommerce",
            "6002 MUG-1 1 2026-07-01T09:05:00Z woocommerce",
            "6003 MUG-2 1 2026-07-01T09:06:00Z woocommerce refunded_but_counted",
            "-6004 MUG-2 1 2026-07-01T09:07:00Z woocommerce cancelled",
            "-6005  null 2026-07-01T09:08:00Z woocommerce no_item",
        ],
    );
    let mut request = sample("woocommerce-rows.csv");
    request.tz = Some("Europe/London".parse().unwrap());
    check(
        &request,
        &[
            "7001 MUG-1 2 2026-07-01T09:00:00Z woocommerce",
            "7001 00123 1 2026-07-01T09:00:00Z woocommerce",
            "7002 MUG-1 1 2026-07-01T10:00:00Z woocommerce on_hold_counted",
            "-7003 MUG-1 1 2026-07-01T11:00:00Z woocommerce cancelled",
            "-7004 MUG-1 -1 2026-07-01T12:00:00Z woocommerce return",
        ],
    );
}

#[test]
fn bigcommerce_comes_with_a_row_per_item_too() {
    let mut request = sample("bigcommerce-rows.csv");
    request.tz = Some("UTC".parse().unwrap());
    request.now = at("2026-12-31T00:00:00Z");
    check(
        &request,
        &[
            "301 MUG-1 2 2026-12-25T08:15:30Z bigcommerce",
            "301 00123 1 2026-12-25T08:15:30Z bigcommerce",
            "-302 MUG-1 1 2026-12-26T09:00:00Z bigcommerce awaiting_payment",
            "303 MUG-1 1 2026-12-26T09:30:00Z bigcommerce refund_not_attributable_to_line",
        ],
    );
}

#[test]
fn square_names_its_zone_in_each_row() {
    let found = run(&sample("square-items.csv")).unwrap();
    assert_eq!(
        told(&found),
        [
            "T1 MUG-1 1 2026-07-18T16:59:30Z square",
            "T2 TEA-1 0.25 2026-07-18T17:05:00Z square",
            "-T3 MUG-1 -1 2026-07-18T17:10:00Z square refund",
            "-T4  1 2026-07-18T18:20:00Z square custom_amount",
        ]
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.contains("not whole")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn shipstation_repeats_an_order_per_label() {
    check(
        &sample("shipstation.csv"),
        &[
            "SS-1 MUG-1 2 2026-07-01T16:30:33Z shopify",
            "-SS-1 MUG-1 2 2026-07-01T16:30:33Z shopify duplicate",
            "-SS-1  null 2026-07-01T16:30:33Z shopify no_item",
            "-SS-2 MUG-1 1 2026-07-13T07:05:00Z ebay cancelled",
            "-SS-3 MUG-2 1 2026-07-13T20:00:00Z ebay awaiting_payment",
        ],
    );
}

#[test]
fn linnworks_lists_kits_beside_their_parts() {
    check(
        &sample("linnworks.csv"),
        &[
            "-111-1 SET-1 1 2026-07-01T10:00:00Z amazon kit_parent",
            "111-1 MUG-1 2 2026-07-01T10:00:00Z amazon",
            "-111-1 POSTAGE 1 2026-07-01T10:00:00Z amazon service_line",
            "-111-2 MUG-1 1 2026-07-02T10:00:00Z ebay resend",
            "111-3 00123 1 2026-07-03T10:00:00Z ebay",
        ],
    );
}

#[test]
fn what_cannot_be_classified_is_refused_by_name() {
    let folder = Folder::new();
    for (name, header, says) in [
        (
            "a.csv",
            "(Parent) ASIN,(Child) ASIN,SKU,Units Ordered,Ordered Product Sales,Total Order Items",
            "All Orders",
        ),
        (
            "b.csv",
            "Product title,SKU,Items sold,N. Revenue",
            "line-item plugin",
        ),
        (
            "c.csv",
            "Transaction creation date,Type,Order number,SKU,Quantity",
            "Orders > Download report",
        ),
        ("d.csv", "name,colour,size", "none of its first 40 lines"),
        ("e.csv", "sku,qty,colour", "no column of the time"),
    ] {
        let cells = vec!["1"; header.split(',').count()].join(",");
        let file = folder.file(name, format!("{header}\n{cells}\n"));
        let error = run(&request(&[file])).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}
