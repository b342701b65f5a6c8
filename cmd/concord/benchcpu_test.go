package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's CPU times on Linux.
const tick = 10 * time.Millisecond

// cpu returns how much CPU time the nodes under test, PostgreSQL and Redis have taken so far; zero where /proc does not
// tell. What an operation costs is steadier on a busy machine than how many there are a second.
func (b *bencher) cpu() (node, database, redis time.Duration) {
	for _, n := range b.nodes {
		node += cpuOf(n.cmd.Process.Pid)
	}
	head, _, _ := bytes.Cut(b.read(filepath.Join(b.dataDir, "postmaster.pid")), []byte("\n"))
	if postmaster, err := strconv.Atoi(string(head)); err == nil {
		database = cpuOf(postmaster)
		stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
		for _, path := range stats {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if f := statFields(pid); err == nil && len(f) > 1 && f[1] == strconv.Itoa(postmaster) {
				database += cpuOf(pid)
			}
		}
	}
	if b.redis != nil {
		redis = cpuOf(b.redis.cmd.Process.Pid)
	}
	return node, database, redis
}

func (b *bencher) read(path string) []byte {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return raw
}

// cpuOf is a process's own CPU time and that of its children that have ended.
func cpuOf(pid int) time.Duration {
	f := statFields(pid)
	if len(f) < 15 {
		return 0
	}
	var ticks int
	for _, s := range f[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(s) // numbers by proc(5)
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// statFields are the fields of /proc/pid/stat after the name, which may hold blanks: the first is the state.
func statFields(pid int) []string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}
