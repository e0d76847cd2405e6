//! Tables for other programs: Parquet files, written by polars.

use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};

use super::error::{Result, SalesError};
use super::report::SkuReport;

/// Writes the SKUs as a Parquet file. Slow work: not on a thread that others wait for.
///
/// # Errors
/// [`SalesError::Write`] if it cannot be written.
pub fn write_parquet(path: &Path, skus: &[SkuReport]) -> Result<()> {
    let failed = |problem: String| SalesError::Write {
        path: path.display().to_string(),
        problem,
    };
    let mut frame = frame(skus).map_err(|error| failed(error.to_string()))?;
    let file = std::fs::File::create(path).map_err(|error| failed(error.to_string()))?;
    ParquetWriter::new(file)
        .finish(&mut frame)
        .map_err(|error| failed(error.to_string()))?;
    Ok(())
}

fn frame(skus: &[SkuReport]) -> polars::prelude::PolarsResult<DataFrame> {
    let texts = |name: &str, get: fn(&SkuReport) -> &str| {
        Column::from(Series::new(
            name.into(),
            skus.iter().map(get).collect::<Vec<_>>(),
        ))
    };
    let decimals = |name: &str, get: fn(&SkuReport) -> f64| {
        Column::from(Series::new(
            name.into(),
            skus.iter().map(get).collect::<Vec<_>>(),
        ))
    };
    let wholes = |name: &str, get: fn(&SkuReport) -> u64| {
        Column::from(Series::new(
            name.into(),
            skus.iter().map(get).collect::<Vec<_>>(),
        ))
    };
    let flags = |name: &str, get: fn(&SkuReport) -> bool| {
        Column::from(Series::new(
            name.into(),
            skus.iter().map(get).collect::<Vec<_>>(),
        ))
    };
    DataFrame::new(
        skus.len(),
        vec![
            texts("sku", |sku| &sku.sku),
            texts("tier", |sku| sku.tier.letter()),
            decimals("peak_units_per_hour", |sku| sku.peak_units_per_hour),
            decimals("shop_peak", |sku| sku.shop_peak),
            decimals("own_peak", |sku| sku.own_peak),
            decimals("own_peak_se", |sku| sku.own_peak_se),
            decimals("own_peak_lower", |sku| sku.own_peak_lower),
            decimals("units", |sku| sku.units),
            wholes("orders", |sku| sku.orders),
            decimals("peak_orders_per_hour", |sku| sku.peak_orders_per_hour),
            wholes("exposure_hours", |sku| sku.exposure_hours),
            decimals("order_cap", |sku| sku.order_cap),
            decimals("max_hour_units", |sku| sku.max_hour_units),
            decimals("last_14d_peak", |sku| sku.last_14d_peak),
            flags("rising", |sku| sku.rising),
            flags("provisional", |sku| sku.provisional),
            flags("borderline", |sku| sku.borderline),
        ],
    )
}
