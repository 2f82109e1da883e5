package httpkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/enrollkit/enrollment/internal/httpkit"
)

const limit = 4096

// body has one field of each kind that the wires use.
type body struct {
	Name  string           `json:"name"`
	Seq   int64            `json:"seq"`
	List  []item           `json:"list"`
	Facts map[string]*bool `json:"facts"`
	Raw   json.RawMessage  `json:"raw"`
	item
	unexported string
}

type item struct {
	ID *string `json:"id,omitempty"`
}

func decode(text string, header ...string) (body, error) {
	var b body
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	err := httpkit.DecodeJSON(httptest.NewRecorder(), r, limit, &b)
	return b, err
}

func TestDecodeJSONTakesOneObjectAndNothingElse(t *testing.T) {
	deep := func(n int) string {
		return `{"raw":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, c := range []struct {
		name, body string
		status     int // 0: taken
	}{
		{"an empty object", `{}`, 0},
		{"all fields", `{"name":"a","seq":7,"list":[{"id":"x"},{}],"facts":{"f":true},"raw":{"z":[1]},"id":"y"}`, 0},
		{"white space around", " \n{ \"seq\" : 7 }\t\r\n ", 0},
		{"null as absent", `{"name":null,"list":null,"raw":null}`, 0},
		{"escapes", `{"name":"\u00e9\n\"\ud83d\ude00"}`, 0},
		{"the same key in different objects", `{"list":[{"id":"a"},{"id":"a"}]}`, 0},
		{"nesting that is allowed", deep(httpkit.MaxDepth - 1), 0},

		{"nothing", ``, 400},
		{"space", ` `, 400},
		{"null", `null`, 400},
		{"an array", `[]`, 400},
		{"a text", `"{}"`, 400},
		{"a number", `1`, 400},
		{"cut short", `{"name":"a"`, 400},
		{"a second object", `{}{}`, 400},
		{"anything behind the object", `{} x`, 400},
		{"a trailing comma", `{"seq":1,}`, 400},
		{"a comment", `{/**/}`, 400},
		{"a byte order mark", "\ufeff{}", 400},
		{"an unknown field", `{"nme":"a"}`, 400},
		{"a field in another case", `{"Name":"a"}`, 400},
		{"an unknown field inside", `{"list":[{"it":"a"}]}`, 400},
		{"an unexported field", `{"unexported":"a"}`, 400},
		{"an embedded type by its name", `{"item":{}}`, 400},
		{"a key twice", `{"seq":1,"seq":1}`, 400},
		{"a key twice in two spellings", `{"seq":1,"\u0073eq":1}`, 400},
		{"a key twice in a map", `{"facts":{"f":true,"f":false}}`, 400},
		{"a key twice in raw JSON", `{"raw":{"a":[{"b":1,"b":2}]}}`, 400},
		{"a number for a text", `{"name":1}`, 400},
		{"a text for a number", `{"seq":"1"}`, 400},
		{"a fraction for a whole number", `{"seq":1.5}`, 400},
		{"a number out of range", `{"seq":9223372036854775808}`, 400},
		{"an object for a list", `{"list":{}}`, 400},
		{"a list for a text", `{"name":["a"]}`, 400},
		{"a text for a map", `{"facts":"f"}`, 400},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", 400},
		{"half a surrogate pair", `{"name":"\ud83d"}`, 400},
		{"the other half", `{"name":"\ude00"}`, 400},
		{"halves in the wrong order", `{"name":"\ude00\ud83d"}`, 400},
		{"half a pair before an escape", `{"name":"\ud83d\u0041"}`, 400},
		{"half a pair in a key", `{"facts":{"\ud83d":true}}`, 400},
		{"NUL between", "{\x00}", 400},
		{"nesting one too deep", deep(httpkit.MaxDepth), 400},
		{"as large as allowed", `{"name":"` + strings.Repeat("a", limit-len(`{"name":""}`)) + `"}`, 0},
		{"one byte too large", `{"name":"` + strings.Repeat("a", limit-len(`{"name":""}`)+1) + `"}`, 413},
	} {
		t.Run(c.name, func(t *testing.T) { wantBodyError(t, second(decode(c.body)), c.status) })
	}
}

func TestDecodeJSONFillsTheStruct(t *testing.T) {
	b, err := decode(`{"name":"\u00e9","seq":7,"list":[{"id":"x"},{}],"facts":{"f":true,"g":null},"raw":{"z":[1]},"id":"y"}`)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "é" || b.Seq != 7 || len(b.List) != 2 || *b.List[0].ID != "x" || !*b.Facts["f"] || string(b.Raw) != `{"z":[1]}` || *b.ID != "y" {
		t.Errorf("got %+v", b)
	}
	if g, there := b.Facts["g"]; !there || g != nil {
		t.Error("a null in a map can be told from a value")
	}
	_ = b.unexported
}

func TestDecodeJSONBearsAnyDepth(t *testing.T) {
	text := `{"raw":` + strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5) + `}`
	var b body
	err := httpkit.DecodeJSON(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text)), 1<<20, &b)
	wantBodyError(t, err, 400)
}

func TestDecodeJSONWantsTheMediaType(t *testing.T) {
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 0},
		{[]string{"Content-Type", ""}, 0},
		{[]string{"Content-Type", "application/json"}, 0},
		{[]string{"Content-Type", "Application/JSON; charset=UTF-8"}, 0},
		{[]string{"Content-Type", "application/json", "Content-Encoding", "identity"}, 0},
		{[]string{"Content-Type", "application/json; charset=latin1"}, 415},
		{[]string{"Content-Type", "text/plain"}, 415},
		{[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{[]string{"Content-Type", "application/json, text/plain"}, 415},
		{[]string{"Content-Type", "application/json", "Content-Type", "text/plain"}, 415},
		{[]string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, 415},
	} {
		t.Run(strings.Join(c.header, " "), func(t *testing.T) { wantBodyError(t, second(decode(`{}`, c.header...)), c.status) })
	}
}

func TestDecodeJSONReportsABrokenBodyAsMalformed(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"na`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	wantBodyError(t, httpkit.DecodeJSON(httptest.NewRecorder(), r, limit, new(body)), 400)
}

func TestDecodeJSONReadsNoMoreThanItsLimit(t *testing.T) {
	endless := &counter{}
	r := httptest.NewRequest(http.MethodPost, "/", endless)
	r.ContentLength = -1
	wantBodyError(t, httpkit.DecodeJSON(httptest.NewRecorder(), r, limit, new(body)), 413)
	if endless.n > 4*limit {
		t.Errorf("read %d bytes", endless.n)
	}
}

type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) { c.n += len(p); return len(p), nil }

func TestABodyErrorQuotesNothing(t *testing.T) {
	for _, text := range []string{`{"canary":1}`, `{"name":canary}`, `{"seq":"canary"}`, `{"facts":{"canary":1,"canary":2}}`, `canary`} {
		_, err := decode(text)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
		w := httptest.NewRecorder()
		httpkit.WriteProblem(w, httptest.NewRequest(http.MethodPost, "/", nil), httpkit.ProblemOf(err))
		if strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: answered %s", text, w.Body)
		}
	}
}

