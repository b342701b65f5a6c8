package accessjson

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json"
)

func keySet(t *testing.T) string {
	t.Helper()
	s, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return string(token.Set([]token.PublicKey{s.Public()}))
}

func TestRegistrationFiles(t *testing.T) {
	good := `{"client_id":"a","name":"A","organization":"elm","status":"active","scopes":["system/Patient.read"],"purposes":["TREAT"],"jwks":` + keySet(t) + `}`
	with := func(member string) string { return `{` + member + `,` + good[1:] }
	file := func(clients ...string) string { return `{"clients":[` + strings.Join(clients, ",") + `]}` }
	for _, c := range []struct{ name, file, path, rule string }{
		{"a good file is taken", file(good), "ok", ""},
		{"jwks_uri is refused by name", file(with(`"jwks_uri":"https://a.example.org/jwks"`)), "clients[0].jwks_uri", "register the keys themselves"},
		{"require_dpop is refused by name", file(with(`"require_dpop":true`)), "clients[0].require_dpop", "not offered"},
		{"an unknown member is refused", file(with(`"colour":"red"`)), "clients[0].colour", "is not a member"},
		{"an unknown member of the file is refused", `{"clients":[],"x":1}`, "x", "is not a member"},
		{"a member twice is refused", file(with(`"client_id":"b"`)), "clients[0].client_id", "occurs twice"},
		{"a wrong type is refused", file(strings.Replace(good, `"A"`, `1`, 1)), "clients[0].name", "wrong JSON type"},
		{"no keys are refused", file(`{"client_id":"a"}`), "clients[0].jwks", "is required"},
		{"a private key is refused where it stands", file(strings.Replace(good, `"kty"`, `"d":"AA","kty"`, 1)), "clients[0].jwks.keys[0].d", "public keys only"},
		{"an unknown purpose is refused where it stands", file(strings.Replace(good, `"TREAT"`, `"TREAT","X"`, 1)), "clients[0].purposes[1]", "ActReason"},
		{"a client twice is refused", file(good, good), "clients[1].client_id", "used twice"},
		{"an empty file is refused", `{}`, "clients", "is required"},
		{"no JSON is refused", `{`, "", "not well-formed"},
	} {
		clients, err := Parse([]byte(c.file))
		inv, _ := errors.AsType[*hie.InvalidError](err)
		switch {
		case c.path == "ok":
			if err != nil || len(clients) != 1 || clients[0].Scopes[0] != "system/Patient.rs" {
				t.Errorf("%s: %v", c.name, err)
			}
		case inv == nil || inv.Path != c.path || !strings.Contains(inv.Rule, c.rule):
			t.Errorf("%s: %v, want %q at %q", c.name, err, c.rule, c.path)
		}
	}
}

// publishedKey is the key of RFC 7515 appendix A.3.
const publishedKey = `{"keys":[{"kty":"EC","crv":"P-256","kid":"a3",
	"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"clients":[{"client_id":"a","name":"A","organization":"elm","status":"active","scopes":["system/Patient.read"],"purposes":["TREAT"],
		"roles":["physician"],"delegations":[{"principal":"oak","until":"2027-01-01T00:00:00Z"}],"jwks":` + publishedKey + `}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		clients, err := Parse(data)
		if err != nil {
			if _, ok := errors.AsType[*hie.InvalidError](err); !ok {
				t.Errorf("error %T does not say where", err)
			}
			return
		}
		var wire []Client
		for _, c := range clients {
			wire = append(wire, Format(c))
		}
		again, err := json.Marshal(map[string]any{"clients": wire})
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil {
			t.Fatalf("what was taken cannot be read again: %v", err)
		}
		if diff := access.NewSnapshot(1, clients, nil, nil).Compare(back); len(diff) != 0 {
			t.Errorf("changed on the way:\n%s", diff)
		}
	})
}
