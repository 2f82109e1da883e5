//go:build !unix

package sqlitedb

import (
	"fmt"
	"os"
)

// acquire opens the file without a lock: where flock is missing, SQLite's own
// locks still keep writers apart, and only the one-server rule is not enforced.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w: the directory must be writable", err)
	}
	return f, nil
}
