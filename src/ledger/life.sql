-- Papers of people: transfers, purchase orders, receipts, holds. `state` is what is known of one line, as JSON; `until` is
-- when it changes by time alone.
CREATE TABLE paper (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  line TEXT NOT NULL,
  sku TEXT NOT NULL,
  open INTEGER NOT NULL,
  until INTEGER,
  state TEXT NOT NULL,
  PRIMARY KEY (kind, id, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX paper_open ON paper (kind, sku) WHERE open;
CREATE INDEX paper_until ON paper (until) WHERE open AND until IS NOT NULL;

-- Until when pending orders promise their units.
ALTER TABLE orders ADD COLUMN until INTEGER;
CREATE INDEX orders_until ON orders (until) WHERE until IS NOT NULL;

-- When somebody last said how many units are set aside.
ALTER TABLE stock ADD COLUMN aside_at INTEGER;
UPDATE stock SET aside_at = (
  SELECT MAX(e.at) FROM entry e
  WHERE e.sku = stock.sku AND e.location = stock.location AND e.cause ->> 'set_aside' IS NOT NULL
);

-- More was promised than there was. `pool` is the first of the places that stand in for each other; `evidence` is what the
-- books and the listings said at that moment.
CREATE TABLE incident (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL,
  pool TEXT,
  source TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER,
  happened_on TEXT,
  reason TEXT,
  cost TEXT,
  currency TEXT,
  evidence TEXT NOT NULL
) STRICT;
CREATE INDEX incident_open ON incident (sku) WHERE closed_at IS NULL;
CREATE INDEX incident_of ON incident (sku, pool);
-- The order lines that lost. A line is in one incident; `line` is empty where people named only the order.
CREATE TABLE incident_line (
  sku TEXT NOT NULL,
  channel TEXT NOT NULL,
  orders TEXT NOT NULL,
  line TEXT NOT NULL,
  incident INTEGER NOT NULL,
  placed_at INTEGER NOT NULL,
  units INTEGER NOT NULL,
  helped TEXT,
  PRIMARY KEY (sku, channel, orders, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_lines ON incident_line (incident);

-- Names that SKUs had. A text is this SKU's from `since` until `until`.
CREATE TABLE sku_alias (
  alias TEXT NOT NULL,
  sku TEXT NOT NULL,
  since INTEGER,
  until INTEGER NOT NULL,
  lowered TEXT NOT NULL,
  PRIMARY KEY (alias, until)
) STRICT, WITHOUT ROWID;
CREATE INDEX sku_alias_lowered ON sku_alias (lowered);
