package proxy_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/proxy"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// through returns a database with one empty table, and how to reach it through
// a proxy.
func through(t *testing.T) (p *proxy.Proxy, direct *pgx.Conn, dsn string) {
	t.Helper()
	ctx := context.Background()
	u, err := url.Parse(pgtest.DSN(t))
	require.NoError(t, err)
	direct = connect(t, u.String())
	_, err = direct.Exec(ctx, "CREATE TABLE said (word TEXT)")
	require.NoError(t, err)
	p, err = proxy.Start(u.Host, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	u.Host = p.Addr()
	return p, direct, u.String()
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // cut or not, it is over
	return conn
}

// say writes one row in a transaction and returns what the commit said.
func say(t *testing.T, conn *pgx.Conn, word string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "INSERT INTO said VALUES ($1)", word)
	require.NoError(t, err)
	return tx.Commit(ctx)
}

func said(t *testing.T, direct *pgx.Conn) (n int) {
	t.Helper()
	require.NoError(t, direct.QueryRow(context.Background(), "SELECT count(*) FROM said").Scan(&n))
	return n
}

func TestWithoutAFaultEverythingPasses(t *testing.T) {
	p, direct, dsn := through(t)
	require.NoError(t, say(t, connect(t, dsn), "hello"))
	require.Equal(t, 1, said(t, direct))
	require.Equal(t, proxy.Counts{Commits: 1, ConnectionsIn: 1}, p.Counts())
}

func TestALostReplyHidesACommitThatHappened(t *testing.T) {
	p, direct, dsn := through(t)
	conn := connect(t, dsn)
	p.CutCommits(1, proxy.LoseReply)
	require.Error(t, say(t, conn, "hello"))
	require.Equal(t, 1, said(t, direct))
	require.EqualValues(t, 1, p.Counts().RepliesLost)
}

func TestALostCommitNeverHappens(t *testing.T) {
	p, direct, dsn := through(t)
	conn := connect(t, dsn)
	p.CutCommits(1, proxy.LoseCommit)
	require.Error(t, say(t, conn, "hello"))
	require.Zero(t, said(t, direct))
	require.EqualValues(t, 1, p.Counts().CommitsLost)
}

func TestAStallHoldsBackAndLetsGo(t *testing.T) {
	p, direct, dsn := through(t)
	conn := connect(t, dsn)
	p.Stall(true)
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "INSERT INTO said VALUES ('hello')")
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatal("answered while everything stood still:", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.Zero(t, said(t, direct))
	p.Stall(false)
	require.NoError(t, <-ended)
	require.Equal(t, 1, said(t, direct))
}

func TestAResetEndsEveryConnection(t *testing.T) {
	p, _, dsn := through(t)
	a, b := connect(t, dsn), connect(t, dsn)
	p.Reset()
	require.Error(t, a.Ping(context.Background()))
	require.Error(t, b.Ping(context.Background()))
	require.NoError(t, connect(t, dsn).Ping(context.Background()))
}

func TestASlowNetworkLosesNothing(t *testing.T) {
	p, direct, dsn := through(t)
	conn := connect(t, dsn)
	p.Latency(5 * time.Millisecond)
	p.Pace(5000)
	require.NoError(t, say(t, conn, "hello"))
	require.Equal(t, 1, said(t, direct))
}
