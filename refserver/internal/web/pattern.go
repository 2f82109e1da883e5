package web

import (
	"net/http"
	"regexp"
	"strings"
)

// Patterns names the routes of handlers that we did not write by the paths of
// their OpenAPI documents, for logs and metrics: a path itself may hold a token.
type Patterns struct{ list [][]string }

// paths of an OpenAPI document: the keys below "paths:", as our documents indent
// them.
var paths = regexp.MustCompile(`(?m)^  (/[^\s:]*):`)

// Add adds the paths of a document below a prefix.
func (p *Patterns) Add(prefix string, document []byte) {
	for _, match := range paths.FindAllSubmatch(document, -1) {
		p.list = append(p.list, strings.Split(prefix+string(match[1]), "/"))
	}
}

// Of returns the pattern of a request's path, or "other". Where several match,
// the one with the fewest variables wins.
func (p *Patterns) Of(r *http.Request) string {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	best, most := "other", -1
	for _, pattern := range p.list {
		if literal := literals(pattern, parts); literal > most {
			best, most = strings.Join(pattern, "/"), literal
		}
	}
	return best
}

// literals counts the parts that are the same; -1: the path does not match.
func literals(pattern, parts []string) (n int) {
	if len(pattern) != len(parts) {
		return -1
	}
	for i, p := range pattern {
		switch {
		case p == parts[i]:
			n++
		case !strings.HasPrefix(p, "{") || parts[i] == "":
			return -1
		}
	}
	return n
}
