//! One plan at a time: beside a process that delivers, nothing is sent by another plan than its own (design D7).

use super::lock::DeliveryLock;
use super::seller::Seller;
use crate::cli::{Channels, Command};
use crate::config::plan_difference;
use crate::exit::Failure;
use crate::output::Out;

/// Most lines of a difference that are shown.
const LINES_SHOWN: usize = 20;

/// Whether a command sends something by the plan of its settings. The others read, or book what is true whatever the plan.
fn sends(command: &Command) -> bool {
    match command {
        Command::Sync(args) => !args.dry_run && args.plan.is_none(),
        Command::Reconcile(args) => args.apply.is_some(),
        Command::Schedule(args) => !args.list,
        Command::Channels(channels) => matches!(channels, Channels::Subscribe(_)),
        _ => false,
    }
}

/// Compares the plan of these settings with that of the process that delivers now, if there is one.
///
/// # Errors
/// [`Failure::Call`] with the difference, if the command sends.
pub(super) async fn check(
    command: &Command,
    seller: &Seller,
    out: &mut Out,
) -> Result<(), Failure> {
    let Some(holder) = DeliveryLock::holder(&seller.settings.store_path()) else {
        return Ok(());
    };
    let known = seller.ledger.read(|tables| tables.fact("plan")).await?;
    let difference = known.map_or_else(Vec::new, |known| {
        plan_difference(&known, &seller.settings.plan_text())
    });
    if difference.is_empty() {
        return Ok(());
    }
    let mut shown = difference.clone();
    shown.truncate(LINES_SHOWN);
    if shown.len() < difference.len() {
        shown.push(format!("and {} more", difference.len() - shown.len()));
    }
    let shown = shown.join("\n  ");
    if sends(command) {
        return Err(Failure::Call(format!(
            "send by another plan than {holder}, which delivers now (- its plan, + these settings); hint: stop it and start \
             it anew with these settings, or use its settings\n  {shown}"
        )));
    }
    out.note(format!(
        "{holder} delivers by another plan (- its plan, + these settings):\n  {shown}"
    ));
    Ok(())
}
