CREATE TABLE ref_keys (
	site TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (site, key)
);
CREATE INDEX ref_keys_at ON ref_keys (at);
