package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// Principal is a signed-in administrator of one site.
type Principal struct {
	Site, Admin, Email, Name string
}

// Actor is who acts, for the Service.
func (p Principal) Actor() enrollment.Actor {
	return enrollment.Actor{Site: p.Site, ID: p.Admin, Name: p.Display()}
}

// Display is how people see the administrator.
func (p Principal) Display() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Email
}

// ErrUnknown says that a token, a session or an address belongs to nobody.
var ErrUnknown = errors.New("accounts: nobody has this token")

// Token is an administrator's secret to be stored as a hash.
type Token struct {
	Secret credentials.Secret
	// Source says where it came from: what the configuration gives replaces
	// what it gave before.
	Source string
}

// Where tokens come from.
const (
	Minted     = "minted"
	Configured = "configured"
	Demo       = "demo" // minted again at every start with -demo
)

// MintToken returns a fresh token of 256 bits.
func MintToken(source string) Token { return Token{Secret: secret256(), Source: source} }

// secret256 is 256 random bits in base64url. crypto/rand.Read does not fail.
func secret256() credentials.Secret {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return credentials.SecretString(base64.RawURLEncoding.EncodeToString(b[:]))
}

// hash is what stands in the table. Secrets of 256 bits need no slow hash.
func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func putToken(ctx context.Context, c database.Conn, p Principal, t Token, now time.Time) error {
	if t.Source != Minted {
		// Sessions that were opened by it go with it.
		if _, err := c.Exec(ctx, `DELETE FROM ref_tokens WHERE site = ? AND source = ? AND hash <> ?`,
			p.Site, t.Source, hash(t.Secret.Reveal())); err != nil {
			return err
		}
	}
	_, err := c.Exec(ctx, `INSERT INTO ref_tokens (hash, site, admin, source, created_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (hash) DO NOTHING`, hash(t.Secret.Reveal()), p.Site, p.Admin, t.Source, micros(now))
	if err != nil {
		return err
	}
	var others int
	err = c.Row(ctx, `SELECT count(*) FROM ref_tokens WHERE hash = ? AND (site <> ? OR admin <> ?)`,
		[]any{hash(t.Secret.Reveal()), p.Site, p.Admin}, &others)
	if err == nil && others > 0 {
		return errors.New("accounts: the token belongs to another administrator")
	}
	return err
}

// SetToken adds a token to the oldest administrator of a site and returns who
// that is.
func (a *Accounts) SetToken(ctx context.Context, site string, t Token) (p Principal, err error) {
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		p = Principal{Site: site}
		if err := c.Row(ctx, `SELECT id, email, name FROM ref_admins WHERE site = ? ORDER BY created_at, id LIMIT 1`,
			[]any{site}, &p.Admin, &p.Email, &p.Name); err != nil {
			return err
		}
		return putToken(ctx, c, p, t, time.Now())
	})
	return p, err
}

// ByToken returns who has a token, or [ErrUnknown].
func (a *Accounts) ByToken(ctx context.Context, token string) (Principal, error) {
	return a.principal(ctx, `SELECT a.site, a.id, a.email, a.name FROM ref_tokens t
		JOIN ref_admins a ON a.site = t.site AND a.id = t.admin WHERE t.hash = ?`, hash(token))
}

func (a *Accounts) principal(ctx context.Context, text string, args ...any) (p Principal, err error) {
	err = a.db.Row(ctx, text, args, &p.Site, &p.Admin, &p.Email, &p.Name)
	if errors.Is(err, enrollment.ErrNotFound) {
		return Principal{}, ErrUnknown
	}
	return p, err
}

// SessionKept is how long a session lasts.
const SessionKept = 12 * time.Hour

// SignIn opens a session for the administrator who has both the address and the
// token, or answers [ErrUnknown].
func (a *Accounts) SignIn(ctx context.Context, email, token string) (session credentials.Secret, p Principal, err error) {
	if p, err = a.ByToken(ctx, token); err != nil {
		return credentials.Secret{}, Principal{}, err
	}
	given, err := adminKey(email)
	stored, storedErr := adminKey(p.Email)
	if err != nil || storedErr != nil || subtle.ConstantTimeCompare([]byte(given), []byte(stored)) != 1 {
		return credentials.Secret{}, Principal{}, ErrUnknown
	}
	session = secret256()
	now := time.Now()
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if _, err := c.Exec(ctx, `DELETE FROM ref_sessions WHERE expires_at <= ?`, micros(now)); err != nil {
			return err
		}
		_, err := c.Exec(ctx, `INSERT INTO ref_sessions (hash, token, created_at, expires_at) VALUES (?, ?, ?, ?)`,
			hash(session.Reveal()), hash(token), micros(now), micros(now.Add(SessionKept)))
		return err
	})
	return session, p, err
}

// BySession returns whose session it is, or [ErrUnknown].
func (a *Accounts) BySession(ctx context.Context, session string) (Principal, error) {
	return a.principal(ctx, `SELECT a.site, a.id, a.email, a.name FROM ref_sessions s
		JOIN ref_tokens t ON t.hash = s.token
		JOIN ref_admins a ON a.site = t.site AND a.id = t.admin
		WHERE s.hash = ? AND s.expires_at > ?`, hash(session), micros(time.Now()))
}

// SignOut ends a session.
func (a *Accounts) SignOut(ctx context.Context, session string) error {
	_, err := a.db.Exec(ctx, `DELETE FROM ref_sessions WHERE hash = ?`, hash(session))
	return err
}
