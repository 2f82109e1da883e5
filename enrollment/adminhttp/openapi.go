package adminhttp

import (
	_ "embed"
	"io"
	"net/http"

	"example.com/enrollkit/enrollment"
)

//go:embed openapi.yaml
var document string

// OpenAPI returns a copy of the contract: an OpenAPI 3.1 document in YAML, with
// paths below the base path.
func OpenAPI() []byte { return []byte(document) }

func (a *api) openAPI(w http.ResponseWriter, r *http.Request, _ enrollment.Actor) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = io.WriteString(w, document) // a client that went away is no error of ours
	return nil
}
