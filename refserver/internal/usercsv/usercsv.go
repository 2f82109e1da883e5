// Package usercsv reads and writes lists of users as CSV, as spreadsheets make
// them: separated by a comma, a semicolon or a tab, with or without a byte order
// mark. It knows nothing of what the columns mean beyond their names.
//
// A cell that a spreadsheet would take for a formula is written behind an
// apostrophe, which reading takes off again: what was written is read as it was.
package usercsv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of a file.
const (
	MaxBytes = 10 << 20
	MaxRows  = 50_000 // users, the header not counted
	MaxCell  = 1_000  // bytes
)

// The columns. A file has "email" or "name"; the rest is up to it.
const (
	Email      = "email"
	Name       = "name"
	Language   = "language"
	ExternalID = "external_id"
)

// Columns are the names of the columns as they are written.
func Columns() []string { return []string{Email, Name, Language, ExternalID} }

// File is what was read.
type File struct {
	Columns []string // as in the header, in its order
	Rows    []Row
}

// Row is one user. Rows without any content are left out.
type Row struct {
	N     int      // as a spreadsheet counts it: the header is row 1
	Cells []string // one for each of Columns, unless Ragged
	// Ragged says that the row has more or fewer cells than the header.
	Ragged bool
}

// Label is what shows people whom a row is about: its address or else its name.
func (r Row) Label(f File) string {
	for _, column := range []string{Email, Name} {
		if i := slices.Index(f.Columns, column); i >= 0 && i < len(r.Cells) && strings.TrimSpace(r.Cells[i]) != "" {
			return r.Cells[i]
		}
	}
	return ""
}

// Error says why a file was not taken at all.
type Error struct {
	Row    int    // 0: it is not about a row
	Column string // "": it is not about a column, or it has no name
	// Code is "too_large", "too_many_rows", "too_long" (a cell), "encoding",
	// "empty", "header_missing", "header_unknown", "header_repeated" or "quotes".
	Code string
}

// Error names the place and the code, and quotes nothing of the file.
func (e *Error) Error() string {
	where := "usercsv"
	if e.Row > 0 {
		where += fmt.Sprintf(": row %d", e.Row)
	}
	if e.Column != "" {
		where += ", " + e.Column
	}
	return where + ": " + e.Code
}

const mark = "\uFEFF"

// Parse reads a file. Every error is an [*Error].
func Parse(file []byte) (File, error) {
	if len(file) > MaxBytes {
		return File{}, &Error{Code: "too_large"}
	}
	text := strings.TrimPrefix(string(file), mark)
	if !utf8.ValidString(text) || strings.HasPrefix(text, "\xff\xfe") {
		return File{}, &Error{Code: "encoding"}
	}
	p := &parser{rest: text, row: 1}
	p.separator(text)
	header, _, err := p.record()
	if errors.Is(err, io.EOF) {
		return File{}, &Error{Code: "empty"}
	}
	if err != nil {
		return File{}, err
	}
	f := File{}
	if f.Columns, err = columns(header, p.row-1); err != nil {
		return File{}, err
	}
	p.columns = f.Columns
	for {
		cells, blank, err := p.record()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return File{}, err
		}
		if blank {
			continue
		}
		if len(f.Rows) == MaxRows {
			return File{}, &Error{Code: "too_many_rows"}
		}
		for i := range cells {
			cells[i] = unguard(cells[i])
		}
		f.Rows = append(f.Rows, Row{N: p.row - 1, Cells: cells, Ragged: len(cells) != len(f.Columns)})
	}
}

// columns reads the header.
func columns(header []string, row int) ([]string, error) {
	for len(header) > 1 && strings.TrimSpace(header[len(header)-1]) == "" {
		header = header[:len(header)-1] // a separator at the end of each line
	}
	names := make([]string, len(header))
	for i, cell := range header {
		name := strings.ToLower(strings.TrimSpace(unguard(cell)))
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(name)
		if name == "e_mail" {
			name = Email
		}
		switch {
		case !slices.Contains(Columns(), name):
			return nil, &Error{Row: row, Code: "header_unknown"}
		case slices.Contains(names, name):
			return nil, &Error{Row: row, Column: name, Code: "header_repeated"}
		}
		names[i] = name
	}
	if !slices.Contains(names, Email) && !slices.Contains(names, Name) {
		return nil, &Error{Row: row, Code: "header_missing"}
	}
	return names, nil
}

// parser takes records from the front of a text.
type parser struct {
	rest    string
	comma   byte
	row     int // of the next record
	columns []string
}

// separator finds out what stands between cells: what a spreadsheet says in a
// line of its own, or else what the header has most of.
func (p *parser) separator(text string) {
	line, rest, _ := strings.Cut(text, "\n")
	line = strings.TrimSuffix(line, "\r")
	if said, ok := strings.CutPrefix(strings.ToLower(line), "sep="); ok && len(said) == 1 {
		p.comma, p.rest, p.row = said[0], rest, 2
		return
	}
	p.comma = ','
	most := strings.Count(line, ",")
	for _, c := range []byte{';', '\t'} {
		if n := strings.Count(line, string(c)); n > most {
			p.comma, most = c, n
		}
	}
}

