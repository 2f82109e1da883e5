package usercsv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilesThatAreTaken(t *testing.T) {
	for name, file := range map[string]string{
		"commas":                 "email,name\na@example.com,Ann\n",
		"semicolons":             "email;name\r\na@example.com;Ann\r\n",
		"tabs":                   "email\tname\na@example.com\tAnn",
		"a byte order mark":      "\uFEFFemail,name\na@example.com,Ann\n",
		"quotes":                 "\"email\",\"name\"\n\"a@example.com\",\"Ann\"\n",
		"another case":           "E-Mail,NAME\na@example.com,Ann\n",
		"space in the header":    " email , name \na@example.com,Ann\n",
		"a separator too many":   "email;name;\na@example.com;Ann;\n",
		"what Excel says itself": "sep=;\r\nemail;name\r\na@example.com;Ann\r\n",
		"old line ends":          "email,name\ra@example.com,Ann\r",
		"empty lines":            "email,name\n\n,\na@example.com,Ann\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse([]byte(file))
			require.NoError(t, err)
			assert.Equal(t, []string{"email", "name"}, f.Columns)
			require.Len(t, f.Rows, 1)
			assert.Equal(t, []string{"a@example.com", "Ann"}, f.Rows[0].Cells)
			assert.False(t, f.Rows[0].Ragged)
		})
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, file, want string
	}{
		{"nothing", "", "usercsv: empty"},
		{"a mark alone", "\uFEFF", "usercsv: empty"},
		{"UTF-16", "\xff\xfee\x00m\x00", "usercsv: encoding"},
		{"Latin-1", "email,name\na@example.com,Andr\xe9\n", "usercsv: encoding"},
		{"no header", "a@example.com,Ann\n", "usercsv: row 1: header_unknown"},
		{"an unknown column", "email,salary\n", "usercsv: row 1: header_unknown"},
		{"a column twice", "email,email\n", "usercsv: row 1, email: header_repeated"},
		{"nobody can be told from it", "language,external_id\n", "usercsv: row 1: header_missing"},
		{"a quote that does not end", "email,name\n\"a@example.com,Ann\n", "usercsv: row 2: quotes"},
		{"something behind a quote", "email,name\n\"a\"b,Ann\n", "usercsv: row 2, email: quotes"},
		{"a long cell", "email,name\na@example.com," + strings.Repeat("x", MaxCell+1), "usercsv: row 2, name: too_long"},
		{"too many rows", "email\n" + strings.Repeat("a@example.com\n", MaxRows+1), "usercsv: too_many_rows"},
		{"too many bytes", strings.Repeat("x", MaxBytes+1), "usercsv: too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.file))
			require.EqualError(t, err, c.want)
			_, ok := errors.AsType[*Error](err)
			assert.True(t, ok)
		})
	}
	f, err := Parse([]byte("email\n" + strings.Repeat("a\n", MaxRows)))
	require.NoError(t, err, "the limit itself is taken")
	assert.Len(t, f.Rows, MaxRows)
	_, err = Parse([]byte("email\n" + strings.Repeat("x", MaxCell)))
	require.NoError(t, err)
}

func TestRowsAreCountedAsASpreadsheetDoes(t *testing.T) {
	f, err := Parse([]byte("email,name\n\"a\nb\",x\n\nc,d\ne\nf,g,h\n"))
	require.NoError(t, err)
	var got []string
	for _, r := range f.Rows {
		got = append(got, fmt.Sprint(r.N, r.Ragged))
	}
	assert.Equal(t, []string{"2 false", "4 false", "5 true", "6 true"}, got)
}

func TestWhatLooksLikeAFormulaIsWrittenAsText(t *testing.T) {
	for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\x00x", `=cmd|' /C calc'!A0`, "'=1"} {
		text := string(Marshal([][]string{{cell, "", "", ""}}))
		line := strings.SplitN(text, "\r\n", 2)[1]
		assert.True(t, strings.HasPrefix(strings.TrimPrefix(line, `"`), "'"), "%q", line)
	}
	for _, cell := range []string{"Ann", "O'Neil", "'tis", "1-2", "a@b"} {
		assert.Equal(t, cell, guard(cell))
	}
}

func TestManyCellsInALineTakeNoMemory(t *testing.T) {
	f, err := Parse([]byte("email\n" + strings.Repeat(",", MaxBytes-10) + "x"))
	require.NoError(t, err)
	require.Len(t, f.Rows, 1)
	assert.LessOrEqual(t, len(f.Rows[0].Cells), 2)
	assert.True(t, f.Rows[0].Ragged)
}

// FuzzRoundTrip: what was written is read as it was, and no cell of it is a
// formula to a spreadsheet.
func FuzzRoundTrip(f *testing.F) {
	f.Add("=1+1", "Ann, \"the\" Lee", "'-x", "\n;\t")
	f.Add("''=", "\r\n", "'", " a ")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		cells := []string{a, b, c, d}
		for _, s := range cells {
			if !utf8.ValidString(s) || len(s) > MaxCell-1 {
				return
			}
		}
		if strings.TrimSpace(a+b+c+d) == "" {
			return // no content, so no row
		}
		file, err := Parse(Marshal([][]string{cells}))
		require.NoError(t, err)
		require.Equal(t, Columns(), file.Columns)
		require.Len(t, file.Rows, 1)
		require.Equal(t, cells, file.Rows[0].Cells)
		for _, s := range cells {
			if g := guard(s); g != "" {
				require.NotContains(t, formula, g[:1])
			}
		}
	})
}

// FuzzParse: no file does more than be refused.
func FuzzParse(f *testing.F) {
	f.Add([]byte("email;name\r\n\"a\"\"b\";c\r\n"))
	f.Add([]byte("sep=\"\nemail\"name\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			_, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			return
		}
		for _, r := range file.Rows {
			require.LessOrEqual(t, len(r.Cells), len(file.Columns)+1)
			if !r.Ragged {
				require.Len(t, r.Cells, len(file.Columns))
			}
		}
	})
}
