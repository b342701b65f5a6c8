package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// goodConfig is a safe configuration to spoil in one place.
func goodConfig(t *testing.T) (Globals, nodeConfig) {
	t.Helper()
	dir := t.TempDir()
	if _, err := makeKeys(dir, false); err != nil {
		t.Fatal(err)
	}
	k := keysIn(dir)
	return Globals{DatabaseURL: "postgres://c@127.0.0.1/c?sslmode=disable"}, nodeConfig{NoticeRetention: 24 * time.Hour, RedisURL: "redis://127.0.0.1:6379", Addr: "127.0.0.1:8440",
		SecretFile: k.secret, TokenKeyFile: []string{k.token}, AuditKeyFile: k.audit}
}

func TestUnsafeConfigurationIsRefusedInOneLineThatSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*Globals, *nodeConfig)
		says  string
	}{
		{"no database", func(g *Globals, _ *nodeConfig) { g.DatabaseURL = "" }, "CONCORD_DATABASE_URL"},
		{"sslmode not stated", func(g *Globals, _ *nodeConfig) { g.DatabaseURL = "postgres://c@db.example/c" }, "sslmode"},
		{"an unencrypted database elsewhere", func(g *Globals, _ *nodeConfig) { g.DatabaseURL = "postgres://c@db.example/c?sslmode=disable" }, "verify-full"},
		{"no Redis", func(_ *Globals, n *nodeConfig) { n.RedisURL = "" }, "CONCORD_REDIS_URL"},
		{"no secret", func(_ *Globals, n *nodeConfig) { n.SecretFile = "" }, "concord keys new"},
		{"no token key", func(_ *Globals, n *nodeConfig) { n.TokenKeyFile = nil }, "concord keys new"},
		{"no audit key", func(_ *Globals, n *nodeConfig) { n.AuditKeyFile = "" }, "concord keys new"},
		{"changes kept for an hour", func(_ *Globals, n *nodeConfig) { n.NoticeRetention = time.Hour }, "--notice-retention"},
		{"sites asked all the time", func(_ *Globals, n *nodeConfig) { n.SiteProbe = time.Millisecond }, "--site-probe"},
		{"half of TLS", func(_ *Globals, n *nodeConfig) { n.TLSCert = "x" }, "go together"},
		{"plain HTTP beyond this machine", func(_ *Globals, n *nodeConfig) { n.Addr = "0.0.0.0:8440" }, "--tls-cert"},
		{"no public address beyond this machine", func(_ *Globals, n *nodeConfig) { n.Addr, n.BehindProxy = "0.0.0.0:8440", true }, "--base-url"},
		{"a public address without TLS", func(_ *Globals, n *nodeConfig) { n.BaseURL = "http://concord.example.org" }, "https"},
		{"a base URL with a path", func(_ *Globals, n *nodeConfig) { n.BaseURL = "https://concord.example.org/x" }, "origin"},
		{"an address that is none", func(_ *Globals, n *nodeConfig) { n.Addr = "8440" }, "host:port"},
		{"a secret others may read", func(_ *Globals, n *nodeConfig) { _ = os.Chmod(n.SecretFile, 0o644) }, "chmod 600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, n := goodConfig(t)
			if err := n.check(&g); err != nil {
				t.Fatalf("the unspoilt configuration was refused: %v", err)
			}
			g, n = goodConfig(t)
			tt.spoil(&g, &n)
			err := n.check(&g)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("says %q, want one line naming %q", err, tt.says)
			}
		})
	}
}

func TestAMisspeltSettingIsRefusedNotIgnored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "concord.json")
	if err := os.WriteFile(file, []byte(`{"database-url":"postgres://x?sslmode=disable","databse_url":"y"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	status := run(context.Background(), []string{"--config", file, "migrate", "status"}, &out, &errOut)
	if status == 0 || !strings.Contains(errOut.String(), "databse_url") {
		t.Errorf("status %d, said %q; want a refusal naming the key", status, errOut.String())
	}
}

// TestEachSettingIsShownWithWhereItComesFromAndWithoutSecrets sets one of each origin; the same is what a node tells.
func TestEachSettingIsShownWithWhereItComesFromAndWithoutSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "concord.json")
	if err := os.WriteFile(file, []byte(`{"max-conns":7,"client-rate":9,"addr":"127.0.0.1:9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONCORD_CLIENT_RATE", "11")
	t.Setenv("CONCORD_ADDR", "127.0.0.1:8")
	t.Setenv("CONCORD_DATABASE_URL", "postgres://c:hunter2@127.0.0.1/c?sslmode=disable&sslpassword=hunter3")
	t.Setenv("CONCORD_REDIS_URL", "redis://:hunter4@127.0.0.1:6379")
	var out, errOut bytes.Buffer
	run(context.Background(), []string{"--config", file, "config", "show", "--addr", "127.0.0.1:7", "--output", "json"}, &out, &errOut)
	var rows []struct{ Name, Env, Value, Origin string }
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v: %s %s", err, out.String(), errOut.String())
	}
	got := map[string]string{}
	for _, r := range rows {
		got[r.Name] = r.Value + " (" + r.Origin + ")"
	}
	for name, want := range map[string]string{"addr": "127.0.0.1:7 (flag)", "client-rate": "11 (environment)", "max-conns": "7 (file)", "site-probe": "1m0s (default)",
		"config": file + " (flag)", "database-url": "postgres://c:xxxxx@127.0.0.1/c?sslmode=disable&sslpassword=xxxxx (environment)", "redis-url": "redis://:xxxxx@127.0.0.1:6379 (environment)", "smtp-addr": " (default)"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if strings.Contains(out.String()+errOut.String(), "hunter") {
		t.Error("a password is shown")
	}
	if got := withoutPassword("host=db password=hunter2"); strings.Contains(got, "hunter") {
		t.Errorf("a password is shown: %s", got)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"demo", "--help"}, {"token", "--help"}, {"audit", "--help"}, {"import", "documents", "--help"}} {
		var out, errOut bytes.Buffer
		if status := run(context.Background(), args, &out, &errOut); status != 0 || out.Len() < 100 {
			t.Errorf("%v: status %d, %d bytes of help", args, status, out.Len())
		}
	}
	var out, errOut bytes.Buffer
	if status := run(context.Background(), []string{"no-such-command"}, &out, &errOut); status != 2 || errOut.Len() == 0 {
		t.Errorf("an unknown command: status %d, said %q", status, errOut.String())
	}
}
