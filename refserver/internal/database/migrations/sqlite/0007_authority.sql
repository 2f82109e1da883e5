CREATE TABLE ref_authorities (
	name TEXT NOT NULL, generation INTEGER NOT NULL, role TEXT NOT NULL, certificate BLOB NOT NULL,
	key_id INTEGER NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (name, generation, role)
);
INSERT INTO ref_authorities (name, generation, role, certificate, key_id, sealed, created_at)
	SELECT 'apple', 1, 'root', certificate, key_id, sealed, created_at FROM ref_apple_authority WHERE id = '1';
CREATE TABLE ref_certificates (
	authority TEXT NOT NULL, serial TEXT NOT NULL, generation INTEGER NOT NULL, site TEXT NOT NULL, enrollment TEXT NOT NULL,
	invitation TEXT NOT NULL, user_id TEXT NOT NULL, hash BLOB NOT NULL, request BLOB, certificate BLOB, confirmed INTEGER NOT NULL,
	issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (authority, serial)
);
INSERT INTO ref_certificates (authority, serial, generation, site, enrollment, invitation, user_id, hash, confirmed, issued_at, expires_at)
	SELECT 'apple', serial, 1, site, enrollment, invitation, user_id, hash, 1, issued_at, expires_at FROM ref_apple_certificates;
CREATE INDEX ref_certificates_enrollment ON ref_certificates (authority, site, enrollment);
CREATE INDEX ref_certificates_owner ON ref_certificates (authority, site, invitation, user_id);
DROP TABLE ref_apple_certificates;
DROP TABLE ref_apple_authority;
