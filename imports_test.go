package enrollkit_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// The architecture. Directories are relative to the root of the module;
// a directory that is not here may not hold a package, and an arrow that is
// not here may not exist. Adding a row or an arrow takes an ADR.
var architecture = map[string]row{
	// The front page.
	".": {inTests: []string{"credentials", "device", "enrollment", memstore}},

	// Leaves know neither each other nor the flows.
	"invitation":  {},
	"credentials": {libraries: []string{barcode, barcode + "/qr", crypto + "/..."}},
	"device":      {},

	// The flows know the leaves.
	"enrollment": {imports: leaves, inTests: []string{memstore, storetest}},

	// Everything around the flows knows the flows and the leaves, and not its neighbours.
	memstore:                     {imports: flows, inTests: []string{storetest}},
	"enrollment/sqlstore":        {imports: flows, inTests: []string{memstore, storetest}},
	"enrollment/sqlstore/verify": {imports: append([]string{"enrollment/sqlstore"}, flows...)}, // docs/adr/0013
	storetest:                    {imports: flows, inTests: []string{memstore}, testing: true},
	"enrollment/mailer":          {imports: flows, inTests: []string{memstore}},
	"enrollment/enrollhttp":      {imports: append([]string{httpkit}, flows...), inTests: []string{memstore, storetest}, libraries: []string{mux}},
	"enrollment/adminhttp":       {imports: append([]string{httpkit}, flows...), inTests: []string{memstore, storetest}, libraries: []string{mux}},
	httpkit:                      {imports: flows}, // docs/adr/0009
	"enrollment/android":         {imports: flows, inTests: []string{memstore}},
	"enrollment/apple":           {imports: flows, inTests: []string{memstore}},
	"enrollment/windows":         {imports: append([]string{httpkit}, flows...), inTests: []string{memstore}}, // docs/adr/0023

	// Stories use what an embedder uses.
	"examples/...": {imports: []string{
		"invitation", "credentials", "device", "enrollment", memstore, "enrollment/sqlstore", "enrollment/mailer",
		"enrollment/enrollhttp", "enrollment/adminhttp", "enrollment/android", "enrollment/apple", "enrollment/windows",
	}, inTests: []string{storetest}},
}

// A row says what one package may import beside the standard library.
type row struct {
	imports   []string // packages of this module
	inTests   []string // more of them, for its _test.go files, which may also import the package itself
	libraries []string // packages of other modules; "x/..." stands for all below x
	testing   bool     // whether package testing may be imported outside _test.go files
}

const (
	memstore  = "enrollment/memstore"
	storetest = "enrollment/storetest"
	httpkit   = "enrollment/internal/httpkit"

	barcode = "github.com/boombuler/barcode"
	crypto  = "golang.org/x/crypto"
	mux     = "github.com/gorilla/mux"
	testify = "github.com/stretchr/testify"
)

var (
	leaves = []string{"invitation", "credentials", "device"}
	flows  = []string{"enrollment", "invitation", "credentials", "device"}

	// requirements of the root module, all of them.
	requirements = []string{barcode, mux, testify, crypto}
)

// mayReadTheClock is where the default of the service's clock is set.
const mayReadTheClock = "enrollment/config.go"

func TestArchitecture(t *testing.T) {
	module := readGoMod(t).Module.Path
	tree := os.DirFS(".")

	t.Run("imports point along the arrows of the table", func(t *testing.T) {
		report(t, forbiddenArrows(t, tree, module))
	})
	t.Run("the SDK prints nothing, draws no weak randomness, reads no clock and runs no init", func(t *testing.T) {
		report(t, forbiddenCalls(t, tree))
	})
	t.Run("no exported signature mentions the router", func(t *testing.T) {
		report(t, exposedRouter(t, tree))
	})
	t.Run("the root module has exactly four requirements", func(t *testing.T) {
		var direct []string
		for _, r := range readGoMod(t).Require {
			if !r.Indirect {
				direct = append(direct, r.Path)
			}
		}
		slices.Sort(direct)
		if !slices.Equal(direct, requirements) {
			t.Errorf("go.mod requires %q, want %q: what needs another library belongs in a nested module (docs/adr/0002-modules.md)", direct, requirements)
		}
	})
}

