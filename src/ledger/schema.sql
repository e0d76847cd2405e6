-- The books of one seller. Times are milliseconds since 1970 in UTC; texts are kept byte for byte.

-- Every message that was verified, understood or not. `body` holds the reduced snapshots of understood ones, and the raw
-- bytes of parked ones until their retention ends.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  channel TEXT NOT NULL,
  topic TEXT NOT NULL,
  delivery TEXT,
  subject TEXT,
  happened_at INTEGER,
  received_at INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  body BLOB
) STRICT;
CREATE INDEX event_delivery ON event (channel, delivery) WHERE delivery IS NOT NULL;
CREATE INDEX event_subject ON event (subject) WHERE subject IS NOT NULL;
CREATE INDEX event_parked ON event (outcome, received_at);

-- Orders and what their lines have done to the books.
CREATE TABLE orders (
  channel TEXT NOT NULL,
  id TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE order_line (
  channel TEXT NOT NULL,
  orders TEXT NOT NULL,
  line TEXT NOT NULL,
  listing TEXT,
  sku_text TEXT NOT NULL,
  location TEXT,
  taken INTEGER NOT NULL,
  booked TEXT,
  PRIMARY KEY (channel, orders, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_line_parked ON order_line (channel, listing, sku_text) WHERE booked IS NULL;

-- Goods, and what each place holds of them.
CREATE TABLE sku (
  sku TEXT PRIMARY KEY,
  version INTEGER NOT NULL DEFAULT 0,
  lowered TEXT NOT NULL,
  tier TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sku_lowered ON sku (lowered);
CREATE TABLE stock (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  committed INTEGER NOT NULL,
  set_aside INTEGER NOT NULL,
  incoming INTEGER NOT NULL,
  counted_at INTEGER,
  basis TEXT,
  reference INTEGER,
  PRIMARY KEY (sku, location)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  committed INTEGER NOT NULL,
  set_aside INTEGER NOT NULL,
  incoming INTEGER NOT NULL,
  at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  cause TEXT NOT NULL,
  channel TEXT,
  orders TEXT
) STRICT;
CREATE INDEX entry_of ON entry (sku, location, at);
CREATE INDEX entry_order ON entry (orders) WHERE orders IS NOT NULL;

-- Recipes.
CREATE TABLE recipe (
  bundle TEXT NOT NULL,
  component TEXT NOT NULL,
  units INTEGER NOT NULL,
  PRIMARY KEY (bundle, component)
) STRICT, WITHOUT ROWID;

-- What channels sell, what it is of ours, and what we believe they show. `acked` is the feed version that was last
-- acknowledged; NULL: none. `disturbed`: the platform took or gave back units while a call was under way,
-- `moved_meanwhile` how many. `compared`: what is shown was set by a write that the platform compared. Dirty is what differs from the sum of the versions of its feeds, and nothing else.
CREATE TABLE listing (
  channel TEXT NOT NULL,
  listing TEXT NOT NULL,
  alias TEXT,
  sku TEXT,
  their_sku TEXT,
  factor INTEGER NOT NULL DEFAULT 1,
  location TEXT,
  fulfilment TEXT NOT NULL DEFAULT 'merchant',
  not_publishable TEXT,
  known INTEGER NOT NULL DEFAULT 0,
  shown INTEGER,
  shown_at INTEGER NOT NULL DEFAULT 0,
  stale INTEGER NOT NULL DEFAULT 0,
  acked INTEGER,
  verified_at INTEGER,
  until INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL DEFAULT 0,
  sending INTEGER,
  disturbed INTEGER NOT NULL DEFAULT 0,
  moved_meanwhile INTEGER NOT NULL DEFAULT 0,
  compared INTEGER NOT NULL DEFAULT 0,
  moved_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (channel, listing)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX listing_alias ON listing (channel, alias) WHERE alias IS NOT NULL;
CREATE INDEX listing_their_sku ON listing (channel, their_sku);
CREATE INDEX listing_until ON listing (until) WHERE until IS NOT NULL;
CREATE TABLE feed (
  sku TEXT NOT NULL,
  channel TEXT NOT NULL,
  listing TEXT NOT NULL,
  units INTEGER NOT NULL,
  PRIMARY KEY (sku, channel, listing)
) STRICT, WITHOUT ROWID;
CREATE INDEX feed_of ON feed (channel, listing);

-- What has to be fetched, and when to try.
CREATE TABLE hint (
  channel TEXT NOT NULL,
  hint TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (channel, hint)
) STRICT, WITHOUT ROWID;

-- Per channel: how far its orders were read, its token, until when it asked not to be called, whether it is
-- held, when it was last heard.
CREATE TABLE channel (
  channel TEXT PRIMARY KEY,
  orders_through INTEGER NOT NULL DEFAULT 0,
  orders_read_at INTEGER,
  held TEXT,
  token TEXT,
  closed_until INTEGER,
  last_hook_at INTEGER
) STRICT, WITHOUT ROWID;

-- What was given up, both ways.
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  what TEXT NOT NULL,
  reason TEXT NOT NULL,
  answer TEXT,
  attempts INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  UNIQUE (channel, kind, what)
) STRICT;

-- Append only; each row's digest covers the one before.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  channel TEXT,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  digest BLOB NOT NULL
) STRICT;
CREATE INDEX audit_of ON audit (subject);

-- Small facts of the store itself: the plan's digest, who delivers, work that was handed over.
CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE request (
  id INTEGER PRIMARY KEY,
  asked_at INTEGER NOT NULL,
  what TEXT NOT NULL,
  result TEXT
) STRICT;
