-- Reconcile: what each run over a channel read, and where it goes on after a crash. `cursor` is the platform's own mark of
-- the next page, NULL at the beginning; `read_all`: the last page was read. `tally` and `result` are JSON.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  channel TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  pages INTEGER NOT NULL DEFAULT 0,
  cursor TEXT,
  read_all INTEGER NOT NULL DEFAULT 0,
  tally TEXT,
  finished_at INTEGER,
  result TEXT
) STRICT;
CREATE INDEX run_of ON run (channel, finished_at);

-- Listings that differed at the first look and are to be looked at again.
CREATE TABLE suspect (
  run INTEGER NOT NULL,
  listing TEXT NOT NULL,
  shows INTEGER,
  PRIMARY KEY (run, listing)
) STRICT, WITHOUT ROWID;

-- The run that last saw the listing, and what it showed before the last quantity was sent to it.
ALTER TABLE listing ADD COLUMN seen_in INTEGER;
ALTER TABLE listing ADD COLUMN previous INTEGER;

-- The last slot that each job of the schedule has had, per channel ('' for jobs that are not of one channel).
CREATE TABLE slot (
  job TEXT NOT NULL,
  channel TEXT NOT NULL,
  slot INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  outcome TEXT,
  runs INTEGER NOT NULL DEFAULT 0,
  missed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job, channel)
) STRICT, WITHOUT ROWID;
