//! Every report in headless Chromium: no script, no complaint, nothing wider than the screen, one picture per chart, and the
//! figures of the page are those of the JSON.
//!
//! With `ONHAND_PICTURES` set to a folder, pictures of the pages are written there.

mod driver;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use onhand::cli::Reconcile;
use onhand::domain::money::Currency;
use onhand::sandbox::{Goods, Marketplace as _};
use serde_json::Value;

use crate::reconcile::Desk;
use driver::{Driver, Screen, Window};

/// What a page is asked.
const LOOK: &str = r"
const text = (node) => node ? (node.innerText ?? node.textContent).trim() : '';
const seen = (node) => node.getClientRects().length > 0;
return {
  figures: [...document.querySelectorAll('.figures > div')].map((one) => [text(one.querySelector('dt')), text(one.querySelector('dd'))]),
  defined: [...document.querySelectorAll('.figures > div')].filter((one) => one.querySelector('details')).length,
  verdict: text(document.querySelector('.verdict')),
  charts: [...document.querySelectorAll('figure')].map((one) => [
    [...one.querySelectorAll('svg')].filter(seen).length,
    one.querySelectorAll('tbody tr').length,
    [...one.querySelectorAll('svg')].every((svg) => svg.getAttribute('aria-label')),
  ]),
  cut: [...document.querySelectorAll('svg')].filter(seen).flatMap((svg) => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter((one) => {
      const r = one.getBoundingClientRect();
      return r.left < box.left - 2 || r.right > box.right + 2 || r.top < box.top - 2 || r.bottom > box.bottom + 2;
    }).map(text);
  }),
  small: [...document.querySelectorAll('svg')].filter(seen).flatMap((svg) =>
    [...svg.querySelectorAll('text')].filter((one) => one.getBoundingClientRect().height < 12).map(text)),
  too_wide: document.documentElement.scrollWidth - window.innerWidth,
  scripts: document.scripts.length,
};";

/// Three channels, 21 days, 40 SKUs of which few sell most, and a name that would like to be code.
fn sales() -> String {
    let mut text = "order id,time,sku,quantity,channel\n".to_owned();
    let mut seed = 7_u64;
    // A generator of old: the same numbers everywhere.
    let mut dice = |most: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for number in 0..9_000 {
        // Squared twice: the first SKUs sell most. Evenings are busy.
        let rank = dice(40) * dice(40) / 40 * dice(40) / 40;
        let sku = match rank {
            0 => "MUG-BLUE".to_owned(),
            3 => "<img src=x onerror=alert(1)>".to_owned(),
            rank => format!("CUP-{rank:02}"),
        };
        let (day, hour) = (1 + dice(21), 8 + dice(6) + dice(7));
        let (minute, second) = (dice(60), dice(60));
        let channel = ["shop", "web", "market"][usize::try_from(dice(3)).unwrap()];
        writeln!(
            text,
            "{number},2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}Z,\"{sku}\",1,{channel}"
        )
        .unwrap();
    }
    text
}

fn incidents() -> String {
    let mut text = "date,sku,channel,order,units,cost,currency,reason\n".to_owned();
    for n in 0..36 {
        let cost = match n {
            3 => "40,USD",
            9 => "30.50,EUR",
            _ => ",",
        };
        writeln!(
            text,
            "2026-{:02}-{:02},MUG-BLUE,shop,L-{n},1,{cost},late sync",
            9 + n / 12 % 3,
            1 + n % 12 * 2
        )
        .unwrap();
    }
    text
}

/// A report: its name, its page, its document, and the figures that both have to tell.
struct Report {
    name: &'static str,
    page: PathBuf,
    figures: Vec<(&'static str, String)>,
    /// Every figure has its definition one click away.
    defined: bool,
    verdict: Option<String>,
}

fn count(body: &Value, path: &str) -> String {
    body.pointer(path)
        .unwrap_or_else(|| panic!("{path}: {body}"))
        .to_string()
}

fn number(body: &Value, path: &str) -> f64 {
    let found = body.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("{path}: {body}"))
}

