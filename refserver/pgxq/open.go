package pgxq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrSimpleProtocol refuses a DSN that asks for the simple protocol: its
	// statements may be run twice when an answer is lost.
	ErrSimpleProtocol = errors.New("pgxq: simple_protocol is not supported: use default_query_exec_mode=exec behind a pooler")
	// ErrUnsafe refuses a server that acknowledges what it may lose.
	ErrUnsafe = errors.New("pgxq: the server may lose what it has acknowledged")
)

// Open connects to the database of a DSN ("postgres://..." or "host=... ...")
// and answers whether that may be trusted: an error wrapping
// [ErrSimpleProtocol] or [ErrUnsafe] says why not. The DSN's password is in no
// error. Behind PgBouncer in transaction mode the DSN needs
// default_query_exec_mode=exec, since prepared statements belong to a session.
func Open(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	pool, err := Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := Durable(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// Connect is [Open] without the look at the server's settings.
func Connect(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("pgxq: %w", err) // pgx redacts the password
	}
	if cfg.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, ErrSimpleProtocol
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("pgxq: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("pgxq: %w", err)
	}
	return pool, nil
}

// Durable returns an error wrapping [ErrUnsafe] that names the setting, if the
// server acknowledges a commit before it is on disk.
func Durable(ctx context.Context, pool *pgxpool.Pool) error {
	for _, setting := range []struct {
		name string
		safe []string
	}{
		{"fsync", []string{"on"}},
		{"full_page_writes", []string{"on"}},
		{"synchronous_commit", []string{"on", "local", "remote_write", "remote_apply"}},
	} {
		var value string
		if err := pool.QueryRow(ctx, "SELECT current_setting($1)", setting.name).Scan(&value); err != nil {
			return fmt.Errorf("pgxq: %s: %w", setting.name, err)
		}
		if !slices.Contains(setting.safe, value) {
			return fmt.Errorf("%w: %s is %s: set it to on", ErrUnsafe, setting.name, value)
		}
	}
	return nil
}
