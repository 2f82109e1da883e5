package applemdm_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// pushed takes what would go to Apple.
type pushed chan *mdm.Push

func (p pushed) Push(_ context.Context, list []*mdm.Push) (map[string]*push.Response, error) {
	for _, one := range list {
		p <- one
	}
	return nil, errors.New("nobody is there")
}

func TestDevicesAreWokenWhenThereIsSomethingToDo(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	to := make(pushed, 10)
	w.apple.PushThrough(to)
	inv, p := w.managed("ann", 1)
	assert.Equal(t, "magic "+p.udid, (<-to).PushMagic, "after the TokenUpdate, or it would ask for nothing")

	_, err := w.svc.Remove(t.Context(), admin, w.deviceOf(inv).ID)
	require.NoError(t, err)
	w.deliver()
	woken := <-to
	assert.Equal(t, "magic "+p.udid, woken.PushMagic)
	assert.Equal(t, []byte("push token"), []byte(woken.Token))
	require.NoError(t, p.checkOut(t.Context()))
	assert.Empty(t, to, "who has left is not woken")
}

func TestThePushCertificateNamesTheTopic(t *testing.T) {
	const topic = "com.apple.mgmt.External.0a1b2c3d"
	of := func(uid string) *tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: uid}},
		}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		require.NoError(t, err)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	got, err := applemdm.TopicOf(of(topic), "")
	require.NoError(t, err)
	assert.Equal(t, topic, got)
	_, err = applemdm.TopicOf(of(topic), "com.apple.mgmt.other")
	assert.ErrorContains(t, err, "another than that of the push certificate")
	_, err = applemdm.TopicOf(of("somebody"), "")
	assert.ErrorContains(t, err, "no push certificate of Apple's")
	_, err = applemdm.TopicOf(&tls.Certificate{}, "")
	assert.Error(t, err)
}
