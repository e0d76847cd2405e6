"""The question in DuckDB about a file with damage: cells are trimmed, offsets of nothing are cut off, refunds are left out."""
import sys

import duckdb

duckdb.sql(
    f"""copy (
      select sku, case when max(u) >= 10 then 'A' when max(u) >= 2 then 'B' else 'C' end tier, max(u)::bigint peak, sum(u)::bigint units
      from (select trim(sku) sku, date_trunc('hour', replace(replace(ts, 'Z', ''), '+00:00', '')::timestamp) h, sum(trim(qty)::integer) u
        from read_csv('{sys.argv[1]}', header = true, quote = '"', strict_mode = false, columns =
          {{'order_id': 'VARCHAR', 'ts': 'VARCHAR', 'channel': 'VARCHAR', 'sku': 'VARCHAR', 'qty': 'VARCHAR'}})
        where trim(qty)::integer > 0 group by 1, 2)
      group by 1 order by 1) to '{sys.argv[2]}' (header)"""
)
