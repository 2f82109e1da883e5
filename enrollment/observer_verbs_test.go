package enrollment_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every exported method of the Service that takes a context is a verb and tells
// the observer by its first statement, each under a name of its own. Run tells
// of what it does by the verbs that it uses.
func TestEveryVerbTellsTheObserver(t *testing.T) {
	files, err := fs.Glob(os.DirFS("."), "*.go")
	require.NoError(t, err)
	names := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !isVerb(fn) || fn.Name.Name == "Run" {
				continue
			}
			said := toldBy(fn.Body.List[0])
			require.NotEmpty(t, said, "%s in %s", fn.Name.Name, name)
			require.Empty(t, names[said], "%s is told by two", said)
			names[said] = fn.Name.Name
		}
	}
	require.Greater(t, len(names), 40)
}

func isVerb(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || !fn.Name.IsExported() || len(fn.Type.Params.List) == 0 {
		return false
	}
	star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	recv, ok := star.X.(*ast.Ident)
	first, isSelector := fn.Type.Params.List[0].Type.(*ast.SelectorExpr)
	return ok && recv.Name == "Service" && isSelector && first.Sel.Name == "Context"
}

// toldBy returns the name in "defer s.did(ctx, name, ...)".
func toldBy(stmt ast.Stmt) string {
	deferred, ok := stmt.(*ast.DeferStmt)
	if !ok {
		return ""
	}
	called, ok := deferred.Call.Fun.(*ast.SelectorExpr)
	if !ok || called.Sel.Name != "did" {
		return ""
	}
	name, ok := deferred.Call.Args[1].(*ast.BasicLit)
	if !ok {
		return ""
	}
	return strings.Trim(name.Value, `"`)
}
