package canary

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// forms are the ways in which a secret may be written down, by name.
func forms(secret string) map[string][]byte {
	list := map[string][]byte{"plain": []byte(secret)}
	add := func(name, text string) { list[name] = []byte(text) }
	encode := func(name string, b []byte) {
		add(name+"hex", hex.EncodeToString(b))
		add(name+"HEX", strings.ToUpper(hex.EncodeToString(b)))
		add(name+"base32", strings.TrimRight(base32.StdEncoding.EncodeToString(b), "="))
		for shift := range 3 { // wherever it begins within what is encoded
			for kind, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
				text := e.EncodeToString(append(make([]byte, shift), b...))
				from := []int{0, 2, 3}[shift]
				add(fmt.Sprintf("%s%s+%d", name, kind, shift), text[from:len(text)-2])
			}
		}
	}
	encode("", []byte(secret))
	var percent strings.Builder
	for _, c := range []byte(secret) {
		fmt.Fprintf(&percent, "%%%02X", c)
	}
	add("percent", percent.String())
	add("query", url.QueryEscape(secret))
	// Tokens are bytes in base64url.
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) == 32 {
		list["bytes"] = raw
		encode("bytes in ", raw)
	}
	// PINs are grouped for people, and could be tried against a plain hash.
	if len(secret) == 12 && strings.Trim(secret, "0123456789") == "" {
		for _, size := range []int{2, 3, 4, 6} {
			for _, sep := range []string{" ", "-", "\u00a0", "&nbsp;"} {
				var groups []string
				for i := 0; i < len(secret); i += size {
					groups = append(groups, secret[i:i+size])
				}
				add(fmt.Sprintf("in groups of %d with %q", size, sep), strings.Join(groups, sep))
			}
		}
		five, one, two := md5.Sum([]byte(secret)), sha1.Sum([]byte(secret)), sha256.Sum256([]byte(secret))
		for name, sum := range map[string][]byte{"md5": five[:], "sha1": one[:], "sha256": two[:]} {
			list[name] = sum
			encode(name+" in ", sum)
		}
	}
	return list
}

// place is somewhere a secret must not be.
type place struct {
	name  string
	text  []byte
	meant []string // the secrets that belong here, by name
}

// search returns what was found where, once each.
func search(secrets map[string]string, places []place) (found []string) {
	var all bytes.Buffer // most forms are nowhere
	for _, p := range places {
		all.Write(p.text)
		all.WriteByte(0)
	}
	for name, secret := range secrets {
		for form, text := range forms(secret) {
			if !bytes.Contains(all.Bytes(), text) {
				continue
			}
			for _, p := range places {
				if !slices.Contains(p.meant, name) && bytes.Contains(p.text, text) {
					found = append(found, fmt.Sprintf("%s (%s) in %s", name, form, p.name))
				}
			}
		}
	}
	return found
}

// tables are all rows of a database, one place for each column.
func tables(t *testing.T, path string) (list []place) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, table := range tableNames(t, db) {
		var columns []string
		rows, err := db.QueryContext(t.Context(), `SELECT name FROM pragma_table_info(?)`, table)
		require.NoError(t, err)
		for rows.Next() {
			var name string
			require.NoError(t, rows.Scan(&name))
			columns = append(columns, name)
		}
		require.NoError(t, rows.Err())
		for _, column := range columns {
			var text bytes.Buffer
			rows, err := db.QueryContext(t.Context(), `SELECT CAST("`+column+`" AS BLOB) FROM "`+table+`"`)
			require.NoError(t, err)
			for rows.Next() {
				var value []byte
				require.NoError(t, rows.Scan(&value))
				text.Write(value)
				text.WriteByte('\n')
			}
			require.NoError(t, rows.Err())
			list = append(list, place{name: "column " + table + "." + column, text: text.Bytes()})
		}
	}
	require.Greater(t, len(list), 100)
	return list
}

func tableNames(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}

// files are the bytes of the database and its log as they are now.
func files(t *testing.T, path, when string) (list []place) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		text, err := os.ReadFile(path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		list = append(list, place{name: "file canary.db" + suffix + " " + when, text: text})
	}
	return list
}

// The search itself has to find what is there.
func TestTheSearchFindsEveryForm(t *testing.T) {
	for _, secret := range []string{"canary-short", typedPIN, typedToken} {
		for form, text := range forms(secret) {
			require.GreaterOrEqual(t, len(text), 8, "%s of %s is too short to search for", form, secret)
			found := search(map[string]string{"x": secret}, []place{{name: "here", text: append(append([]byte("before "), text...), " after"...)}})
			require.Contains(t, found, "x ("+form+") in here")
		}
	}
	for shift := range 3 {
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + typedPIN + "and more"))
		require.NotEmpty(t, search(map[string]string{"x": typedPIN}, []place{{name: "here", text: []byte(b)}}), "base64 behind %d bytes", shift)
	}
}
