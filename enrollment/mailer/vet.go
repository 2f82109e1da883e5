package mailer

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode"
)

// bodyTemplate is the one template that the layout takes in.
const bodyTemplate = "body"

// functions are those that templates may call. The parser refuses every other
// name; only the names matter to it.
func functions() map[string]any {
	allowed := make(map[string]any)
	for _, name := range []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"} {
		allowed[name] = true
	}
	return allowed
}

// A fault is what is wrong with a template, where.
type fault struct {
	part       string // of the three; empty where whoever asked knows it
	line       int
	code, name string // see TemplateError
	text       string // for who reads a log: it names file and line
}

func (f *fault) Error() string { return f.text }

// rules are what a template may use.
type rules struct {
	layout bool     // it takes in the body
	fields []string // of Data
	hidden []string // those of them that this file may not show or look at
	barred []string // those that it may not show, as they are links, which a subject would cut
	strict bool     // it is an administrator's: not all of Data at once either
}

// fileRules are those of the files of New, whose author is the operator: every
// field, but no secrets in a subject.
func fileRules(kind Kind, part string) rules {
	r := rules{fields: fieldNames()}
	if part == subjectPart {
		r.hidden = kind.secrets()
	}
	return r
}

// parseTemplate parses a file and checks every branch of it, taken or not. Text
// that administrators edit can therefore read the fields of Data, and compare
// them, and nothing else: no method, no loop, no recursion. The error is a fault.
func parseTemplate(file, text string, r rules) (*parse.Tree, error) {
	tree := parse.New(file)
	set := make(map[string]*parse.Tree)
	tree, err := tree.Parse(text, "", "", set, functions())
	if err != nil {
		return nil, parseFault(err) // it names file and line
	}
	for name := range set {
		if name != file {
			return nil, &fault{line: lineOf(text, int(set[name].Root.Pos)), code: CodeNotAllowed, name: "define",
				text: fmt.Sprintf("template: %s: defines %q: only fields, if and with are allowed", file, name)}
		}
	}
	v := vet{tree: tree, text: text, rules: r}
	if v.list(tree.Root, false); v.err != nil {
		return nil, v.err
	}
	if r.layout && v.bodies != 1 {
		return nil, fmt.Errorf(`template: %s: has {{template "body" .}} %d times, want once`, file, v.bodies)
	}
	return tree, nil
}

var (
	faultLine       = regexp.MustCompile(`template: ?[^:]*:(\d+)`)
	unknownFunction = regexp.MustCompile(`function "([^"]*)" not defined$`)
	unknownVariable = regexp.MustCompile(`undefined variable "([^"]*)"$`)
)

// parseFault reads an error of the template packages.
func parseFault(err error) *fault {
	f := &fault{code: CodeSyntax, text: err.Error()}
	if m := faultLine.FindStringSubmatch(f.text); m != nil {
		f.line, _ = strconv.Atoi(m[1])
	}
	if m := unknownFunction.FindStringSubmatch(f.text); m != nil {
		f.code, f.name = CodeUnknownFunction, m[1]
	}
	if m := unknownVariable.FindStringSubmatch(f.text); m != nil {
		f.code, f.name = CodeUnknownVariable, m[1]
	}
	return f
}

// faultOf returns the fault that err is, whatever it is.
func faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	return parseFault(err)
}

func lineOf(text string, offset int) int {
	return 1 + strings.Count(text[:min(max(offset, 0), len(text))], "\n")
}

func fieldNames() (names []string) {
	for field := range reflect.TypeFor[Data]().Fields() {
		names = append(names, field.Name)
	}
	return names
}

// vet walks one tree. Inside of "with", the dot is a plain value without fields.
type vet struct {
	tree *parse.Tree
	text string
	rules
	bodies int // {{template "body" .}} seen
	err    error
}

