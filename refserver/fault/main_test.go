package fault

import (
	"fmt"
	"os"
	"testing"

	"example.com/enrollkit/refserver/pgtest"
)

// atEnd is run after all tests.
var atEnd []func() error

func TestMain(m *testing.M) {
	code := pgtest.Run(m)
	for _, end := range atEnd {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "fault:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
