package windows

import (
	"net/url"
	"strings"

	"example.com/enrollkit/device"
)

// DeepLink opens the page of Windows' settings on which a person enrolls. Mail
// filters take such links away, and not every browser follows them: it belongs on
// a page, beside the words for doing it by hand.
type DeepLink struct {
	Username  string // empty: the person types it
	Server    string // empty: Windows looks for one by the user name
	Ownership device.Ownership
}

// String is the link. It holds no secret.
func (l DeepLink) String() string {
	var b strings.Builder
	b.WriteString("ms-device-enrollment:?mode=mdm")
	for _, p := range [][2]string{
		{"username", l.Username}, {"servername", l.Server}, {"ownership", ownershipNumber(l.Ownership)},
	} {
		if p[1] != "" {
			// What is a query on the web has + for a space; Windows does not read it.
			b.WriteString("&" + p[0] + "=" + strings.ReplaceAll(url.QueryEscape(p[1]), "+", "%20"))
		}
	}
	return b.String()
}

// ownershipNumber is how Windows says whose device it is.
func ownershipNumber(o device.Ownership) string {
	switch o {
	case device.Personal:
		return "2"
	case device.Company:
		return "3"
	}
	return "1"
}
