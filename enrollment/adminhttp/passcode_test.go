package adminhttp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

func TestPasscode(t *testing.T) {
	w := newWorld(t)
	t.Run("a site that never had one", func(t *testing.T) {
		got := w.get(acme, "/passcode")
		assert.Equal(t, "none", got.at("status"))
		assert.Nil(t, got.at("generated_at"))
		assert.Equal(t, "", got.at("generated_by"))
		assert.Equal(t, 0.0, got.at("failed_attempts"))
		assert.Equal(t, 0.0, got.at("generation"))
		assert.Equal(t, 10.0, got.at("alert_level"))
		assert.Equal(t, 100.0, got.at("lock_level"))
		assert.Regexp(t, `Z$`, got.at("as_of"))
		w.do(acme, "POST", "/passcode/reveal", "").problem(404, "not_found")
		assert.Equal(t, "none", w.do(acme, "POST", "/passcode/disable", "").at("status"))
	})
	t.Run("generated, with who did it and when", func(t *testing.T) {
		got := w.do(acme, "POST", "/passcode/generate", "{}")
		require.Equal(t, 200, got.Status, got.Body)
		_, err := credentials.ParsePasscode(got.text("passcode"))
		require.NoError(t, err)
		assert.Equal(t, "active", got.at("status"))
		assert.Equal(t, 1.0, got.at("generation"))
		assert.Equal(t, "admin@acme.example.com", got.at("generated_by"))
		assert.Regexp(t, `^2026-11-21T09:.*Z$`, got.at("generated_at"))
		assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		status := w.get(acme, "/passcode")
		for _, field := range []string{"status", "generation", "generated_by", "generated_at"} {
			assert.Equal(t, got.at(field), status.at(field), field)
		}
		assert.NotContains(t, status.Body, `"passcode"`)
	})
	t.Run("by an administrator whose address is not known: the id", func(t *testing.T) {
		assert.Equal(t, "bob", w.do("acme/bob", "POST", "/passcode/generate", "").at("generated_by"))
	})
	t.Run("shown again, and again", func(t *testing.T) {
		made := w.do(acme, "POST", "/passcode/generate", "").text("passcode")
		for range 2 {
			got := w.do(acme, "POST", "/passcode/reveal", "")
			require.Equal(t, 200, got.Status, got.Body)
			assert.Equal(t, `{"passcode":"`+made+`"}`+"\n", got.Body)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		}
	})
	t.Run("replaced", func(t *testing.T) {
		old := w.do(acme, "POST", "/passcode/reveal", "").text("passcode")
		made := w.do(acme, "POST", "/passcode/generate", "").text("passcode")
		assert.NotEqual(t, old, made)
		assert.Equal(t, made, w.do(acme, "POST", "/passcode/reveal", "").text("passcode"))
	})
	t.Run("disabled, and opened again", func(t *testing.T) {
		for range 2 {
			got := w.do(acme, "POST", "/passcode/disable", "")
			require.Equal(t, 200, got.Status, got.Body)
			assert.Equal(t, "disabled", got.at("status"))
			assert.NotContains(t, got.Body, `"passcode"`)
		}
		w.do(acme, "POST", "/passcode/reveal", "").problem(404, "not_found")
		assert.Equal(t, "active", w.do(acme, "POST", "/passcode/generate", "").at("status"))
	})
	t.Run("only POST shows, makes or ends one", func(t *testing.T) {
		before := w.snapshot()
		for _, path := range []string{"/passcode/generate", "/passcode/disable", "/passcode/reveal"} {
			w.do(acme, "GET", path, "").problem(405, "method_not_allowed")
			w.do(acme, "HEAD", path, "")
		}
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("its history is in the journal", func(t *testing.T) {
		_, err := w.svc.Sequence(t.Context())
		require.NoError(t, err)
		seen := map[string]int{}
		for _, e := range w.get(acme, "/events?page_size=500").at("events").([]any) {
			e := e.(map[string]any)
			if e["subject"] == enrollment.PasscodeSubject {
				seen[e["type"].(string)]++
				assert.Contains(t, []any{"ann", "bob"}, e["actor"])
			}
		}
		assert.Equal(t, map[string]int{"passcode.generated": 5, "passcode.revealed": 4, "passcode.disabled": 1}, seen)
	})
}

func TestPasscodeLevelsOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name  string
		alert int
		want  int
	}{
		{"as it is", 10, 10},
		{"off is 0, as in the settings", credentials.Off, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, showPasscode(enrollment.PasscodeDetail{AlertLevel: c.alert}).AlertLevel)
		})
	}
}