func (v *vet) refuse(n parse.Node, code, name, format string, args ...any) {
	if v.err == nil {
		location, _ := v.tree.ErrorContext(n)
		v.err = &fault{
			line: lineOf(v.text, int(n.Position())), code: code, name: cut(name, maxName),
			text: fmt.Sprintf("template: %s: %s", location, fmt.Sprintf(format, args...)),
		}
	}
}

func (v *vet) list(l *parse.ListNode, with bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		v.node(n, with)
	}
}

func (v *vet) node(n parse.Node, with bool) {
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode:
	case *parse.ActionNode:
		v.pipe(n.Pipe, with)
	case *parse.IfNode:
		v.pipe(n.Pipe, with)
		v.list(n.List, with)
		v.list(n.ElseList, with)
	case *parse.WithNode:
		v.pipe(n.Pipe, with)
		v.list(n.List, true)
		v.list(n.ElseList, with)
	case *parse.TemplateNode:
		if !v.layout || n.Name != bodyTemplate || with || n.Pipe == nil || n.Pipe.String() != "." {
			v.refuse(n, CodeNotAllowed, "template", "%s is not allowed", n)
		}
		v.bodies++
	default:
		v.refuse(n, CodeNotAllowed, keyword(n), "%s is not allowed: only fields, if and with are", firstLine(n))
	}
}

func (v *vet) pipe(p *parse.PipeNode, with bool) {
	for i, cmd := range p.Cmds {
		_, function := cmd.Args[0].(*parse.IdentifierNode)
		if !function && (i > 0 || len(cmd.Args) > 1) {
			v.refuse(cmd, CodeNotAllowed, cmd.Args[0].String(), "%s is no function", cmd.Args[0])
		}
		for _, arg := range cmd.Args {
			v.argument(arg, with)
		}
	}
}

func (v *vet) argument(n parse.Node, with bool) {
	switch n := n.(type) {
	case *parse.BoolNode, *parse.NumberNode, *parse.IdentifierNode:
	case *parse.StringNode:
		if strings.ContainsFunc(n.Text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			v.refuse(n, CodeNotAllowed, n.Quoted, "%s holds what cannot be seen", n.Quoted)
		}
	case *parse.DotNode:
		if !with && v.strict {
			v.refuse(n, CodeNotAllowed, ".", "the dot is nothing outside of with")
		}
	case *parse.PipeNode:
		v.pipe(n, with)
	case *parse.FieldNode:
		if with {
			v.refuse(n, CodeNotAllowed, n.String(), "%s inside of with: write $%s", n, n)
		}
		v.field(n, n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			if n.Ident[0] == "$" && v.strict {
				v.refuse(n, CodeNotAllowed, "$", "$ is nothing without a field")
			}
			break
		}
		if n.Ident[0] != "$" {
			v.refuse(n, CodeUnknownVariable, n.String(), "%s has no fields", n.Ident[0])
		}
		v.field(n, n.Ident[1:])
	default:
		v.refuse(n, CodeNotAllowed, n.String(), "%s is not allowed", n)
	}
}

func (v *vet) field(n parse.Node, path []string) {
	switch {
	case len(path) != 1 || !slices.Contains(v.fields, path[0]):
		v.refuse(n, CodeUnknownVariable, strings.Join(path, "."), "%s is not one of %v", n, v.fields)
	case slices.Contains(v.hidden, path[0]):
		v.refuse(n, CodeSecretInSubject, path[0], "%s is a secret and no part of a subject", n)
	case slices.Contains(v.barred, path[0]):
		v.refuse(n, CodeNotAllowed, path[0], "%s is a link and no part of a subject", n)
	}
}

// keyword returns the word that a statement starts with.
func keyword(n parse.Node) string {
	word, _, _ := strings.Cut(strings.TrimLeft(n.String(), "{- "), " ")
	return strings.TrimRight(word, "}- ")
}

// firstLine returns how n starts, for an error.
func firstLine(n parse.Node) string {
	return fmt.Sprintf("%q", cut(n.String(), 40))
}
