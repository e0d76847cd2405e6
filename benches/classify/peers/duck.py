"""The question in DuckDB: per SKU the units and the largest clock hour."""
import sys

import duckdb

if len(sys.argv) > 3:
    duckdb.sql(f"set threads = {sys.argv[3]}")
duckdb.sql(
    f"""copy (
      select sku, case when max(u) >= 10 then 'A' when max(u) >= 2 then 'B' else 'C' end tier, max(u)::bigint peak, sum(u)::bigint units
      from (select sku, date_trunc('hour', ts) h, sum(qty) u from read_csv('{sys.argv[1]}', header = true, columns =
        {{'order_id': 'VARCHAR', 'ts': 'TIMESTAMP', 'channel': 'VARCHAR', 'sku': 'VARCHAR', 'qty': 'INTEGER'}}) group by 1, 2)
      group by 1 order by 1) to '{sys.argv[2]}' (header)"""
)
