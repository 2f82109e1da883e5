package sqlitedb_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/enrollkit/enrollment/sqlstore"
)

// These make the test binary the process that is killed, and say where it writes
// and from which number on.
const (
	crashPath = "SQLITEDB_TEST_CRASH"
	crashFrom = "SQLITEDB_TEST_CRASH_FROM"
)

// TestWriter is that process: it writes until it is killed, and prints the
// number of every unit that was acknowledged.
func TestWriter(t *testing.T) {
	path := os.Getenv(crashPath)
	if path == "" {
		t.Skip("runs in a process of its own, started by TestAcknowledgedUnitsSurviveAKill")
	}
	from, err := strconv.Atoi(os.Getenv(crashFrom))
	must(t, err)
	s := newStore(t, sqlstore.SQL(openFile(t, path).DB))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := from + w; ; i += 8 {
				if err := s.Update(context.Background(), put(i)); err != nil {
					t.Errorf("unit %d: %v", i, err)
					return
				}
				mu.Lock()
				fmt.Println(i)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestAcknowledgedUnitsSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "enroll.db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const kills, enough, apart = 3, 300, 2000
	acked := map[int]bool{}
	for kill := range kills {
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWriter$")
		cmd.Env = append(os.Environ(), crashPath+"="+path, crashFrom+"="+strconv.Itoa(kill*apart))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if i, err := strconv.Atoi(lines.Text()); err == nil {
				acked[i] = true
			}
			if n == enough {
				must(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // it was killed
	}
	if len(acked) < kills*enough {
		t.Fatalf("only %d units were acknowledged", len(acked))
	}

	db := openFile(t, path) // the lock of the killed is gone
	s := newStore(t, sqlstore.SQL(db.DB))
	highest := 0
	for i := range acked {
		highest = max(highest, i)
	}
	found := stored(t, s, highest+1)
	for i := range acked {
		if !found[i] {
			t.Errorf("unit %d was acknowledged and is lost", i)
		}
	}
	var ok string
	must(t, db.QueryRow("PRAGMA integrity_check").Scan(&ok))
	if ok != "ok" {
		t.Errorf("integrity_check: %s", ok)
	}
	t.Logf("%d kills, %d units acknowledged, %d stored", kills, len(acked), len(found))
}
