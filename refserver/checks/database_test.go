package checks_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// database is one with a town in it.
type database struct {
	*sqlstore.Store
	db      sqlstore.Database
	dialect sqlstore.Dialect
	options sqlstore.Options
	begin   sqlstore.BeginOptions
	town    *town
}

// databases are the systems that the rules are tried on.
var databases = map[string]func(t testing.TB) database{
	"sqlite": func(t testing.TB) database {
		db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "town.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return found(t, database{
			db: sqlstore.SQL(db.DB), dialect: sqlstore.SQLite, begin: sqlstore.BeginOptions{Statement: "BEGIN IMMEDIATE"},
		})
	},
	"postgresql": func(t testing.TB) database {
		pool, err := pgxq.Open(t.Context(), pgtest.DSN(t))
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		db := pgxq.New(pool)
		_, err = db.Exec(t.Context(), "CREATE SCHEMA elsewhere")
		require.NoError(t, err)
		return found(t, database{db: db, dialect: sqlstore.PostgreSQL, options: sqlstore.Options{Schema: "elsewhere", Prefix: "my_"}})
	},
}

// found settles a town in an empty database.
func found(t testing.TB, d database) database {
	t.Helper()
	d = d.over(t, d.db)
	require.NoError(t, d.Migrate(t.Context()))
	d.town = settle(t, d.Store)
	return d
}

// over returns the store with another connection.
func (d database) over(t testing.TB, db sqlstore.Database) database {
	t.Helper()
	store, err := sqlstore.New(db, d.dialect, d.options)
	require.NoError(t, err)
	d.Store, d.db = store, db
	return d
}

// spoiled returns the database in a transaction that is rolled back after the
// test, for whatever is done to it.
func (d database) spoiled(t *testing.T) database {
	t.Helper()
	tx, err := d.db.Begin(context.Background(), d.begin)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tx.Rollback(context.Background())) })
	if d.options.Schema != "" { // an index is dropped without one
		_, err := tx.Exec(t.Context(), "SET LOCAL search_path = "+d.options.Schema)
		require.NoError(t, err)
	}
	return d.over(t, nested{tx})
}

// exec runs a statement that is written as sqlstore writes its own.
func (d database) exec(t *testing.T, text string, args ...any) int64 {
	t.Helper()
	n, err := d.db.Exec(context.Background(), d.Render(text), args...)
	require.NoError(t, err, text)
	return n
}

// nested is a database in a transaction: what begins in it is a savepoint.
type nested struct{ sqlstore.Querier }

func (n nested) Begin(ctx context.Context, _ sqlstore.BeginOptions) (sqlstore.Tx, error) {
	_, err := n.Exec(ctx, "SAVEPOINT nested")
	return n, err
}

func (n nested) Commit(ctx context.Context) error {
	_, err := n.Exec(ctx, "RELEASE SAVEPOINT nested")
	return err
}

func (n nested) Rollback(ctx context.Context) error {
	_, err := n.Exec(ctx, "ROLLBACK TO SAVEPOINT nested")
	return err
}
