// Package mailbox is the built-in mailbox: where mail goes when no mail server
// is configured, for its site's administrators to read. Mail carries
// credentials, so its content is sealed with a key of the key ring: the database
// alone shows who got mail and of what kind, not what it said.
package mailbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// Mailbox is a mailer.Sender that keeps what it is given. Make one with [Open].
type Mailbox struct {
	db   *sql.DB
	ring *credentials.Keyring
}

var _ mailer.Sender = (*Mailbox)(nil)

// maxMails is how many mails a site's mailbox holds; older ones go.
const maxMails = 1000

// Mail is one mail in the box.
type Mail struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	To      string    `json:"to"`
	ToName  string    `json:"to_name"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	Text    string    `json:"text,omitempty"`
	HTML    string    `json:"html,omitempty"`
	Inline  []Inline  `json:"inline,omitempty"`
}

// Inline is an image of a mail.
type Inline struct {
	CID  string `json:"cid"`
	Type string `json:"type"`
	Data []byte `json:"data"`
}

// Open makes the table if need be.
func Open(ctx context.Context, db *sql.DB, ring *credentials.Keyring) (*Mailbox, error) {
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS ref_mails (
		n INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
		key_id INTEGER NOT NULL, sealed BLOB NOT NULL, UNIQUE (site, id))`)
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return &Mailbox{db: db, ring: ring}, nil
}

// Send keeps a mail. The same mail again replaces what was kept.
func (b *Mailbox) Send(ctx context.Context, m mailer.Message) error {
	mail := Mail{
		ID: m.ID, At: m.Date, Kind: string(m.Kind), To: m.To.Email, ToName: m.To.Name,
		From: m.From.String(), Subject: m.Subject, Text: m.Text, HTML: m.HTML,
	}
	for _, i := range m.Inline {
		mail.Inline = append(mail.Inline, Inline{CID: i.CID, Type: i.Type, Data: i.Data})
	}
	sealed, err := b.seal(m.Site, mail)
	if err != nil {
		return fmt.Errorf("mailbox: seal: %w", err)
	}
	_, err = b.db.ExecContext(ctx, `INSERT INTO ref_mails (site, id, at, key_id, sealed) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (site, id) DO UPDATE SET at = excluded.at, key_id = excluded.key_id, sealed = excluded.sealed`,
		m.Site, m.ID, m.Date.UnixMicro(), b.ring.Current(), sealed)
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	_, err = b.db.ExecContext(ctx, `DELETE FROM ref_mails WHERE site = ? AND n <= (
		SELECT n FROM ref_mails WHERE site = ? ORDER BY n DESC LIMIT 1 OFFSET ?)`, m.Site, m.Site, maxMails)
	return err
}

// Get returns one mail of a site, or an error wrapping enrollment.ErrNotFound.
func (b *Mailbox) Get(ctx context.Context, site, id string) (Mail, error) {
	var key uint32
	var sealed []byte
	err := b.db.QueryRowContext(ctx, `SELECT key_id, sealed FROM ref_mails WHERE site = ? AND id = ?`, site, id).Scan(&key, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Mail{}, enrollment.ErrNotFound
	}
	if err != nil {
		return Mail{}, err
	}
	return b.open(site, id, key, sealed)
}

// List returns at most limit mails of a site without their content, the newest
// first, before the n-th; 0: from the start. next is where to go on, 0 at the end.
func (b *Mailbox) List(ctx context.Context, site string, before int64, limit int) (list []Mail, next int64, err error) {
	rows, err := b.db.QueryContext(ctx, `SELECT n, id, key_id, sealed FROM ref_mails
		WHERE site = ? AND (? = 0 OR n < ?) ORDER BY n DESC LIMIT ?`, site, before, before, limit+1)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	list = []Mail{}
	var last int64
	for rows.Next() {
		if len(list) == limit {
			next = last
			break
		}
		var id string
		var key uint32
		var sealed []byte
		if err := rows.Scan(&last, &id, &key, &sealed); err != nil {
			return nil, 0, err
		}
		mail, err := b.open(site, id, key, sealed)
		if err != nil {
			return nil, 0, err
		}
		mail.Text, mail.HTML, mail.Inline = "", "", nil
		list = append(list, mail)
	}
	return list, next, rows.Err()
}

// purpose separates the mailbox's key from every other use of the ring.
const purpose = credentials.Purpose("refserver-mailbox")

// seal encrypts a mail for its place. A mail is larger than what Keyring.Seal
// takes.
func (b *Mailbox) seal(site string, m Mail) ([]byte, error) {
	plain, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	key, err := b.ring.Derive(b.ring.Current(), purpose, []byte(site), []byte(m.ID))
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	_, _ = rand.Read(nonce) // it does not fail
	return aead.Seal(nonce, nonce, plain, nil), nil
}

// open is the reverse of seal. The key is the site's and the mail's own, so a
// row that was moved does not open.
func (b *Mailbox) open(site, id string, keyID uint32, sealed []byte) (m Mail, err error) {
	key, err := b.ring.Derive(keyID, purpose, []byte(site), []byte(id))
	if err != nil {
		return Mail{}, fmt.Errorf("mailbox: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return Mail{}, err
	}
	if len(sealed) < aead.NonceSize() {
		return Mail{}, credentials.ErrTampered
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return Mail{}, fmt.Errorf("mailbox: %w", credentials.ErrTampered)
	}
	return m, json.Unmarshal(plain, &m)
}
