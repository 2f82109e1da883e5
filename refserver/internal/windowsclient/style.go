package windowsclient

import (
	"regexp"
	"slices"
)

// Style is how a client writes. The zero value writes as Windows 11 does, on one
// line; each field is something that a server has to bear.
type Style struct {
	Spaces  bool   // white space around every text and between all elements
	Chunked bool   // bodies without a Content-Length
	NoSlash bool   // the Discover namespace without the slash at its end
	Doubled bool   // each MAC and IMEI twice
	Version string // RequestVersion; defaults to "4.0"
}

var between = regexp.MustCompile(`>([^<>]*)<`)

// write puts a message into the style.
func (s Style) write(message string) string {
	if !s.Spaces {
		return message
	}
	return between.ReplaceAllString(message, ">\r\n\t$1\n  <")
}

// items doubles what may come doubled.
func (s Style) items(list [][2]string) [][2]string {
	if !s.Doubled {
		return list
	}
	var more [][2]string
	for _, item := range list {
		more = append(more, item)
		if slices.Contains([]string{"MAC", "IMEI"}, item[0]) {
			more = append(more, item)
		}
	}
	return more
}
