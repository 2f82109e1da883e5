package adminhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

const ndjson = "Content-Type: application/x-ndjson"

func TestAdopt(t *testing.T) {
	w := newWorld(t)
	_, here := w.enroll(acme, "u-1", "SN-ONE")
	lines := strings.Join([]string{
		`{"ref":{"source":"amapi","id":"1"},"user_id":"u-2","platform":"android","mode":"android_fully_managed","state":"active","hardware":{"serial":"SN-TWO"},"name":"Two","manufacturer":"Example","enrolled_at":"2026-01-02T03:04:05Z","last_contact":"2026-11-21T08:00:00Z"}`,
		``,
		`{"ref":{"source":"amapi","id":"2"},"user_id":"u-1","platform":"android","state":"active","hardware":{"serial":"SN-ONE"},"manufacturer":"Example"}`,
		`{"ref":{"source":"amapi","id":"3"},"user_id":"u-3","platform":"android","state":"pending","hardware":{"serial":"SN-ONE"},"manufacturer":"Example"}`,
		`{"ref":{"source":"amapi","id":"4"},"email":"guest@example.com","user_name":"Guest","platform":"ios","state":"unresponsive"}`,
		`{"ref":{"source":"amapi","id":"5"},"user_id":"nobody","platform":"ios","state":"active"}`,
		`{"ref":{"source":"amapi","id":"6"},"user_id":"u-2","platform":"amiga","state":"active","facts":{"colour":true}}`,
		`{"ref":{"source":"amapi","id":"7"},"site":"globex"}`,
	}, "\n")
	got := w.do(acme, "POST", "/devices/adopt", lines, ndjson)
	require.Equal(t, 200, got.Status, got.Body)
	assert.Equal(t, map[string]any{"created": 3.0, "linked": 1.0, "unchanged": 0.0, "refused": 3.0}, got.at("counts"))
	phone := got.text("results.0.device_id")
	assert.Equal(t, "created", got.at("results.0.outcome"))
	assert.Equal(t, map[string]any{"source": "amapi", "id": "1"}, got.at("results.0.ref"))
	assert.Equal(t, here.Device.ID, got.at("results.1.device_id"))
	assert.Equal(t, "linked", got.at("results.1.outcome"))
	assert.Equal(t, here.Device.ID, got.at("results.2.conflict_with"))
	assert.Equal(t, "created", got.at("results.3.outcome"))
	assert.Equal(t, "not_found", got.at("results.4.error"))
	assert.Equal(t, "invalid", got.at("results.5.error"))
	assert.Equal(t, []any{map[string]any{"field": "platform", "code": "unknown"}, map[string]any{"field": "facts.colour", "code": "unknown"}}, got.at("results.5.errors"))
	assert.Equal(t, "malformed", got.at("results.6.error"))
	assert.Equal(t, 7.0, got.at("results.6.line"))

	shown := w.get(acme, "/devices/"+phone)
	assert.Equal(t, "active", shown.at("state"))
	assert.Equal(t, "adoption", shown.at("origin"))
	assert.Equal(t, "company", shown.at("ownership"))
	assert.Equal(t, "2026-01-02T03:04:05Z", shown.at("enrolled_at"))
	assert.Equal(t, "device.adopted", shown.at("timeline.0.type"))

	t.Run("once more changes nothing", func(t *testing.T) {
		before := w.snapshot()
		again := w.do(acme, "POST", "/devices/adopt", lines, ndjson)
		assert.Equal(t, map[string]any{"created": 0.0, "linked": 0.0, "unchanged": 4.0, "refused": 3.0}, again.at("counts"))
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("what it says is what another site takes", func(t *testing.T) {
		export := w.get(acme, "/devices/export")
		assert.Equal(t, "application/x-ndjson", export.Header.Get("Content-Type"))
		assert.Equal(t, 4, strings.Count(export.Body, "\n"))
		assert.NotContains(t, export.Body, "inv_")
		theirs := strings.NewReplacer(`"user_id":"u-`, `"user_id":"g-`).Replace(export.Body)
		got := w.do(globex, "POST", "/devices/adopt", theirs, ndjson)
		assert.Equal(t, 4.0, got.at("counts.created"), got.Body)
		assert.Equal(t, export.Body, w.get(acme, "/devices/export").Body, "the other site is another")
	})
	t.Run("an empty site has no lines", func(t *testing.T) {
		w := newWorld(t)
		got := w.get(acme, "/devices/export")
		assert.Equal(t, "application/x-ndjson", got.Header.Get("Content-Type"))
		assert.Empty(t, got.Body)
	})
}

func TestAdoptTakesLinesAndNothingElse(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.do(acme, "POST", "/devices/adopt", "\n\n", ndjson).invalid("lines: required")
	w.do(acme, "POST", "/devices/adopt", strings.Repeat("{}\n", maxAdoptions+1), ndjson).invalid("lines: too_many")
	w.do(acme, "POST", "/devices/adopt", "ref,user\n", "Content-Type: text/csv").problem(415, "unsupported_media_type")
	w.do(acme, "POST", "/devices/adopt", "{}", ndjson, "Content-Encoding: gzip").problem(415, "unsupported_media_type")
	w.do(acme, "POST", "/devices/adopt", strings.Repeat(" ", adoptBody+1), ndjson).problem(413, "body_too_large")
	long := w.do(acme, "POST", "/devices/adopt", `{"name":"`+strings.Repeat("x", enrollment.MaxAdoptionLine)+`"}`, ndjson)
	assert.Equal(t, "too_long", long.at("results.0.error"))
	for _, line := range []string{`[]`, `null`, `{`, `{} {}`, "{\"name\":\"\xff\"}", `{"unknown":1}`, `{"ref":"x"}`} {
		got := w.do(acme, "POST", "/devices/adopt", line, "Content-Type: application/jsonl")
		assert.Equal(t, "malformed", got.at("results.0.error"), line)
	}
	assert.Equal(t, before, w.snapshot(), "nothing was done")
}

// A part must not be taken for the whole.
func TestAnExportThatBreaksOffCutsTheConnection(t *testing.T) {
	w := newWorld(t)
	var lines strings.Builder
	for n := range 501 {
		_, _ = fmt.Fprintf(&lines, `{"ref":{"source":"mdm","id":"%d"},"user_id":"u-1","platform":"ios","state":"active"}`+"\n", n) // to memory
	}
	require.Equal(t, 501.0, w.do(acme, "POST", "/devices/adopt", lines.String(), ndjson).at("counts.created"))
	whole := w.store.Storage
	views := 0
	w.store.Storage = failingViews{whole, func() error {
		if views++; views > 1 {
			return errors.New("dial db-7.internal: refused")
		}
		return nil
	}}
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { w.do(acme, "GET", "/devices/export", "") })
	assert.Contains(t, w.log.String(), "export broke off")
	w.store.Storage = whole
	assert.Equal(t, 501, strings.Count(w.get(acme, "/devices/export").Body, "\n"))
}

// failingViews asks before each view.
type failingViews struct {
	enrollment.Storage
	ask func() error
}

func (s failingViews) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if err := s.ask(); err != nil {
		return err
	}
	return s.Storage.View(ctx, fn)
}