fn text(body: &Value, path: &str) -> String {
    let found = body.pointer(path).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{path}: {body}")).to_owned()
}

fn money(body: &Value, path: &str) -> String {
    Currency::USD.about(number(body, path))
}

/// Runs a command that writes a page and prints its document.
fn made(desk: &Desk, line: &str, codes: &[i32]) -> Value {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words.extend(["--format", "json"]);
    let found = desk.command(&words).output().unwrap();
    let (data, talk) = (
        String::from_utf8_lossy(&found.stdout),
        String::from_utf8_lossy(&found.stderr),
    );
    let code = found.status.code().unwrap();
    assert!(codes.contains(&code), "{line}: {code}\n{data}\n{talk}");
    serde_json::from_str(&data).unwrap_or_else(|_| panic!("{line}: {data}"))
}

fn classify(desk: &Desk) -> Report {
    let body = made(desk, "classify sales.csv --report classify.html", &[0]);
    Report {
        name: "classify",
        page: desk.file("classify.html"),
        figures: vec![
            ("Rows read", count(&body, "/rows/read")),
            ("Counted", count(&body, "/rows/counted")),
            ("Ignored", count(&body, "/rows/ignored")),
            ("Rejected", count(&body, "/rows/rejected")),
            ("SKUs", body["skus"].as_array().unwrap().len().to_string()),
        ],
        defined: true,
        verdict: None,
    }
}

fn simulate(desk: &Desk) -> Report {
    let line = "simulate sales.csv --current 15m --stockouts 12 --report simulate.html";
    let body = made(desk, line, &[0]);
    Report {
        name: "simulate",
        page: desk.file("simulate.html"),
        figures: vec![
            (
                "Stockouts a month",
                format!("{:.1}", number(&body, "/stockouts_per_month")),
            ),
            ("One oversold order", money(&body, "/cost_per_incident")),
        ],
        defined: true,
        verdict: None,
    }
}

fn cost(desk: &Desk) -> Report {
    let line =
        "report cost --since 2026-09-01 --until 2026-10-31 --change 2026-10-01 --out cost.html";
    let body = made(desk, line, &[0]);
    assert_eq!(body["incidents"], 24);
    let [low, high] = ["/interval_95/0", "/interval_95/1"].map(|path| money(&body, path));
    Report {
        name: "cost",
        page: desk.file("cost.html"),
        figures: vec![
            ("Cost per month", money(&body, "/total_per_month")),
            ("95 % limits", format!("{low} to {high}")),
            ("Incidents", count(&body, "/incidents")),
            ("One incident", money(&body, "/cost_per_incident")),
            (
                "Until it is sure",
                match body["recommendation"]["months_to_decide"].as_u64() {
                    Some(0) => "decided".to_owned(),
                    Some(months) => format!("{months} months"),
                    None => "not by waiting".to_owned(),
                },
            ),
        ],
        defined: true,
        verdict: Some(text(&body, "/recommendation/reason")),
    }
}

fn recommend(desk: &Desk) -> Report {
    let body = made(
        desk,
        "recommend sales.csv --now 15m --report recommend.html",
        &[0],
    );
    let pct = |path| format!("{:.1} %", number(&body, path));
    let advice = &body["recommendation"];
    assert_eq!(advice["tier"], "near_real_time", "{advice}");
    Report {
        name: "recommend",
        page: desk.file("recommend.html"),
        figures: vec![
            ("SKUs for real time", count(&body, "/real_time_skus")),
            ("Real time prevents", pct("/prevented_pct/all_real_time")),
            ("A minute prevents", pct("/prevented_pct/near_real_time")),
            (
                "Saving per month",
                money(&body, "/choices/0/saving/saving_per_month"),
            ),
        ],
        defined: true,
        verdict: Some(text(&body, "/recommendation/reason")),
    }
}

