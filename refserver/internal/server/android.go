package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
)

// assetLinks lets the agent of the server's site open its links, if its package and
// the certificate that signs it are set. Where several sites share the host, nobody's
// does: the statement holds for all links of the host, and one site's administrator
// would name the app that opens another's.
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
	first, ok := s.accounts.First()
	if !ok {
		return android.AssetLinks()
	}
	site, err := s.accounts.Site(ctx, first.ID)
	if err != nil && !errors.Is(err, enrollment.ErrNotFound) { // deleted meanwhile
		return nil, err
	}
	agent := site.Agents[device.Android]
	c, err := android.ParseChecksum(agent.Certificate)
	if !site.SoleHost || err != nil || !android.IsPackage(agent.Package) {
		return android.AssetLinks()
	}
	return android.AssetLinks(android.App{Package: agent.Package, Certificates: []android.Checksum{c}})
}
