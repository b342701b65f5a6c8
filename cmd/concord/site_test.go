package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/pgtest"
)

const siteFile = `{
  "organizations": [{"id": "mercy", "name": "Mercy Health", "identifier": "urn:org:mercy", "kind": "hospital", "jurisdiction": "US-MD"}],
  "sites": [{"id": "mercy-main", "org": "mercy", "name": "Mercy Main", "authorities": ["urn:oid:1.1"], "zone": "America/New_York",
    "labelled": false, "publishes": true, "endpoints": [{"id": "mercy-fhir", "address": "https://mercy.example/fhir"}]}]}`

func TestASiteFileIsAppliedAndListed(t *testing.T) {
	g := &Globals{DatabaseURL: pgtest.URL(t)}
	file := filepath.Join(t.TempDir(), "sites.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(siteFile)
	run := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (out, messages string) {
		t.Helper()
		var o, e bytes.Buffer
		if err := c.Run(context.Background(), g, &streams{out: &o, err: &e}); err != nil {
			t.Fatal(err)
		}
		return o.String(), e.String()
	}
	out, messages := run(&siteApplyCmd{File: file, DryRun: true, Output: "table"})
	if !strings.Contains(out, "+ site mercy-main\n") || !strings.Contains(messages, "dry run") {
		t.Errorf("dry run: %q %q", out, messages)
	}
	if out, _ := run(&siteListCmd{Output: "table"}); strings.Contains(out, "mercy") {
		t.Error("a dry run changed the directory")
	}
	out, _ = run(&siteApplyCmd{File: file, Output: "json"})
	var changes []struct{ Verb, Object, Name string }
	if err := json.Unmarshal([]byte(out), &changes); err != nil || len(changes) != 3 || changes[0].Verb != "add" {
		t.Errorf("%v: %s", err, out)
	}
	if _, messages = run(&siteApplyCmd{File: file, Output: "table"}); !strings.Contains(messages, "nothing to change") {
		t.Errorf("the same file again: %q", messages)
	}
	if out, _ := run(&siteListCmd{Output: "table"}); !strings.Contains(out, "mercy-main  mercy") || !strings.Contains(out, "https://mercy.example/fhir") {
		t.Errorf("list: %s", out)
	}
	listed, _ := run(&siteListCmd{Output: "json"})
	write(listed)
	if _, messages = run(&siteApplyCmd{File: file, Output: "table"}); !strings.Contains(messages, "nothing to change") {
		t.Errorf("what list prints is not what apply reads: %q", messages)
	}
	write(strings.Replace(siteFile, `"labelled": false`, `"labeled": false`, 1))
	err := (&siteApplyCmd{File: file, Output: "table"}).Run(context.Background(), g, &streams{out: &bytes.Buffer{}, err: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "sites[0].labeled") {
		t.Errorf("a misspelt member: %v", err)
	}
}
