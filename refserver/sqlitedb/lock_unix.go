//go:build unix

package sqlitedb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// acquire takes a lock that ends with the process, however it ends. The file
// stays: removing it would let two processes lock two files of one name.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w: the directory must be writable", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("sqlitedb: %s is locked: another server has this database open; stop it, or give this one another file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
