package adminhttp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/storetest"
)

// T50: whatever call of the store fails, before it is done or after, every route
// answers 503 and says when to come back, and the same request succeeds
// afterwards.
func TestWhateverCallOfTheStoreFailsTheAnswerIs503AndTheRequestCanBeRepeated(t *testing.T) {
	for name, late := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			invitation, enrolled := w.enroll(acme, "u-1", "SN-TOUR")
			fill := strings.NewReplacer("{inv}", invitation, "{dev}", enrolled.Device.ID)
			below := w.store.Storage
			for _, step := range tour {
				method, _, _ := strings.Cut(step.op, " ")
				for n := 1; ; n++ {
					failing := &storetest.Failing{Storage: below, At: n, Late: late}
					w.store.Storage = failing
					got := w.do(acme, method, fill.Replace(step.path), fill.Replace(step.body))
					w.store.Storage = below
					if !failing.Failed() {
						require.Equal(t, step.status, got.Status, "%s: %s", step.op, got.Body)
						break
					}
					require.Equal(t, 503, got.Status, "%s, call %d: %s", step.op, n, got.Body)
					got.problem(503, "unavailable")
					require.Equal(t, "5", got.Header.Get("Retry-After"))
					require.Equal(t, got.Header.Get("X-Request-Id"), got.at("request_id"))
					require.NotContains(t, got.Body, "canary")
				}
			}
		})
	}
}
