//! `classify`: sales exports to tiers, shown, written to files, and kept if that is asked for.

mod apply;
mod page;
mod show;
mod terms;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde::Serialize;

use super::runtime;
use super::sales_files::{self, Bar};
use super::seller::Seller;
use crate::channels::PLATFORMS;
use crate::cli::{Classify, Cli, Command, Global};
use crate::config::{Environment, load};
use crate::exit::{Failure, Found};
use crate::output::{Format, Out, csv, json};
use crate::runtime::clock::SystemClock;
use crate::sales::{self, Classified};

use apply::{Change, Tiers};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.classify/1";
/// The rule by which nothing but the largest hour is measured.
const MAX_HOUR: &str = "max-hour";

/// What is told: what was found, and what it changes.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    found: &'a Classified,
    /// SKUs whose tier differs from the stored one.
    changes: &'a [Change],
    /// Stored SKUs that the files do not name.
    stale: usize,
    /// The changes were written.
    applied: bool,
}

/// Classifies, and tells.
///
/// The slow work is done here, on the thread of the process and outside any runtime.
pub(super) fn classify(
    args: &Classify,
    global: &Global,
    env: &Environment,
    out: &mut Out,
) -> Result<Found, Failure> {
    let out_kind = terms::out_kind(args.out.as_deref())?;
    let loaded = load(global.config.as_deref(), env, PLATFORMS)?;
    for warning in &loaded.warnings {
        out.warning(warning);
    }
    let settings = loaded.settings;
    let pins = settings.tiers.pin.clone();
    let seller = sales_files::opened(settings, args.apply, env)?;
    let runtime = runtime()?;
    let mut request = terms::request(args, crate::domain::clock::Clock::now(&SystemClock))?;
    if let Some(seller) = &seller {
        request.catalog = runtime.block_on(sales_files::catalog(seller))?;
        if args.out_of_stock.is_none() {
            request.absent = runtime.block_on(sales_files::out_of_stock(seller))?;
        }
    }
    let bar = Bar::new(out.progress_of_bytes(sales::size(&request.files)));
    let found = sales::classify(&request, &bar);
    bar.finish();
    let mut found = found?;
    apply::pin(&mut found, &pins);
    let tiers = match &seller {
        Some(seller) => runtime.block_on(Tiers::read(seller))?,
        None => Tiers::default(),
    };
    let plan = tiers.plan(&found, &pins);
    if let (Some(seller), true) = (&seller, args.apply) {
        runtime.block_on(apply::write(seller, &plan, &found))?;
    }
    let answer = Answer {
        found: &found,
        changes: &plan.changes,
        stale: plan.stale.len(),
        applied: args.apply,
    };
    tell(&answer, args, out)?;
    write_files(&answer, args, out_kind)?;
    Ok(Found::when(!found.rejected.is_empty()))
}

/// Classifies from these files with the usual terms and keeps the tiers; how it ended, in words. The slow work is done on
/// a thread of its own.
///
/// # Errors
/// As the command.
pub(super) async fn refresh(seller: &Seller, files: &[PathBuf]) -> Result<String, Failure> {
    let words = ["onhand", "classify", "--apply", "--"].map(OsString::from);
    let named = files.iter().map(|file| file.clone().into_os_string());
    let typed = Cli::try_parse_from(words.into_iter().chain(named))
        .map_err(|error| Failure::call(error.to_string()))?;
    let Command::Classify(args) = typed.command else {
        return Err(Failure::call("classify: the words mean something else"));
    };
    let mut request = terms::request(&args, seller.now())?;
    request.catalog = sales_files::catalog(seller).await?;
    request.absent = sales_files::out_of_stock(seller).await?;
    let work = move || sales::classify(&request, &Bar::new(indicatif::ProgressBar::hidden()));
    let done = tokio::task::spawn_blocking(work).await;
    let mut found = done.map_err(|error| Failure::call(format!("classify: {error}")))??;
    let pins = &seller.settings.tiers.pin;
    apply::pin(&mut found, pins);
    let plan = Tiers::read(seller).await?.plan(&found, pins);
    apply::write(seller, &plan, &found).await?;
    Ok(format!(
        "{} SKUs classified, {} tiers changed, {} rows rejected",
        found.skus.len(),
        plan.changes.len(),
        found.rejected.len()
    ))
}

fn tell(answer: &Answer<'_>, args: &Classify, out: &mut Out) -> Result<(), Failure> {
    let found = answer.found;
    for warning in &found.warnings {
        out.warning(warning);
    }
    match out.format() {
        Format::Json => out.json(SCHEMA, answer)?,
        Format::Csv if args.lines => out.csv(show::LINE_HEADERS, show::lines(found))?,
        Format::Csv => {
            let (headers, rows) = show::skus(found, args.rule == MAX_HOUR);
            out.csv(headers, &rows)?;
        }
        Format::Table => show::table(answer, args.lines, out)?,
    }
    show::notes(answer, args, out);
    Ok(())
}

fn write_files(
    answer: &Answer<'_>,
    args: &Classify,
    kind: Option<terms::OutKind>,
) -> Result<(), Failure> {
    if let (Some(path), Some(kind)) = (&args.out, kind) {
        match kind {
            terms::OutKind::Csv => {
                let (headers, rows) = show::skus(answer.found, args.rule == MAX_HOUR);
                write(path, &in_csv(headers, &rows)?)?;
            }
            terms::OutKind::Json => write(path, json::document(SCHEMA, answer, true)?.as_bytes())?,
            terms::OutKind::Parquet => sales::frame::write_parquet(path, &answer.found.skus)?,
        }
    }
    if let Some(path) = &args.rejects {
        write(
            path,
            &in_csv(show::REJECT_HEADERS, &show::rejects(answer.found))?,
        )?;
    }
    if let Some(path) = &args.report {
        write(
            path,
            crate::output::html::drawn(&page::page(answer))?.as_bytes(),
        )?;
    }
    Ok(())
}

fn in_csv(headers: &[&str], rows: &[Vec<crate::output::Cell>]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    csv::write(&mut text, headers, rows).map_err(crate::output::OutputError::Write)?;
    Ok(text)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}
