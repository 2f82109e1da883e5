package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/android"
)

// assetLinks lets the agents of the server's sites open its links, as far as their
// package and the certificate that signs them are set.
func (s *server) assetLinks(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		methodNotAllowed(w, r)
		return
	}
	doc, err := s.assetLinksDocument(r.Context())
	if err != nil {
		s.Log.ErrorContext(r.Context(), "no asset links", "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	_, _ = w.Write(doc) // whoever went away asks again
}

func (s *server) assetLinksDocument(ctx context.Context) ([]byte, error) {
	certificates := map[string][]android.Checksum{}
	for id, err := range s.accounts.All(ctx) {
		if err != nil {
			return nil, err
		}
		site, err := s.accounts.Site(ctx, id)
		if err != nil {
			continue // deleted meanwhile
		}
		agent := site.Agents[device.Android]
		c, err := android.ParseChecksum(agent.Certificate)
		if err != nil || !android.IsPackage(agent.Package) || slices.Contains(certificates[agent.Package], c) {
			continue
		}
		certificates[agent.Package] = append(certificates[agent.Package], c)
	}
	var apps []android.App
	for name, list := range certificates {
		apps = append(apps, android.App{Package: name, Certificates: list})
	}
	slices.SortFunc(apps, func(a, b android.App) int {
		if a.Package < b.Package {
			return -1
		}
		return 1
	})
	return android.AssetLinks(apps...)
}
