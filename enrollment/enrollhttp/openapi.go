package enrollhttp

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the contract of this package as an OpenAPI 3.1 document in
// YAML. Its paths are relative to the base path.
func OpenAPI() []byte { return slices.Clone(openAPI) }