// Each line is one file that breaks one rule, and what has to be said about it.
func TestArchitectureIsChecked(t *testing.T) {
	const clean = ""
	for _, c := range []struct{ file, source, want string }{
		{"invitation/a.go", `import "time"`, clean},
		{"invitation/a.go", `import "m/device"`, `invitation imports device`},
		{"invitation/a_test.go", `import "m/invitation"`, clean},
		{"invitation/a_test.go", `import "m/device"`, `invitation imports device in a test`},
		{"device/a.go", `import "m/enrollment"`, `device imports enrollment`},
		{"device/a_test.go", `import "m/enrollment/memstore"`, `device imports enrollment/memstore in a test`},
		{"device/a.go", `import "golang.org/x/crypto/hkdf"`, `device imports golang.org/x/crypto/hkdf`},
		{"credentials/a.go", `import "golang.org/x/crypto/chacha20poly1305"`, clean},
		{"credentials/a.go", `import "github.com/boombuler/barcode/qr"`, clean},
		{"credentials/a.go", `import "github.com/boombuler/barcode/aztec"`, `credentials imports github.com/boombuler/barcode/aztec`},
		{"enrollment/a.go", `import "m/device"`, clean},
		{"enrollment/a.go", `import "m/enrollment/memstore"`, `enrollment imports enrollment/memstore`},
		{"enrollment/a_test.go", `import "m/enrollment/memstore"`, clean},
		{"enrollment/a.go", `import "github.com/gorilla/mux"`, `enrollment imports github.com/gorilla/mux`},
		{"enrollment/sqlstore/a.go", `import "m/enrollment/memstore"`, `enrollment/sqlstore imports enrollment/memstore`},
		{"enrollment/sqlstore/a.go", `import "modernc.org/sqlite"`, `enrollment/sqlstore imports modernc.org/sqlite`},
		{"enrollment/sqlstore/a_test.go", `import "m/enrollment/storetest"`, clean},
		{"enrollment/storetest/a.go", `import "testing"`, clean},
		{"enrollment/storetest/a.go", `import "github.com/stretchr/testify/require"`, `enrollment/storetest imports github.com/stretchr/testify/require`},
		{"enrollment/memstore/a.go", `import "testing"`, `enrollment/memstore imports testing`},
		{"enrollment/memstore/a.go", `import "testing/fstest"`, `enrollment/memstore imports testing/fstest`},
		{"enrollment/memstore/a_test.go", `import "github.com/stretchr/testify/require"`, clean},
		{"enrollment/memstore/a_test.go", `import "pgregory.net/rapid"`, `enrollment/memstore imports pgregory.net/rapid in a test`},
		{"enrollment/enrollhttp/a.go", `import "github.com/gorilla/mux"`, clean},
		{"enrollment/enrollhttp/a.go", `import "m/enrollment/adminhttp"`, `enrollment/enrollhttp imports enrollment/adminhttp`},
		{"enrollment/enrollhttp/a_test.go", `import "m/enrollment/adminhttp"`, `enrollment/enrollhttp imports enrollment/adminhttp in a test`},
		{"enrollment/adminhttp/a.go", `import "m/refserver"`, `enrollment/adminhttp imports refserver`},
		{"enrollment/util/a.go", `import "time"`, `enrollment/util is not in the table`},
		{"examples/embed/a.go", `import "m/enrollment/adminhttp"`, clean},
		{"examples/embed/a.go", `import "m/refserver/pgxq"`, `examples/embed imports refserver/pgxq`},
		{"nested/a.go", `import "m/refserver/pgxq"`, `nested imports refserver/pgxq`},
		{"nested/a.go", `import "modernc.org/sqlite"`, clean},
		{"refserver/a.go", `import "m/refserver/pgxq"`, clean},

		{"device/a.go", `import "math/rand/v2"`, `device/a.go:1: imports math/rand/v2`},
		{"device/a.go", `import "time"; var t = time.Now()`, `device/a.go:1: calls time.Now`},
		{"device/a.go", `import clock "time"; var t = clock.Now`, `device/a.go:1: calls time.Now`},
		{"device/a.go", `import "time"; func age(t time.Time) time.Duration { return time.Since(t) }`, `device/a.go:1: calls time.Since`},
		{"device/a_test.go", `import "time"; var t = time.Now()`, clean},
		{"enrollment/a.go", `import "time"; var t = time.Now()`, `enrollment/a.go:1: calls time.Now`},
		{"enrollment/config.go", `import "time"; var t = time.Now`, clean},
		{"device/a.go", `import "fmt"; func f() { fmt.Println() }`, `device/a.go:1: calls fmt.Println`},
		{"device/a.go", `import "fmt"; func f() string { return fmt.Sprint(1) }`, clean},
		{"device/a.go", `func init() {}`, `device/a.go:1: declares init`},
		{"examples/embed/a.go", `import "fmt"; func f() { fmt.Println() }`, clean},

		{"enrollment/adminhttp/a.go", `import "github.com/gorilla/mux"; func New() *mux.Router { return nil }`, `enrollment/adminhttp/a.go:1: exports the router`},
		{"enrollment/adminhttp/a.go", `import "github.com/gorilla/mux"; type H struct { R *mux.Router }`, `enrollment/adminhttp/a.go:1: exports the router`},
		{"enrollment/adminhttp/a.go", `import "github.com/gorilla/mux"; type H struct { r *mux.Router }`, clean},
		{"enrollment/adminhttp/a.go", `import "github.com/gorilla/mux"; func New() any { return mux.NewRouter() }`, clean},
		{"enrollment/adminhttp/a.go", `import "github.com/gorilla/mux"; func build() *mux.Router { return nil }`, clean},
	} {
		t.Run(c.file+": "+c.source, func(t *testing.T) {
			tree := fstest.MapFS{
				"go.mod":           {Data: []byte("module m")},
				"nested/go.mod":    {Data: []byte("module m/nested")},
				"refserver/go.mod": {Data: []byte("module m/refserver")},
				c.file:             {Data: []byte("package p; " + c.source)},
			}
			said := slices.Concat(forbiddenArrows(t, tree, "m"), forbiddenCalls(t, tree), exposedRouter(t, tree))
			switch {
			case c.want == clean && len(said) > 0:
				t.Errorf("said %q, want nothing", said)
			case c.want != clean && (len(said) != 1 || !strings.HasPrefix(said[0], c.want)):
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}

func report(t *testing.T, said []string) {
	t.Helper()
	for _, s := range said {
		t.Error(s)
	}
}

// forbiddenArrows compares every import in the tree with the table. Nested
// modules have requirements of their own, but nothing imports refserver.
func forbiddenArrows(t *testing.T, tree fs.FS, module string) (said []string) {
	for _, f := range parse(t, tree) {
		row, known := architecture[f.row()]
		if !known && !f.nested {
			said = append(said, fmt.Sprintf("%s is not in the table (%s): add a row, and an ADR that says why", f.dir, f.name))
			continue
		}
		for _, imported := range f.imports() {
			ours, inside := strings.CutPrefix(imported, module+"/")
			if imported == module {
				ours, inside = ".", true
			}
			var allowed bool
			switch {
			case inside && within(ours, "refserver"):
				allowed = within(f.dir, "refserver")
			case f.nested:
				allowed = true
			case inside:
				allowed = slices.Contains(row.imports, ours) || f.test && (ours == f.dir || slices.Contains(row.inTests, ours))
			case within(imported, "testing"):
				allowed = f.test || row.testing
			case strings.Contains(strings.Split(imported, "/")[0], "."):
				allowed = f.test && within(imported, testify) || slices.ContainsFunc(row.libraries, func(pattern string) bool {
					below, all := strings.CutSuffix(pattern, "/...")
					return imported == pattern || all && within(imported, below)
				})
			default:
				allowed = true // the standard library
			}
			if allowed {
				continue
			}
			where := ""
			if f.test {
				where = " in a test"
			}
			if !inside {
				ours = imported
			}
			said = append(said, fmt.Sprintf("%s imports %s%s (%s), and the table has no such arrow: add an ADR if it should", f.dir, ours, where, f.name))
		}
	}
	return said
}

// forbiddenCalls looks through the SDK, which is the root module without its
// tests and examples.
func forbiddenCalls(t *testing.T, tree fs.FS) (said []string) {
	for _, f := range parse(t, tree) {
		if f.nested || f.test || within(f.dir, "examples") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				if imported, _ := strconv.Unquote(n.Path.Value); within(imported, "math/rand") {
					said = append(said, f.at(n)+"imports "+imported+": take an io.Reader, by default crypto/rand.Reader")
				}
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					said = append(said, f.at(n)+"declares init: importing a package has no effect")
				}
			case *ast.SelectorExpr:
				from, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				switch name := n.Sel.Name; f.imported(from.Name) {
				case "time":
					if f.name != mayReadTheClock && (name == "Now" || name == "Since" || name == "Until") {
						said = append(said, f.at(n)+"calls time."+name+": take the time as an argument, or from Config in the service")
					}
				case "fmt":
					if strings.HasPrefix(name, "Print") {
						said = append(said, f.at(n)+"calls fmt."+name+": a library does not print")
					}
				}
			}
			return true
		})
	}
	return said
}

