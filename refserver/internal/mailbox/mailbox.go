// Package mailbox is the built-in mailbox: where mail goes when no mail server
// is configured, for its site's administrators to read. Mail carries
// credentials, so its content is sealed with a key of the key ring: the database
// alone shows who got mail and of what kind, not what it said.
package mailbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/database"
)

// Mailbox is a mailer.Sender that keeps what it is given. Make one with [New].
type Mailbox struct {
	db   *database.DB
	ring func() *credentials.Keyring
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
	User    string    `json:"user,omitempty"` // whom it is about
}

// Inline is an image of a mail.
type Inline struct {
	CID  string `json:"cid"`
	Type string `json:"type"`
	Data []byte `json:"data"`
}

// New returns the mailbox in a database. ring returns the key ring of the moment,
// which seals it.
func New(db *database.DB, ring func() *credentials.Keyring) *Mailbox {
	return &Mailbox{db: db, ring: ring}
}

// Send keeps a mail. The same mail again replaces what was kept. One about a user
// who was erased meanwhile is dropped.
func (b *Mailbox) Send(ctx context.Context, m mailer.Message) error {
	mail := Mail{
		ID: m.ID, At: m.Date, Kind: string(m.Kind), To: m.To.Email, ToName: m.To.Name,
		From: m.From.String(), Subject: m.Subject, Text: m.Text, HTML: m.HTML,
	}
	for _, i := range m.Inline {
		mail.Inline = append(mail.Inline, Inline{CID: i.CID, Type: i.Type, Data: i.Data})
	}
	ring := b.ring()
	err := b.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "mailbox of "+m.Site); err != nil {
			return err
		}
		user, erased, err := about(ctx, c, m.Site, m.ID)
		if err != nil || erased {
			return err
		}
		mail.User = user
		sealed, err := seal(ring, m.Site, mail)
		if err != nil {
			return fmt.Errorf("seal: %w", err)
		}
		if _, err := c.Exec(ctx, `INSERT INTO ref_mails (site, id, at, key_id, sealed) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (site, id) DO UPDATE SET at = excluded.at, key_id = excluded.key_id, sealed = excluded.sealed`,
			m.Site, m.ID, m.Date.UnixMicro(), int64(ring.Current()), sealed); err != nil {
			return err
		}
		_, err = c.Exec(ctx, `DELETE FROM ref_mails WHERE site = ? AND n <= (
			SELECT n FROM ref_mails WHERE site = ? ORDER BY n DESC LIMIT 1 OFFSET ?)`, m.Site, m.Site, maxMails)
		return err
	})
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	return nil
}

// Get returns one mail of a site, or an error wrapping enrollment.ErrNotFound.
func (b *Mailbox) Get(ctx context.Context, site, id string) (Mail, error) {
	var key int64
	var sealed []byte
	if err := b.db.Row(ctx, `SELECT key_id, sealed FROM ref_mails WHERE site = ? AND id = ?`, []any{site, id}, &key, &sealed); err != nil {
		return Mail{}, err
	}
	return b.open(site, id, uint32(key), sealed)
}

// List returns at most limit mails of a site without their content, the newest
// first, before the n-th; 0: from the start. next is where to go on, 0 at the end.
func (b *Mailbox) List(ctx context.Context, site string, before int64, limit int) (list []Mail, next int64, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	list = []Mail{}
	var last int64
	err = b.db.Rows(ctx, `SELECT n, id, key_id, sealed FROM ref_mails WHERE site = ? AND n < ? ORDER BY n DESC LIMIT ?`,
		[]any{site, before, limit + 1}, func(row database.Scanner) error {
			if len(list) == limit {
				next = last
				return nil
			}
			var id string
			var key int64
			var sealed []byte
			if err := row.Scan(&last, &id, &key, &sealed); err != nil {
				return err
			}
			mail, err := b.open(site, id, uint32(key), sealed)
			mail.Text, mail.HTML, mail.Inline = "", "", nil
			list = append(list, mail)
			return err
		})
	return list, next, err
}

// purpose separates the mailbox's key from every other use of the ring.
const purpose = credentials.Purpose("refserver-mailbox")

