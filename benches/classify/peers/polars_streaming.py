"""The question in polars, lazily and streaming."""
import sys

import polars as pl

schema = {"order_id": pl.String, "ts": pl.String, "channel": pl.String, "sku": pl.String, "qty": pl.Int64}
hours = (
    pl.scan_csv(sys.argv[1], schema=schema)
    .with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms").dt.truncate("1h"))
    .group_by("sku", "ts")
    .agg(pl.col("qty").sum())
)
(
    hours.group_by("sku")
    .agg(peak=pl.col("qty").max(), units=pl.col("qty").sum())
    .with_columns(tier=pl.when(pl.col("peak") >= 10).then(pl.lit("A")).when(pl.col("peak") >= 2).then(pl.lit("B")).otherwise(pl.lit("C")))
    .select("sku", "tier", "peak", "units")
    .sort("sku")
    .collect(engine="streaming")
    .write_csv(sys.argv[2])
)
