-- Times are microseconds since 1970 in UTC; 0 has not happened.

CREATE TABLE @versions (
  version INTEGER PRIMARY KEY,
  name    TEXT NOT NULL
);

CREATE TABLE @users (
  site      TEXT NOT NULL,
  id        TEXT NOT NULL,
  name      TEXT NOT NULL,
  email     TEXT NOT NULL,
  email_key TEXT NOT NULL,
  language  TEXT NOT NULL,
  outside   INTEGER NOT NULL CHECK (outside IN (0, 1)),
  PRIMARY KEY (site, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX ~users_outside ON @users (site, email_key) WHERE outside = 1 AND email_key <> '';

CREATE TABLE @invitations (
  site               TEXT NOT NULL,
  id                 TEXT NOT NULL,
  user_id            TEXT NOT NULL,
  email              TEXT NOT NULL,
  email_key          TEXT NOT NULL,
  name               TEXT NOT NULL,
  state              TEXT NOT NULL CHECK (state IN ('created', 'sent', 'opened', 'deactivated')),
  reason             TEXT NOT NULL,
  mode               TEXT NOT NULL,
  ownership          TEXT NOT NULL,
  expires_at         INTEGER NOT NULL,
  max_devices        INTEGER NOT NULL,
  enrolled           INTEGER NOT NULL,
  live               INTEGER NOT NULL,
  delivery           TEXT NOT NULL,
  delivery_at        INTEGER NOT NULL,
  accepted_at        INTEGER NOT NULL,
  accepted_ownership TEXT NOT NULL,
  accepted_platform  TEXT NOT NULL,
  created_at         INTEGER NOT NULL,
  sent_at            INTEGER NOT NULL,
  opened_at          INTEGER NOT NULL,
  ended_at           INTEGER NOT NULL,
  pin_generation     INTEGER NOT NULL,
  events             INTEGER NOT NULL,
  version            INTEGER NOT NULL,
  PRIMARY KEY (site, id)
);
-- One active invitation per user, whatever the program does.
CREATE UNIQUE INDEX ~invitations_active ON @invitations (site, user_id) WHERE state <> 'deactivated';
CREATE INDEX ~invitations_user ON @invitations (site, user_id, id);
CREATE INDEX ~invitations_email ON @invitations (email_key, created_at, id) WHERE email_key <> '';
CREATE INDEX ~invitations_expiry ON @invitations (expires_at) WHERE state <> 'deactivated' AND expires_at <> 0;

CREATE TABLE @credentials (
  site       TEXT NOT NULL,
  owner      TEXT NOT NULL,
  kind       TEXT NOT NULL,
  generation INTEGER NOT NULL,
  index_mac  BLOB,
  check_mac  BLOB,
  sealed     BLOB,
  data       BLOB,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (kind, site, owner)
) WITHOUT ROWID;
CREATE UNIQUE INDEX ~credentials_index ON @credentials (kind, index_mac) WHERE index_mac IS NOT NULL;

CREATE TABLE @counters (
  key        TEXT PRIMARY KEY,
  n          INTEGER NOT NULL CHECK (n >= 0),
  start_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX ~counters_expiry ON @counters (expires_at) WHERE expires_at <> 0;

CREATE TABLE @sightings (
  site       TEXT NOT NULL,
  invitation TEXT NOT NULL,
  evidence   TEXT NOT NULL,
  count      INTEGER NOT NULL,
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  PRIMARY KEY (site, invitation, evidence)
) WITHOUT ROWID;

CREATE TABLE @devices (
  site          TEXT NOT NULL,
  id            TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  invitation    TEXT NOT NULL,
  origin        TEXT NOT NULL,
  platform      TEXT NOT NULL,
  mode          TEXT NOT NULL,
  ownership     TEXT NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('pending', 'active', 'impaired', 'unresponsive', 'leaving', 'unenrolled')),
  since         INTEGER NOT NULL,
  reason        TEXT NOT NULL,
  ever_active   INTEGER NOT NULL CHECK (ever_active IN (0, 1)),
  generation    INTEGER NOT NULL,
  enrollment_id TEXT NOT NULL,
  enrolled_at   INTEGER NOT NULL,
  nonce         BLOB,
  token_key     INTEGER NOT NULL,
  hardware      TEXT NOT NULL,
  name          TEXT NOT NULL,
  manufacturer  TEXT NOT NULL,
  model         TEXT NOT NULL,
  os_version    TEXT NOT NULL,
  facts         TEXT NOT NULL,
  inventory     BLOB, -- JSON, as it came
  observed_at   INTEGER NOT NULL,
  refs          TEXT NOT NULL,
  conflict      TEXT NOT NULL,
  previous      TEXT NOT NULL,
  trace         BLOB,
  created_at    INTEGER NOT NULL,
  deleted_at    INTEGER NOT NULL,
  events        INTEGER NOT NULL,
  version       INTEGER NOT NULL,
  identity      TEXT NOT NULL, -- device.Device.Identity
  PRIMARY KEY (site, id)
);
-- One device per hardware, whatever the program does.
CREATE UNIQUE INDEX ~devices_identity ON @devices (site, platform, identity) WHERE identity <> '' AND deleted_at = 0;
CREATE INDEX ~devices_user ON @devices (site, user_id, id) WHERE deleted_at = 0;
CREATE INDEX ~devices_invitation ON @devices (site, invitation, id) WHERE deleted_at = 0 AND invitation <> '';
CREATE INDEX ~devices_conflict ON @devices (site, conflict, id) WHERE deleted_at = 0 AND conflict <> '';
CREATE INDEX ~devices_since ON @devices (state, since) WHERE deleted_at = 0;
CREATE INDEX ~devices_deleted ON @devices (site, deleted_at, id) WHERE deleted_at <> 0;
CREATE INDEX ~devices_trace ON @devices (site, platform, trace) WHERE trace IS NOT NULL;

-- The refs of devices that are not deleted, to find them by and to keep them apart.
CREATE TABLE @device_refs (
  site   TEXT NOT NULL,
  source TEXT NOT NULL,
  ref    TEXT NOT NULL,
  device TEXT NOT NULL,
  PRIMARY KEY (site, source, ref),
  FOREIGN KEY (site, device) REFERENCES @devices (site, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX ~device_refs_device ON @device_refs (site, device);

CREATE TABLE @contacts (
  site   TEXT NOT NULL,
  device TEXT NOT NULL,
  token  BLOB,
  seq    INTEGER NOT NULL,
  at     INTEGER NOT NULL, -- not indexed: every sign of life writes it
  silent INTEGER NOT NULL CHECK (silent IN (0, 1)),
  gone   INTEGER NOT NULL CHECK (gone IN (0, 1)),
  PRIMARY KEY (site, device)
) WITHOUT ROWID;
CREATE UNIQUE INDEX ~contacts_token ON @contacts (token) WHERE token IS NOT NULL;

CREATE TABLE @slots (
  site             TEXT NOT NULL,
  id               TEXT NOT NULL,
  kind             TEXT NOT NULL CHECK (kind IN ('invitation', 'device')),
  state            TEXT NOT NULL,
  invitation       TEXT NOT NULL,
  user_id          TEXT NOT NULL,
  user_name        TEXT NOT NULL,
  email            TEXT NOT NULL,
  platform         TEXT NOT NULL,
  mode             TEXT NOT NULL,
  ownership        TEXT NOT NULL,
  name             TEXT NOT NULL,
  serial           TEXT NOT NULL,
  refs             TEXT NOT NULL,
  last_connection  INTEGER NOT NULL,
  last_observation INTEGER NOT NULL,
  missing          TEXT NOT NULL,
  conflict         INTEGER NOT NULL CHECK (conflict IN (0, 1)),
  created_at       INTEGER NOT NULL,
  sort_name        TEXT NOT NULL, -- enrollment.Slot.SortKey by name
  PRIMARY KEY (site, id)
);
-- One index for each order of the list, alone and behind each filter.
CREATE INDEX ~slots_connection ON @slots (site, last_connection, id);
CREATE INDEX ~slots_name ON @slots (site, sort_name, id);
CREATE INDEX ~slots_state ON @slots (site, state, id);
CREATE INDEX ~slots_state_connection ON @slots (site, state, last_connection, id);
CREATE INDEX ~slots_state_name ON @slots (site, state, sort_name, id);
CREATE INDEX ~slots_platform_connection ON @slots (site, platform, last_connection, id);
CREATE INDEX ~slots_platform_name ON @slots (site, platform, sort_name, id);

CREATE TABLE @slot_terms (
  site TEXT NOT NULL,
  id   TEXT NOT NULL,
  term TEXT NOT NULL,
  PRIMARY KEY (site, id, term)
) WITHOUT ROWID;
CREATE INDEX ~slot_terms_term ON @slot_terms (site, term, id);

-- A site's slots in a state are the sum of its count and its deltas.
CREATE TABLE @slot_counts (
  site  TEXT NOT NULL,
  state TEXT NOT NULL,
  n     INTEGER NOT NULL,
  PRIMARY KEY (site, state)
) WITHOUT ROWID;
CREATE TABLE @slot_deltas (
  pos   INTEGER PRIMARY KEY AUTOINCREMENT,
  site  TEXT NOT NULL,
  state TEXT NOT NULL,
  n     INTEGER NOT NULL
);
CREATE INDEX ~slot_deltas_site ON @slot_deltas (site, state);

CREATE TABLE @events (
  pos        INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of writing
  site       TEXT NOT NULL,
  id         TEXT NOT NULL,
  subject    TEXT NOT NULL,
  seq        INTEGER NOT NULL,
  site_seq   INTEGER NOT NULL,
  type       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  actor      TEXT NOT NULL,
  before     TEXT NOT NULL,
  after      TEXT NOT NULL,
  reason     TEXT NOT NULL,
  ref_source TEXT NOT NULL,
  ref_id     TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  invitation TEXT NOT NULL,
  device     TEXT NOT NULL,
  data       TEXT NOT NULL
);
CREATE UNIQUE INDEX ~events_id ON @events (site, id);
CREATE UNIQUE INDEX ~events_subject ON @events (site, subject, seq);
CREATE UNIQUE INDEX ~events_site ON @events (site, site_seq) WHERE site_seq <> 0;
CREATE INDEX ~events_waiting ON @events (pos) WHERE site_seq = 0;

CREATE TABLE @site_sequences (
  site TEXT PRIMARY KEY,
  last INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE @messages (
  site        TEXT NOT NULL,
  id          TEXT NOT NULL,
  kind        TEXT NOT NULL,
  dedupe      TEXT NOT NULL,
  invitation  TEXT NOT NULL,
  device      TEXT NOT NULL,
  user_id     TEXT NOT NULL,
  admin       TEXT NOT NULL,
  event       TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  due_at      INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  fence       INTEGER NOT NULL,
  status      TEXT NOT NULL CHECK (status IN ('waiting', 'done', 'superseded', 'dead')),
  ended_at    INTEGER NOT NULL,
  cause       TEXT NOT NULL,
  PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX ~messages_dedupe ON @messages (site, dedupe) WHERE dedupe <> '';
CREATE INDEX ~messages_due ON @messages (due_at, id) WHERE status = 'waiting';
CREATE INDEX ~messages_ended ON @messages (ended_at) WHERE status <> 'waiting';
CREATE INDEX ~messages_created ON @messages (site, created_at, id);
CREATE INDEX ~messages_invitation ON @messages (site, invitation) WHERE invitation <> '';
CREATE INDEX ~messages_device ON @messages (site, device) WHERE device <> '';

CREATE TABLE @records (
  site        TEXT NOT NULL,
  scope       TEXT NOT NULL,
  key         TEXT NOT NULL,
  fingerprint BLOB,
  result      BLOB,
  at          INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (site, scope, key)
) WITHOUT ROWID;
CREATE INDEX ~records_expiry ON @records (expires_at) WHERE expires_at <> 0;
