package pgxq_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/pgtest"
)

const example = "../../examples/owntx-pgx"

// The example is a module of its own, without the means to start a database.
func TestTheExampleWithAnEmbeddersTransactionRuns(t *testing.T) {
	dsn := pgtest.DSN(t)
	cmd := exec.Command("go", "run", ".", dsn)
	cmd.Dir = example
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "Anna: <nil>\nPetr: no budget\nmail to anna@example.com\n1 employee, 1 invitation\n", string(out))
}

// What is copied stays what it was copied from.
func TestTheExamplesAdapterIsACopyOfThisPackage(t *testing.T) {
	code := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, after, ok := strings.Cut(string(text), "\nimport (")
		require.True(t, ok)
		return after
	}
	for ours, copied := range map[string]string{
		"pgxq.go": "adapter.go", "pipeline.go": "adapter_pipeline.go", "transaction.go": "adapter_transaction.go",
	} {
		require.Equal(t, code(ours), code(example+"/"+copied))
	}
}
