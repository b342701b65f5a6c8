package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A link that is killed again and again ends, started by the same command, with the bytes of one that ran through.
func TestAKilledLinkGoesOnToTheSameBytes(t *testing.T) {
	oneAfterAnother(t)
	dir := filepath.Join(t.TempDir(), "sim")
	if status, _, errOut := concordIn(t, "simulate", "--people", "800", "--sites", "9", "--formats", "csv", "--out", dir); status != 0 {
		t.Fatal(errOut)
	}
	file := filepath.Join(dir, "records.csv")
	files := func(name string) []string {
		at := func(what string) string { return filepath.Join(dir, name+what) }
		return []string{file, "--out", at(".csv"), "--review", at("-review.csv"), "--save-model", at("-model.json")}
	}
	if status, _, errOut := concordIn(t, append([]string{"link"}, files("whole")...)...); status != 0 {
		t.Fatal(errOut)
	}
	checkpoint := filepath.Join(dir, "killed.csv.checkpoint")
	reached := int64(len(checkpointTitle) + 64)
	for kills := range 3 {
		p := start(t, concord(nil, append([]string{"link"}, files("killed")...)...))
		for { // until it has kept something more
			if info, err := os.Stat(checkpoint); err == nil && info.Size() > reached+1 {
				reached = info.Size()
				break
			}
			select {
			case <-p.done:
				t.Fatalf("it ended before it was killed for the %d. time: %s", kills+1, p.printed())
			case <-time.After(time.Millisecond):
			}
		}
		p.kill()
		if kills > 0 && !strings.Contains(p.printed(), "going on where an earlier run stopped") {
			t.Errorf("it does not say that it goes on: %s", p.printed())
		}
		if _, err := os.Stat(filepath.Join(dir, "killed.csv")); err == nil {
			t.Fatal("a killed run wrote its clusters")
		}
	}
	last := start(t, concord(nil, append([]string{"link"}, files("killed")...)...))
	<-last.done
	for _, what := range []string{".csv", "-review.csv", "-model.json"} {
		want, err := os.ReadFile(filepath.Join(dir, "whole"+what))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "killed"+what)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v\n%s", what, err, last.printed())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestACheckpointOfSomethingElseIsDiscarded(t *testing.T) {
	out := filepath.Join(t.TempDir(), "c.csv")
	open := func(identity string) (*linkCheckpoint, bool) {
		t.Helper()
		c, discarded, err := openCheckpoint(out, identity)
		if err != nil {
			t.Fatal(err)
		}
		return c, discarded
	}
	pieces := func(c *linkCheckpoint) (all []string) {
		t.Helper()
		for {
			p, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			if p == nil {
				return all
			}
			all = append(all, string(p))
		}
	}
	c, discarded := open("one")
	if discarded || pieces(c) != nil {
		t.Error("a new one is not empty")
	}
	for _, p := range []string{"first", "second"} {
		if err := c.Keep([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := openCheckpoint(out, "one"); err == nil || !strings.Contains(err.Error(), "another concord link") {
		t.Errorf("two have it at once: %v", err)
	}
	if err := c.close(false); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(c.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name     string
		identity string
		body     []byte
		want     string
		discards bool
	}{
		{"of the same run all is there", "one", whole, "first second", false},
		{"of another nothing is", "two", whole, "", true},
		{"a piece that was being written is left out", "one", whole[:len(whole)-1], "first", false},
		{"and so is one that was damaged", "one", append(bytes.Clone(whole[:len(whole)-1]), 'x'), "first", false},
		{"a title that was being written", "one", whole[:5], "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := os.WriteFile(c.name, row.body, 0o600); err != nil {
				t.Fatal(err)
			}
			c, discarded := open(row.identity)
			if got := strings.Join(pieces(c), " "); got != row.want || discarded != row.discards {
				t.Errorf("%q, discarded %v; want %q, %v", got, discarded, row.want, row.discards)
			}
			if err := c.Keep([]byte("more")); err != nil {
				t.Fatal(err)
			}
			_ = c.close(false)
			c, _ = open(row.identity)
			if got := strings.Join(pieces(c), " "); got != strings.TrimSpace(row.want+" more") {
				t.Errorf("behind it stands %q", got)
			}
			_ = c.close(false)
		})
	}
	c, _ = open("one")
	if err := c.close(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.name); err == nil {
		t.Error("one that is done with is still there")
	}
}
