package sqlitedb

import (
	"context"
	"database/sql/driver"
)

// keeping opens connections that keep their statements prepared. A store's unit
// is a dozen of the same few statements, and preparing them is most of its cost.
type keeping struct{ driver.Connector }

func (k keeping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{fullConn: c.(fullConn), kept: map[string]*statement{}}, nil
}

// fullConn is what the driver's connections can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

const (
	maxKept   = 256     // statements of a connection
	maxLength = 4 << 10 // of one: those of many rows are long and each of its own
)

// conn is a connection with its statements. database/sql never uses one from
// two goroutines at once.
type conn struct {
	fullConn
	kept map[string]*statement
}

// statement is a prepared statement, busy while its rows are read: whoever runs
// the same text meanwhile prepares another.
type statement struct {
	driver.Stmt
	busy bool
}

// get returns a statement that is not busy, or nil for one to be run unkept.
func (c *conn) get(ctx context.Context, query string) (*statement, error) {
	if s := c.kept[query]; s != nil {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(query) > maxLength {
		return nil, nil
	}
	if len(c.kept) >= maxKept {
		c.forget()
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: stmt}
	c.kept[query] = s
	return s, nil
}

// forget closes what is not busy.
func (c *conn) forget() {
	for query, s := range c.kept {
		if !s.busy {
			_ = s.Close() // it was reset when it ended, so there is nothing to say
			delete(c.kept, query)
		}
	}
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	r, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &rows{r, s}, nil
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	for _, s := range c.kept {
		s.busy = false
	}
	c.forget()
	return c.fullConn.Close()
}

// rows free their statement when they are closed.
type rows struct {
	driver.Rows
	s *statement
}

func (r *rows) Close() error {
	err := r.Rows.Close()
	r.s.busy = false
	return err
}
