-- Goods that a channel counts at several places are several listings of one alias.
DROP INDEX listing_alias;
CREATE INDEX listing_alias ON listing (channel, alias) WHERE alias IS NOT NULL;