// What is taken is what encoding/json takes with unknown fields refused, less
// what it silently repairs.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","seq":7}`, `{"list":[{"id":"x"}]}`, `{"raw":[[[{"a":1}]]]}`, `{"name":"\ud83d\ude00"}`, `{"seq":1,"seq":2}`, `[`, "{\"name\":\"\xff\"}", `{"facts":{"\u0061":null}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		if err != nil {
			if _, ok := errors.AsType[*httpkit.BodyError](err); !ok {
				t.Fatalf("an error of type %T", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.DisallowUnknownFields()
		var want body
		if err := d.Decode(&want); err != nil {
			t.Fatalf("taken, and encoding/json says: %v", err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Fatalf("got %s, want %s", a, b)
		}
		if strings.Contains(got.Name, "\ufffd") && !strings.Contains(text, "\ufffd") && !strings.Contains(strings.ToLower(text), `\ufffd`) {
			t.Fatal("a broken text was repaired")
		}
	})
}

func second(_ body, err error) error { return err }

func wantBodyError(t *testing.T, err error, status int) {
	t.Helper()
	b, ok := errors.AsType[*httpkit.BodyError](err)
	switch {
	case status == 0 && err != nil:
		t.Errorf("refused: %v", err)
	case status != 0 && (!ok || b.Status != status):
		t.Errorf("got %v, want status %d", err, status)
	}
}
