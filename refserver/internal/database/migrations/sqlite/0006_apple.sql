CREATE TABLE ref_apple_authority (
	id TEXT PRIMARY KEY, topic TEXT NOT NULL, certificate BLOB NOT NULL, key_id INTEGER NOT NULL, sealed BLOB NOT NULL,
	created_at INTEGER NOT NULL
);
CREATE TABLE ref_apple_certificates (
	serial TEXT PRIMARY KEY, site TEXT NOT NULL, enrollment TEXT NOT NULL, invitation TEXT NOT NULL, user_id TEXT NOT NULL,
	hash BLOB NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
CREATE INDEX ref_apple_certificates_expires ON ref_apple_certificates (expires_at);
CREATE TABLE ref_apple_enrollments (
	site TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL, enabled INTEGER NOT NULL,
	tokens INTEGER NOT NULL, key_id INTEGER NOT NULL, sealed BLOB, changed_at INTEGER NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX ref_apple_enrollments_device ON ref_apple_enrollments (site, device);
CREATE TABLE ref_apple_commands (
	site TEXT NOT NULL, enrollment TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, text BLOB NOT NULL,
	deferred INTEGER NOT NULL, queued_at INTEGER NOT NULL, PRIMARY KEY (site, enrollment, id)
);
