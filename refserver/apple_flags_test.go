package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// selfSigned is a certificate with its key, in PEM.
func selfSigned(t *testing.T, serial int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

func TestFlagsOfAppleDevices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.pem")
	require.NoError(t, os.WriteFile(path, selfSigned(t, 1), 0o600))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("canary"), 0o600))

	none := func(string) string { return "" }
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-apple", "perhaps"}, "-apple: want auto, on or off"},
		{[]string{"-apple-topic", "com.example"}, "-apple-topic: want the topic of a push certificate, which begins with com.apple.mgmt"},
		{[]string{"-apple-push-certificate", empty}, "-apple-push-certificate: want a PEM file with a certificate and its key"},
		{[]string{"-apple-signing-certificate", empty + ".not"}, "-apple-signing-certificate: want a PEM file with a certificate and its key"},
		{[]string{"-apple", "on", "-apple-topic", "com.apple.mgmt.x", "-apple-signing-certificate", path}, ""},
	} {
		o, err := readOptions(c.args, none, new(bytes.Buffer))
		require.NoError(t, err)
		cfg, err := o.config()
		if c.want != "" {
			assert.EqualError(t, err, c.want)
			continue
		}
		require.NoError(t, err)
		assert.True(t, cfg.Apple.On)
		assert.Equal(t, "com.apple.mgmt.x", cfg.Apple.Topic)
		assert.NotNil(t, cfg.Apple.Signing)
		assert.Nil(t, cfg.Apple.Push)
	}
}
