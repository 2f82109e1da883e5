package pgxq_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
)

func TestOpenRefusesTheSimpleProtocol(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:geheim@127.0.0.1:1/d?default_query_exec_mode=simple_protocol",
		"host=127.0.0.1 port=1 user=u password=geheim dbname=d default_query_exec_mode=simple_protocol",
	} {
		_, err := pgxq.Open(context.Background(), dsn)
		require.ErrorIs(t, err, pgxq.ErrSimpleProtocol)
	}
}

func TestOpenNeverTellsThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:geheim@127.0.0.1:1/d?connect_timeout=1",
		"postgres://u:geheim@127.0.0.1:port/d",
		"host=127.0.0.1 port=1 password=geheim connect_timeout=1",
		"host=127.0.0.1 port=1 password=geheim connect_timeout=soon",
		"password = geheim",
	} {
		_, err := pgxq.Open(context.Background(), dsn)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "geheim")
	}
}

func TestOpenRefusesAServerThatMayLoseWhatItAcknowledged(t *testing.T) {
	dsn := pgtest.DSN(t)
	pool, err := pgxq.Open(context.Background(), dsn)
	require.NoError(t, err)
	pool.Close()

	_, err = pgxq.Open(context.Background(), dsn+"&synchronous_commit=off")
	require.ErrorIs(t, err, pgxq.ErrUnsafe)
	require.ErrorContains(t, err, "synchronous_commit is off")

	pool, err = pgxq.Connect(context.Background(), dsn+"&synchronous_commit=off")
	require.NoError(t, err)
	pool.Close()
}
