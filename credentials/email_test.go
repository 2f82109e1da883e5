package credentials_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestAnAddressHasOneCanonicalSpelling(t *testing.T) {
	local64 := strings.Repeat("l", 64)
	label63 := strings.Repeat("d", 63)
	// 64 + @ + 63.63.61 = 254 octets.
	longest := local64 + "@" + label63 + "." + label63 + "." + strings.Repeat("d", 61)
	for _, c := range []struct{ name, in, want string }{
		{"plain", "jan@example.com", "jan@example.com"},
		{"upper case", "JAN@EXAMPLE.COM", "jan@example.com"},
		{"mixed case", "Jan.Novak@Example.Com", "jan.novak@example.com"},
		{"spaces around", " \t jan@example.com\r\n", "jan@example.com"},
		{"tag stays", "jan+mdm@example.com", "jan+mdm@example.com"},
		{"dots stay", "j.a.n@gmail.com", "j.a.n@gmail.com"},
		{"all atom signs", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"punycode", "jan@XN--LUOUK-UVA4IT5A4G.cz", "jan@xn--luouk-uva4it5a4g.cz"},
		{"digits in labels", "7@4.example.c0m", "7@4.example.c0m"},
		{"longest", longest, longest},

		{"empty", "", ""},
		{"no at", "jan.example.com", ""},
		{"two ats", "jan@home@example.com", ""},
		{"no local part", "@example.com", ""},
		{"no domain", "jan@", ""},
		{"one label", "jan@localhost", ""},
		{"leading dot", ".jan@example.com", ""},
		{"trailing dot in local part", "jan.@example.com", ""},
		{"two dots", "jan..n@example.com", ""},
		{"trailing dot", "jan@example.com.", ""},
		{"empty label", "jan@example..com", ""},
		{"label starts with dash", "jan@-example.com", ""},
		{"label ends with dash", "jan@example-.com", ""},
		{"underscore in domain", "jan@ex_ample.com", ""},
		{"local part of 65", "l" + local64 + "@example.com", ""},
		{"label of 64", "jan@d" + label63 + ".com", ""},
		{"255 octets", longest + "d", ""},
		{"quoted", `"jan"@example.com`, ""},
		{"quoted space", `"jan novak"@example.com`, ""},
		{"comment", "jan@example.com (work)", ""},
		{"comment inside", "jan(x)@example.com", ""},
		{"display name", "Jan <jan@example.com>", ""},
		{"angle brackets", "<jan@example.com>", ""},
		{"IP literal", "jan@[192.0.2.1]", ""},
		{"IPv6 literal", "jan@[IPv6:2001:db8::1]", ""},
		{"bare IP", "jan@192.0.2.1", ""},
		{"list", "jan@example.com,eva@example.com", ""},
		{"space inside", "jan novak@example.com", ""},
		{"header injection", "jan@example.com\r\nBcc: x@example.com", ""},
		{"NUL", "jan\x00@example.com", ""},
		{"percent encoding", "jan%40example.com", ""},
		{"U+00A0 around", "\u00a0jan@example.com", ""},
		{"U+212A Kelvin sign", "mar\u212a@example.com", ""},
		{"U+212A in domain", "mark@\u212a.example.com", ""},
		{"U+0130 dotted I", "m\u0130ke@example.com", ""},
		{"U+0131 dotless i", "m\u0131ke@example.com", ""},
		{"U+017F long s", "jo\u017fe@example.com", ""},
		{"full-width at", "jan\uff20example.com", ""},
		{"full-width letters", "ｊａｎ@example.com", ""},
		{"ideographic dot", "jan@example\u3002com", ""},
		{"zero width space", "ja\u200bn@example.com", ""},
		{"bidi override", "ja\u202en@example.com", ""},
		{"Cyrillic a", "j\u0430n@example.com", ""},
		{"IDN", "jan@žluťoučký.cz", ""},
		{"broken UTF-8", "jan\xff@example.com", ""},
	} {
		got, err := credentials.CanonicalEmail(c.in)
		require.Equal(t, c.want, got, c.name)
		if c.want == "" {
			require.Equal(t, credentials.ErrMalformed, err, c.name)
		} else {
			require.NoError(t, err, c.name)
		}
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{
		" Jan+x@Example.COM ", "a@b.c", "\u212a@b.cd", "a@\u0130.cd", "ａ@b.cd", `"a b"@c.de`, "a@[1.2.3.4]", "a@1.2", "a@b.cd\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := credentials.CanonicalEmail(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			require.Empty(t, once)
			return
		}
		twice, err := credentials.CanonicalEmail(once)
		require.NoError(t, err)
		require.Equal(t, once, twice, "idempotent")
		require.LessOrEqual(t, len(once), 254)
		for i := range len(once) {
			require.True(t, once[i] > ' ' && once[i] < 0x7f && (once[i] < 'A' || once[i] > 'Z'))
		}
		// Nothing but the case of ASCII letters is folded, so two addresses that
		// differ otherwise never share a key.
		require.True(t, strings.EqualFold(once, strings.Trim(s, " \t\r\n")))
		require.Len(t, once, len(strings.Trim(s, " \t\r\n")))
	})
}
