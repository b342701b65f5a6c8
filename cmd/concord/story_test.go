package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheStoryGoesAsToldAndAgain runs the demo as its user does: from nothing, with messages to load, and once
// more on the data that is there.
func TestTheStoryGoesAsToldAndAgain(t *testing.T) {
	oneAfterAnother(t)
	dir := sharedDir(t)
	messages := t.TempDir()
	for name, text := range map[string]string{
		"patient.json": `{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:oid:1.2.3","value":"1"}],"name":[{"family":"Mohr","given":["Alice"]}],"gender":"female","birthDate":"1958-01-30"}`,
		"note.json":    `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"contentType":"text/plain","data":"SGVsbG8="}}]}`,
		"away.json":    `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"contentType":"text/plain","url":"https://elsewhere.example/x"}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(messages, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	play := func() (out, messagesOut string) {
		var o, e bytes.Buffer
		status := run(context.Background(), []string{"demo", "--data", dir, "--addr", "127.0.0.1:0", "--people", "14", "--slow", "20ms",
			"--once", "--story", "--load", messages}, &o, &e)
		if status != 0 {
			t.Fatalf("status %d\n%s\n%s", status, e.String(), o.String())
		}
		return o.String(), e.String()
	}

	out, said := play()
	for _, want := range []string{"The story went as told.", "3 messages: 2 accepted, 1 refused, 0 skipped", "must be relative, or an address at an endpoint"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "DIFFERENT") {
		t.Errorf("an observation differs:\n%s", out)
	}
	if !strings.Contains(said, "publishing documents") {
		t.Error("the first run must fill the exchange")
	}
	checkDemoJSON(t, dir)

	out, said = play()
	if !strings.Contains(out, "The story went as told.") {
		t.Errorf("the second time:\n%s", out)
	}
	if strings.Contains(said, "publishing documents") || strings.Contains(said, "registering people") {
		t.Error("the second run must find everything there")
	}
}

// sharedDir returns a temporary directory that PostgreSQL's own user can reach.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "concord-demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkDemoJSON holds DIR/demo.json against the shape DESIGN section 4 promises.
func checkDemoJSON(t *testing.T, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for object, members := range map[string][]string{
		"":        {"base_url", "fhir_url", "token_url", "clients", "people", "logins"},
		"clients": {"client_id", "organization", "role", "purpose_of_use", "key_file", "scopes"},
		"people":  {"name", "story", "identifiers"},
	} {
		o := d
		if object != "" {
			o = d[object].([]any)[0].(map[string]any)
		}
		if len(o) != len(members) {
			t.Errorf("demo.json %s has %d members, want %v", object, len(o), members)
		}
		for _, m := range members {
			if _, there := o[m]; !there {
				t.Errorf("demo.json %s lacks %s", object, m)
			}
		}
	}
	for _, c := range d["clients"].([]any) {
		if _, err := os.Stat(c.(map[string]any)["key_file"].(string)); err != nil {
			t.Error(err)
		}
	}
}
