package siteapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/usercsv"
)

// send sends a list and returns the answer.
func send(t *testing.T, h http.Handler, token, query, media, list string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/users/import"+query, strings.NewReader(list))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", media)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// load sends a list that is taken.
func load(t *testing.T, h http.Handler, token, query, list string) (view importView) {
	t.Helper()
	status, body := send(t, h, token, query, "text/csv", list)
	require.Equal(t, 200, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &view))
	return view
}

// said puts a result into a line.
func said(r accounts.ImportResult) string {
	text := fmt.Sprint(r.Row, " ", r.Action)
	for _, e := range r.Errors {
		text += " " + e.Field + ":" + e.Code
	}
	return text
}

func TestListsThatAreRefused(t *testing.T) {
	h, token := newAPI(t)
	for _, c := range []struct {
		name, query, media, list string
		status                   int
		has                      string
	}{
		{"nothing", "", "text/csv", "", 422, `{"field":"file","code":"empty"}`},
		{"no header", "", "text/csv", "a@example.com,Ann\n", 422, `{"field":"row 1","code":"header_unknown"}`},
		{"Latin-1", "", "text/csv", "name\nAndr\xe9\n", 422, `{"field":"file","code":"encoding"}`},
		{"a quote without end", "", "text/csv", "name\n\"Ann\n", 422, `{"field":"row 2","code":"quotes"}`},
		{"a long cell", "", "text/csv", "name\n" + strings.Repeat("x", 1001), 422, `{"field":"row 2.name","code":"too_long"}`},
		{"too many rows", "", "text/csv", "name\n" + strings.Repeat("Ann\n", 50_001), 413, `"code":"too_many_rows"`},
		{"too many bytes", "", "text/csv", strings.Repeat("x", 10<<20+1), 413, `"code":"body_too_large"`},
		{"far too many bytes", "", "text/csv", strings.Repeat("x", 11<<20), 413, `"code":"body_too_large"`},
		{"JSON", "", "application/json", `{}`, 415, `"code":"unsupported_media_type"`},
		{"a form without a file", "", "multipart/form-data; boundary=x", "--x--\r\n", 422, `{"field":"file","code":"required"}`},
		{"half a form", "", "multipart/form-data; boundary=x", "--x\r\nContent-Dis", 400, `"code":"bad_form"`},
		{"neither true nor false", "?dry_run=perhaps", "text/csv", "name\nAnn\n", 422, `{"field":"dry_run","code":"malformed"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := send(t, h, token, c.query, c.media, c.list)
			assert.Equal(t, c.status, status, body)
			assert.Contains(t, body, c.has)
		})
	}
	_, body := ask(t, h, token, "GET", "/api/v1/users", "")
	assert.Contains(t, body, `"users":[]`)
}

func TestEachRowHasAResult(t *testing.T) {
	h, token := newAPI(t)
	load(t, h, token, "", "email,name,language,external_id\nann@example.com,Ann,en,1\nbob@example.com,Bob,,2\ncid@example.com,Cid,,\n")
	list := "\uFEFFexternal_id;name;email;language\r\n" +
		"1;Ann;ann@example.com;en\r\n" + // 2: as she is
		"1;Ann again;ann@example.org;en\r\n" + // 3: the id is here twice
		"2;Robert;robert@example.com;\r\n" + // 4: another name and address
		"3;Cid;CID@example.com;\r\n" + // 5: found by address, gets an id
		"4;Dan;Ann@example.com;\r\n" + // 6: an address that is here twice
		";Eve;not an address;\r\n" +
		";;;\r\n" +
		"5;Fay;fay@example.com;english please\r\n" +
		"6;;;\r\n" +
		"7;G\u0007;g@example.com;\r\n" +
		"8;Hal\r\n" +
		"9;" + strings.Repeat("x", 300) + ";i@example.com;\r\n" +
		"10;=1+1;j@example.com;\r\n"
	want := []string{
		"2 unchanged", "3 error external_id:repeated", "4 updated", "5 updated", "6 error email:repeated",
		"7 error email:malformed", "9 error language:malformed", "10 error name:required", "11 error name:malformed",
		"12 error row:mismatch", "13 error name:too_long", "14 created",
	}
	for _, query := range []string{"?dry_run=true", ""} {
		view := load(t, h, token, query, list)
		var got []string
		for _, r := range view.Results {
			got = append(got, said(r))
		}
		assert.Equal(t, want, got)
		assert.Equal(t, accounts.ImportCounts{Created: 1, Updated: 2, Unchanged: 1, Refused: 8}, view.Counts)
		_, body := ask(t, h, token, "GET", "/api/v1/users", "")
		assert.Equal(t, query == "", strings.Contains(body, "robert@example.com"), "a dry run changes nothing")
	}
	// What was imported is imported.
	again := load(t, h, token, "", list)
	assert.Equal(t, accounts.ImportCounts{Unchanged: 4, Refused: 8}, again.Counts)
}

func TestARowThatMeansTwoPeopleIsRefused(t *testing.T) {
	h, token := newAPI(t)
	load(t, h, token, "", "email,name,external_id\nann@example.com,Ann,1\nbob@example.com,Bob,2\n")
	for list, want := range map[string]string{
		"email,external_id\nbob@example.com,1\n": "2 error email:conflict",
		"email,external_id\nann@example.com,3\n": "2 error external_id:conflict",
	} {
		assert.Equal(t, want, said(load(t, h, token, "", list).Results[0]))
	}
	// An address that a row of this list gave away is free, also in a dry run.
	for _, query := range []string{"?dry_run=true", ""} {
		view := load(t, h, token, query, "email,name,external_id\nann@example.org,Ann,1\nann@example.com,Ann Too,3\n")
		assert.Equal(t, []string{"2 updated", "3 created"}, []string{said(view.Results[0]), said(view.Results[1])})
	}
}

func TestAColumnThatIsAbsentLeavesWhatUsersHave(t *testing.T) {
	h, token := newAPI(t)
	load(t, h, token, "", "email,name,language,external_id\nann@example.com,Ann,cs,1\n")
	assert.Equal(t, "2 updated", said(load(t, h, token, "", "email,name\nann@example.com,Ann Lee\n").Results[0]))
	_, body := ask(t, h, token, "GET", "/api/v1/users", "")
	assert.Contains(t, body, `"name":"Ann Lee","language":"cs","external_id":"1"`)
	load(t, h, token, "", "email,language\nann@example.com,\n")
	_, body = ask(t, h, token, "GET", "/api/v1/users", "")
	assert.Contains(t, body, `"language":""`)
}

func TestFiveThousandUsersComeInAndGoOutAgain(t *testing.T) {
	h, token := newAPI(t)
	var b strings.Builder
	b.WriteString("email\tname\texternal_id\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "user%d@example.com\tUser %d\tx%d\n", i, i, i)
	}
	dry := load(t, h, token, "?dry_run=true", b.String())
	assert.Equal(t, accounts.ImportCounts{Created: 5000}, dry.Counts)
	_, body := ask(t, h, token, "GET", "/api/v1/users", "")
	assert.Contains(t, body, `"users":[]`)

	began := time.Now()
	view := load(t, h, token, "", b.String())
	assert.Equal(t, accounts.ImportCounts{Created: 5000}, view.Counts)
	assert.Less(t, time.Since(began), 20*time.Second)
	status, body := ask(t, h, token, "GET", "/api/v1/users/"+view.Results[4999].User, "")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, "user4999@example.com")

	status, exported := ask(t, h, token, "GET", "/api/v1/users/export", "")
	assert.Equal(t, 200, status)
	assert.Equal(t, 5001, strings.Count(exported, "\r\n"))
	assert.Equal(t, accounts.ImportCounts{Unchanged: 5000}, load(t, h, token, "", exported).Counts)
}

func TestAnExportHoldsNoFormula(t *testing.T) {
	h, token := newAPI(t)
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(1)", "'=1", `=cmd|' /C calc'!A0`, "O'Neil", "Lee, Ann; \"the\" first"} {
		body, err := json.Marshal(map[string]string{"name": name})
		require.NoError(t, err)
		status, said := ask(t, h, token, "POST", "/api/v1/users", string(body))
		require.Equal(t, 201, status, said)
	}
	_, before := ask(t, h, token, "GET", "/api/v1/users", "")
	status, exported := ask(t, h, token, "GET", "/api/v1/users/export?bom=true", "")
	require.Equal(t, 200, status)
	assert.True(t, strings.HasPrefix(exported, "\uFEFFemail,name,language,external_id\r\n"))
	for line := range strings.Lines(exported) {
		for cell := range strings.SplitSeq(line, ",") {
			if inner := strings.TrimPrefix(cell, `"`); inner != "" {
				assert.NotContains(t, "=+-@", inner[:1], line)
			}
		}
	}
	file, err := usercsv.Parse([]byte(exported))
	require.NoError(t, err)
	for _, r := range file.Rows {
		assert.Contains(t, before, strings.Trim(string(must(json.Marshal(r.Cells[1]))), `"`))
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestAFormWithAFileIsTaken(t *testing.T) {
	h, token := newAPI(t)
	status, body := send(t, h, token, "", "multipart/form-data; boundary=x",
		"--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--x\r\n"+
			"Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\nContent-Type: text/csv\r\n\r\nname\r\nAnn\r\n--x--\r\n")
	assert.Equal(t, 200, status, body)
	assert.Contains(t, body, `"results":[{"row":2,"action":"created","user_id":"u_`)
}
