package pgtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// killTree ends a server and all its processes at once. The processes are in
// groups of their own, so that a signal to the server's group does not reach
// them. It returns once none of them runs any more.
func killTree(pid int) error {
	// Nothing is forked while the list is made.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && err != syscall.ESRCH {
		return err
	}
	list := children(pid)
	err := syscall.Kill(-pid, syscall.SIGKILL)
	for _, child := range list {
		_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended by itself
	}
	for _, child := range list {
		for _, running := parent(child); running; _, running = parent(child) {
			time.Sleep(time.Millisecond)
		}
	}
	if err == syscall.ESRCH {
		return nil
	}
	return err
}

// children are the processes that a process has started.
func children(pid int) (list []int) {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range found {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if ppid, running := parent(child); running && ppid == pid {
			list = append(list, child)
		}
	}
	return list
}

// parent returns who started a process, and whether it still runs: one that has
// ended and was not asked for does not.
func parent(pid int) (ppid int, running bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// "pid (name) state ppid ...", and a name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return 0, false
	}
	ppid, err = strconv.Atoi(string(fields[1]))
	return ppid, err == nil
}
