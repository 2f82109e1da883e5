package mailer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/enrollkit/credentials"
)

// Lengths in runes.
const (
	maxName    = 64
	maxSupport = 128
	maxSubject = 150
)

// cleanName makes a name fit for a mail: see cleanWords. What was nothing but a
// link is empty afterwards.
func cleanName(s string) string {
	return cleanWords(s, maxName, nil)
}

// cleanSupport is cleanName for whom people ask for help, where plain e-mail
// addresses stay.
func cleanSupport(s string) string {
	return cleanWords(s, maxSupport, func(word string) bool {
		return isAddress(strings.Trim(word, "(),;"))
	})
}

// cleanWords returns one line of at most limit runes without control, bidi and
// other invisible characters and angle brackets, and without anything that a
// mail program would make a link of, be the mail text or HTML: words with a
// scheme, a path behind a domain, or an address are left out; in a bare domain,
// which may be a name ("Booking.com"), the dots get a space behind them. Words
// for which keep holds stay as they are. Cleaning twice changes nothing.
func cleanWords(s string, limit int, keep func(word string) bool) string {
	var words []string
	for word := range strings.FieldsSeq(visible(s)) {
		switch {
		case keep != nil && keep(word):
		case isLink(word), strings.Contains(word, "=?"): // the latter starts an encoded word (RFC 2047)
			continue
		default:
			// A colon at the end would meet what follows in the template.
			word = strings.TrimRight(spaceDots(word), ":")
		}
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.TrimRight(cut(strings.Join(words, " "), limit), ": ")
}

// cleanLine returns s on one line of at most limit runes, without invisible
// characters: a rendered subject, whose names are clean already.
func cleanLine(s string, limit int) string {
	return cut(strings.Join(strings.Fields(strings.Map(graphic, strings.ToValidUTF8(s, ""))), " "), limit)
}

// visible leaves out what cannot be seen, and angle brackets, and replaces the
// characters that browsers take for those of a link (UTS #46) by the latter.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '<', '>', '＜', '＞':
			return -1
		case '。', '．', '｡', '․', '﹒':
			return '.'
		case '：', '﹕', '︓':
			return ':'
		case '／':
			return '/'
		case '＠', '﹫':
			return '@'
		case '＼', '﹨':
			return '\\'
		case '？', '﹖':
			return '?'
		case '＃', '﹟':
			return '#'
		}
		return graphic(r)
	}, strings.ToValidUTF8(s, ""))
}

// graphic maps space of every kind to a space and leaves out what has no shape:
// control, format (zero width and bidi included), private and unassigned.
func graphic(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case !unicode.IsGraphic(r):
		return -1
	}
	return r
}

// isLink reports whether a mail program or a browser could follow the word.
func isLink(word string) bool {
	if strings.Contains(word, "://") || hasScheme(word) || hasWWW(word) {
		return true
	}
	return dotted(word) && strings.ContainsAny(word, `/\@:?#`)
}

// hasScheme reports whether the word holds "scheme:something". Two letters are
// no scheme: "AA:BB:CC:DD:EE:FF" is a name that devices have.
func hasScheme(word string) bool {
	for i := range len(word) - 1 {
		if word[i] != ':' {
			continue
		}
		start := i
		for start > 0 && isSchemeByte(word[start-1]) {
			start--
		}
		// A scheme starts with a letter; digits in front of it belong to the text.
		scheme := strings.TrimLeft(word[start:i], "0123456789+.-")
		if len(scheme) >= 3 {
			return true
		}
	}
	return false
}

func isSchemeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '.' || c == '-'
}

// hasWWW reports whether the word holds "www." and something behind it.
func hasWWW(word string) bool {
	_, behind, ok := strings.Cut(strings.ToLower(word), "www.")
	return ok && behind != ""
}

// dotted reports whether the word holds what looks like a domain or an IPv4
// address.
func dotted(word string) bool {
	for i := range len(word) {
		if word[i] == '.' && i > 0 && (startsDomain(word[i+1:]) || startsDigit(word[i+1:])) {
			return true
		}
	}
	return false
}

// spaceDots puts a space behind each dot that could stand in a domain.
func spaceDots(word string) string {
	var b strings.Builder
	for i := range len(word) {
		b.WriteByte(word[i])
		if word[i] == '.' && i > 0 && startsDomain(word[i+1:]) {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// startsDomain reports whether a top-level domain could start s: a letter, then
// another or a mark. "s.r.o." and "10.0.19045" have none.
func startsDomain(s string) bool {
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	return unicode.IsLetter(first) && (unicode.IsLetter(second) || unicode.IsMark(second))
}

func startsDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// cut returns at most limit runes of s, without space around.
func cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return strings.TrimSpace(s)
}

// isAddress reports whether s is exactly one plain e-mail address, with nothing
// around it. Beside those that credentials knows, people have one on this very
// machine, "@localhost": a server that somebody tries out alerts its
// administrator there.
func isAddress(s string) bool {
	if local, ok := strings.CutSuffix(s, "@localhost"); ok {
		s = local + "@localhost.invalid"
	}
	// Canonical spelling changes letters and nothing else, so another length
	// means that something was trimmed: white space, or a line break.
	canonical, err := credentials.CanonicalEmail(s)
	return err == nil && len(canonical) == len(s)
}

// isToken reports whether s may stand in a Message-ID and a cid: 1 to 128
// letters, digits, dashes and underscores, with dots only between them.
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		case c == '.' && i > 0 && i < len(s)-1 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// token returns s if it is one of ours or the embedder's plain ids, and "".
func token(s string) string {
	if isToken(s) && !dotted(s) {
		return s
	}
	return ""
}
