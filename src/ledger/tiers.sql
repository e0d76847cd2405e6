-- What `classify --apply` keeps: the tier of each SKU, windows in a row in which it was slower than that, the end of the last
-- window, and whether the SKU was missing in it. SKUs that the store does not know yet are here, too.
CREATE TABLE tier (
  sku TEXT PRIMARY KEY,
  tier TEXT NOT NULL,
  below INTEGER NOT NULL DEFAULT 0,
  as_of INTEGER NOT NULL,
  stale INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
