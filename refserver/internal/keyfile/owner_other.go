//go:build !unix

package keyfile

import (
	"io/fs"
	"os"
)

// keepOwner has nothing to do: a file has the owner that its directory gives it.
func keepOwner(*os.File, fs.FileInfo, fs.FileInfo) error { return nil }
