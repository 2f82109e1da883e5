//go:build unix

package keyfile

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func rotated(t *testing.T, path string) *credentials.Keyring {
	t.Helper()
	ring, err := Read(path)
	require.NoError(t, err)
	ring, err = ring.Rotate(rand.Reader)
	require.NoError(t, err)
	return ring
}

func TestAReplacedFileKeepsItsLinksAndItsMode(t *testing.T) {
	dir := t.TempDir()
	mounted := filepath.Join(dir, "mounted")
	require.NoError(t, os.Mkdir(mounted, 0o700))
	file, link := filepath.Join(mounted, "real.keyring"), filepath.Join(dir, "x.keyring")
	_, err := Make(file)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file, 0o640))
	require.NoError(t, os.Symlink(filepath.Join("mounted", "real.keyring"), link))

	require.NoError(t, Replace(link, rotated(t, link)))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type())
	info, err = os.Lstat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode())
	ring, err := Read(file)
	require.NoError(t, err)
	assert.Equal(t, uint32(2), ring.Current())
}

const nobody = 65534

// asNobody says to the test binary that it is the process that may not.
const asNobody = "ENROLLKIT_TEST_REPLACE"

func TestAReplacedFileKeepsItsOwnerOrIsNotReplaced(t *testing.T) {
	if path := os.Getenv(asNobody); path != "" {
		err := Replace(path, rotated(t, path))
		require.Error(t, err)
		_, _ = os.Stdout.WriteString("said: " + err.Error() + "\n")
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can make a file of somebody else")
	}
	dir, err := os.MkdirTemp("", "enrollkit-keyfile-") // t.TempDir's is closed to others
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	path := filepath.Join(dir, "x.keyring")
	_, err = Make(path)
	require.NoError(t, err)
	require.NoError(t, os.Chown(path, nobody, nobody))
	require.NoError(t, Replace(path, rotated(t, path)))
	owner := func() (uid, gid uint32) {
		info, err := os.Stat(path)
		require.NoError(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		return stat.Uid, stat.Gid
	}
	uid, gid := owner()
	assert.Equal(t, [2]uint32{nobody, nobody}, [2]uint32{uid, gid}, "the server that runs as nobody reads it still")

	// Who may write into the directory and not give files away changes nothing.
	require.NoError(t, os.Chown(path, 0, 0))
	require.NoError(t, os.Chmod(path, 0o644))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test"), program, 0o755))
	child := exec.CommandContext(t.Context(), filepath.Join(dir, "test"), "-test.run=^"+t.Name()+"$")
	child.Dir, child.Env = dir, append(os.Environ(), asNobody+"="+path)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	_, said, ok := strings.Cut(string(out), "said: ")
	require.True(t, ok, string(out))
	said, _, _ = strings.Cut(said, "\n")
	assert.Contains(t, said, "belongs to user 0 and group 0")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	require.NoError(t, os.Remove(filepath.Join(dir, "test")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no draft with keys stays behind")
}
