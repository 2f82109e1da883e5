//go:build unix

package keyfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a draft the owner and the group of the old file, where they
// differ.
func keepOwner(draft *os.File, now, old fs.FileInfo) error {
	is, ok := now.Sys().(*syscall.Stat_t)
	was, ok2 := old.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	uid := int(was.Uid)
	if is.Uid == was.Uid {
		uid = -1 // an owner may give a file to another group of its own
	}
	if draft.Chown(uid, int(was.Gid)) != nil {
		return fmt.Errorf("the file belongs to user %d and group %d, which this process may not keep: run this as that user", was.Uid, was.Gid)
	}
	return nil
}
