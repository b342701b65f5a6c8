package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/internal/token"
)

// ran is what a command printed.
type ran struct{ out, messages string }

func runCommand(t *testing.T, g *Globals, f func(*Globals, *streams) error) (ran, error) {
	t.Helper()
	var o, e bytes.Buffer
	err := f(g, &streams{out: &o, err: &e})
	return ran{o.String(), e.String()}, err
}

func TestAClientIsMadeRegisteredListedAndEnded(t *testing.T) {
	g := &Globals{DatabaseURL: pgtest.URL(t)}
	ctx, dir := context.Background(), t.TempDir()
	must := func(f func(*Globals, *streams) error) ran {
		t.Helper()
		r, err := runCommand(t, g, f)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	sites := filepath.Join(dir, "sites.json")
	if err := os.WriteFile(sites, []byte(siteFile), 0o600); err != nil {
		t.Fatal(err)
	}
	must(func(g *Globals, s *streams) error {
		return (&siteApplyCmd{File: sites, Output: "table"}).Run(ctx, g, s)
	})

	keyFile := filepath.Join(dir, "emr.jwk")
	keygen := func(dry bool) (ran, error) {
		return runCommand(t, g, func(_ *Globals, s *streams) error {
			return (&clientKeygenCmd{Out: keyFile, Alg: "ES384", DryRun: dry}).Run(s)
		})
	}
	if _, err := keygen(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keyFile); err == nil {
		t.Fatal("a dry run wrote a key")
	}
	set, err := keygen(false)
	if err != nil || strings.Contains(set.out, `"d"`) {
		t.Fatalf("keygen: %v, %s", err, set.out)
	}
	if fi, err := os.Stat(keyFile); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the private key may be read by others: %v", err)
	}
	if _, err := keygen(false); err == nil {
		t.Error("keygen overwrote a key")
	}

	file := filepath.Join(dir, "clients.json")
	registration := `{"clients":[{"client_id":"mercy-emr","name":"Mercy EMR","organization":"mercy","status":"active",
		"scopes":["system/DocumentReference.read"],"purposes":["TREAT"],"roles":["physician"],"jwks":` + set.out + `}]}`
	apply := func(text string, dry bool) (ran, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return runCommand(t, g, func(g *Globals, s *streams) error {
			return (&clientApplyCmd{File: file, DryRun: dry, Output: "table"}).Run(ctx, g, s)
		})
	}
	list := func(output string) string {
		return must(func(g *Globals, s *streams) error { return (&clientListCmd{Output: output}).Run(ctx, g, s) }).out
	}
	dry, err := apply(registration, true)
	if err != nil || !strings.Contains(dry.out, "+ client mercy-emr\n") || !strings.Contains(dry.messages, "would change") {
		t.Errorf("dry run: %v %+v", err, dry)
	}
	if strings.Contains(list("table"), "mercy-emr") {
		t.Error("a dry run registered a client")
	}
	if done, err := apply(registration, false); err != nil || done.out != dry.out {
		t.Errorf("apply: %v %+v", err, done)
	}
	if out := list("table"); !strings.Contains(out, "system/DocumentReference.rs") {
		t.Errorf("list: %s", out)
	}
	if again, err := apply(list("json"), false); err != nil || !strings.Contains(again.messages, "nothing to change") {
		t.Errorf("what list prints is not what apply reads: %v %+v", err, again)
	}
	suspended, err := apply(strings.Replace(registration, `"active"`, `"suspended"`, 1), false)
	if err != nil || !strings.Contains(suspended.out, `status: "active" -> "suspended"`) || !strings.Contains(suspended.out, "tokens issued so far end") {
		t.Errorf("suspension: %v %+v", err, suspended)
	}
	for text, want := range map[string]string{
		strings.Replace(registration, `"mercy"`, `"nowhere"`, 1):                   "clients[0].organization",
		strings.Replace(registration, `"TREAT"`, `"CURIOSITY"`, 1):                 "clients[0].purposes[0]",
		strings.Replace(registration, `"jwks":`, `"jwks_uri":"https://x","k":`, 1): "register the keys themselves",
	} {
		if _, err := apply(text, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	must(func(g *Globals, s *streams) error { return (&clientEndCmd{User: "mercy/dr-lee"}).Run(ctx, g, s) })
	if _, err := runCommand(t, g, func(g *Globals, s *streams) error { return (&clientEndCmd{User: "dr-lee"}).Run(ctx, g, s) }); err == nil {
		t.Error("a user without an organisation was taken")
	}
}

func TestTokenAsksAsAClientWouldAndFindsWhatTheDemoKnows(t *testing.T) {
	signer, err := token.Generate(token.ES384)
	if err != nil {
		t.Fatal(err)
	}
	var asked []map[string]any
	var forms []string
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		c, err := token.Parse(r.PostForm.Get("client_assertion"))
		if err != nil || signer.Public().Verify(c) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"no"}`)
			return
		}
		var claims map[string]any
		if err := json.Unmarshal(c.Payload, &claims); err != nil {
			t.Error(err)
		}
		asked, forms = append(asked, claims), append(forms, r.PostForm.Get("scope"))
		answer, err := json.Marshal(map[string]any{"access_token": r.PostForm.Get("client_assertion"), "expires_in": 300})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	defer node.Close()
	dir := t.TempDir()
	private, err := signer.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "keys", "elm.jwk")
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, private, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(c tokenCmd) (ran, error) {
		c.Client, c.Key = "elm", keyFile
		if err := c.Validate(); err != nil {
			return ran{}, err
		}
		return runCommand(t, nil, func(_ *Globals, s *streams) error { return c.Run(context.Background(), s) })
	}
	if _, err := run(tokenCmd{Purpose: []string{"TREAT"}}); err == nil || !strings.Contains(err.Error(), "--org") {
		t.Errorf("without an organisation: %v", err)
	}
	got, err := run(tokenCmd{Purpose: []string{"TREAT", "BTG"}, Org: "https://elm.example.org", URL: node.URL, User: "dr-lee", Role: "physician"})
	if err != nil || strings.Count(got.out, "\n") != 1 || strings.Count(got.out, ".") != 2 {
		t.Fatalf("%v: %q", err, got.out)
	}
	b2b, _ := asked[0]["extensions"].(map[string]any)["hl7-b2b"].(map[string]any)
	if asked[0]["aud"] != node.URL+"/oauth/token" || b2b["subject_id"] != "dr-lee" || b2b["subject_name"] != "dr-lee" || b2b["subject_role"] != "physician" ||
		len(b2b["purpose_of_use"].([]any)) != 2 || !strings.Contains(forms[0], "system/DocumentReference.cruds") {
		t.Errorf("asked %v for %q", asked[0], forms[0])
	}

	demo, err := json.Marshal(demoJSON{TokenURL: node.URL + "/oauth/token",
		Clients: []demoJSONClient{{ClientID: "elm", Organization: "https://elm.demo", Scopes: []string{"patient/Consent.cruds"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "demo.json"), demo, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = run(tokenCmd{Purpose: []string{"PATRQT"}, Patient: "abc", JSON: true}); err != nil || !strings.Contains(got.out, `"expires_in":300`) {
		t.Fatalf("%v: %q", err, got.out)
	}
	b2b, _ = asked[1]["extensions"].(map[string]any)["hl7-b2b"].(map[string]any)
	if b2b["organization_id"] != "https://elm.demo" || b2b["subject_id"] != "Patient/abc" || forms[1] != "patient/Consent.cruds" {
		t.Errorf("asked %v for %q", b2b, forms[1])
	}
	for name, c := range map[string]tokenCmd{"a user without a role": {User: "u"}, "a patient and a user": {Patient: "p", User: "u", Role: "r"},
		"a name without a user": {UserName: "n"}} {
		c.Purpose = []string{"TREAT"}
		if _, err := run(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if signer, err = token.Generate(token.ES384); err != nil {
		t.Fatal(err)
	}
	if _, err := run(tokenCmd{Purpose: []string{"TREAT"}}); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("a refusal: %v", err)
	}
}
