"""What differs or is missing, in DuckDB from CSV files: by SKU alone, and over the listings as onhand has to."""
import resource
import sys
import time

import duckdb

folder, channels = sys.argv[1], int(sys.argv[2])


def table(name, columns):
    types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
    return f"read_csv('{folder}/{name}.csv', header = true, columns = {{{types}}})"


stock = table("stock", {"sku": "VARCHAR", "units": "BIGINT"})
listings = table("listings", {"channel": "VARCHAR", "listing": "VARCHAR", "sku": "VARCHAR"})
live = table("live", {"channel": "VARCHAR", "listing": "VARCHAR", "shows": "BIGINT"})
live_by_sku = table("live_by_sku", {"channel": "VARCHAR", "sku": "VARCHAR", "shows": "BIGINT"})
questions = {
    "by SKU, one join": f"""with due as (select 'c' || c channel, sku, units from {stock}, range({channels}) r(c))
      select count(*) from due left join {live_by_sku} using (channel, sku) where shows is null or shows <> units""",
    "by listing, two joins": f"""select count(*) from {listings} join {stock} using (sku)
      left join {live} using (channel, listing) where shows is null or shows <> units""",
}
for name, question in questions.items():
    began, cpu = time.perf_counter(), time.process_time()
    found = duckdb.sql(question).fetchone()[0]
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"DuckDB {duckdb.__version__} {name}: {wall:.2f} s wall, {cpu:.2f} s of processors, {peak} MiB at most so far; found {found}")
