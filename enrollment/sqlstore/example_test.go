package sqlstore_test

import (
	"fmt"
	"strings"

	"example.com/enrollkit/enrollment/sqlstore"
)

// The embedder's own migration tool gets the SQL, with the names of its choice.
func ExampleMigrations() {
	list, err := sqlstore.Migrations(sqlstore.SQLite, sqlstore.Options{Prefix: "acme_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range list {
		fmt.Printf("%d %s: makes %d tables\n", m.Version, m.Name, strings.Count(m.SQL, "CREATE TABLE acme_"))
	}
	// Output:
	// 1 base: makes 17 tables
}
