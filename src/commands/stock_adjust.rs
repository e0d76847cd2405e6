//! `stock adjust`, `stock hold` and `stock release`: what a person changes by hand, with a reason and a name.

use super::imports::write;
use super::known::refuse_bundle;
use super::papers::{counted_here, moment, tell_one, terms};
use super::seller::Seller;
use crate::cli::{StockAdjust, StockHold, StockRelease};
use crate::domain::hold::Hold;
use crate::domain::ids::LocationId;
use crate::domain::receipt::Leave;
use crate::exit::{Failure, Found};
use crate::ledger::StoreError;
use crate::ledger::moves::{self, Adjustment};
use crate::output::Out;

/// Changes stock by a difference.
pub(super) async fn adjust(
    args: StockAdjust,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    super::known::expect_known(seller, &args.sku).await?;
    refuse_bundle(seller, &args.sku).await?;
    if args.reason.trim().is_empty() {
        return Err(Failure::call(format!(
            "adjust {}: the reason is empty; hint: --reason \"broken in the shop\"",
            args.sku
        )));
    }
    let named = args.location.as_ref().map(LocationId::as_str);
    let row = Adjustment {
        location: counted_here(seller, named).map_err(Failure::Call)?,
        on_hand: args.units,
        set_aside: args.set_aside,
        reason: args.reason,
        at: moment(args.at, seller.now())?,
        sku: args.sku,
    };
    let (doing, terms) = (
        format!("adjust {}", row.sku),
        terms(&args.saying, Leave::default(), seller),
    );
    let dry_run = args.saying.dry_run;
    let mut taken = write(seller, dry_run, move |tables| {
        moves::adjust(tables, std::slice::from_ref(&row), &terms)
    })
    .await?;
    let taken = taken.pop().ok_or(StoreError::Closed)?;
    tell_one(taken, &doing, "onhand.stock_adjust/1", dry_run, out)
}

/// Keeps units for something.
pub(super) async fn hold(
    args: StockHold,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    super::known::expect_known(seller, &args.sku).await?;
    refuse_bundle(seller, &args.sku).await?;
    let named = args.location.as_ref().map(LocationId::as_str);
    let said = Hold {
        location: counted_here(seller, named).map_err(Failure::Call)?,
        sku: args.sku,
        units: args.units,
        reason: args.reason,
        until: args.until,
        over: false,
    };
    let (id, terms) = (args.hold, terms(&args.saying, Leave::default(), seller));
    let (doing, now) = (format!("hold {id}"), terms.now);
    let dry_run = args.saying.dry_run;
    let taken = write(seller, dry_run, move |tables| {
        moves::keep(tables, &id, &said, now, &terms)
    })
    .await?;
    tell_one(taken, &doing, "onhand.stock_hold/1", dry_run, out)
}

/// Ends a hold.
pub(super) async fn release(
    args: StockRelease,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let (id, terms) = (args.hold, terms(&args.saying, Leave::default(), seller));
    let (named, now) = (id.clone(), terms.now);
    let dry_run = args.saying.dry_run;
    let taken = write(seller, dry_run, move |tables| {
        moves::release(tables, &named, now, &terms)
    })
    .await?;
    let taken = taken.ok_or_else(|| {
        Failure::call(format!(
            "no hold is called {id}; hint: `onhand audit SKU` names the holds of a SKU"
        ))
    })?;
    let doing = format!("release {id}");
    tell_one(taken, &doing, "onhand.stock_release/1", dry_run, out)
}
