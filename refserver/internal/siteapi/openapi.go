package siteapi

import "net/http"

// ServeOpenAPI answers with the document, which package main embeds.
func ServeOpenAPI(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(document) // a client that went away is no error of ours
	}
}