// exposedRouter finds the router in what the SDK exports.
func exposedRouter(t *testing.T, tree fs.FS) (said []string) {
	for _, f := range parse(t, tree) {
		if f.nested || f.test || !slices.Contains(f.imports(), mux) {
			continue
		}
		ast.FileExports(f.syntax)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BlockStmt:
				return false
			case *ast.Ident:
				if f.imported(n.Name) == mux {
					said = append(said, f.at(n)+"exports the router: export an http.Handler")
				}
			}
			return true
		})
	}
	return said
}

// A source is one parsed Go file.
type source struct {
	name, dir string // slash-separated, relative to the root of the module
	nested    bool   // whether it belongs to a nested module
	test      bool
	files     *token.FileSet
	syntax    *ast.File
}

// row is the key of the file's package in the table.
func (f source) row() string {
	if within(f.dir, "examples") {
		return "examples/..."
	}
	return f.dir
}

func (f source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d: ", f.name, f.files.Position(n.Pos()).Line)
}

func (f source) imports() (paths []string) {
	for _, spec := range f.syntax.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// imported is the path that the file imports under the name, or "".
func (f source) imported(name string) string {
	for i, p := range f.imports() {
		local := path.Base(p)
		if spec := f.syntax.Imports[i]; spec.Name != nil {
			local = spec.Name.Name
		}
		if local == name {
			return p
		}
	}
	return ""
}

// parse reads every Go file that the go command would see, whatever its build
// constraints.
func parse(t *testing.T, tree fs.FS) (sources []source) {
	t.Helper()
	var modules []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil && name != "." {
				modules = append(modules, name)
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		syntax, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		sources = append(sources, source{
			name:   name,
			dir:    path.Dir(name),
			nested: slices.ContainsFunc(modules, func(dir string) bool { return within(name, dir) }),
			test:   strings.HasSuffix(base, "_test.go"),
			files:  files,
			syntax: syntax,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// within reports whether a slash-separated path is dir or lies below it.
func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

type goMod struct {
	Module  struct{ Path string }
	Require []struct {
		Path     string
		Indirect bool
	}
}

func readGoMod(t *testing.T) (mod goMod) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}
