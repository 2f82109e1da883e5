package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/keyfile"
)

func TestAComputerKeepsItsSessionsWhenTheAuthorityHasANewRoot(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		old := w.enrolledComputer(1, "ann", passcode)
		ring, err := keyfile.Read(w.ringFile())
		require.NoError(t, err)
		db := databasetest.Beside(t, w.database)
		for n := range 2 {
			_, err = authority.Rotate(t.Context(), db, authority.Windows, ring, time.Now())
			require.NoError(t, err)
			_, err = old.Sync(t.Context())
			require.NoError(t, err, "who trusts an old root alone")
			fresh := w.enrolledComputer(2+n, []string{"bob", "cyd"}[n], passcode)
			assert.NotEqual(t, old.Provision.Roots[0].Raw, fresh.Provision.Roots[0].Raw)
			_, err = fresh.Sync(t.Context())
			require.NoError(t, err, "who trusts the new root alone")
		}
		require.NoError(t, old.Renew(t.Context()), "a renewal is of the new root")
		_, err = old.Sync(t.Context())
		require.NoError(t, err)
		for _, r := range w.windowsRows() {
			assert.Equal(t, "active", r.State)
		}
		assert.Len(t, w.windowsRows(), 3)
	})
}

func TestAComputerKeepsItsSessionsWhenTheKeyRingRotates(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.user(adminToken, "Ann", "ann@example.com")
		with := w.login("ann", w.passcode(adminToken))
		c := w.computer(1)
		require.NoError(t, c.Enroll(t.Context(), with))

		ring, err := keyfile.Read(w.ringFile())
		require.NoError(t, err)
		r, err := NewRotation(t.Context(), databasetest.Beside(t, w.database), w.ringFile(), ring)
		require.NoError(t, err)
		key, err := r.Add(t.Context())
		require.NoError(t, err)
		require.NoError(t, r.Promote(t.Context(), key))
		require.NoError(t, r.Move(t.Context()))

		require.NoError(t, c.Request(t.Context(), with), "the answer was lost")
		_, err = c.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State)
		uses, err := authority.KeyUses(t.Context(), databasetest.Beside(t, w.database))
		require.NoError(t, err)
		assert.Zero(t, uses[1])
		assert.Positive(t, uses[key])
		require.NoError(t, c.Renew(t.Context()))
		_, err = c.Sync(t.Context())
		require.NoError(t, err)
	})
}

func TestAComputerFindsTheServerAgainAfterARestart(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		c, d := w.enrolledComputer(1, "ann", passcode), w.enrolledComputer(2, "bob", passcode)
		_, err := d.Sync(t.Context())
		require.NoError(t, err)
		at := strings.TrimPrefix(w.windowsURL(), "https://")
		w.stop()
		_, err = c.Sync(t.Context())
		require.Error(t, err, "nobody is there")
		w.run(on, func(cfg *Config) { cfg.Windows.Listen = at })
		_, err = c.Sync(t.Context())
		require.NoError(t, err, "a first session")
		_, err = d.Sync(t.Context())
		require.NoError(t, err)
		for _, r := range w.windowsRows() {
			assert.Equal(t, "active", r.State)
		}
	})
}

func TestAnyNodeAnswersAComputer(t *testing.T) {
	nodes := startFleet(t, 2)
	a, b := nodes[0], nodes[1]
	passcode := a.passcode(adminToken)
	a.user(adminToken, "Ann", "ann@example.com")
	with := a.login("ann", passcode)
	c := a.computer(1)
	require.NoError(t, c.Probe(t.Context()))
	require.NoError(t, c.Discover(t.Context(), with.Username))
	require.NoError(t, c.Policies(t.Context(), with))
	c.Origin = b.base
	require.NoError(t, c.Request(t.Context(), with))
	for _, n := range []*world{a, b, a} {
		c.Provision.Address = n.windowsURL() + "/platform/windows/manage"
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, "active", a.theComputer().State)

	// A root that one of them has not heard of yet.
	ring, err := keyfile.Read(a.ringFile())
	require.NoError(t, err)
	_, err = authority.Rotate(t.Context(), databasetest.Beside(t, a.database), authority.Windows, ring, time.Now())
	require.NoError(t, err)
	c.Origin = a.base
	require.NoError(t, c.Renew(t.Context()))
	c.Provision.Address = b.windowsURL() + "/platform/windows/manage"
	_, err = c.Sync(t.Context())
	require.NoError(t, err)
}

func TestASessionThatIsUnderWayIsAnsweredWhenTheServerStops(t *testing.T) {
	w := start(t)
	c := w.enrolledComputer(1, "ann", w.passcode(adminToken))
	_, err := c.Sync(t.Context())
	require.NoError(t, err)
	at := strings.TrimPrefix(w.windowsURL(), "https://")
	connection, err := tls.Dial("tcp", at, &tls.Config{
		RootCAs: rootsOf(c), Certificates: []tls.Certificate{{Certificate: [][]byte{c.Provision.Certificate.Raw}, PrivateKey: c.Key}},
	})
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	message := strings.Replace(known(t, "unenroll"), "7BA748C8703E4DF2A74A92984117346A", c.Device.ID, 1)
	_, err = fmt.Fprintf(connection, "POST /platform/windows/manage HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", at, len(message))
	require.NoError(t, err)
	answers := bufio.NewReader(connection)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100", "the server waits for the message")
	_, err = answers.ReadString('\n')
	require.NoError(t, err)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	w.eventually("it stops", func() bool { return strings.Contains(w.log.String(), `"msg":"stopping"`) })
	_, err = connection.Write([]byte(message))
	require.NoError(t, err)
	got, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	_ = got.Body.Close()
	assert.Equal(t, http.StatusOK, got.StatusCode)
	<-stopped
}
