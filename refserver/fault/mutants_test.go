//go:build fault

package fault

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envMutant names a mistake that the nodes of a run have: a build tag.
const envMutant = "FAULT_MUTANT"

// mutants are servers with one mistake each, and the test that finds it.
var mutants = []struct {
	tag    string
	caught string // the test
	says   string // what it says then, as a pattern
	env    []string
}{
	{"mutant_try_in_request", "TestNoTryIsComparedWithoutBeingCounted/sqlite", `\d+ tries compared, \d+ counted`, []string{"FAULT_I5=1"}},
	{"mutant_select_then_update", "TestNoTryIsComparedWithoutBeingCounted/sqlite", `\d+ tries compared, \d+ counted`, []string{"FAULT_I5=1"}},
	{"mutant_no_unique_index", "TestOneHardwareIsOneDeviceWhoeverBringsItIn", `one device per hardware: `, []string{"FAULT_I2=100"}},
	{"mutant_outbox_outside", "TestANodeThatDiesAtACommitKeepsItsWord/sqlite", `outbox: `, []string{"FAULT_F2=6"}},
	{"mutant_sent_before_send", "TestANodeThatDiesAtACommitKeepsItsWord/sqlite", `is delivered, and never came`, []string{"FAULT_F2=6"}},
	{"mutant_get_consumes", "TestAKilledNodeKeepsItsWord/sqlite", `was acknowledged as`, []string{"FAULT_F1=6"}},
	{"mutant_commit_retried", "TestALostCommitIsNeitherLostNorDoubled", `was acknowledged as|should have|another answer|replaced twice|\(repeated: false\): status \d+, want`, []string{"FAULT_F4=400"}},
}

// The suite bites: each mistake that a server of this kind could have is found
// by the test that is there for it.
func TestEveryMutantIsCaught(t *testing.T) {
	if os.Getenv(envMutant) != "" {
		t.Skip("this is a mutant's run")
	}
	row := rowOf("mutants")
	for _, m := range mutants {
		t.Run(m.tag, func(t *testing.T) {
			out, err := runMutant(t, m.tag, m.caught, m.env)
			for again := 0; err == nil && again < 2; again++ { // faults hit by chance
				out, err = runMutant(t, m.tag, m.caught, m.env)
			}
			require.Error(t, err, "%s lived through %s:\n%s", m.tag, m.caught, out)
			require.Contains(t, string(out), "--- FAIL: "+strings.Split(m.caught, "/")[0], "%s", out)
			said := regexp.MustCompile(`.*(?:` + m.says + `).*`).FindString(string(out))
			require.NotEmpty(t, said, "another failure than that of %s:\n%s", m.tag, out)
			t.Logf("caught by %s: %s", m.caught, strings.TrimSpace(said))
			row.cycles++
			// What it has kept of this failure is of no use to anybody.
			for _, kept := range regexp.MustCompile(`kept in (/\S+)`).FindAllStringSubmatch(string(out), -1) {
				require.NoError(t, os.RemoveAll(kept[1]))
			}
		})
	}
	row.note("%d of %d mutants caught", row.cycles, len(mutants))
}

// runMutant runs one test on nodes that have one mistake.
func runMutant(t *testing.T, tag, test string, env []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	pattern := "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	run := exec.CommandContext(ctx, os.Args[0], "-test.run", pattern, "-test.v")
	run.Env = append(append(os.Environ(), envMutant+"="+tag), env...)
	run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about this thread
	defer runtime.UnlockOSThread()
	return run.CombinedOutput()
}