// seal encrypts a mail for its place. A mail is larger than what Keyring.Seal
// takes.
func seal(ring *credentials.Keyring, site string, m Mail) ([]byte, error) {
	plain, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	key, err := ring.Derive(ring.Current(), purpose, []byte(site), []byte(m.ID))
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
	key, err := b.ring().Derive(keyID, purpose, []byte(site), []byte(id))
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

// Rekey seals what older keys than the current one have sealed anew, at most
// limit mails, and returns how many it found. A mail that came again meanwhile
// stays as it came.
func (b *Mailbox) Rekey(ctx context.Context, limit int) (found int, err error) {
	ring := b.ring()
	type row struct {
		site, id string
		key      int64
		sealed   []byte
	}
	var list []row
	err = b.db.Rows(ctx, `SELECT site, id, key_id, sealed FROM ref_mails WHERE key_id < ? ORDER BY n LIMIT ?`,
		[]any{int64(ring.Current()), limit}, func(r database.Scanner) error {
			var next row
			err := r.Scan(&next.site, &next.id, &next.key, &next.sealed)
			list = append(list, next)
			return err
		})
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		mail, err := b.open(r.site, r.id, uint32(r.key), r.sealed)
		if err != nil {
			return 0, err
		}
		sealed, err := seal(ring, r.site, mail)
		if err != nil {
			return 0, err
		}
		if _, err := b.db.Exec(ctx, `UPDATE ref_mails SET key_id = ?, sealed = ? WHERE site = ? AND id = ? AND key_id = ? AND sealed = ?`,
			int64(ring.Current()), sealed, r.site, r.id, r.key, r.sealed); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// Forget removes every mail of a site that is about a user, as the outbox says,
// or went to one of the addresses, as they are compared, and whatever does not
// open, because nobody can tell whom it is about. A mail that is on its way while
// the user is erased is there to be removed, or [Mailbox.Send] drops it.
func (b *Mailbox) Forget(ctx context.Context, site, user string, addresses map[string]bool) error {
	return b.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "mailbox of "+site); err != nil {
			return err
		}
		ids := map[string]bool{}
		err := c.Rows(ctx, `SELECT id FROM enroll_messages WHERE site = ? AND user_id = ? AND user_id <> ''`, []any{site, user}, func(r database.Scanner) error {
			var id string
			err := r.Scan(&id)
			ids[id] = true
			return err
		})
		if err != nil {
			return err
		}
		var gone []string
		err = c.Rows(ctx, `SELECT id, key_id, sealed FROM ref_mails WHERE site = ?`, []any{site}, func(r database.Scanner) error {
			var id string
			var key int64
			var sealed []byte
			if err := r.Scan(&id, &key, &sealed); err != nil {
				return err
			}
			mail, err := b.open(site, id, uint32(key), sealed)
			to, malformed := credentials.CanonicalEmail(mail.To)
			if ids[id] || err != nil || mail.User != "" && mail.User == user || malformed == nil && addresses[to] {
				gone = append(gone, id)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range gone {
			if _, err := c.Exec(ctx, `DELETE FROM ref_mails WHERE site = ? AND id = ?`, site, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// about returns the user whom a message is about, none if the outbox does not
// know it any more, and whether the user was erased since what the message tells.
func about(ctx context.Context, c database.Conn, site, id string) (user string, erased bool, err error) {
	err = c.Row(ctx, `SELECT user_id FROM enroll_messages WHERE site = ? AND id = ?`, []any{site, id}, &user)
	if errors.Is(err, enrollment.ErrNotFound) || err == nil && user == "" {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	var n int
	err = c.Row(ctx, `SELECT count(*) FROM enroll_messages m
		JOIN enroll_events why ON why.site = m.site AND why.id = m.event
		JOIN enroll_events e ON e.site = m.site AND e.subject = ? AND e.type = ? AND e.pos > why.pos
		WHERE m.site = ? AND m.id = ?`, []any{enrollment.UserSubject(user), enrollment.EventUserErased, site, id}, &n)
	return user, n > 0, err
}
