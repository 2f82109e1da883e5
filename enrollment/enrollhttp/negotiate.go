package enrollhttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// weighed is one element of an Accept header.
type weighed struct {
	value string // lower case, without parameters
	q     float64
}

// maxAccept is how much of an Accept header is read.
const maxAccept = 1024

// accepted reads a header of the Accept family, most wanted first. What is
// malformed or refused by q=0 is left out.
func accepted(header string) []weighed {
	var list []weighed
	for _, element := range strings.Split(header[:min(len(header), maxAccept)], ",") {
		value, params, _ := strings.Cut(element, ";")
		w := weighed{strings.ToLower(strings.TrimSpace(value)), 1}
		for _, param := range strings.Split(params, ";") {
			if q, ok := strings.CutPrefix(strings.ReplaceAll(param, " ", ""), "q="); ok {
				n, err := strconv.ParseFloat(q, 64)
				if err != nil || !(n >= 0 && n <= 1) {
					n = 0
				}
				w.q = n
			}
		}
		if w.value != "" && w.q > 0 {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b weighed) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	return list
}

// wantsJSON reports whether a program asks: JSON is wanted, and before HTML.
func wantsJSON(h http.Header) bool {
	for _, w := range accepted(strings.Join(h.Values("Accept"), ",")) {
		switch w.value {
		case "text/html", "application/xhtml+xml", "text/*", "*/*":
			return false
		case "application/json", "application/problem+json":
			return true
		}
	}
	return false
}

// language picks from offered, whose first is the default, what the reader
// wants most: the very language, or a form of it.
func language(h http.Header, offered []string) string {
	for _, w := range accepted(strings.Join(h.Values("Accept-Language"), ",")) {
		primary, _, _ := strings.Cut(w.value, "-")
		for _, candidate := range []string{w.value, primary} {
			for _, o := range offered {
				if strings.EqualFold(o, candidate) {
					return o
				}
			}
		}
	}
	return offered[0]
}
