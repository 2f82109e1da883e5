package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// meter reads the CPU time that this process and its database have used. It
// tells what a call costs however busy the machine is with something else.
type meter struct {
	server int // the parent of PostgreSQL's processes; 0: there is none here
}

// meter returns the meter of a world. A server that is not of this machine is
// not counted.
func (w *world) meter(ctx context.Context) (m meter) {
	if w.pool == nil || os.Getenv(envServer) != "" {
		return m
	}
	var pid int
	if err := w.pool.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return m
	}
	m.server, _, _ = stat(pid)
	return m
}

func (m meter) read() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // cannot fail with these arguments
	return time.Duration(used.Utime.Nano()+used.Stime.Nano()) + m.readServer()
}

// readServer is what a server and its children, those that ended included, have
// used, to the hundredth of a second each.
func (m meter) readServer() (all time.Duration) {
	if m.server == 0 {
		return 0
	}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if parent, used, err := stat(id); err == nil && (id == m.server || parent == m.server) { // others may have ended meanwhile
			all += used
		}
	}
	return all
}

// stat returns the parent of a process and the CPU that it and its ended
// children used.
func stat(pid int) (parent int, used time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold anything
	fields := strings.Fields(after)
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	parent, _ = strconv.Atoi(fields[1])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	for _, f := range fields[11:15] {
		n, _ := strconv.Atoi(f)
		used += time.Duration(n) * tick
	}
	return parent, used, nil
}
