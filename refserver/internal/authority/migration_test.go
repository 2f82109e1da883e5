package authority_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/sealed"
)

// Databases from before there were generations have one authority, of Apple's
// devices, in tables of its own.
func TestWhatThereWasBeforeGenerationsIsTheFirst(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		source := newWorld(t, databasetest.SQLite(t)) // where the key comes from
		key := source.node(authority.Apple).KeyOf()
		now := w.now()
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Device identities"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(year),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageKeyEncipherment,
		}
		root, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		require.NoError(t, err)
		leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "e1"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(year),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, template, newKey().Public(), key)
		require.NoError(t, err)
		plain, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		keyID, text, err := sealed.Seal(w.ring, "refserver-apple", plain, "authority", "1")
		require.NoError(t, err)

		w.run("DROP TABLE ref_authorities;\nDROP TABLE ref_certificates;\nDROP TABLE ref_apple_enrollments;\nDROP TABLE ref_apple_commands;\n")
		w.run(migration(t, name, "apple"))
		_, err = w.db.Exec(t.Context(), `INSERT INTO ref_apple_authority (id, topic, certificate, key_id, sealed, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
			"1", "com.apple.mgmt.External.x", root, keyID, text, now.UnixMicro())
		require.NoError(t, err)
		hash := sha256.Sum256(leaf)
		_, err = w.db.Exec(t.Context(), `INSERT INTO ref_apple_certificates (serial, site, enrollment, invitation, user_id, hash, issued_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, "abc", "acme", "e1", "inv_1", "", hash[:], now.UnixMicro(), now.Add(year).UnixMicro())
		require.NoError(t, err)
		w.run(migration(t, name, "authority"))

		a := w.node(authority.Apple)
		assert.Equal(t, root, a.First().Raw)
		cert, err := x509.ParseCertificate(leaf)
		require.NoError(t, err)
		holder, err := a.Holder(t.Context(), cert)
		require.NoError(t, err)
		assert.Equal(t, ann, holder)
		_, _, err = a.Claim(t.Context(), request(ann), nil)
		require.ErrorIs(t, err, authority.ErrOtherKey, "a challenge that was spent stays spent")
		assert.EqualValues(t, 2, w.rotate())
		_, err = a.Holder(t.Context(), cert)
		require.NoError(t, err)
	})
}

// run runs the statements of a text.
func (w *world) run(text string) {
	w.Helper()
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		_, err := w.db.Exec(w.Context(), statement)
		require.NoError(w, err, statement)
	}
}

// migration is the text of the one with a name.
func migration(t *testing.T, database, name string) string {
	t.Helper()
	system := "postgresql"
	if strings.HasPrefix(database, "sqlite:") {
		system = "sqlite"
	}
	files, err := filepath.Glob("../database/migrations/" + system + "/*_" + name + ".sql")
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return string(text)
}
