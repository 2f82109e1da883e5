CREATE TABLE ref_sites (
	id TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE ref_admins (
	site TEXT NOT NULL REFERENCES ref_sites (id), id TEXT NOT NULL,
	name TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT NOT NULL, created_at INTEGER NOT NULL,
	PRIMARY KEY (site, id), UNIQUE (site, email_key)
);
CREATE TABLE ref_tokens (
	hash BLOB PRIMARY KEY, site TEXT NOT NULL, admin TEXT NOT NULL, source TEXT NOT NULL, created_at INTEGER NOT NULL,
	FOREIGN KEY (site, admin) REFERENCES ref_admins (site, id)
);
CREATE TABLE ref_sessions (
	hash BLOB PRIMARY KEY, token BLOB NOT NULL REFERENCES ref_tokens (hash) ON DELETE CASCADE,
	created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
CREATE INDEX ref_sessions_expires ON ref_sessions (expires_at);
CREATE INDEX ref_sessions_token ON ref_sessions (token);
CREATE TABLE ref_users (
	site TEXT NOT NULL REFERENCES ref_sites (id), id TEXT NOT NULL,
	name TEXT NOT NULL, sort_name TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT NOT NULL,
	language TEXT NOT NULL, external_id TEXT NOT NULL, created_at INTEGER NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX ref_users_name ON ref_users (site, sort_name, id);
CREATE INDEX ref_users_email ON ref_users (email_key) WHERE email_key <> '';
CREATE UNIQUE INDEX ref_users_external ON ref_users (site, external_id) WHERE external_id <> '';
