package mailer

import (
	"fmt"
	"reflect"
	"slices"
	"text/template/parse"
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

// parseTemplate parses a file and checks every branch of it, taken or not. Text
// that administrators edit can therefore read the fields of Data, and compare
// them, and nothing else: no method, no loop, no recursion.
func parseTemplate(file, text string) (*parse.Tree, error) {
	tree := parse.New(file)
	set := make(map[string]*parse.Tree)
	tree, err := tree.Parse(text, "", "", set, functions())
	if err != nil {
		return nil, err // it names file and line
	}
	for name := range set {
		if name != file {
			return nil, fmt.Errorf("template: %s: defines %q: only fields, if and with are allowed", file, name)
		}
	}
	v := vet{tree: tree, layout: file == layoutFile, fields: fieldNames()}
	if v.list(tree.Root, false); v.err != nil {
		return nil, v.err
	}
	if v.layout && v.bodies != 1 {
		return nil, fmt.Errorf(`template: %s: has {{template "body" .}} %d times, want once`, file, v.bodies)
	}
	return tree, nil
}

func fieldNames() (names []string) {
	for field := range reflect.TypeFor[Data]().Fields() {
		names = append(names, field.Name)
	}
	return names
}

// vet walks one tree. Inside of "with", the dot is a plain value without fields.
type vet struct {
	tree   *parse.Tree
	layout bool
	bodies int // {{template "body" .}} seen
	fields []string
	err    error
}

func (v *vet) refuse(n parse.Node, format string, args ...any) {
	if v.err == nil {
		location, _ := v.tree.ErrorContext(n)
		v.err = fmt.Errorf("template: %s: %s", location, fmt.Sprintf(format, args...))
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
			v.refuse(n, "%s is not allowed", n)
		}
		v.bodies++
	default:
		v.refuse(n, "%s is not allowed: only fields, if and with are", firstLine(n))
	}
}

func (v *vet) pipe(p *parse.PipeNode, with bool) {
	for i, cmd := range p.Cmds {
		_, function := cmd.Args[0].(*parse.IdentifierNode)
		if !function && (i > 0 || len(cmd.Args) > 1) {
			v.refuse(cmd, "%s is no function", cmd.Args[0])
		}
		for _, arg := range cmd.Args {
			v.argument(arg, with)
		}
	}
}

func (v *vet) argument(n parse.Node, with bool) {
	switch n := n.(type) {
	case *parse.BoolNode, *parse.NumberNode, *parse.StringNode, *parse.DotNode, *parse.IdentifierNode:
	case *parse.PipeNode:
		v.pipe(n, with)
	case *parse.FieldNode:
		if with {
			v.refuse(n, "%s inside of with: write $%s", n, n)
		}
		v.field(n, n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			break
		}
		if n.Ident[0] != "$" {
			v.refuse(n, "%s has no fields", n.Ident[0])
		}
		v.field(n, n.Ident[1:])
	default:
		v.refuse(n, "%s is not allowed", n)
	}
}

func (v *vet) field(n parse.Node, path []string) {
	if len(path) != 1 || !slices.Contains(v.fields, path[0]) {
		v.refuse(n, "%s is not one of %v", n, v.fields)
	}
}

// firstLine returns how n starts, for an error.
func firstLine(n parse.Node) string {
	return fmt.Sprintf("%q", cut(n.String(), 40))
}
