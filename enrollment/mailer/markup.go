package mailer

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
	"unicode"
)

// What administrators' HTML may be made of. Whatever is not listed is refused.
var (
	allowedElements = strings.Fields(`a abbr b bdi bdo big blockquote br caption center cite code col colgroup dd del
		dfn div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strike strong sub
		sup table tbody td tfoot th thead tr tt u ul var wbr`)
	allowedAttributes = strings.Fields(`abbr align alt bgcolor border cellpadding cellspacing class color colspan dir face
		height href lang nowrap rel role rowspan scope size span src start style target title type valign width
		aria-hidden aria-label`)

	// These load something; the others that are refused do other harm.
	remoteElements   = strings.Fields(`audio embed frame iframe image link object picture source svg track video`)
	remoteAttributes = strings.Fields(`background data dynsrc longdesc lowsrc ping poster srcset`)

	styleFunction = regexp.MustCompile(`([A-Za-z0-9_-]*)\s*\(`)
	bareValue     = regexp.MustCompile(`^[A-Za-z0-9_.%#-]+`)
	nameStart     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9:_-]*`)
)

// checkMarkup checks the HTML of a tree, every branch of it. Conditions and
// values may stand between elements, values in attributes too; so each branch
// starts and ends outside of every tag, and no two pieces can join to make one.
// The error is a fault.
func checkMarkup(tree *parse.Tree, text string, kind Kind) error {
	m := markup{text: text}
	for _, v := range Variables(kind) {
		if v.Link {
			m.links = append(m.links, v.Name)
		}
	}
	m.list(tree.Root, "")
	if m.fault != nil {
		return m.fault
	}
	return nil
}

// markup walks one tree.
type markup struct {
	text    string
	links   []string // the variables that are links
	element string   // whose tag is open, "" between tags
	value   *attribute
	fault   *fault
}

// attribute is a quoted value that is not closed yet.
type attribute struct {
	name   string
	quote  byte
	fixed  string   // the text in it
	fields []string // the values in it, "" for what is no plain field
}

func (m *markup) refuse(offset int, code, name, text string) {
	if m.fault == nil {
		line := lineOf(m.text, offset)
		m.fault = &fault{line: line, code: code, name: cut(name, maxName), text: fmt.Sprintf("template: html:%d: %s", line, text)}
	}
}

// list walks a branch; dot is the field that the dot stands for, if it is one.
func (m *markup) list(l *parse.ListNode, dot string) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		if m.fault != nil {
			return
		}
		switch n := n.(type) {
		case *parse.TextNode:
			m.scan(string(n.Text), int(n.Pos))
		case *parse.ActionNode:
			m.action(n, dot)
		case *parse.IfNode:
			m.branches(n.Pos, n.List, n.ElseList, dot, dot)
		case *parse.WithNode:
			m.branches(n.Pos, n.List, n.ElseList, fieldOf(n.Pipe, dot), dot)
		}
	}
	if m.element != "" {
		m.refuse(int(l.Pos), CodeSyntax, m.element, "a tag does not end in the branch in which it starts")
	}
}

func (m *markup) branches(pos parse.Pos, then, otherwise *parse.ListNode, dotThen, dotElse string) {
	if m.element != "" {
		m.refuse(int(pos), CodeNotAllowed, m.element, "a condition inside of a tag")
		return
	}
	m.list(then, dotThen)
	m.list(otherwise, dotElse)
}

func (m *markup) action(n *parse.ActionNode, dot string) {
	switch {
	case m.element == "":
	case m.value == nil:
		m.refuse(int(n.Pos), CodeNotAllowed, m.element, "a value inside of a tag, but not in quotes")
	default:
		m.value.fields = append(m.value.fields, fieldOf(n.Pipe, dot))
	}
}

// fieldOf returns the name of the field that a pipe is, "" if it is more.
func fieldOf(p *parse.PipeNode, dot string) string {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 || len(p.Decl) > 0 {
		return ""
	}
	switch arg := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return arg.Ident[0]
	case *parse.VariableNode:
		if arg.Ident[0] == "$" && len(arg.Ident) == 2 {
			return arg.Ident[1]
		}
	case *parse.DotNode:
		return dot
	}
	return ""
}

// scan goes through text, from where the last one ended.
func (m *markup) scan(text string, offset int) {
	for i := 0; i < len(text) && m.fault == nil; {
		rest, at := text[i:], offset+i
		switch {
		case m.value != nil:
			fixed, _, closed := strings.Cut(rest, string(m.value.quote))
			m.value.fixed += fixed
			i += len(fixed)
			if closed {
				i++
				m.attribute(*m.value, at)
				m.value = nil
			}
		case m.element != "":
			i += m.insideTag(rest, at)
		default:
			i += m.betweenTags(rest, at)
		}
	}
}

// betweenTags returns how much of rest it took, up to the name of a tag.
func (m *markup) betweenTags(rest string, at int) int {
	start := strings.IndexByte(rest, '<')
	if start < 0 {
		return len(rest)
	}
	at += start
	name := rest[start+1:]
	if strings.HasPrefix(name, "!") || strings.HasPrefix(name, "?") {
		m.refuse(at, CodeNotAllowed, "<"+name[:1], "a comment or a declaration; comments are {{/* */}}")
		return len(rest)
	}
	closing := strings.HasPrefix(name, "/")
	name = nameStart.FindString(strings.TrimPrefix(name, "/"))
	element := strings.ToLower(name)
	end := start + 1 + len(name)
	if closing {
		end++
	}
	switch {
	case name == "":
		m.refuse(at, CodeSyntax, "<", "a < that starts no tag is written &lt;")
	case slices.Contains(remoteElements, element):
		m.refuse(at, CodeRemoteContent, element, "an element that loads something")
	case !slices.Contains(allowedElements, element):
		m.refuse(at, CodeNotAllowed, element, "an element that is not allowed")
	case end == len(rest) || !strings.ContainsRune(" \t\r\n/>", rune(rest[end])):
		m.refuse(at, CodeSyntax, element, "a tag does not end")
	case closing:
		space := len(rest[end:]) - len(strings.TrimLeft(rest[end:], " \t\r\n"))
		if end += space; !strings.HasPrefix(rest[end:], ">") {
			m.refuse(at, CodeSyntax, element, "a closing tag holds more than a name")
		}
		end++
	default:
		m.element = element
	}
	return end
}

// insideTag returns how much of rest it took: an attribute or an end.
func (m *markup) insideTag(rest string, at int) int {
	trimmed := strings.TrimLeft(rest, " \t\r\n")
	took := len(rest) - len(trimmed)
	at += took
	switch {
	case trimmed == "":
		return took
	case trimmed[0] == '>':
		m.element = ""
		return took + 1
	case strings.HasPrefix(trimmed, "/>"):
		m.element = ""
		return took + 2
	}
	name := nameStart.FindString(trimmed)
	behind := trimmed[len(name):]
	took += len(name)
	if name == "" || behind == "" {
		m.refuse(at, CodeSyntax, m.element, "no name of an attribute, or one that does not end")
		return took
	}
	a := attribute{name: strings.ToLower(name)}
	value := strings.TrimLeft(behind, " \t\r\n")
	if !strings.HasPrefix(value, "=") {
		m.attribute(a, at)
		return took
	}
	value = strings.TrimLeft(value[1:], " \t\r\n")
	took += len(behind) - len(value)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		a.quote = value[0]
		m.value = &a
		return took + 1
	}
	a.fixed = bareValue.FindString(value)
	if end := value[len(a.fixed):]; a.fixed == "" || end == "" || !strings.ContainsRune(" \t\r\n/>", rune(end[0])) {
		m.refuse(at, CodeSyntax, a.name, "a value without quotes")
		return took
	}
	m.attribute(a, at)
	return took + len(a.fixed)
}

// attribute checks an attribute of the open tag that is complete.
func (m *markup) attribute(a attribute, at int) {
	fixed := html.UnescapeString(a.fixed)
	switch {
	case slices.Contains(remoteAttributes, a.name):
		m.refuse(at, CodeRemoteContent, a.name, "an attribute that loads something")
	case !slices.Contains(allowedAttributes, a.name):
		m.refuse(at, CodeNotAllowed, a.name, "an attribute that is not allowed")
	case a.name == "style":
		switch {
		case len(a.fields) > 0:
			m.refuse(at, CodeNotAllowed, a.name, "a value in a style")
		case !isPlainStyle(fixed):
			m.refuse(at, CodeRemoteContent, a.name, "a style that could load something")
		}
	case a.name == "src":
		if m.element != "img" || fixed != "" || len(a.fields) != 1 || a.fields[0] != "QR" {
			m.refuse(at, CodeRemoteContent, m.element, "an image other than {{.QR}}")
		}
	case a.name == "href":
		alone := len(a.fields) == 1 && fixed == "" && slices.Contains(m.links, a.fields[0])
		if m.element != "a" || !alone && (len(a.fields) > 0 || !isPlainLink(fixed)) {
			m.refuse(at, CodeNotAllowed, a.name, "a link that is neither a variable for links nor a whole address")
		}
	}
}

// isPlainStyle reports whether a style can do no more than colour and arrange. A
// backslash could spell a function, a comment hide one.
func isPlainStyle(style string) bool {
	if strings.ContainsAny(style, `\@<>{}`) || strings.Contains(style, "/*") || strings.ContainsFunc(style, isUnfit) {
		return false
	}
	for _, call := range styleFunction.FindAllStringSubmatch(style, -1) {
		switch strings.ToLower(call[1]) {
		case "rgb", "rgba", "hsl", "hsla", "calc":
		default:
			return false
		}
	}
	lower := strings.ToLower(style)
	return !strings.Contains(lower, "behavior") && !strings.Contains(lower, "-moz-binding") && !strings.Contains(lower, "javascript:")
}

// isPlainLink reports whether an administrator's own link leads where it says.
func isPlainLink(link string) bool {
	if strings.ContainsFunc(link, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) {
		return false
	}
	u, err := url.Parse(link)
	if err != nil || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https", "http":
		return u.Hostname() != "" && u.Opaque == ""
	case "mailto", "tel":
		return u.Host == "" && u.Opaque != ""
	}
	return false
}