// record returns the cells of the next record, and whether all are empty; at the
// end io.EOF. Cells beyond those of the header are counted once and not kept.
func (p *parser) record() (cells []string, blank bool, err error) {
	if p.rest == "" {
		return nil, false, io.EOF
	}
	blank = true
	for last := false; !last; {
		var cell string
		if cell, last, err = p.cell(len(cells)); err != nil {
			return nil, false, err
		}
		if strings.TrimSpace(cell) != "" {
			blank = false
		}
		known := len(Columns()) + 1
		if p.columns != nil {
			known = len(p.columns)
		}
		// A separator at the end of each line makes no further cell.
		if len(cells) < known || cell != "" && len(cells) == known {
			cells = append(cells, cell)
		}
	}
	p.row++
	return cells, blank, nil
}

// cell takes the next cell, the n-th of its record, and what ends it.
func (p *parser) cell(n int) (cell string, last bool, err error) {
	if strings.HasPrefix(p.rest, `"`) {
		if cell, err = p.quoted(); err != nil {
			return "", false, err
		}
		if p.rest != "" && p.rest[0] != p.comma && p.rest[0] != '\r' && p.rest[0] != '\n' {
			return "", false, p.wrong(n, "quotes")
		}
	} else {
		end := strings.IndexAny(p.rest, "\r\n"+string(rune(p.comma)))
		if end < 0 {
			end = len(p.rest)
		}
		cell, p.rest = p.rest[:end], p.rest[end:]
	}
	if len(cell) > MaxCell {
		return "", false, p.wrong(n, "too_long")
	}
	switch {
	case p.rest == "":
		return cell, true, nil
	case p.rest[0] == p.comma:
		p.rest = p.rest[1:]
		return cell, false, nil
	}
	p.rest = strings.TrimPrefix(p.rest[1:], map[byte]string{'\r': "\n", '\n': "\x00none"}[p.rest[0]])
	return cell, true, nil
}

// quoted takes what stands between quotation marks, in which two are one.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	rest := p.rest[1:]
	for {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			return "", p.wrong(-1, "quotes")
		}
		b.WriteString(rest[:end])
		rest = rest[end+1:]
		if !strings.HasPrefix(rest, `"`) {
			p.rest = rest
			return b.String(), nil
		}
		b.WriteByte('"')
		rest = rest[1:]
	}
}

func (p *parser) wrong(n int, code string) error {
	e := &Error{Row: p.row, Code: code}
	if n >= 0 && n < len(p.columns) {
		e.Column = p.columns[n]
	}
	return e
}

// formula is what makes a spreadsheet calculate or run a cell that begins so.
const formula = "=+-@\t\r\x00"

// guard puts an apostrophe before what a spreadsheet would take for a formula,
// and before what already looks as if it had been put there.
func guard(cell string) string {
	if looksGuarded(cell) {
		return "'" + cell
	}
	return cell
}

// unguard takes off what guard put there.
func unguard(cell string) string {
	if inner, ok := strings.CutPrefix(cell, "'"); ok && looksGuarded(inner) {
		return inner
	}
	return cell
}

func looksGuarded(cell string) bool {
	inner := strings.TrimLeft(cell, "'")
	return inner != "" && strings.IndexByte(formula, inner[0]) >= 0
}

// Writer writes a file that [Parse] reads.
type Writer struct{ b *bufio.Writer }

// NewWriter begins a file with its header. With a byte order mark spreadsheets
// see that it is UTF-8.
func NewWriter(w io.Writer, withMark bool) *Writer {
	out := &Writer{bufio.NewWriter(w)}
	if withMark {
		_, _ = out.b.WriteString(mark) // Flush tells
	}
	out.Write(Columns()...)
	return out
}

// Write writes one row.
func (w *Writer) Write(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			_ = w.b.WriteByte(',')
		}
		cell = guard(cell)
		if strings.ContainsAny(cell, "\",;\t\r\n") || strings.TrimSpace(cell) != cell {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		_, _ = w.b.WriteString(cell)
	}
	_, _ = w.b.WriteString("\r\n")
}

// Flush ends writing and returns the first error of all.
func (w *Writer) Flush() error { return w.b.Flush() }

// Marshal returns a whole file.
func Marshal(rows [][]string) []byte {
	var b bytes.Buffer
	w := NewWriter(&b, false)
	for _, row := range rows {
		w.Write(row...)
	}
	_ = w.Flush() // a buffer takes everything
	return b.Bytes()
}

// Sentence tells people what is wrong, with the limit that was passed.
func (e *Error) Sentence() string {
	text := map[string]string{
		"too_large":       fmt.Sprintf("The file is larger than %d MiB.", MaxBytes>>20),
		"too_many_rows":   fmt.Sprintf("The file has more than %d users.", MaxRows),
		"too_long":        fmt.Sprintf("A cell has more than %d bytes.", MaxCell),
		"encoding":        "The file is not UTF-8. Save it as \"CSV UTF-8\".",
		"empty":           "The file is empty.",
		"header_missing":  "The first row has to name the columns, with email or name among them.",
		"header_unknown":  "The first row has to name the columns, and those are " + strings.Join(Columns(), ", ") + ".",
		"header_repeated": "A column is there twice.",
		"quotes":          "A quotation mark is in the wrong place, or one is missing.",
	}[e.Code]
	if e.Row > 0 {
		text += fmt.Sprintf(" It is row %d", e.Row)
		if e.Column != "" {
			text += ", column " + e.Column
		}
		text += "."
	}
	return text
}
