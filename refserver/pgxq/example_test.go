package pgxq_test

import (
	"context"
	"fmt"
	"os"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgxq"
)

func ExampleOpen() {
	_, err := pgxq.Open(context.Background(), "postgres://enroll@db.example.com/enroll?default_query_exec_mode=simple_protocol")
	fmt.Println(err)
	// Output:
	// pgxq: simple_protocol is not supported: use default_query_exec_mode=exec behind a pooler
}

func ExampleNew() {
	ctx := context.Background()
	pool, err := pgxq.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return // unreachable, or not to be trusted
	}
	store, err := sqlstore.New(pgxq.New(pool), sqlstore.PostgreSQL, sqlstore.Options{Schema: "enrollment"})
	if err != nil {
		return
	}
	fmt.Println(store.Check(ctx))
}
