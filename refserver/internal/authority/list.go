package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"example.com/enrollkit/refserver/internal/database"
)

// Generation is one root, for people.
type Generation struct {
	Name         string // of the authority
	Number       int64
	Made         time.Time
	Ends         time.Time
	Certificates int64     // that are good at the moment
	Last         time.Time // when the last of them ends; zero: there is none
}

// List returns every root of every authority, the oldest of each first.
func List(ctx context.Context, db *database.DB, now time.Time) ([]Generation, error) {
	var list []Generation
	err := db.Rows(ctx, `SELECT a.name, a.generation, a.certificate, a.created_at, count(c.serial), coalesce(max(c.expires_at), 0)
		FROM ref_authorities a LEFT JOIN ref_certificates c
		ON c.authority = a.name AND c.generation = a.generation AND c.confirmed = 1 AND c.expires_at > ?
		WHERE a.role = ? GROUP BY a.name, a.generation, a.certificate, a.created_at ORDER BY a.name, a.generation`,
		[]any{now.UnixMicro(), roleRoot}, func(row database.Scanner) error {
			var g Generation
			var der []byte
			var made, last int64
			if err := row.Scan(&g.Name, &g.Number, &der, &made, &g.Certificates, &last); err != nil {
				return err
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return errors.New("authority: a certificate is malformed")
			}
			g.Made, g.Ends = time.UnixMicro(made).UTC(), cert.NotAfter
			if last > 0 {
				g.Last = time.UnixMicro(last).UTC()
			}
			list = append(list, g)
			return nil
		})
	return list, err
}
