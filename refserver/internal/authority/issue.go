package authority

import (
	"context"
	"crypto/x509"
	"time"

	"example.com/enrollkit/refserver/internal/database"
)

// What an enrollment gets in a day. A device whose answer was lost asks again, with
// the key it has or with another; whoever repeats a request at will is to add
// nothing to the database, where certificates stay for ever.
const (
	issuesAgain = 24 * time.Hour
	maxIssues   = 10
)

// Issue gives a certificate for client authentication. Whose it is is stored before
// it is returned. In the first day the same key gets the same certificate again,
// unless it is to have another subject or the authority has a new root. It returns
// [ErrRequest], [ErrAuthorityExpired] and, where an enrollment had ten certificates in
// a day, [ErrTooMany].
func (a *Authority) Issue(ctx context.Context, r Request) (*x509.Certificate, error) {
	signs, err := a.newest(ctx)
	if err != nil {
		return nil, err
	}
	cert, err := a.issued(ctx, a.db, signs.generation, r)
	if err != nil || cert != nil {
		return cert, err
	}
	fresh, generation, err := a.make(ctx, r)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		err := c.Hold(ctx, "authority "+a.name+" "+r.Site+" "+r.Enrollment)
		if err != nil {
			return err
		}
		if cert, err = a.issued(ctx, c, generation, r); err != nil || cert != nil {
			return err // the same request came twice
		}
		cert = fresh
		return a.keep(ctx, c, cert, generation, r, true)
	})
	if err != nil {
		return nil, err
	}
	return cert, nil
}

// rows reads rows: a database, or a unit of it.
type rows interface {
	Rows(ctx context.Context, query string, args []any, each func(database.Scanner) error) error
}

// issued returns what a request got of a generation in the last day, or nil, or
// ErrTooMany if it can get nothing.
func (a *Authority) issued(ctx context.Context, db rows, generation int64, r Request) (cert *x509.Certificate, err error) {
	if !strong(r.Public) {
		return nil, ErrRequest
	}
	key, err := hashOf(r.Public)
	if err != nil {
		return nil, ErrRequest
	}
	subject, now, n := r.subject().String(), a.now(), 0
	err = db.Rows(ctx, `SELECT request, certificate, generation FROM ref_certificates
		WHERE authority = ? AND site = ? AND enrollment = ? AND confirmed = 1 AND issued_at > ? ORDER BY issued_at`,
		[]any{a.name, r.Site, r.Enrollment, now.Add(-issuesAgain).UnixMicro()}, func(row database.Scanner) error {
			var known, der []byte
			var of int64
			if err := row.Scan(&known, &der, &of); err != nil {
				return err
			}
			n++
			if of != generation || string(known) != string(key) {
				return nil
			}
			found, err := x509.ParseCertificate(der)
			if err == nil && found.Subject.String() == subject && now.Before(found.NotAfter) {
				cert = found
			}
			return err
		})
	switch {
	case err != nil:
		return nil, err
	case cert == nil && n >= maxIssues:
		return nil, ErrTooMany
	}
	return cert, nil
}
