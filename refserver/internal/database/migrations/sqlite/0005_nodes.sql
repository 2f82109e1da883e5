ALTER TABLE ref_sites ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX ref_sites_revision ON ref_sites (revision);
CREATE TABLE ref_revisions (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
INSERT INTO ref_revisions (name, n) VALUES ('sites', 1);
ALTER TABLE ref_imports ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ref_imports ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
CREATE TABLE ref_nodes (
	id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL,
	keys TEXT NOT NULL
);
