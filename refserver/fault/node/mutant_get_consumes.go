//go:build fault && mutant_get_consumes

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
)

// The mistake: to look at an invitation's page is to accept it, so that a mail
// scanner does.
func init() {
	mutateHandler = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/i/") && strings.Count(r.URL.Path, "/") == 2 {
				body := []byte("ownership=personal&platform=android")
				again, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.URL.Path+"/accept", bytes.NewReader(body))
				if err == nil {
					again.Host, again.RemoteAddr = r.Host, r.RemoteAddr
					again.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					next.ServeHTTP(httptest.NewRecorder(), again)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
