package linear_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/linear"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// clients work at the same time.
const clients = 8

// callsEach is how many calls each client makes; LINEAR_CALLS says otherwise.
func callsEach(t *testing.T) int {
	text := os.Getenv("LINEAR_CALLS")
	if text == "" {
		return 40
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "LINEAR_CALLS")
	return n
}

// stores are what the histories are made on: one storage for each node.
var stores = []struct {
	name string
	open func(*testing.T) []enrollment.Storage
}{
	{"memory", func(*testing.T) []enrollment.Storage {
		store := memstore.New()
		return []enrollment.Storage{store, store}
	}},
	{"sqlite", func(t *testing.T) []enrollment.Storage {
		db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "enroll.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		store, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
		require.NoError(t, err)
		require.NoError(t, store.Migrate(t.Context()))
		return []enrollment.Storage{store}
	}},
	{"postgresql", func(t *testing.T) []enrollment.Storage {
		dsn := pgtest.DSN(t)
		var nodes []enrollment.Storage
		for range 2 { // each with connections of its own, as two processes have
			pool, err := pgxq.Open(t.Context(), dsn)
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			store, err := sqlstore.New(pgxq.New(pool), sqlstore.PostgreSQL, sqlstore.Options{})
			require.NoError(t, err)
			require.NoError(t, store.Migrate(t.Context()))
			nodes = append(nodes, store)
		}
		return nodes
	}},
}

// everyStore runs a test on each.
func everyStore(t *testing.T, test func(t *testing.T, w *world)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) { test(t, newWorld(t, s.open(t)...)) })
	}
}

const (
	pinBudget    = 5
	loginBudget  = 10
	passcodeLock = 10
)

// tenants answer for every site, and know every user whose address names them:
// "ann@acme.example" is the user ann of the site acme.
type tenants struct{ lock int }

func (s tenants) Site(_ context.Context, id string) (enrollment.Site, error) {
	off := credentials.Off
	return enrollment.Site{
		Name: id, PublicURL: &url.URL{Scheme: "https", Host: "enroll.example"},
		Policy: enrollment.Policy{Credentials: credentials.Policy{
			PINBudget: pinBudget, PINAlert: off, PINPace: off, SourcePace: off, PINSiteBudget: off,
			OneTimeBudget: loginBudget, OneTimePace: off, GlobalPace: off,
			PasscodeLock: s.lock, PasscodeAlert: off, PasscodeSourceCap: off, PasscodePace: off, MailboxCap: 100,
		}},
	}, nil
}

func (s tenants) Host(ctx context.Context, _ string) (enrollment.Site, error) { return s.Site(ctx, "") }
func (s tenants) All(context.Context) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

type people struct{}

func (people) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: id, Email: address(site, id)}, nil
}

func (p people) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	id, host, _ := strings.Cut(email, "@")
	user, err := p.Lookup(ctx, strings.TrimSuffix(host, ".example"), id)
	return []enrollment.User{user}, err
}

func address(site, user string) string { return user + "@" + site + ".example" }

// mailbox keeps the mails with one-time logins, by recipient.
type mailbox struct {
	mu    sync.Mutex
	mails map[string]enrollment.LoginMail
}

func (b *mailbox) Deliver(_ context.Context, m enrollment.Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Login != nil {
		b.mails[m.To] = *m.Login
	}
	return nil
}

// world is a Service on each node.
type world struct {
	*testing.T
	nodes   []*enrollment.Service
	stores  []enrollment.Storage // of the nodes
	config  enrollment.Config
	mail    *mailbox
	history *linear.History
	by      enrollment.Actor
	broken  bool // errors are foreseen; their calls stay open
}

func newWorld(t *testing.T, list ...enrollment.Storage) *world {
	return worldWith(t, passcodeLock, list...)
}

func worldWith(t *testing.T, lock int, list ...enrollment.Storage) *world {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w := &world{
		T: t, stores: list, history: &linear.History{},
		mail: &mailbox{mails: map[string]enrollment.LoginMail{}},
		by:   enrollment.Actor{Site: "acme", ID: "adm"},
	}
	w.config = enrollment.Config{Keyring: ring, Sites: tenants{lock}, Directory: people{}, Deliverer: w.mail}
	for _, store := range list {
		w.serve(store)
	}
	return w
}

// serve adds a node over a store.
func (w *world) serve(store enrollment.Storage) {
	w.Helper()
	svc, err := enrollment.New(watched{store}, w.config)
	require.NoError(w, err)
	w.nodes = append(w.nodes, svc)
}

// client is one of those who work at the same time, at one node.
type client struct {
	*world
	number int
	svc    *enrollment.Service
	rand   *mathrand.Rand
}

// work lets every client make n calls. Its seed is the number of the client, so
// that only the timing differs from run to run.
func (w *world) work(n int, call func(c *client, i int)) {
	var group sync.WaitGroup
	for number := range clients {
		c := &client{
			world: w, number: number, svc: w.nodes[number%len(w.nodes)],
			rand: mathrand.New(mathrand.NewPCG(uint64(number), 1)),
		}
		group.Go(func() {
			for i := range n {
				call(c, i)
			}
		})
	}
	group.Wait()
}

// name returns a new name.
func (c *client) name(kind string, i int) string { return fmt.Sprintf("%s-%d-%d", kind, c.number, i) }

// begin notes a call of this client.
func (c *client) begin(in linear.Input) linear.Open { return c.history.Begin(c.number, in) }

// failed tells of an answer that no client should get here.
func (c *client) failed(what string, err error) {
	if c.broken {
		return
	}
	c.Errorf("%s: %v (%s)", what, err, enrollment.Code(err))
}

// check checks the history and says what it was.
func (w *world) check(m linear.Model) {
	w.Helper()
	report, err := w.history.Check(m, linear.Timeout)
	require.NoError(w, err)
	require.Zero(w, report.Unknown, "calls that were not answered, without a fault")
	w.Log(report)
}

// watched is a store that tells whose try was compared: what no client can see.
type watched struct{ enrollment.Storage }

type watching struct{}

// watch returns a context by which a try leaves its note.
func watch(ctx context.Context, note *linear.Compared) context.Context {
	*note = linear.NotCompared
	return context.WithValue(ctx, watching{}, note)
}

func (s watched) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := s.Storage.Spend(ctx, now, gate, groups...)
	note, ok := ctx.Value(watching{}).(*linear.Compared)
	if err != nil || !ok {
		return spent, err
	}
	for i, group := range spent.Groups {
		if !group.OK || len(groups[i]) == 0 {
			continue
		}
		if kind, _, _ := strings.Cut(groups[i][0].Key, "/"); kind == "pin" || kind == "passcode" {
			*note = linear.WasCompared
		}
	}
	return spent, err
}
