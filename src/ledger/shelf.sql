-- Listings whose number does not follow from their goods alone, found without reading all the others.
CREATE INDEX listing_apart ON listing (channel, listing)
  WHERE sku IS NULL OR location IS NOT NULL OR fulfilment <> 'merchant' OR not_publishable IS NOT NULL;

-- What a run has seen: a bit per listing, in the order of the list whose digest stands beside it. What differed stays until the
-- next run over the channel is finished: the others were verified by it.
ALTER TABLE run ADD COLUMN seen BLOB;
ALTER TABLE run ADD COLUMN list TEXT;
ALTER TABLE listing DROP COLUMN seen_in;
