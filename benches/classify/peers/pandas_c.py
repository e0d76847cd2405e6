"""The question in pandas, with its usual reader."""
import sys

import pandas as pd

rows = pd.read_csv(sys.argv[1], usecols=["ts", "sku", "qty"], dtype={"sku": str}, parse_dates=["ts"], date_format="%Y-%m-%dT%H:%M:%SZ")
hours = rows.groupby(["sku", rows["ts"].dt.floor("h")], sort=False)["qty"].sum()
answer = hours.groupby(level=0).agg(["max", "sum"]).sort_index()
answer.columns = ["peak", "units"]
answer.insert(0, "tier", pd.cut(answer["peak"], [-1e18, 2, 10, 1e18], right=False, labels=["C", "B", "A"]))
answer.to_csv(sys.argv[2], index_label="sku")