fn weekly(desk: &Desk) -> Report {
    let body = made(desk, "report weekly --out weekly.html", &[0, 1]);
    let whole = |path, unit| match body.pointer(path).and_then(Value::as_f64) {
        Some(value) => format!("{value:.0}{unit}"),
        None => "not known".to_owned(),
    };
    Report {
        name: "weekly",
        page: desk.file("weekly.html"),
        figures: vec![
            ("Incidents", whole("/incidents/this_week", "")),
            ("p95 latency", whole("/latency_p95_ms/this_week", " ms")),
            ("Discrepancies", whole("/discrepancies/this_week", "")),
        ],
        defined: true,
        verdict: None,
    }
}

async fn reconcile(desk: &Desk) -> Report {
    let page = desk.file("reconcile.html");
    let found = desk
        .reconcile(Reconcile {
            report: Some(page.clone()),
            ..Reconcile::default()
        })
        .await;
    Report {
        name: "reconcile",
        page,
        figures: vec![
            ("Differ", count(&found.body, "/drifted")),
            ("Compared", count(&found.body, "/compared")),
            ("In flight", count(&found.body, "/in_flight")),
        ],
        defined: false,
        verdict: None,
    }
}

/// Opens one report on one screen, and holds it to its document.
fn look(window: &Window<'_>, screen: Screen, report: &Report) {
    let name = format!("{} on a {}", report.name, screen.word());
    window.open(&report.page);
    let found = window.run(LOOK);
    assert_eq!(window.complaints(), [""; 0], "{name}");
    assert_eq!(found["scripts"], 0, "{name}");
    assert_eq!(
        found["cut"],
        serde_json::json!([]),
        "{name}: texts beyond their picture"
    );
    assert_eq!(
        found["small"],
        serde_json::json!([]),
        "{name}: letters that are too small"
    );
    let too_wide = found["too_wide"].as_i64().unwrap();
    assert!(
        too_wide <= 0,
        "{name} is {too_wide} px wider than its screen"
    );
    for chart in found["charts"].as_array().unwrap() {
        assert_eq!(
            (&chart[0], &chart[2]),
            (&1.into(), &true.into()),
            "{name}: {chart}"
        );
        assert!(
            chart[1].as_u64().unwrap() > 0,
            "{name}: no numbers behind a chart"
        );
    }
    let figures = found["figures"].as_array().unwrap();
    for (label, right) in &report.figures {
        let shown = figures.iter().find(|figure| figure[0] == *label);
        let shown = shown.unwrap_or_else(|| panic!("{name} has no figure {label}: {figures:?}"));
        assert_eq!(shown[1], *right, "{name}: {label}");
    }
    if report.defined {
        assert_eq!(
            found["defined"],
            figures.len(),
            "{name}: figures without a definition"
        );
    }
    if let Some(verdict) = &report.verdict {
        assert_eq!(found["verdict"], *verdict, "{name}");
    }
    if let Some(folder) = std::env::var_os("ONHAND_PICTURES") {
        let file = format!("{}-{}.png", report.name, screen.word());
        window.picture(&Path::new(&folder).join(file));
    }
}

#[tokio::test]
async fn every_report_opens_and_tells_what_its_document_tells() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let more = "[costs.rates]\nEUR = [\"1.10 on 2026-01-01\"]\n";
    let desk = Desk::at_rest(&[("MUG-BLUE", 900), ("MUG-RED", 12), ("CUP", 3)], more, "").await;
    desk.woo.edit_stock(Goods::Sku("MUG-RED"), 7).unwrap();
    std::fs::write(desk.file("sales.csv"), sales()).unwrap();
    std::fs::write(desk.file("incidents.csv"), incidents()).unwrap();
    made(&desk, "incidents import incidents.csv", &[0]);
    let reports = [
        classify(&desk),
        simulate(&desk),
        cost(&desk),
        recommend(&desk),
        weekly(&desk),
        reconcile(&desk).await,
    ];
    for screen in Screen::BOTH {
        let window = driver.window(screen);
        for report in &reports {
            look(&window, screen, report);
        }
    }
}
