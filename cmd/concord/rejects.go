package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A rejectFile takes the lines that were not stored. It is made when the first one comes.
type rejectFile struct {
	name string
	more bool // continue an earlier run's file
	f    *os.File
}

// openRejects returns the rejects file name, or that of input where name is "". more continues an earlier run's file. A dry run
// has a file of its own: what an interrupted load named is not written over.
func openRejects(name, input string, more, dry bool) *rejectFile {
	switch {
	case name != "":
	case dry:
		name = input + ".dry-run.rejects.ndjson"
	default:
		name = input + ".rejects.ndjson"
	}
	return &rejectFile{name: name, more: more}
}

func (r *rejectFile) write(bad map[int64]error) error {
	if len(bad) == 0 {
		return nil
	}
	if r.f == nil {
		mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if r.more {
			mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		f, err := os.OpenFile(r.name, mode, 0o600)
		if err != nil {
			return err
		}
		r.f = f
	}
	order := make([]int64, 0, len(bad))
	for n := range bad {
		order = append(order, n)
	}
	slices.Sort(order)
	w := bufio.NewWriter(r.f)
	for _, n := range order {
		var inv *hie.InvalidError
		if !errors.As(bad[n], &inv) {
			continue
		}
		if err := json.NewEncoder(w).Encode(struct {
			Line int64  `json:"line"`
			Path string `json:"path,omitempty"`
			Rule string `json:"rule"`
			Code string `json:"code,omitempty"`
		}{n, inv.Path, inv.Rule, inv.Detail}); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Close ends the file, once.
func (r *rejectFile) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
