package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/concord-hie/concord/server"
)

// The compose file is not started by the tests, which have no engine. What can be known of it without one: each setting it
// gives exists, and a node would begin with them.
func TestTheComposeFileGivesSettingsANodeTakes(t *testing.T) {
	raw, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := makeKeys(filepath.Join(dir, "keys"), false); err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s+(CONCORD_[A-Z_]+):\s*"?([^"\n]*)"?$`).FindAllStringSubmatch(string(raw), -1) {
		value := strings.ReplaceAll(m[2], "/var/lib/concord", dir)
		if given[m[1]] != "" && given[m[1]] != value {
			t.Errorf("%s has two values", m[1])
		}
		given[m[1]] = value
		t.Setenv(m[1], value)
	}
	if len(given) < 8 {
		t.Fatalf("only %d settings were found", len(given))
	}
	var out, errOut bytes.Buffer
	if status := run(context.Background(), []string{"config", "show", "--output", "json"}, &out, &errOut); status != 0 {
		t.Errorf("a node would not begin: %s", errOut.String())
	}
	var settings []server.Setting
	if err := json.Unmarshal(out.Bytes(), &settings); err != nil {
		t.Fatal(err)
	}
	for name := range given {
		known := false
		for _, s := range settings {
			known = known || s.Env == name
		}
		if !known {
			t.Errorf("%s is no setting", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+command: \[([a-z]+, [a-z]+)`).FindAllStringSubmatch(string(raw), -1) {
		if args := strings.Split(m[1], ", "); args[0] == "keys" && run(context.Background(), append(args, "--help"), &out, &errOut) != 0 {
			t.Errorf("concord %s is no command", m[1])
		}
	}
}
