package authority_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// trusts says whether a device that has one root alone takes a server's chain.
func trusts(root *x509.Certificate, server *tls.Certificate, name string) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: name}
	o.Roots.AddCert(root)
	for _, der := range server.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		o.Intermediates.AddCert(cert)
	}
	_, err := server.Leaf.Verify(o)
	return err
}

func TestAServerIsTrustedByTheDevicesOfEveryGeneration(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		key, err := credentials.NewKey(1, rand.Reader)
		require.NoError(t, err)
		ring, err := credentials.NewKeyring(key)
		require.NoError(t, err)
		a, err := authority.Open(t.Context(), db, authority.Windows, func() *credentials.Keyring { return ring }, time.Now)
		require.NoError(t, err)
		var roots []*x509.Certificate
		for generation := range 3 {
			if generation > 0 {
				_, err := authority.Rotate(t.Context(), db, authority.Windows, ring, time.Now())
				require.NoError(t, err)
			}
			root, err := a.Root(t.Context())
			require.NoError(t, err)
			roots = append(roots, root)
			server, err := a.Server(t.Context(), []string{"mdm.example.com", "127.0.0.1"}, time.Hour)
			require.NoError(t, err)
			for i, root := range roots {
				assert.NoError(t, trusts(root, server, "mdm.example.com"), "root %d, server of %d", i, generation)
				assert.NoError(t, trusts(root, server, "127.0.0.1"))
				assert.Error(t, trusts(root, server, "other.example.com"))
			}
			fresh, err := a.SignedBy(t.Context(), server.Leaf)
			require.NoError(t, err)
			assert.True(t, fresh)
			_, err = a.Holder(t.Context(), server.Leaf)
			assert.ErrorIs(t, err, authority.ErrUnknown, "a server is no device")
			if generation > 0 {
				old, err := a.SignedBy(t.Context(), roots[generation-1])
				require.NoError(t, err)
				assert.False(t, old)
			}
		}
	})
}
